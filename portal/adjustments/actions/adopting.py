"""Refunds and credit notes made at Stripe itself: whose work they are, and how finance ends them.

To adopt one is to own it as if it had been asked for here: an adjustment with the same splits and the same posting. The
money has moved already, so nobody has to allow it; what stands in its way (a chargeback, an amount that was asked for
here as well) is said, and the change waits. To explain one leaves the books as they are: what left Stripe's balance is
then ended where the books are reconciled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.adjustments import queries
from portal.adjustments.actions.asking import Preview, Wanted, keep_adjustment, preview
from portal.adjustments.actions.checking import LONGEST_EXPLANATION
from portal.adjustments.models import Adjustment, OutsideChangeEnd, OutsideChangeOwner
from portal.adjustments.rules.asking import CREDIT, MANUFACTURER, REFUND, SIGNED
from portal.errors import Conflict, Invalid, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.ledger.rules import Document
from portal.payments import outside
from portal.payments.models import Intent, OutsideChange
from portal.rows import insert_once

ADOPTED, EXPLAINED = "adopted", "explained"
# What a bearer may be: an integrator is not made to bear alone what nobody asked it about.
ADOPTED_BEARERS = (SIGNED, MANUFACTURER)


@dataclass(frozen=True)
class Change:
    """Something made at Stripe, with who looks after it and how it ended."""

    row: OutsideChange
    owner_id: int | None
    end: OutsideChangeEnd | None


def outside_changes(session: Session, actor: Actor, *, open_only: bool = False, most: int = 200) -> list[Change]:
    """What was made at Stripe of the actor's manufacturer, open ones first, the oldest of them first.

    *Raises*: NotAllowed.
    """
    queries.check_finance(actor)
    rows = session.scalars(
        select(OutsideChange)
        .where(OutsideChange.manufacturer_id == actor.organisation_id)
        .order_by(OutsideChange.made_at, OutsideChange.id)
    ).all()
    found = [_change(session, row) for row in rows]
    open_ones = [change for change in found if change.end is None]
    if open_only:
        return open_ones[:most]
    return [*open_ones, *(change for change in reversed(found) if change.end is not None)][:most]


def change_seen(session: Session, actor: Actor, change_id: int) -> Change:
    """One of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    queries.check_finance(actor)
    row = session.get(OutsideChange, change_id)
    if row is None or row.manufacturer_id != actor.organisation_id:
        raise NotFound
    return _change(session, row)


def _change(session: Session, row: OutsideChange) -> Change:
    owner = session.scalar(
        select(OutsideChangeOwner.owner_id)
        .where(OutsideChangeOwner.change_id == row.id)
        .order_by(OutsideChangeOwner.id.desc())
        .limit(1)
    )
    end = session.scalars(select(OutsideChangeEnd).where(OutsideChangeEnd.change_id == row.id)).one_or_none()
    return Change(row, owner, end)


def own_change(session: Session, actor: Actor, change_id: int, *, now: datetime) -> OutsideChangeOwner:
    """The actor looks after it from now on. *Raises*: NotAllowed, NotFound, Conflict when it has ended."""
    change = _open(session, actor, change_id)
    made = OutsideChangeOwner(
        change_id=change.id, manufacturer_id=change.manufacturer_id, owner_id=actor.person_id, owned_at=now
    )
    session.add(made)
    session.flush()
    return made


def wanted_of(change: OutsideChange, *, reason: str, bearer: str, beyond: str = "") -> Wanted:
    """What asking for it here would have been."""
    kind = REFUND if change.kind == outside.REFUND else CREDIT
    return Wanted(kind, change.amount_minor, reason, bearer, receipt_id=change.receipt_id, beyond=beyond)


def preview_adoption(session: Session, actor: Actor, change_id: int, wanted: Wanted, *, now: datetime) -> Preview:
    """What adopting it takes from whom. *Raises*: as ``adopt``."""
    change = _open(session, actor, change_id)
    if change.kind == outside.REFUND and change.receipt_id is None:
        raise RuleBroken("Its payment is not in these books: it can only be explained.")
    if wanted.bearer not in ADOPTED_BEARERS:
        raise Invalid("Choose who bears it.", {"bearer": "As the agreements say, or the manufacturer."})
    return preview(session, actor, change.invoice_id, wanted, now=now)


