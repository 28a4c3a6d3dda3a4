"""Refunds and credit notes made at Stripe itself: whose work they are, and how finance ends them.

To adopt one is to own it as if it had been asked for here: an adjustment with the same splits and the same posting, by
one person's word and another's yes, whatever the amount: who moved the money at Stripe may be the first of them. What
stands in its way (a chargeback, an amount that was asked for here as well) is said, and the change waits; after a no
it may be adopted otherwise. To explain one leaves the books as they are: what left Stripe's balance is then ended where
the books are reconciled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.adjustments import queries
from portal.adjustments.actions.asking import Preview, Wanted, keep_adjustment, preview
from portal.adjustments.actions.checking import LONGEST_EXPLANATION, NO
from portal.adjustments.models import (
    Adjustment,
    AdjustmentDecision,
    AdjustmentEnd,
    OutsideChangeEnd,
    OutsideChangeOwner,
)
from portal.adjustments.rules import saga
from portal.adjustments.rules.asking import CREDIT, MANUFACTURER, REFUND, SIGNED
from portal.errors import Conflict, Invalid, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.payments import outside
from portal.payments.models import OutsideChange
from portal.rows import insert_once

EXPLAINED = "explained"
# What a bearer may be: an integrator is not made to bear alone what nobody asked it about.
ADOPTED_BEARERS = (SIGNED, MANUFACTURER)


@dataclass(frozen=True)
class Change:
    """Something made at Stripe, with who looks after it, its adoption while that goes on, and how it ended."""

    row: OutsideChange
    owner_id: int | None
    adoption: Adjustment | None
    end: OutsideChangeEnd | None


def outside_changes(session: Session, actor: Actor, *, open_only: bool = False, most: int = 200) -> list[Change]:
    """What was made at Stripe of the actor's manufacturer, open ones first, the oldest of them first.

    ``open_only``: what nobody has begun to adopt; what waits for a second person is counted with its adjustment.

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
        return [change for change in open_ones if change.adoption is None][:most]
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
    return Change(row, owner, _adoption(session, row.id), end)


def _adoption(session: Session, change_id: int) -> Adjustment | None:
    """What somebody asked to adopt and nobody refused."""
    gone = select(AdjustmentEnd.id).where(
        AdjustmentEnd.adjustment_id == Adjustment.id, AdjustmentEnd.outcome.in_((saga.DECLINED, saga.FAILED))
    )
    refused = select(AdjustmentDecision.id).where(
        AdjustmentDecision.adjustment_id == Adjustment.id, AdjustmentDecision.outcome == NO
    )
    wanted = select(Adjustment).where(Adjustment.outside_change_id == change_id, ~gone.exists(), ~refused.exists())
    return session.scalars(wanted.order_by(Adjustment.id.desc()).limit(1)).one_or_none()


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
    """Ask for it to be taken into the books; somebody else decides, and a job does it.

    *Raises*: NotAllowed, NotFound, Conflict, Invalid at the field, RuleBroken.
    """
    _alone(session, change_id)
    change = _open(session, actor, change_id)
    shown = preview_adoption(session, actor, change_id, wanted, now=now)
    # What has happened is not agreed to any more; that the books take it so is another person's word as well.
    settled = replace(shown, needs_second=True, consent_of=None, payout_order=saga.REFUND_FIRST)
    adjustment = keep_adjustment(session, actor, settled, wanted, now=now, outside_change_id=change.id)
    enqueue(session, "notify_adjustment_asked", adjustment_id=adjustment.id)
    return adjustment


def _alone(session: Session, change_id: int) -> None:
    """One person at a time adopts or explains a change."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"outside:{change_id}"})


def explain(session: Session, actor: Actor, change_id: int, *, explanation: str, now: datetime) -> OutsideChangeEnd:
    """Leave the books as they are, and say why. *Raises*: NotAllowed, NotFound, Conflict, Invalid."""
    _alone(session, change_id)
    change = _open(session, actor, change_id)
    if not 1 <= len(explanation.strip()) <= LONGEST_EXPLANATION:
        raise Invalid("Say why.", {"explanation": f"1 to {LONGEST_EXPLANATION} characters."})
    end = OutsideChangeEnd(
        change_id=change.id,
        manufacturer_id=change.manufacturer_id,
        outcome=EXPLAINED,
        explanation=explanation.strip(),
        ended_by=actor.person_id,
        ended_at=now,
    )
    made = insert_once(session, end, unique=["change_id"])
    if made is None:
        raise Conflict("This is ended already.")
    return made


def _open(session: Session, actor: Actor, change_id: int) -> OutsideChange:
    change = change_seen(session, actor, change_id)
    if change.end is not None:
        raise Conflict("This is ended already.")
    if change.adoption is not None:
        raise Conflict("Somebody asked to adopt this; another person decides first.")
    return change.row
