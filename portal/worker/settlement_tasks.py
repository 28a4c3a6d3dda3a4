"""The jobs of closing, disposing and ending periods."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.db import transaction
from portal.jobs import enqueue
from portal.payments.rules import TRANSFER_HELD
from portal.settlement import checking, closing, differences, disposing, reconciling, releasing, remaking
from portal.worker.registry import Edges, task


@task("close_period", own_transactions=True)
def close_period(edges: Edges, now: datetime, *, manufacturer_id: int, period_id: int) -> None:
    settings = edges.settings
    closing.close_period(
        edges.engine,
        manufacturer_id,
        period_id,
        livemode=settings.livemode,
        now=now,
        automatic_tax=settings.automatic_tax,
    )


@task("dispose_approval", own_transactions=True)
def dispose_approval(edges: Edges, now: datetime, *, approval_id: int) -> None:
    with transaction(edges.engine) as session:
        disposing.dispose(session, approval_id, livemode=edges.settings.livemode, now=now)


@task("transfer_held", own_transactions=True)
def transfer_held(edges: Edges, now: datetime) -> None:
    """An account can receive transfers: what was approved and waited for it goes."""
    releasing.transfer_all_held(edges.engine, livemode=edges.settings.livemode, now=now)


@task("hard_close_period")
def hard_close_period(session: Session, now: datetime, *, period_id: int, person_id: int) -> None:
    closing.hard_close(session, period_id, person_id=person_id, now=now)


@task("remake_statements")
def remake_statements(session: Session, now: datetime, *, period_id: int, person_id: int, reason: str) -> None:
    remaking.remake_statements(session, period_id, person_id=person_id, reason=reason, now=now)


@task("check_all_books", every="47 4 * * *")
def check_all_books(session: Session, now: datetime) -> None:
    checking.check_all_books(session, now=now)


@task("find_differences", every="52 * * * *")
def find_differences(session: Session, now: datetime) -> None:
    reconciling.find_differences(session, now=now)


@task("book_difference", own_transactions=True)
def book_difference(edges: Edges, now: datetime, *, difference_id: int, person_id: int, explanation: str) -> None:
    livemode = edges.settings.livemode
    with transaction(edges.engine) as session:
        differences.book_difference(
            session, difference_id, person_id=person_id, explanation=explanation, livemode=livemode, now=now
        )


@task("sweep_settlement", every="37 * * * *")
def sweep_settlement(session: Session, now: datetime) -> None:
    """Periods that ended, approvals whose job was lost, and what an account that is ready by now kept waiting."""
    for period in closing.periods_to_close(session, now):
        enqueue(session, "close_period", manufacturer_id=period.manufacturer_id, period_id=period.id)
    disposing.sweep_approvals(session)
    if releasing.is_waiting_for_ready_accounts(session):
        enqueue(session, TRANSFER_HELD)