def adopt(session: Session, actor: Actor, change_id: int, wanted: Wanted, *, now: datetime) -> Adjustment:
    """Take it into the books, by job. *Raises*: NotAllowed, NotFound, Conflict, Invalid at the field, RuleBroken."""
    change = _open(session, actor, change_id)
    shown = preview_adoption(session, actor, change_id, wanted, now=now)
    # What has happened is not allowed or refused any more.
    settled = replace(shown, needs_second=False, consent_of=None, payout_order="refund_first")
    adjustment = keep_adjustment(session, actor, settled, wanted, now=now)
    _end(session, actor, change, ADOPTED, explanation=wanted.reason, now=now, adjustment_id=adjustment.id)
    enqueue(session, "adopt_outside_change", change_id=change.id)
    return adjustment


def carry_out(session: Session, change_id: int, *, now: datetime) -> None:
    """The job: the adjustment gets the intent of what was made at Stripe. Again is harmless."""
    change = session.get_one(OutsideChange, change_id)
    end = session.scalars(select(OutsideChangeEnd).where(OutsideChangeEnd.change_id == change_id)).one()
    if end.adjustment_id is None:
        return
    adjustment = session.get_one(Adjustment, end.adjustment_id)
    about = queries.subject_of(session, adjustment.invoice_id, adjustment.receipt_id)
    outside.adopt(
        session,
        change,
        Document("adjustment", str(adjustment.id)),
        payer_id=adjustment.payer_id,
        description=f"Made at Stripe, on {about.name}: {adjustment.reason}",
        now=now,
    )


def explain(session: Session, actor: Actor, change_id: int, *, explanation: str, now: datetime) -> OutsideChangeEnd:
    """Leave the books as they are, and say why. *Raises*: NotAllowed, NotFound, Conflict, Invalid."""
    change = _open(session, actor, change_id)
    if not 1 <= len(explanation.strip()) <= LONGEST_EXPLANATION:
        raise Invalid("Say why.", {"explanation": f"1 to {LONGEST_EXPLANATION} characters."})
    return _end(session, actor, change, EXPLAINED, explanation=explanation, now=now)


def _open(session: Session, actor: Actor, change_id: int) -> OutsideChange:
    change = change_seen(session, actor, change_id)
    if change.end is not None:
        raise Conflict("This is ended already.")
    return change.row


def _end(
    session: Session,
    actor: Actor,
    change: OutsideChange,
    outcome: str,
    *,
    explanation: str,
    now: datetime,
    adjustment_id: int | None = None,
) -> OutsideChangeEnd:
    end = OutsideChangeEnd(
        change_id=change.id,
        manufacturer_id=change.manufacturer_id,
        outcome=outcome,
        adjustment_id=adjustment_id,
        explanation=explanation.strip(),
        ended_by=actor.person_id,
        ended_at=now,
    )
    made = insert_once(session, end, unique=["change_id"])
    if made is None:
        raise Conflict("This is ended already.")
    return made


def sweep(session: Session) -> int:
    """Enqueue again adoptions whose job was lost; how many."""
    lost = _lost(session)
    for change_id in lost:
        enqueue(session, "adopt_outside_change", change_id=change_id)
    return len(lost)


def _lost(session: Session) -> Sequence[int]:
    """Adopted changes whose adjustment has no intent yet."""
    has = select(Intent.id).where(Intent.provider_object_id == OutsideChange.provider_object_id)
    return session.scalars(
        select(OutsideChange.id)
        .join(OutsideChangeEnd, OutsideChangeEnd.change_id == OutsideChange.id)
        .where(OutsideChangeEnd.outcome == ADOPTED, ~has.exists())
        .order_by(OutsideChange.id)
    ).all()
