"""What becomes of a statement's net, and what settlement may post: pure.

Invariant: the parts of a plan sum to the statement's net, whatever is held, missing or too small.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from portal.errors import RuleBroken
from portal.ledger.rules import Document, Leg, Pairs, Purpose, credit, debit, pairs
from portal.money import asked_part, round_half_up

TRANSFERRED, RETAINED, INVOICED, HELD, CARRIED = "transferred", "retained", "invoiced", "held", "carried"
CONTESTED, RESERVE, NOT_ONBOARDED, TAKEN_BACK = "contested", "reserve", "not_onboarded", "taken_back"
ON_HOLD, PARTY_ON_HOLD, CHARGED_BACK = "on_hold", "party_on_hold", "charged_back"
# What a hold is placed on, and why a part is held by it.
HOLD_KINDS = {"case": ON_HOLD, "party": PARTY_ON_HOLD, "chargeback": CHARGED_BACK}
STANDS, CORRECTED, WITHDRAWN = "stands", "corrected", "withdrawn"
# Where neither the agreement nor the policy says how long a statement may be looked at.
REVIEW_DAYS = 10
PAYMENT_DAYS = 30
ACTIVE = "active"

SETTLEMENT_PAIRS: Pairs = pairs(
    (Purpose.PAYABLE, Purpose.IN_TRANSFER),
    (Purpose.PAYABLE, Purpose.RETAINED),
    (Purpose.PAYABLE, Purpose.HELD),
    (Purpose.PAYABLE, Purpose.PARTY_RECEIVABLE),
    (Purpose.PAYABLE, Purpose.PAYABLE),
    (Purpose.HELD, Purpose.IN_TRANSFER),
    (Purpose.WORK_IN_PROGRESS, Purpose.ESTIMATED),
    # What finance books to put a difference right.
    (Purpose.STRIPE, Purpose.FEES),
    (Purpose.BANK, Purpose.FEES),
)

_DESTINATION = {
    TRANSFERRED: Purpose.IN_TRANSFER,
    RETAINED: Purpose.RETAINED,
    HELD: Purpose.HELD,
    INVOICED: Purpose.PARTY_RECEIVABLE,
    # A carried amount stays payable: it leaves this statement and is a line of the next.
    CARRIED: Purpose.PAYABLE,
}

WORDS = {
    TRANSFERRED: "Transferred",
    RETAINED: "Retained",
    INVOICED: "Invoiced",
    HELD: "Held",
    CARRIED: "Carried to the next statement",
    CONTESTED: "a line is contested",
    RESERVE: "the agreed reserve",
    TAKEN_BACK: "an earlier transfer is taken back",
    NOT_ONBOARDED: "the account cannot receive transfers yet",
    ON_HOLD: "the case is on hold",
    PARTY_ON_HOLD: "the party is on hold",
    CHARGED_BACK: "the customer's payment is charged back",
}


@dataclass(frozen=True)
class Terms:
    """How a party is settled: the smallest payout, what is kept back, how long it may look.

    A net that the party owes is carried below ``carry_minor``, which is the smallest payout where it is None; from
    there on it is invoiced, to be paid within ``payment_days``.
    """

    minimum_minor: int = 0
    reserve_bp: int = 0
    review_days: int = REVIEW_DAYS
    carry_minor: int | None = None
    payment_days: int = PAYMENT_DAYS

    @property
    def owed_from_minor(self) -> int:
        """The smallest amount that a party owes at once."""
        return self.minimum_minor if self.carry_minor is None else self.carry_minor


@dataclass(frozen=True)
class Part:
    """A part of the net and what becomes of it; ``line_id`` names a line that is contested or on hold."""

    kind: str
    amount_minor: int
    because: str = ""
    line_id: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For keeping with the preparation."""
        return {"kind": self.kind, "amount_minor": self.amount_minor, "because": self.because, "line_id": self.line_id}


