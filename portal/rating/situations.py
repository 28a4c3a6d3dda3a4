"""What holds for a case at an instant: plan, custody, Day 1, warranty, cycle, and the circumstances prices look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from portal.contracts.conditions import Circumstance
from portal.rating.facts import MANUFACTURER, CaseFacts
from portal.rating.tariff import Tariff
from portal.rating.terms import Situation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def stamp(at: datetime) -> int:
    """Seconds since 1970 UTC."""
    return (at - EPOCH) // SECOND


class Setting(NamedTuple):
    """What holds for a case between two of its borders."""

    plan: str
    custody: str
    before_day1: bool
    in_warranty: bool
    cycle: int = 0


def setting_at(facts: CaseFacts, at: datetime) -> Setting:
    """What holds for the case at an instant."""
    return setting_of(facts, stamp(at))


def setting_of(facts: CaseFacts, instant: int) -> Setting:
    """What holds for the case at an instant, in seconds since 1970 UTC."""
    plan = facts.cover[0].plan
    for cover in facts.cover[1:]:
        if stamp(cover.from_at) <= instant:
            plan = cover.plan
    side = MANUFACTURER
    for custody in facts.custody:
        if stamp(custody.from_at) <= instant:
            side = custody.side
    warranty = facts.warranty_until is not None and instant < stamp(facts.warranty_until)
    if facts.warranty_from is not None and instant < stamp(facts.warranty_from):
        warranty = False
    before_day1 = facts.day_one_at is not None and instant < stamp(facts.day_one_at)
    cycle = sum(stamp(at) <= instant for at in facts.cycles) if facts.cycles else 0
    return Setting(plan, side, before_day1, warranty, cycle)


def situation_of(facts: CaseFacts, setting: Setting, task_class: str, *, authorized: bool) -> Situation:
    """What decides how work of a class is treated in a setting."""
    return Situation(
        task_class,
        setting.plan,
        facts.cause,
        setting.before_day1,
        setting.in_warranty,
        facts.certified,
        authorized,
        facts.has_integrator,
    )


def circumstance_of(facts: CaseFacts, tariff: Tariff, role: str, skill: str) -> Circumstance | None:
    """The circumstances of some work, without those no price looks at; None where none is left."""
    about = Circumstance(role, skill, facts.customer_class, facts.requested, facts.severity)
    fields = tariff.told_apart
    kept = {field: getattr(about, field) for field in fields if getattr(about, field)}
    return Circumstance(**kept) if kept else None
