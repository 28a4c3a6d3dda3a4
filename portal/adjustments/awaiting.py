"""What of money that goes back waits for somebody's answer: since when, the oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.adjustments.models import Adjustment, AdjustmentConsent, AdjustmentDecision, AdjustmentEnd
from portal.payments.models import Chargeback, ChargebackStep
from portal.payments.rules import INQUIRY, OPENED


def decisions_awaited(session: Session, actor: Actor) -> Sequence[datetime]:
    """Adjustments of the actor's manufacturer that somebody else asked for and a second person has to decide on."""
    decided = select(AdjustmentDecision.id).where(AdjustmentDecision.adjustment_id == Adjustment.id).exists()
    return _asked_at(
        session,
        Adjustment.manufacturer_id == actor.organisation_id,
        Adjustment.needs_second.is_(True),
        Adjustment.asked_by != actor.person_id,
        ~decided,
    )


def consents_awaited(session: Session, actor: Actor) -> Sequence[datetime]:
    """Adjustments that lower the actor's company's share by its yes."""
    answered = select(AdjustmentConsent.id).where(AdjustmentConsent.adjustment_id == Adjustment.id).exists()
    return _asked_at(session, Adjustment.consent_of == actor.organisation_id, ~answered)


def chargebacks_to_answer(session: Session, actor: Actor) -> Sequence[datetime]:
    """Payments that a payer's bank asks about or has taken back, and that nobody has answered."""
    further = select(ChargebackStep.id).where(
        ChargebackStep.chargeback_id == Chargeback.id, ChargebackStep.kind.not_in((INQUIRY, OPENED))
    )
    return session.scalars(
        select(Chargeback.opened_at)
        .where(Chargeback.manufacturer_id == actor.organisation_id, ~further.exists())
        .order_by(Chargeback.opened_at)
    ).all()


def _asked_at(session: Session, *conditions: ColumnElement[bool]) -> Sequence[datetime]:
    ended = select(AdjustmentEnd.id).where(AdjustmentEnd.adjustment_id == Adjustment.id).exists()
    return session.scalars(select(Adjustment.asked_at).where(*conditions, ~ended).order_by(Adjustment.asked_at)).all()
