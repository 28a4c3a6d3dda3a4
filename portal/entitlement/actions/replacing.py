"""A plan that took another's place at once: the old one's minutes end there, and what was used of them is used.

Invariant: what is left of the old plan's minutes expires at the change, so that no minute of the month is there twice;
work from before it may still draw on them, as on all that has expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.calendars import Period
from portal.contracts.models import PlanChoice
from portal.entitlement.models import GrantBalance, GrantDraw, GrantExpiry, GrantExtension, UsageGrant
from portal.entitlement.rules.changing import first_seconds, kept_seconds

# What a choice of plan says that took another's place before its period was over: the number of the other.
INSTEAD_OF = "instead_of"


def begins_instead(choice: PlanChoice, starts_at: datetime) -> bool:
    """Whether a month of a choice begins where another plan was changed to it at once."""
    return INSTEAD_OF in choice.terms and starts_at == choice.from_at


def left_of_first_month(session: Session, choice: PlanChoice, granted_seconds: int, *, now: datetime) -> int:
    """End the minutes of the plan that a choice took the place of; what its own first month has then."""
    before = session.get_one(PlanChoice, choice.terms[INSTEAD_OF])
    left = granted_seconds
    for grant, balance in _running(session, before, choice.from_at):
        if grant.expires_at is not None and grant.expires_at > choice.from_at:
            used = _drawn(session, grant) + balance.reserved_seconds
            month = Period(grant.starts_at, grant.expires_at)
            moves = choice.terms.get("anchor") != before.terms.get("anchor")
            kept = kept_seconds(grant.granted_seconds, month, choice.from_at) if moves else 0
            left = first_seconds(left, used, kept=kept)
        elif before.plan_code == choice.plan_code:
            # What rolled over into the month stays with a plan that only is paid otherwise from now on.
            continue
        _end(session, balance, choice.from_at, now)
    session.flush()
    return left


def _running(session: Session, choice: PlanChoice, at: datetime) -> Sequence[tuple[UsageGrant, GrantBalance]]:
    """The minutes included in a site's plans that began before an instant, where one of them may go beyond it."""
    mine = (UsageGrant.site_id == choice.site_id, UsageGrant.manufacturer_id == choice.manufacturer_id)
    return (
        session.execute(
            select(UsageGrant, GrantBalance)
            .join(GrantBalance, GrantBalance.grant_id == UsageGrant.id)
            .where(*mine, UsageGrant.kind == "included", UsageGrant.starts_at < at)
            .where((UsageGrant.expires_at > at) | (GrantBalance.ends_at > at))
            .order_by(UsageGrant.id)
            .with_for_update(of=GrantBalance)
            .execution_options(populate_existing=True)
        )
        .tuples()
        .all()
    )


def _drawn(session: Session, grant: UsageGrant) -> int:
    drawn = select(func.coalesce(func.sum(GrantDraw.seconds), 0)).where(GrantDraw.grant_id == grant.id)
    return int(session.scalar(drawn) or 0)


def _end(session: Session, balance: GrantBalance, at: datetime, now: datetime) -> None:
    """Nobody uses what is left from the change on. Again is harmless."""
    parties = {
        "grant_id": balance.grant_id,
        "manufacturer_id": balance.manufacturer_id,
        "integrator_id": balance.integrator_id,
        "customer_id": balance.customer_id,
    }
    if balance.ends_at is None or balance.ends_at > at:
        session.add(GrantExtension(**parties, ends_at=at, reason="changed", recorded_at=now))
        balance.ends_at = at
    if balance.free_seconds:
        session.add(GrantExpiry(**parties, seconds=balance.free_seconds, expired_at=at, recorded_at=now))
        balance.free_seconds = 0