def plan_parts(
    net_minor: int,
    contested: Mapping[int, int],
    terms: Terms,
    *,
    account_state: str,
    is_operator: bool,
    on_hold: Mapping[int, tuple[int, str]] | None = None,
    is_party_on_hold: bool = False,
    may_take_back: Callable[[int], bool] = lambda _: False,
    currency: str = "",
) -> tuple[Part, ...]:
    """What becomes of a statement's net.

    In a ``currency`` of which only some amounts can be paid, what is over is carried. ``contested`` gives the amount of
    each contested line, ``on_hold`` of each other line that a hold covers, and why; ``may_take_back`` says whether an
    earlier transfer still holds an amount that the party owes now. *Shape*: one part per such line, then at most three
    for the rest; they sum to the net; none is zero.
    """
    lines = {**(on_hold or {}), **{line_id: (amount, CONTESTED) for line_id, amount in contested.items()}}
    held = [Part(HELD, amount, why, line_id) for line_id, (amount, why) in sorted(lines.items()) if amount]
    rest = net_minor - sum(part.amount_minor for part in held)
    if rest > 0 and is_party_on_hold:
        parts: tuple[Part, ...] = (*held, Part(HELD, rest, PARTY_ON_HOLD))
    elif rest < 0 and not is_operator and -rest >= terms.owed_from_minor and may_take_back(-rest):
        parts = (*held, Part(TRANSFERRED, rest, TAKEN_BACK))
    else:
        parts = (*held, *_plan_rest(rest, terms, account_state=account_state, is_operator=is_operator))
    if currency:
        parts = tuple(split for part in parts for split in _payable(part, currency))
    check_whole(parts, net_minor)
    return parts


def _payable(part: Part, currency: str) -> tuple[Part, ...]:
    """What is moved as far as it can be paid, and the rest of less than a step on the next statement."""
    if part.kind not in (TRANSFERRED, INVOICED):
        return (part,)
    moved = asked_part(part.amount_minor, currency)
    left = part.amount_minor - moved
    return tuple(
        each for each in (replace(part, amount_minor=moved), Part(CARRIED, left, part.because)) if each.amount_minor
    )


def check_whole(parts: Iterable[Part], net_minor: int) -> None:
    """*Raises*: RuleBroken for parts that are more or less than the net."""
    if sum(part.amount_minor for part in parts) != net_minor:
        raise RuleBroken("The parts of a statement do not sum to its net.")


def _plan_rest(rest: int, terms: Terms, *, account_state: str, is_operator: bool) -> tuple[Part, ...]:
    if rest == 0:
        return ()
    if is_operator:
        return (Part(RETAINED, rest),)
    if rest < 0:
        return (Part(CARRIED if -rest < terms.owed_from_minor else INVOICED, rest),)
    if rest < terms.minimum_minor:
        return (Part(CARRIED, rest),)
    if account_state != ACTIVE:
        return (Part(HELD, rest, NOT_ONBOARDED),)
    reserve = round_half_up(Fraction(rest * terms.reserve_bp, 10_000))
    kept = (Part(HELD, reserve, RESERVE),) if reserve else ()
    paid = (Part(TRANSFERRED, rest - reserve),) if rest > reserve else ()
    return (*kept, *paid)


def by_kind(parts: Iterable[Part]) -> dict[str, int]:
    """The amount of each kind, in a fixed order; kinds that come to zero are left out.

    Held lines that come to zero are kept: each comes back by itself, when nothing holds it any longer.
    """
    sums: dict[str, int] = {}
    for part in parts:
        sums[part.kind] = sums.get(part.kind, 0) + part.amount_minor
    ordered = (kind for kind in (TRANSFERRED, RETAINED, INVOICED, HELD, CARRIED) if kind in sums)
    return {kind: sums[kind] for kind in ordered if sums[kind] or kind == HELD}


