"""Settlement as tests go through it: a closed month, statements prepared and approved by two people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.ledger.models import Period
from portal.settlement import actions, closing, disposing
from portal.settlement.models import Statement, StatementApproval
from tests.support.cast import Cast

CLOSED_AT = datetime(2026, 4, 1, 6, tzinfo=UTC)
# After the ten days that the cast's agreement gives.
REVIEWED_AT = CLOSED_AT + timedelta(days=11)
NEXT_CLOSED_AT = datetime(2026, 5, 1, 6, tzinfo=UTC)


def close(engine: Engine, cast: Cast, now: datetime = CLOSED_AT) -> int:
    """Close the factory's open period; its id."""
    with transaction(engine) as session:
        period_id = session.scalars(
            select(Period.id).where(Period.manufacturer_id == cast.factory.id, Period.state == "open")
        ).one()
    assert closing.close_period(engine, cast.factory.id, period_id, livemode=False, now=now) == "soft_closed"
    return period_id


def statement_of(session: Session, period_id: int, party_id: int) -> Statement:
    """The one statement of a party for a period."""
    wanted = select(Statement).where(Statement.period_id == period_id, Statement.party_id == party_id)
    return session.scalars(wanted).one()


def approve(session: Session, cast: Cast, statement: Statement, now: datetime = REVIEWED_AT) -> StatementApproval:
    """Fay prepares, Fin approves."""
    shown = statement.content_sha256
    prepared = actions.prepare_statement(session, cast.fay, statement.id, shown_sha256=shown, now=now)
    return actions.approve_statement(session, cast.fin, prepared.id, shown_sha256=shown, now=now)


def approved_and_disposed(
    session: Session, cast: Cast, statement: Statement, now: datetime = REVIEWED_AT
) -> dict[str, int]:
    """The same and its job; what became of the amount, by kind."""
    approval = approve(session, cast, statement, now)
    made = disposing.dispose(session, approval.id, livemode=False, now=now)
    return {disposition.kind: disposition.amount_minor for disposition in made}
