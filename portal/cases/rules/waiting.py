"""What time does to a case that waits: reminders and closing by itself, in business days.

A day is over when its calendar closes; the day of the beginning is not counted. An answer ends the count, and the next
question begins another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portal.contracts.policy import Policy
from portal.contracts.promises import day_closes
from portal.contracts.rules import calendar_named


class WaitStep(StrEnum):
    """What is to be done about a question nobody has answered."""

    WAIT = "wait"
    REMIND = "remind"
    CLOSE = "close"


@dataclass(frozen=True)
class WaitDates:
    """When a reminder goes out, and when the case is resolved by itself."""

    remind_at: datetime | None
    close_at: datetime


def unanswered_dates(policy: Policy, asked_at: datetime) -> WaitDates | None:
    """The dates of a question; None where the policy lets it wait for ever."""
    terms = policy.lifecycle.unanswered
    if terms is None:
        return None
    calendar = calendar_named(policy, terms.calendar)
    remind_at = day_closes(calendar, asked_at, terms.reminder_days) if terms.reminder_days is not None else None
    return WaitDates(remind_at, day_closes(calendar, asked_at, terms.close_days))


def wait_step(dates: WaitDates, now: datetime) -> WaitStep:
    """What the time since the question asks for."""
    if now >= dates.close_at:
        return WaitStep.CLOSE
    return WaitStep.REMIND if dates.remind_at is not None and now >= dates.remind_at else WaitStep.WAIT


def closing_reminder_at(policy: Policy, resolved_at: datetime) -> datetime | None:
    """When the customer is reminded that a resolved case is about to close; None where nobody is."""
    terms = policy.lifecycle
    if terms.closing_reminder_days is None or terms.reopen_calendar is None:
        return None
    return day_closes(calendar_named(policy, terms.reopen_calendar), resolved_at, terms.closing_reminder_days)
