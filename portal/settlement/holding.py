"""Holds: nothing of a case, to a party, or of a charged-back invoice is paid until somebody ends the hold.

Invariants: a hold changes what becomes of a net, never what is owed; what it held comes back, line by line, with the
next statement after its end; what waits for the party's account besides goes by itself. A chargeback places its hold by
job, once per invoice; people place the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.cases.models import SupportCase
from portal.directory.models import Organisation
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.payments.rules import TRANSFER_HELD
from portal.settlement.models import Hold, HoldEnd
from portal.settlement.rules import HOLD_KINDS

LONGEST_REASON = 2_000

# A later statement's line may be of the same case; a line that came back is of the case it was held for.
_LINES = text(
    """
    SELECT line.id, line.amount_minor, min(hold.kind) AS kind FROM statement_line line
    JOIN hold ON hold.manufacturer_id = line.manufacturer_id
        AND (hold.party_id IS NULL OR hold.party_id = line.party_id)
    WHERE line.statement_id = :statement_id
      AND NOT EXISTS (SELECT FROM hold_end ended WHERE ended.hold_id = hold.id)
      AND CASE hold.kind WHEN 'case' THEN hold.case_id = line.case_id
          WHEN 'chargeback' THEN EXISTS (
              SELECT FROM share JOIN invoice_item item ON item.bill_item_id = share.bill_item_id
              WHERE share.id = line.share_id AND item.invoice_id = hold.invoice_id)
          ELSE false END
    GROUP BY line.id, line.amount_minor
    """
)


def lines_on_hold(session: Session, statement_id: int) -> dict[int, tuple[int, str]]:
    """The lines of a statement that a standing hold covers: amount, and why they are held."""
    rows = session.execute(_LINES, {"statement_id": statement_id})
    return {row.id: (row.amount_minor, HOLD_KINDS[row.kind]) for row in rows}


def is_party_on_hold(session: Session, manufacturer_id: int, party_id: int) -> bool:
    """Whether nothing is paid to a party for now."""
    standing = select(Hold.id).where(
        Hold.manufacturer_id == manufacturer_id, Hold.kind == "party", Hold.party_id == party_id, _stands()
    )
    return session.scalar(standing.limit(1)) is not None


@dataclass(frozen=True)
class StandingHold:
    """A hold with what it is on, in words."""

    hold: Hold
    subject: str


def standing_holds(session: Session, actor: Actor) -> list[StandingHold]:
    """The holds of the actor's manufacturer that have not ended, the oldest first. *Raises*: NotAllowed."""
    _check(actor)
    rows = session.execute(_STANDING, {"own": actor.organisation_id}).all()
    holds = {one.id: one for one in session.scalars(select(Hold).where(Hold.id.in_([row.id for row in rows])))}
    return [StandingHold(holds[row.id], row.subject) for row in rows]


_STANDING = text(
    """
    SELECT hold.id, concat_ws(', ', support_case.name, invoice.name, party.name) AS subject FROM hold
    LEFT JOIN support_case ON support_case.id = hold.case_id
    LEFT JOIN invoice ON invoice.id = hold.invoice_id
    LEFT JOIN organisation party ON party.id = hold.party_id
    WHERE hold.manufacturer_id = :own AND NOT EXISTS (SELECT FROM hold_end ended WHERE ended.hold_id = hold.id)
    ORDER BY hold.id LIMIT 200
    """
)


