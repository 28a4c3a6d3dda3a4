"""Whether time tells an address that is known from one that is not: 200 tries of each, in turns, on each way in.

Noise is judged by the tries themselves: the difference of the medians is compared with those that the same times give
when they are dealt to the two sides by chance. A difference that chance gives in one of a hundred deals is noise.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from bench.client import Answer, Visitor
from bench.report import Report
from portal.demo.world import PASSWORD

TRIES = 200
DEALS = 2_000
BY_CHANCE = 0.01
# Somebody who invites, and people whom they do not know.
ADMINISTRATOR = (
    "SELECT email, organisation_id FROM person JOIN membership ON person_id = person.id"
    " JOIN credential USING (person_id) WHERE 'administrator' = ANY (roles) AND ended_at IS NULL"
    " ORDER BY person.id LIMIT 1"
)
ELSEWHERE = (
    "SELECT email FROM person WHERE NOT visible_to @> ARRAY[CAST(:organisation AS bigint)]"
    " AND NOT EXISTS (SELECT FROM membership WHERE person_id = person.id AND organisation_id = :organisation)"
    " ORDER BY id LIMIT 20"
)
KNOWN = (
    "SELECT email FROM person WHERE EXISTS (SELECT FROM credential WHERE person_id = person.id) ORDER BY id LIMIT 20"
)


@dataclass(frozen=True)
class Told:
    """What the times of known and unknown addresses say."""

    known_ms: float
    unknown_ms: float
    chance: float
    same_answers: bool

    @property
    def is_noise(self) -> bool:
        """Whether nothing can be read from the times, and nothing from the answers."""
        return self.same_answers and self.chance >= BY_CHANCE


@dataclass(frozen=True)
class Way:
    """One way to learn whether an address is known: the form's page, and what is sent beside the address."""

    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    # Who tries is an administrator, who asks people of other organisations to join.
    invites: bool = False

    def send(self, visitor: Visitor, email: str) -> Answer:
        """Try one address."""
        return visitor.post(self.path, {**self.fields, "email": email})


WAYS = {
    "sign-in": Way("/sign-in", {"password": "not the password"}),
    "reset": Way("/forgotten-password"),
    "company sign-in": Way("/sign-in/company"),
    "invitation": Way("/people/invitations", {"name": "Somebody", "roles": "finance"}, invites=True),
}


def measure_sign_in(report: Report, owner: Engine, visitor: Visitor, *, tries: int = TRIES) -> dict[str, Told]:
    """Every way in, known against unknown."""
    with owner.connect() as connection:
        known = list(connection.scalars(text(KNOWN)))
        administrator = connection.execute(text(ADMINISTRATOR)).one()
        elsewhere = list(connection.scalars(text(ELSEWHERE), {"organisation": administrator.organisation_id}))
    found = {}
    for name, way in WAYS.items():
        if way.invites:
            _forget_tries(owner)
            visitor.sign_in(administrator.email, PASSWORD)
        told = compare(owner, visitor, way, elsewhere if way.invites else known, tries=tries)
        found[name] = told
        report.add(
            f"{name}: known against unknown",
            f"{told.known_ms:.1f} and {told.unknown_ms:.1f} ms, chance gives more in {told.chance:.0%} of deals",
            f"at least {BY_CHANCE:.0%}, same answers",
            reached=told.is_noise,
        )
    return found


def compare(owner: Engine, visitor: Visitor, way: Way, known: Sequence[str], *, tries: int) -> Told:
    """The times of one way in, in turns, with the throttles emptied so that they answer nothing."""
    visitor.get(way.path)
    times: dict[bool, list[float]] = {True: [], False: []}
    answers: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    for number in range(tries * 2 + 4):
        is_known = number % 2 == 0
        name, _, domain = known[number // 2 % len(known)].partition("@")
        # As long as the known one, so that the pages have the same length.
        address = f"{name if is_known else 'z' * len(name)}@{domain}"
        _forget_tries(owner)
        if way.invites:
            # It shows what was said after the last try, so that this does not gather.
            visitor.get(way.path)
        began = time.perf_counter()
        answer = way.send(visitor, address)
        took = (time.perf_counter() - began) * 1_000
        # The first of each side warm up what is made once.
        if number >= 4:
            times[is_known].append(took)
            answers[is_known].add((answer.status, len(answer.text.replace(address, ""))))
    return Told(
        statistics.median(times[True]),
        statistics.median(times[False]),
        chance_of(times[True], times[False]),
        answers[True] == answers[False],
    )


def chance_of(known: Sequence[float], unknown: Sequence[float]) -> float:
    """How often times dealt by chance differ at least as much as the two sides do."""
    seen = abs(statistics.median(known) - statistics.median(unknown))
    dealt, cards = random.Random(1), [*known, *unknown]
    as_far = 0
    for _ in range(DEALS):
        dealt.shuffle(cards)
        half = abs(statistics.median(cards[: len(known)]) - statistics.median(cards[len(known) :]))
        as_far += half >= seen
    return as_far / DEALS


def _forget_tries(owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM throttle"))
