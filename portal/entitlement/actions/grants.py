"""A plan's minutes: opened each month for every site that chose the plan, and carried on as far as the plan says.

Run by jobs; a month is opened once, however often that is asked for.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.entitlement import queries
from portal.entitlement.actions.replacing import begins_instead, left_of_first_month
from portal.entitlement.actions.standing import open_standing
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.rules import window_of
from portal.errors import NotFound
from portal.rows import insert_once


def open_monthly_grants(session: Session, now: datetime) -> int:
    """Open this month's included minutes of every plan choice in force; how many were opened. Again is harmless."""
    opened = 0
    for choice, until in choices_in_force(session, now):
        opened += _open(session, choice, _policy_of(session, choice, now), until, at=now, now=now)
    return opened


def open_plan(session: Session, plan_choice_id: int, *, now: datetime) -> None:
    """What a new plan choice brings: standing authorization, this month's included minutes. Again is harmless."""
    choice = session.get(PlanChoice, plan_choice_id)
    if choice is None:
        raise NotFound()
    at = max(now, choice.from_at)
    policy = _policy_of(session, choice, at)
    open_standing(session, choice, policy=policy, now=now)
    for held, until in choices_in_force(session, at):
        if held.id == choice.id:
            _open(session, choice, policy, until, at=at, now=now)


def choices_in_force(session: Session, now: datetime) -> list[tuple[PlanChoice, datetime | None]]:
    """Each site's choice that holds now, with the instant the next one takes over."""
    rows = session.scalars(
        select(PlanChoice).order_by(PlanChoice.site_id, PlanChoice.manufacturer_id, PlanChoice.from_at)
    ).all()
    found: list[tuple[PlanChoice, datetime | None]] = []
    for choice, following in pairwise([*rows, None]):
        if choice is None:
            continue
        same = following is not None and (following.site_id, following.manufacturer_id) == (
            choice.site_id,
            choice.manufacturer_id,
        )
        until = following.from_at if same and following is not None else None
        if choice.from_at <= now and (until is None or now < until):
            found.append((choice, until))
    return found


def anchor_of(choice: PlanChoice) -> datetime | None:
    """From when the months of a choice are counted where a subscription pays for it; None for calendar months."""
    anchor = choice.terms.get("anchor")
    return None if anchor is None else datetime.fromisoformat(anchor)


def _policy_of(session: Session, choice: PlanChoice, at: datetime) -> Policy:
    parties = {"manufacturer_id": choice.manufacturer_id, "integrator_id": choice.manufacturer_id}
    return queries.terms_in_force(session, **parties, at=at).policy


def _open(
    session: Session, choice: PlanChoice, policy: Policy, until: datetime | None, *, at: datetime, now: datetime
) -> int:
    if choice.plan_code not in {plan.code for plan in policy.plans}:
        return 0
    seconds = plan_named(policy, choice.plan_code).included_minutes_per_month * 60
    month = window_of(policy, at, anchor_of(choice))
    starts_at = max(month.start, choice.from_at)
    if begins_instead(choice, starts_at):
        if _opened(session, choice, starts_at):
            return 0
        seconds = left_of_first_month(session, choice, seconds, now=now)
    elif _opened_before(session, choice, starts_at):
        return 0
    if seconds == 0:
        return 0
    parties = {
        "manufacturer_id": choice.manufacturer_id,
        "integrator_id": choice.integrator_id or choice.manufacturer_id,
        "customer_id": choice.customer_id,
    }
    expires_at = month.end if until is None else min(month.end, until)
    grant = insert_once(
        session,
        UsageGrant(
            **parties,
            kind="included",
            site_id=choice.site_id,
            plan_choice_id=choice.id,
            granted_seconds=seconds,
            starts_at=starts_at,
            expires_at=expires_at,
            granted_at=now,
        ),
        unique=["plan_choice_id", "starts_at"],
    )
    if grant is None:
        return 0
    free = {"free_seconds": seconds, "reserved_seconds": 0}
    session.add(GrantBalance(**parties, grant_id=grant.id, **free, ends_at=expires_at))
    session.flush()
    return 1


def _opened(session: Session, choice: PlanChoice, starts_at: datetime) -> bool:
    """Whether this very month is open: what was used of the plan before it is not counted again."""
    mine = (UsageGrant.plan_choice_id == choice.id, UsageGrant.starts_at == starts_at)
    return session.scalar(select(select(UsageGrant.id).where(*mine).exists())) or False


def _opened_before(session: Session, choice: PlanChoice, starts_at: datetime) -> bool:
    """Whether the same plan's minutes are open already: it was accepted again, by a newer policy, within its month."""
    earlier = (
        select(UsageGrant.id)
        .join(PlanChoice, PlanChoice.id == UsageGrant.plan_choice_id)
        .where(
            UsageGrant.site_id == choice.site_id,
            UsageGrant.manufacturer_id == choice.manufacturer_id,
            PlanChoice.plan_code == choice.plan_code,
            PlanChoice.id != choice.id,
            UsageGrant.starts_at <= starts_at,
            UsageGrant.expires_at > starts_at,
        )
    )
    return session.scalar(select(earlier.exists())) or False