def hold_seen(session: Session, actor: Actor, hold_id: int) -> Hold:
    """A hold of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    found = session.get(Hold, hold_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def hold_case(session: Session, actor: Actor, case_name: str, *, reason: str, now: datetime) -> Hold:
    """Nothing of a case is paid from the next plan on. *Raises*: NotAllowed, Invalid, Conflict."""
    _check(actor)
    said = _reason(reason)
    wanted = select(SupportCase.id).where(
        SupportCase.name == case_name.strip(), SupportCase.manufacturer_id == actor.organisation_id
    )
    case_id = session.scalar(wanted)
    if case_id is None:
        raise Invalid("No case has this name.", {"subject": "The name of a case, such as NOR-1042."})
    return _place(session, Hold(kind="case", case_id=case_id, reason=said), actor, now)


def hold_party(session: Session, actor: Actor, party_code: str, *, reason: str, now: datetime) -> Hold:
    """Nothing is paid to a party from the next plan on. *Raises*: NotAllowed, Invalid, Conflict."""
    _check(actor)
    said = _reason(reason)
    party_id = session.scalar(select(Organisation.id).where(Organisation.code == party_code.strip().upper()))
    if party_id is None:
        raise Invalid("No company has this code.", {"subject": "The code of a company, such as KES."})
    return _place(session, Hold(kind="party", party_id=party_id, reason=said), actor, now)


def hold_chargeback(session: Session, manufacturer_id: int, invoice_id: int, *, reason: str, now: datetime) -> Hold:
    """Nothing of a charged-back invoice is paid until the chargeback has ended; by job, once while it stands."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"hold:{invoice_id}"})
    known = session.scalars(
        select(Hold).where(Hold.kind == "chargeback", Hold.invoice_id == invoice_id, _stands()).limit(1)
    ).one_or_none()
    if known is not None:
        return known
    made = Hold(manufacturer_id=manufacturer_id, kind="chargeback", invoice_id=invoice_id, reason=reason, placed_at=now)
    session.add(made)
    session.flush()
    return made


def end_hold(session: Session, actor: Actor, hold_id: int, *, reason: str, now: datetime) -> HoldEnd:
    """What was held comes back with the next statement. *Raises*: NotAllowed, NotFound, Invalid, Conflict."""
    hold = hold_seen(session, actor, hold_id)
    said = _reason(reason)
    if session.scalar(select(HoldEnd.id).where(HoldEnd.hold_id == hold.id)) is not None:
        raise Conflict("This hold has ended already.")
    return _end(session, hold, reason=said, ended_by=actor.person_id, now=now)


def end_chargeback_hold(session: Session, invoice_id: int, *, reason: str, now: datetime) -> int:
    """End what a chargeback held, by job; how many holds ended, none when it is done already."""
    standing = session.scalars(
        select(Hold).where(Hold.kind == "chargeback", Hold.invoice_id == invoice_id, _stands())
    ).all()
    for hold in standing:
        _end(session, hold, reason=reason, ended_by=None, now=now)
    return len(standing)


def _place(session: Session, hold: Hold, actor: Actor, now: datetime) -> Hold:
    """Once while it stands: of two alike, ending one would pay nothing. *Raises*: Conflict."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"hold:{actor.organisation_id}:{hold.case_id}:{hold.party_id}"})
    alike = select(Hold.id).where(
        Hold.manufacturer_id == actor.organisation_id,
        Hold.kind == hold.kind,
        Hold.case_id.is_not_distinct_from(hold.case_id),
        Hold.party_id.is_not_distinct_from(hold.party_id),
        _stands(),
    )
    if session.scalar(alike.limit(1)) is not None:
        raise Conflict("This is on hold already; end the hold that stands before you place another.")
    hold.manufacturer_id, hold.placed_by, hold.placed_at = actor.organisation_id, actor.person_id, now
    session.add(hold)
    session.flush()
    return hold


def _end(session: Session, hold: Hold, *, reason: str, ended_by: int | None, now: datetime) -> HoldEnd:
    made = HoldEnd(
        hold_id=hold.id, manufacturer_id=hold.manufacturer_id, reason=reason, ended_by=ended_by, ended_at=now
    )
    session.add(made)
    session.flush()
    # What waits for an account may have waited for this hold alone.
    enqueue(session, TRANSFER_HELD)
    return made


def _stands() -> ColumnElement[bool]:
    return ~exists().where(HoldEnd.hold_id == Hold.id)


def _reason(reason: str) -> str:
    said = reason.strip()
    if not 1 <= len(said) <= LONGEST_REASON:
        raise Invalid("Say why.", {"reason": f"Say why, in 1 to {LONGEST_REASON} characters."})
    return said


def _check(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("Holds are placed by the manufacturer's finance.")