def parts_of(plan: Mapping[str, Any]) -> tuple[Part, ...]:
    """The parts as kept with a preparation."""
    return tuple(Part(**row) for row in plan["parts"])


def plan_json(
    parts: Iterable[Part], terms: Terms, account_state: str, billing: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The parts, what they were decided by, and what is invoiced, for keeping and for showing."""
    invoiced = {} if billing is None else {"billing": dict(billing)}
    return {
        **invoiced,
        "parts": [part.as_json() for part in parts],
        "minimum_minor": terms.minimum_minor,
        "carry_minor": terms.owed_from_minor,
        "payment_days": terms.payment_days,
        "reserve_bp": terms.reserve_bp,
        "account_state": account_state,
    }


def disposal_legs(
    kind: str, amount_minor: int, party_id: int, *, approval: Document, disposition: Document
) -> list[Leg]:
    """An approved amount leaves the payables; what leaves is on no statement again, what is carried is on the next."""
    return [
        debit(Purpose.PAYABLE, amount_minor, party_id, approval),
        credit(_DESTINATION[kind], amount_minor, party_id, disposition),
    ]


def release_legs(amount_minor: int, party_id: int, document: Document) -> list[Leg]:
    """What was held is payable again, and a line of the next statement."""
    return [debit(Purpose.HELD, amount_minor, party_id), credit(Purpose.PAYABLE, amount_minor, party_id, document)]


def waits_for_account(parts: Iterable[Part]) -> int:
    """What of a plan is held because the party's account could not receive transfers."""
    return sum(part.amount_minor for part in parts if part.because == NOT_ONBOARDED)


def goes_late(
    waiting_minor: int,
    terms: Terms,
    *,
    account_state: str,
    is_party_on_hold: bool,
    on_hold_minor: int,
    owed_minor: int,
    currency: str = "",
) -> int:
    """What of an approved amount that waited for the account is transferred now; zero while it goes on waiting.

    ``on_hold_minor`` are its lines that holds cover by now, ``owed_minor`` what it keeps back of what the party has to
    return: both stay held, as does the reserve, and come back with a later statement, which nets them. *Shape*: never
    more than waits.
    """
    rest = waiting_minor - max(on_hold_minor, 0) - max(owed_minor, 0)
    if account_state != ACTIVE or is_party_on_hold or rest <= 0 or rest < terms.minimum_minor:
        return 0
    paid = rest - round_half_up(Fraction(rest * terms.reserve_bp, 10_000))
    return asked_part(paid, currency) if currency else paid


def may_keep(waiting_minor: int, *, gone_minor: int, on_hold_minor: int, reserve_bp: int) -> int:
    """What of an amount that waited for an account can be kept back for a debt: not what holds or the reserve keep.

    ``gone_minor`` is what of it was transferred already, and left the reserve of it behind. *Shape*: never below zero.
    """
    reserve = -(-gone_minor * reserve_bp // (10_000 - reserve_bp)) if gone_minor else 0
    return max(waiting_minor - gone_minor - max(on_hold_minor, 0) - reserve, 0)


def kept_back(owed_minor: int, may_keep_minor: Iterable[int]) -> list[int]:
    """What each of a party's held amounts keeps back of its debt, given what each can keep, the oldest first.

    *Shape*: one for each; together never more than the debt, so that no money is kept back twice for it.
    """
    found: list[int] = []
    for minor in may_keep_minor:
        found.append(min(max(owed_minor, 0) - sum(found), max(minor, 0)))
    return found


def goes_on_waiting(*, is_transferred: bool, on_hold_minor: int, owed_minor: int) -> bool:
    """Whether what waited for an account stays held when a month is closed.

    It does until it is transferred, unless the party owes something that is netted from it; the rest that was not
    transferred comes back, but not while a hold covers a line of it.
    """
    return on_hold_minor != 0 or not (is_transferred or owed_minor > 0)


def releasable(
    parts: Iterable[Part],
    disposition_id: int,
    decided_lines: Collection[int],
    *,
    waits: bool = False,
    gone_minor: int = 0,
) -> dict[Document, int]:
    """What of a held disposition may come back: each freed line under its own name, everything else as one amount.

    A line is freed when its contest is decided, or when no hold covers it any longer. What ``waits`` for the account
    stays; of what does not, ``gone_minor`` was transferred before.
    """
    found: dict[Document, int] = {}
    for part in parts:
        if part.kind != HELD or (part.line_id is not None and part.line_id not in decided_lines):
            continue
        if waits and part.because == NOT_ONBOARDED:
            continue
        line = part.line_id
        document = (
            Document("disposition", str(disposition_id)) if line is None else Document("statement_line", str(line))
        )
        found[document] = found.get(document, 0) + part.amount_minor
    whole = Document("disposition", str(disposition_id))
    if whole in found:
        found[whole] -= gone_minor
    return {document: minor for document, minor in found.items() if minor}


def held_documents(parts: Iterable[Part], disposition_id: int) -> set[Document]:
    """The names under which what a disposition holds comes back: each line's, and the disposition's for the rest."""
    held = [part for part in parts if part.kind == HELD]
    return set(releasable(held, disposition_id, {part.line_id for part in held if part.line_id is not None}))


def has_left(
    parts: Iterable[Part], disposition_id: int, released: Collection[Document], *, gone_minor: int = 0
) -> bool:
    """Whether nothing of a disposition is held any longer, given what came back and what was transferred of it."""
    held = [part for part in parts if part.kind == HELD]
    lines = {part.line_id for part in held if part.line_id is not None}
    return releasable(held, disposition_id, lines, gone_minor=gone_minor).keys() <= set(released)


def terms_of_plan(plan: Mapping[str, Any]) -> Terms:
    """The terms that a plan was decided and approved by."""
    return Terms(minimum_minor=int(plan["minimum_minor"]), reserve_bp=int(plan["reserve_bp"]))


def late_legs(amount_minor: int, party_id: int, document: Document) -> list[Leg]:
    """What was held leaves with a transfer, without becoming payable again."""
    return [debit(Purpose.HELD, amount_minor, party_id), credit(Purpose.IN_TRANSFER, amount_minor, party_id, document)]


def some_at_once(counted: Iterable[tuple[int, int]], most: int) -> list[list[int]]:
    """Keys with the size of each, in their order, together as long as they come to ``most``; a larger one alone."""
    found: list[list[int]] = []
    room = 0
    for key, size in counted:
        if not found or size > room:
            found.append([])
            room = most
        found[-1].append(key)
        room -= size
    return found


def due_on(issued_on: date, days: int) -> date:
    """The day by which an invoice of a day is to be paid."""
    return issued_on + timedelta(days=days)


def review_ends(made_at: datetime, days: int) -> datetime:
    """Until when a party may contest."""
    return made_at + timedelta(days=days)


def may_contest(review_until: datetime, now: datetime, *, is_approved: bool) -> bool:
    """A line may be contested while the review runs and nobody has approved the statement."""
    return now < review_until and not is_approved


def is_reviewed(review_until: datetime, now: datetime, *, is_accepted: bool, is_own: bool) -> bool:
    """A statement may be prepared when its party accepted it or let the time pass; the operator's own at once."""
    return is_own or is_accepted or now >= review_until


def holds_line(outcome: str | None) -> bool:
    """Whether a contest still holds its line: undecided, or corrected by a posting that comes with the next one."""
    return outcome is None or outcome == CORRECTED


def content_hash(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest's one spelling."""
    return hashlib.sha256(spelled(content).encode()).hexdigest()


def spelled(content: Mapping[str, Any]) -> str:
    """A manifest's one spelling: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def csv_cell(value: object) -> str:
    """A cell that a spreadsheet takes as text or number, never as a formula."""
    if isinstance(value, int):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|")) else text
