"""Statements of a soft-closed period discarded and made again, in one transaction, until one of them is approved.

Why all of a period and not one: whatever was wrong with one (a company's terms, a hash that was shown wrongly) is put
right before the close is, and the party's review begins anew for everybody on the same day.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import Conflict, NotFound
from portal.ledger.models import Period
from portal.settlement import closing, queries
from portal.settlement.actions import hold_statement
from portal.settlement.models import Statement, StatementDiscard


def remake_statements(session: Session, period_id: int, *, person_id: int, reason: str, now: datetime) -> int:
    """Discard a period's statements and make them again as its postings stand; how many are out now.

    *Raises*: NotFound; Conflict unless the statements are out and none is approved.
    """
    period = session.get(Period, period_id, with_for_update={"key_share": True}, populate_existing=True)
    if period is None:
        raise NotFound
    if period.state != closing.SOFT_CLOSED:
        raise Conflict("Only statements that are out can be made again.")
    standing = session.scalars(
        select(Statement).where(Statement.period_id == period_id, queries.stands()).order_by(Statement.id)
    ).all()
    for statement in standing:
        hold_statement(session, statement.id)
    if approved := queries.approved_statements(session, period_id):
        raise Conflict(f"Approved already, so they stand: {', '.join(approved)}.")
    session.add_all(
        StatementDiscard(
            statement_id=statement.id,
            manufacturer_id=statement.manufacturer_id,
            party_id=statement.party_id,
            reason=reason,
            discarded_by=person_id,
            discarded_at=now,
        )
        for statement in standing
    )
    session.flush()
    closing.add_statements(session, period, now=now)
    return closing.tell_parties(session, period_id)
