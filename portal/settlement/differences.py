"""Differences between the books as work of people: whose it is, how it ends; and what the bank's statement shows.

Invariants: a difference ends once, with a reason where a person ends it; money is posted by job, never by the page.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.directory.models import Organisation
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.ledger.actions import post
from portal.ledger.models import Account, Period, Posting
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.settlement.difference_models import DifferenceEnd, DifferenceOwner, ReconciliationDifference
from portal.settlement.models import BankEntry, BankLine
from portal.settlement.reconciling import one_at_a_time
from portal.settlement.rules import SETTLEMENT_PAIRS
from portal.zones import local_day

LONGEST_REASON = 2_000
LONGEST_REFERENCE = 100
# What a posting between Stripe's clearing account, or the bank's, and the fees can put right.
BOOKABLE = frozenset({"movement_unposted", "movement_amount", "posting_unmoved", "bank_unknown"})


def difference_seen(session: Session, actor: Actor, difference_id: int) -> ReconciliationDifference:
    """A difference of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    check_reconciler(actor)
    found = session.get(ReconciliationDifference, difference_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def end_of(session: Session, difference_id: int) -> DifferenceEnd | None:
    """How a difference ended."""
    return session.query(DifferenceEnd).filter_by(difference_id=difference_id).one_or_none()


def own_difference(session: Session, actor: Actor, difference_id: int, *, now: datetime) -> DifferenceOwner:
    """The actor looks after a difference from now on. *Raises*: NotAllowed, NotFound, Conflict when it has ended."""
    difference = _open(session, actor, difference_id)
    made = DifferenceOwner(
        difference_id=difference.id,
        manufacturer_id=difference.manufacturer_id,
        owner_id=actor.person_id,
        owned_at=now,
    )
    session.add(made)
    session.flush()
    return made


def accept_difference(
    session: Session, actor: Actor, difference_id: int, *, explanation: str, now: datetime
) -> DifferenceEnd:
    """Finance lives with a difference and says why. *Raises*: NotAllowed, NotFound, Conflict, Invalid."""
    difference = _open(session, actor, difference_id)
    reason = _reason(explanation)
    made = _end(difference, "accepted", reason, actor.person_id, now)
    session.add(made)
    session.flush()
    return made


def request_booking(session: Session, actor: Actor, difference_id: int, *, explanation: str) -> None:
    """Have a difference booked by job. *Raises*: NotAllowed, NotFound, Conflict, Invalid, RuleBroken."""
    difference = _open(session, actor, difference_id)
    reason = _reason(explanation)
    _check_bookable(session, difference)
    enqueue(session, "book_difference", difference_id=difference.id, person_id=actor.person_id, explanation=reason)


def book_difference(
    session: Session, difference_id: int, *, person_id: int, explanation: str, livemode: bool, now: datetime
) -> DifferenceEnd:
    """Post what Stripe's clearing account, or the bank's, lacks against the fees, once; the difference ends with it."""
    difference = session.get_one(ReconciliationDifference, difference_id)
    one_at_a_time(session)
    ended = end_of(session, difference.id)
    if ended is not None:
        return ended
    _check_bookable(session, difference)
    lacks = difference.expected_minor - difference.found_minor
    place = Purpose.BANK if difference.kind == "bank_unknown" else Purpose.STRIPE
    transaction_id = post(
        session,
        manufacturer_id=difference.manufacturer_id,
        currency=difference.currency,
        kind="reconciled",
        document=Document("balance_movement", difference.subject)
        if difference.kind == "movement_unposted"
        else Document("reconciliation_difference", str(difference.id)),
        legs=[debit(place, lacks), credit(Purpose.FEES, lacks)],
        allowed_pairs=SETTLEMENT_PAIRS,
        occurred_at=difference.happened_at,
        now=now,
        description=f"Difference {difference.id}: {explanation}",
        person_id=person_id,
        livemode=livemode,
    )
    if difference.kind == "bank_unknown":
        session.add(_answered_by(session, difference, transaction_id, now))
    made = _end(difference, "booked", explanation, person_id, now)
    session.add(made)
    session.flush()
    return made


def _answered_by(
    session: Session, difference: ReconciliationDifference, transaction_id: int, now: datetime
) -> BankLine:
    """The uploaded line that the difference was about, as the one of the posting that books it."""
    entry = session.get_one(BankEntry, int(difference.subject.split()[1]))
    posting_id = session.scalars(
        select(Posting.id)
        .join(Account, Account.id == Posting.account_id)
        .where(Posting.transaction_id == transaction_id, Account.purpose == str(Purpose.BANK))
    ).one()
    return BankLine(
        manufacturer_id=difference.manufacturer_id,
        posting_id=posting_id,
        entry_id=entry.id,
        currency=entry.currency,
        amount_minor=entry.amount_minor,
        booked_on=entry.booked_on,
        reference=entry.reference,
        recorded_by=entry.uploaded_by,
        recorded_at=now,
    )


def record_bank_line(
    session: Session,
    actor: Actor,
    posting_id: int,
    *,
    amount_minor: int,
    booked_on: date,
    reference: str,
    now: datetime,
) -> BankLine:
    """What the bank's statement shows for a posting. *Raises*: NotAllowed, NotFound, Conflict, Invalid."""
    currency = bank_posting_seen(session, actor, posting_id).currency
    problems = {}
    if not 1 <= len(reference.strip()) <= LONGEST_REFERENCE:
        problems["reference"] = f"The bank's reference, 1 to {LONGEST_REFERENCE} characters."
    if booked_on > today_of(session, actor, now):
        problems["booked_on"] = "The bank cannot have booked it in the future."
    if problems:
        raise Invalid("The line cannot be recorded like this.", problems)
    if session.query(BankLine).filter_by(posting_id=posting_id).count():
        raise Conflict("A line of the bank is recorded for this posting already.")
    made = BankLine(
        manufacturer_id=actor.organisation_id,
        posting_id=posting_id,
        currency=currency,
        amount_minor=amount_minor,
        booked_on=booked_on,
        reference=reference.strip(),
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    session.add(made)
    session.flush()
    return made


def today_of(session: Session, actor: Actor, now: datetime) -> date:
    """The day that it is for the actor's company, by which its bank books."""
    return local_day(session.get_one(Organisation, actor.organisation_id).zone, now)


def bank_posting_seen(session: Session, actor: Actor, posting_id: int) -> Posting:
    """A posting to the bank account of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    check_reconciler(actor)
    found = session.scalars(
        select(Posting)
        .join(Account, Account.id == Posting.account_id)
        .where(
            Posting.id == posting_id,
            Posting.manufacturer_id == actor.organisation_id,
            Account.purpose == str(Purpose.BANK),
        )
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def _open(session: Session, actor: Actor, difference_id: int) -> ReconciliationDifference:
    difference = difference_seen(session, actor, difference_id)
    if end_of(session, difference.id) is not None:
        raise Conflict("This difference has ended already.")
    return difference


def is_bookable(session: Session, difference: ReconciliationDifference) -> bool:
    """Whether a posting can put it right: a question of its kind, and of whose books are kept here."""
    return (
        difference.kind in BOOKABLE
        and session.query(Period).filter_by(manufacturer_id=difference.manufacturer_id, state="open").count() > 0
    )


def _check_bookable(session: Session, difference: ReconciliationDifference) -> None:
    if not is_bookable(session, difference):
        raise RuleBroken("This difference is not put right by a posting here.")


def _reason(explanation: str) -> str:
    reason = explanation.strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise Invalid("Say why.", {"explanation": f"Say why, in 1 to {LONGEST_REASON} characters."})
    return reason


def _end(
    difference: ReconciliationDifference, outcome: str, explanation: str, person_id: int, now: datetime
) -> DifferenceEnd:
    return DifferenceEnd(
        difference_id=difference.id,
        manufacturer_id=difference.manufacturer_id,
        outcome=outcome,
        explanation=explanation,
        ended_by=person_id,
        ended_at=now,
    )


def check_reconciler(actor: Actor) -> None:
    """*Raises*: NotAllowed for anybody but the manufacturer's finance."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("The books are reconciled by the manufacturer's finance.")
