"""The jobs of self-billing: who is told, and who is reminded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.notifications import self_billing_notices as notices
from portal.worker.registry import task


@task("notify_self_billing")
def notify_self_billing(session: Session, now: datetime, *, agreement_id: int) -> None:
    notices.notify_self_billing(session, agreement_id, now)


@task("notify_self_billing_end")
def notify_self_billing_end(session: Session, now: datetime, *, agreement_id: int) -> None:
    notices.notify_self_billing_end(session, agreement_id, now)


@task("remind_self_billing", every="23 6 * * *")
def remind_self_billing(session: Session, now: datetime) -> None:
    notices.remind_self_billing(session, now)


@task("remind_tax_forms", every="41 6 2,16 10-12 *")
def remind_tax_forms(session: Session, now: datetime) -> None:
    """In the last quarter, twice a month; a company is told once a month."""
    notices.remind_tax_forms(session, now)
