"""What a case has to say of itself because the signed rates, fees, cover or promises depend on it, and what it said.

Pure. A policy that tells nothing apart asks nothing. A class of customers that follows from when a plan ended is never
asked for: the record says it. What was said and cannot be right is refused at its field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from portal.contracts.agreement import Agreement
from portal.contracts.conditions import CustomerClass, Word, WorkConditions
from portal.contracts.entry import EntryRow
from portal.contracts.fees import Fee
from portal.contracts.policy import Policy
from portal.contracts.targets import Channel, Target
from portal.errors import Invalid

# One way, in the policy's unit: nothing on earth is farther.
FARTHEST = 100_000
NOT_KNOWN = "Choose one of those that the policy names."

_Word = TypeVar("_Word", bound=Word)


@dataclass(frozen=True)
class Circumstances:
    """What was said of a case. ``distance`` is the decimal text of one way from base to site; empty is not stated."""

    customer_class: str = ""
    requested: tuple[str, ...] = ()
    distance: str = ""
    level: int | None = None
    channel: Channel = Channel.PORTAL

    @property
    def exact_distance(self) -> Fraction | None:
        """The distance, exact; None where nobody stated it."""
        return Fraction(self.distance) if self.distance else None


ORDINARY_CASE = Circumstances()


@dataclass(frozen=True)
class Questions:
    """What a policy's rows look at: classes that are said, requests, the distance, support levels, channels."""

    classes: tuple[CustomerClass, ...] = ()
    requests: tuple[Word, ...] = ()
    distance: bool = False
    levels: tuple[int, ...] = ()
    channels: bool = False


NO_QUESTIONS = Questions()


def questions_of(policy: Policy, agreement: Agreement | None = None) -> Questions:
    """What a case under these documents is asked for, in the policy's order."""
    about_work = _work_rows(policy, agreement)
    about_asking: list[EntryRow | Target] = [*policy.entry, *(each for plan in policy.plans for each in plan.targets)]
    classes = {code for row in (*about_work, *about_asking) for code in row.customer_classes}
    requested = {code for row in about_work for code in row.requested}
    levels = {level for row in about_asking for level in row.levels}
    said = [each for each in policy.customer_classes if each.lapsed_over_days is None]
    return Questions(
        classes=_named(said, classes),
        requests=_named(policy.requests, requested),
        distance=any(_asks_distance(fee) for fee in policy.fees),
        levels=tuple(sorted(levels)),
        channels=any(row.channels for row in about_asking),
    )


def checked(questions: Questions, said: Circumstances) -> Circumstances:
    """What counts of what was said: what no row looks at is dropped.

    *Raises*: Invalid with a sentence for each field that names what the policy does not.
    """
    problems: dict[str, str] = {}
    if questions.classes and said.customer_class and said.customer_class not in _codes(questions.classes):
        problems["customer_class"] = NOT_KNOWN
    if questions.requests and not set(said.requested) <= _codes(questions.requests):
        problems["requested"] = NOT_KNOWN
    if questions.levels and said.level is not None and said.level not in questions.levels:
        problems["level"] = NOT_KNOWN
    if questions.distance and said.distance and not _is_distance(said.distance):
        problems["distance"] = f"Write the distance, one way, as a number up to {FARTHEST:,}: 35 or 12.5."
    if problems:
        raise Invalid("Some of what prices or cover depend on cannot be right.", problems)
    asked = _codes(questions.requests)
    return Circumstances(
        said.customer_class if questions.classes else "",
        tuple(code for code in dict.fromkeys(said.requested) if code in asked),
        said.distance if questions.distance else "",
        said.level if questions.levels else None,
        said.channel if questions.channels else Channel.PORTAL,
    )


def corrected(policy: Policy, agreement: Agreement | None, before: Circumstances, said: Circumstances) -> Circumstances:
    """What counts once what was said of a case is corrected: a class that the record gave it is not said by anybody.

    *Raises*: Invalid at the field for what cannot be right, or where nothing is another than before.
    """
    counted = checked(questions_of(policy, agreement), said)
    of_record = {each.code for each in policy.customer_classes if each.lapsed_over_days is not None}
    if before.customer_class in of_record:
        counted = replace(counted, customer_class=before.customer_class)
    if counted == before:
        raise Invalid("Nothing is corrected: change what was wrong.", {"reason": "It stands like this already."})
    return counted


def differences(policy: Policy, before: Circumstances, after: Circumstances) -> tuple[str, ...]:
    """What became of what, a sentence for each circumstance that is another one."""
    words = {each.code: each.label or each.code for each in (*policy.customer_classes, *policy.requests)}
    rows = (
        ("Customer class", *(words.get(each.customer_class, each.customer_class) for each in (before, after))),
        ("Asked for", *(", ".join(words.get(code, code) for code in each.requested) for each in (before, after))),
        ("Distance, one way", before.distance, after.distance),
        ("Support level", *(str(each.level or "") for each in (before, after))),
        ("Asked by", before.channel.value, after.channel.value),
    )
    return tuple(f"{name}: {old or 'not stated'}, now {new or 'not stated'}." for name, old, new in rows if old != new)


def _work_rows(policy: Policy, agreement: Agreement | None) -> list[WorkConditions]:
    tables: Sequence[Sequence[WorkConditions]] = (
        policy.rates,
        policy.roundings,
        policy.surcharges,
        policy.discounts,
        policy.minimums,
        policy.caps,
        policy.fees,
        policy.burns,
        policy.allowances,
        agreement.intercompany if agreement else (),
    )
    return [row for table in tables for row in table]


def _asks_distance(fee: Fee) -> bool:
    return any(each is not None for each in (fee.per_distance, fee.distance_from, fee.distance_below))


def _named(words: Iterable[_Word], codes: set[str]) -> tuple[_Word, ...]:
    return tuple(word for word in words if word.code in codes)


def _codes(words: Iterable[Word]) -> set[str]:
    return {word.code for word in words}


def _is_distance(text: str) -> bool:
    whole, _, part = text.partition(".")
    digits = whole.isascii() and whole.isdecimal() and len(whole) <= 6 and (not part or part.isdecimal())
    return digits and text.isascii() and len(part) <= 4 and not text.endswith(".") and Fraction(text) <= FARTHEST
