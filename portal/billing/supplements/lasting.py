"""A remedy that makes a paid term last longer: the end of the subscription moves, and with it renewal and slices.

Invariants: no money moves by it; what moved the end, from when to when and why, is a supplement of nothing, and taking
the remedy back moves the end back while it is still to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.rules.plans import later_by_days
from portal.billing.supplements.models import Supplement
from portal.billing.supplements.rules import REMEDY
from portal.contracts.models import PlanChoice
from portal.contracts.queries import plan_choice_at
from portal.payments import queries as payments
from portal.payments import rules
from portal.payments.checkouts import plan_change
from portal.payments.models import ProviderSubscription, SubscriptionSeen


@dataclass(frozen=True)
class Running:
    """A plan whose subscription runs: the choice it pays, how it stood at the last look."""

    choice: PlanChoice
    subscription: ProviderSubscription
    seen: SubscriptionSeen


def running_at(session: Session, *, site_id: int, manufacturer_id: int, at: datetime) -> Running | None:
    """The subscription that paid the plan of a site at an instant and still runs; None where none does."""
    choice = plan_choice_at(session, site_id=site_id, manufacturer_id=manufacturer_id, at=at)
    if choice is None or "intent_id" not in choice.terms:
        return None
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    seen = payments.last_seen(session, subscription.id) if subscription is not None else None
    if subscription is None or seen is None or seen.status not in rules.SUBSCRIPTION_RUNS:
        return None
    return Running(choice, subscription, seen)


def moved(session: Session, choice: PlanChoice) -> Sequence[Supplement]:
    """What moved the end of a choice's paid term, in order."""
    mine = (
        Supplement.manufacturer_id == choice.manufacturer_id,
        Supplement.customer_id == choice.customer_id,
        Supplement.kind == REMEDY,
        Supplement.amount_minor == 0,
        Supplement.explanation["plan_choice_id"].as_integer() == choice.id,
    )
    return session.scalars(select(Supplement).where(*mine).order_by(Supplement.id)).all()


def days_moved(session: Session, source: str) -> int:
    """By how many days a cause has moved an end so far."""
    rows = session.scalars(select(Supplement).where(Supplement.source == source, Supplement.amount_minor == 0))
    return sum(int(row.explanation.get("days", 0)) for row in rows)


def until_moved(until: datetime, rows: Sequence[Supplement]) -> datetime:
    """Where a term ends that was paid until an instant, by what moved its end."""
    for row in rows:
        if datetime.fromisoformat(row.explanation["moved_from"]) == until:
            until = datetime.fromisoformat(row.explanation["moved_until"])
    return until


def move_end(session: Session, running: Running, days: int, *, zone: str, now: datetime) -> dict[str, Any] | None:
    """Plan moving the end of what is paid by so many days; what is kept of it. None where it would have passed."""
    ends_at = until_moved(running.seen.covers_until, moved(session, running.choice))
    until = later_by_days(ends_at, days, zone)
    if until <= now:
        return None
    change = {"trial_end": int(until.timestamp()), "proration_behavior": "none"}
    number = 1 + payments.changes_of(session, running.subscription)
    plan_change(session, running.subscription, change, number=number, now=now)
    return {
        "plan_choice_id": running.choice.id,
        "days": days,
        "moved_from": ends_at.isoformat(),
        "moved_until": until.isoformat(),
    }
