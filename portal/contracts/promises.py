"""When a promise begins and when it is due, from the moments of a case and the calendar it counts in.

Pure. A promise in business days becomes open seconds of its calendar, from its beginning to the close of its last day:
so pauses and custody lengthen it as they lengthen any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from portal.calendars import (
    Calendar,
    add_days,
    add_seconds,
    add_working_days,
    is_working_day,
    next_open,
    open_hours,
    resolve_local,
    seconds_between,
)
from portal.closures import DAY_MINUTES
from portal.contracts.calendar_blocks import clock_minutes
from portal.contracts.targets import Clock, DayEnd, StartEvent, Target
from portal.contracts.terms import Plan
from portal.zones import zone_named


@dataclass(frozen=True)
class Moments:
    """When what happened, as far as it has: promises count from these.

    ``arrived_at`` is when the factory was first asked, by opening or offer; ``told_at`` when it last told the other
    side something.
    """

    opened_at: datetime
    arrived_at: datetime | None = None
    escalated_at: datetime | None = None
    intake_at: datetime | None = None
    responded_at: datetime | None = None
    told_at: datetime | None = None


@dataclass(frozen=True)
class Asked:
    """What a row of targets looks at."""

    severity: int
    certified: bool = False
    customer_class: str | None = None
    channel: str | None = None
    level: int | None = None


@dataclass(frozen=True)
class Due:
    """When a promise is due: None for one with the next release; ``on`` is the day of one in business days."""

    seconds: int
    at: datetime | None
    on: date | None = None


def target_of(plan: Plan, clock: Clock, asked: Asked) -> Target | None:
    """The promise of a plan for one clock; None where it promises nothing."""
    for target in plan.targets:
        lists = (
            (target.severities, asked.severity),
            (target.customer_classes, asked.customer_class),
            (target.channels, asked.channel),
            (target.levels, asked.level),
        )
        by_list = all(not allowed or value in allowed for allowed, value in lists)
        if target.clock == clock and by_list and target.certified in (None, asked.certified):
            return target
    return None


def begins_at(target: Target, calendar: Calendar, moments: Moments) -> datetime | None:
    """From when a promise counts; None while what it counts from has not happened."""
    if target.clock is Clock.UPDATE and moments.told_at is not None:
        return moments.told_at
    begins = {
        StartEvent.OPENING: moments.opened_at,
        StartEvent.ESCALATION: moments.escalated_at,
        StartEvent.INTAKE: moments.intake_at,
        StartEvent.RESPONSE: moments.responded_at,
    }.get(target.starts, moments.arrived_at)
    if begins is not None and target.starts is StartEvent.NEXT_OPENING:
        return next_open(calendar, begins)
    return begins


def due_of(target: Target, calendar: Calendar, begins: datetime) -> Due:
    """When a promise that begins then is due, were nothing to stop it."""
    if target.next_release:
        return Due(0, None)
    if target.minutes is not None:
        seconds = target.minutes * 60
        return Due(seconds, add_seconds(calendar, begins, seconds))
    if target.days is None:
        return Due(0, begins)
    on = last_day(target, calendar, begins)
    at = max(begins, _closes_at(calendar, on))
    if target.day_ends is DayEnd.SAME_TIME:
        at = min(at, max(begins, _same_time(target, calendar, begins, on)))
    return Due(seconds_between(calendar, begins, at), at, on)


def last_day(target: Target, calendar: Calendar, begins: datetime) -> date:
    """The business day on which a promise in days is due.

    The day of the beginning is not counted. From the cut-off on, and on a day that is no business day, it counts as the
    next one; without a cut-off, "the same day" after the last closing is the next business day.
    """
    local = begins.astimezone(zone_named(calendar.zone))
    day, minute = local.date(), local.hour * 60 + local.minute
    days = target.days or 0
    if target.cut_off is not None:
        passed = minute >= clock_minutes(target.cut_off)
    else:
        passed = days == 0 and is_working_day(calendar, day) and minute >= open_hours(calendar, day)[-1][1]
    if passed:
        day = add_working_days(calendar, day + timedelta(days=1), 0)
    return add_working_days(calendar, day, days)


def day_closes(calendar: Calendar, at: datetime, days: int) -> datetime:
    """The close of the business day so many business days after ``at``, whose own day is not counted."""
    local = at.astimezone(zone_named(calendar.zone))
    return max(at, _closes_at(calendar, add_working_days(calendar, local.date(), days)))


def _closes_at(calendar: Calendar, on: date) -> datetime:
    """The last closing of a business day; a closing time that daylight saving skips moves forward by the gap."""
    closes = open_hours(calendar, on)[-1][1]
    day, minute = (on + timedelta(days=1), 0) if closes == DAY_MINUTES else (on, closes)
    return resolve_local(calendar.zone, datetime.combine(day, time(minute // 60, minute % 60)))


def _same_time(target: Target, calendar: Calendar, begins: datetime, on: date) -> datetime:
    if target.cut_off is not None:
        local = begins.astimezone(zone_named(calendar.zone))
        return resolve_local(calendar.zone, datetime.combine(on, local.time()))
    return add_days(calendar, begins, target.days or 0)


def promise_words(target: Target) -> str:
    """How long a promise is, in words, without its calendar."""
    if target.next_release:
        return "with the next release"
    if target.at_once:
        return "at once"
    if target.days is not None:
        return "the same business day" if target.days == 0 else f"{target.days} business day{'s' * (target.days > 1)}"
    hours, minutes = divmod(target.minutes or 0, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)
