"""The jobs of money that goes back: adjustments carried out, chargebacks followed, people told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from portal.adjustments.actions import carrying_out, chargebacks, redividing, writing_off
from portal.notifications import adjustment_notices
from portal.worker.registry import task


@task("advance_adjustment")
def advance_adjustment(session: Session, now: datetime, *, adjustment_id: int) -> None:
    carrying_out.advance(session, adjustment_id, now=now)


@task("follow_up_intent")
def follow_up_intent(session: Session, now: datetime, *, intent_id: str) -> None:
    carrying_out.follow_up(session, UUID(intent_id), now=now)


@task("advance_chargeback")
def advance_chargeback(session: Session, now: datetime, *, chargeback_id: int) -> None:
    chargebacks.advance_chargeback(session, chargeback_id, now=now)


@task("redivide_losses")
def redivide_losses(session: Session, now: datetime, *, case_id: int) -> None:
    redividing.redivide(session, case_id, now=now)


@task("sweep_adjustments", every="*/15 * * * *")
def sweep_adjustments(session: Session, now: datetime) -> None:
    """Adjustments, reversals, chargebacks and write-offs whose job was lost."""
    carrying_out.sweep(session)
    chargebacks.sweep(session)
    writing_off.sweep(session)


@task("write_off_claw_back")
def write_off_claw_back(session: Session, now: datetime, *, write_off_id: int) -> None:
    writing_off.carry_out(session, write_off_id, now=now)


@task("notify_outside_change")
def notify_outside_change(session: Session, now: datetime, *, change_id: int) -> None:
    adjustment_notices.notify_outside_change(session, change_id, now)


@task("notify_adjustment_asked")
def notify_adjustment_asked(session: Session, now: datetime, *, adjustment_id: int) -> None:
    adjustment_notices.notify_adjustment_asked(session, adjustment_id, now)


@task("notify_adjustment_ended")
def notify_adjustment_ended(session: Session, now: datetime, *, adjustment_id: int) -> None:
    adjustment_notices.notify_adjustment_ended(session, adjustment_id, now)


@task("notify_chargeback")
def notify_chargeback(session: Session, now: datetime, *, chargeback_id: int) -> None:
    adjustment_notices.notify_chargeback(session, chargeback_id, now)
