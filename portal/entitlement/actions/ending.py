"""What is left of hours when their time is over: it rolls over or is kept as the documents say, or it expires.

Run by a job. A grant that lives on gets a later end and a row that says why; what expires leaves the counter row and
becomes a fact, which earlier work that turns up later takes back (``promises``). Invariant: granted is free, promised,
drawn and expired together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.queries import policy_in_force
from portal.entitlement.actions.grants import anchor_of
from portal.entitlement.models import GrantBalance, GrantExpiry, GrantExtension, UsageGrant
from portal.entitlement.rules.ending import Left, ends_with, kept_minutes
from portal.entitlement.rules.reservations import Amount, window_of

# So many grants are ended at once: nobody waits long for their rows.
AT_ONCE = 500


def end_grants(session: Session, now: datetime) -> int:
    """End what is over by now; how many grants were carried on or lost something. Again finds nothing more."""
    rows = session.execute(
        select(UsageGrant, GrantBalance)
        .join(GrantBalance, GrantBalance.grant_id == UsageGrant.id)
        .where(
            GrantBalance.ends_at <= now,
            or_(GrantBalance.free_seconds > 0, GrantBalance.free_incidents > 0),
        )
        .order_by(GrantBalance.grant_id)
        .limit(AT_ONCE)
        .with_for_update(of=GrantBalance)
        .execution_options(populate_existing=True)
    ).tuples()
    places: dict[tuple[int, int, datetime], list[tuple[UsageGrant, GrantBalance]]] = {}
    for grant, balance in rows:
        if balance.ends_at is not None:
            places.setdefault((grant.site_id, grant.manufacturer_id, balance.ends_at), []).append((grant, balance))
    for (_, _, at), of_place in places.items():
        _end_place(session, of_place, at, now)
    session.flush()
    return sum(len(of_place) for of_place in places.values())


def _end_place(session: Session, rows: Sequence[tuple[UsageGrant, GrantBalance]], at: datetime, now: datetime) -> None:
    """End the grants of one site that are over at one instant; the newest minutes of a plan roll over first."""
    policy = policy_in_force(session, rows[0][0].manufacturer_id, at).policy
    plan_rows = [row for row in rows if row[0].kind == "included"]
    most = _rolls_over(session, plan_rows, policy, at)
    kept = kept_minutes([Left(row[0].id, row[0].starts_at, row[1].free_seconds) for row in plan_rows], most)
    for grant, balance in rows:
        if grant.kind == "included" and kept.get(grant.id):
            _extend(session, balance, _next_end(session, grant, policy, at), "rolled_over", now)
            _expire(session, balance, Amount(balance.free_seconds - kept[grant.id]), at, now)
        elif grant.kind != "included" and (until := _kept_by_top_up(session, grant, at)) is not None:
            _extend(session, balance, until[0], "topped_up", now)
        else:
            _expire(session, balance, Amount(balance.free_seconds, balance.free_incidents), at, now)


def _next_end(session: Session, grant: UsageGrant, policy: Policy, at: datetime) -> datetime:
    """When the month ends that begins at an instant, as the grant's plan counts its months."""
    return window_of(policy, at, anchor_of(session.get_one(PlanChoice, grant.plan_choice_id))).end


def _rolls_over(session: Session, rows: Sequence[tuple[UsageGrant, GrantBalance]], policy: Policy, at: datetime) -> int:
    """The seconds that the plan of a site keeps beyond an instant; none where the site has another plan by then."""
    if not rows:
        return 0
    first = rows[0][0]
    chosen = select(PlanChoice.plan_code).where(
        PlanChoice.site_id == first.site_id, PlanChoice.manufacturer_id == first.manufacturer_id
    )
    then = session.scalar(chosen.where(PlanChoice.from_at <= at).order_by(PlanChoice.from_at.desc()).limit(1))
    held = set(session.scalars(chosen.where(PlanChoice.id.in_({grant.plan_choice_id for grant, _ in rows}))))
    if held != {then}:
        return 0
    return next((plan.rollover_minutes * 60 for plan in policy.plans if plan.code == then), 0)


def _kept_by_top_up(session: Session, grant: UsageGrant, at: datetime) -> tuple[datetime | None] | None:
    """Until when a pack is kept because enough of it was bought before its end; None where it is not."""
    needed = (grant.terms or {}).get("carry_over_top_up_minutes")
    if needed is None:
        return None
    later = session.execute(
        select(UsageGrant.granted_seconds, UsageGrant.expires_at).where(
            UsageGrant.site_id == grant.site_id,
            UsageGrant.manufacturer_id == grant.manufacturer_id,
            UsageGrant.pack_code == grant.pack_code,
            UsageGrant.id != grant.id,
            UsageGrant.starts_at > grant.starts_at,
            UsageGrant.starts_at < at,
        )
    ).tuples()
    return ends_with(list(later), needed_seconds=needed * 60, after=at)


def _extend(session: Session, balance: GrantBalance, until: datetime | None, reason: str, now: datetime) -> None:
    session.add(GrantExtension(**_of(balance), ends_at=until, reason=reason, recorded_at=now))
    balance.ends_at = until


def _expire(session: Session, balance: GrantBalance, left: Amount, at: datetime, now: datetime) -> None:
    if left:
        counted = {"seconds": left.seconds, "incidents": left.incidents}
        session.add(GrantExpiry(**_of(balance), **counted, expired_at=at, recorded_at=now))
        balance.free_seconds -= left.seconds
        balance.free_incidents -= left.incidents


def _of(balance: GrantBalance) -> dict[str, int]:
    return {
        "grant_id": balance.grant_id,
        "manufacturer_id": balance.manufacturer_id,
        "integrator_id": balance.integrator_id,
        "customer_id": balance.customer_id,
    }
