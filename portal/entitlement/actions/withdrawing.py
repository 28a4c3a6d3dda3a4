"""Hours whose price goes back to their payer, or is held by its bank, can no longer be used; and the opposite.

Invariants: only what is free is withdrawn; a cause withdraws once from a grant and puts back once.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.entitlement.actions.topping_up import note_crossings
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.rules import Amount
from portal.entitlement.withdrawals.models import GrantWithdrawal
from portal.errors import RuleBroken


def locked_balance(session: Session, grant_id: int) -> GrantBalance:
    """A grant's counter row, which nobody else changes until this transaction ends."""
    return session.get_one(GrantBalance, grant_id, with_for_update=True, populate_existing=True)


def withdraw(
    session: Session, grant_id: int, amount: Amount, *, cause_type: str, cause_id: int, now: datetime
) -> GrantWithdrawal:
    """Shrink a grant by what goes back of it. *Raises*: RuleBroken for more than is free."""
    balance = locked_balance(session, grant_id)
    if amount.seconds > balance.free_seconds or amount.incidents > balance.free_incidents:
        raise RuleBroken("The hours were promised to work meanwhile; look at what is left of them and ask again.")
    return _move(session, balance, amount, (cause_type, cause_id), is_return=False, now=now)


def put_back(session: Session, *, cause_type: str, cause_id: int, now: datetime) -> int:
    """Give back what a cause has withdrawn, once; of how many grants. What has expired meanwhile expires by job."""
    rows = session.scalars(
        select(GrantWithdrawal).where(GrantWithdrawal.cause_type == cause_type, GrantWithdrawal.cause_id == cause_id)
    ).all()
    back = {row.grant_id for row in rows if row.is_return}
    gone = [row for row in rows if row.grant_id not in back]
    for row in gone:
        balance = locked_balance(session, row.grant_id)
        amount = Amount(-row.seconds, -row.incidents)
        _move(session, balance, amount, (cause_type, cause_id), is_return=True, now=now)
    return len(gone)


def _move(
    session: Session, balance: GrantBalance, amount: Amount, cause: tuple[str, int], *, is_return: bool, now: datetime
) -> GrantWithdrawal:
    balance.free_seconds -= amount.seconds
    balance.free_incidents -= amount.incidents
    made = GrantWithdrawal(
        grant_id=balance.grant_id,
        manufacturer_id=balance.manufacturer_id,
        integrator_id=balance.integrator_id,
        customer_id=balance.customer_id,
        cause_type=cause[0],
        cause_id=cause[1],
        is_return=is_return,
        seconds=amount.seconds,
        incidents=amount.incidents,
        recorded_at=now,
    )
    session.add(made)
    session.flush()
    grant = session.get_one(UsageGrant, balance.grant_id)
    note_crossings(session, site_id=grant.site_id, manufacturer_id=grant.manufacturer_id, now=now)
    return made
