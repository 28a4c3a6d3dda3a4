"""The customer is told when little is left of its packs: once each time what is left falls below what the policy says.

Every crossing, down and up again, is a fact; only the way down sends a notice.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from portal.entitlement.models import GrantBalance, TopUpNotice, UsageGrant
from portal.jobs import enqueue


def note_crossings(session: Session, *, site_id: int, manufacturer_id: int, now: datetime) -> int:
    """Look at what is left of each kind of pack of a site; how many crossed their threshold. Again finds nothing."""
    session.flush()
    holds = or_(GrantBalance.ends_at.is_(None), GrantBalance.ends_at > now)
    rows = session.execute(
        select(UsageGrant, func.sum(GrantBalance.free_seconds).filter(holds).over(partition_by=UsageGrant.pack_code))
        .join(GrantBalance, GrantBalance.grant_id == UsageGrant.id)
        .where(
            UsageGrant.site_id == site_id,
            UsageGrant.manufacturer_id == manufacturer_id,
            UsageGrant.kind == "pack",
            UsageGrant.granted_seconds > 0,
        )
        .order_by(UsageGrant.starts_at, UsageGrant.id)
    ).tuples()
    # The terms of the pack that was bought last count.
    last = {grant.pack_code: (grant, int(left or 0)) for grant, left in rows}
    return sum(_note(session, grant, left, now) for grant, left in last.values())


def _note(session: Session, grant: UsageGrant, left_seconds: int, now: datetime) -> int:
    minutes = (grant.terms or {}).get("top_up_below_minutes")
    if not minutes:
        return 0
    key = f"top-up:{grant.site_id}:{grant.manufacturer_id}:{grant.pack_code}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    was_below = session.scalar(
        select(TopUpNotice.is_below)
        .where(
            TopUpNotice.site_id == grant.site_id,
            TopUpNotice.manufacturer_id == grant.manufacturer_id,
            TopUpNotice.pack_code == grant.pack_code,
        )
        .order_by(TopUpNotice.id.desc())
        .limit(1)
    )
    is_below = left_seconds < minutes * 60
    if is_below is bool(was_below):
        return 0
    notice = TopUpNotice(
        manufacturer_id=grant.manufacturer_id,
        integrator_id=grant.integrator_id,
        customer_id=grant.customer_id,
        site_id=grant.site_id,
        pack_code=grant.pack_code,
        is_below=is_below,
        left_seconds=left_seconds,
        threshold_seconds=minutes * 60,
        crossed_at=now,
    )
    session.add(notice)
    session.flush()
    if is_below:
        enqueue(session, "notify_top_up", notice_id=notice.id)
    return 1
