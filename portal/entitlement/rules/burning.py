"""How hours or incidents left went down: what was left at the end of each day, beside using them evenly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Use:
    """Seconds or incidents of a grant that work of an instant takes; ``is_promised`` while they are not billed yet."""

    at: datetime
    amount: int
    is_promised: bool = False


@dataclass(frozen=True)
class DayLeft:
    """One day: what its work took, what is left at its end, and what would be if all were used evenly.

    *Units*: seconds, or incidents where the grant is of those.
    """

    on: date
    used: int
    left: int
    even: int


def burn_down(
    granted: int,
    uses: Iterable[Use],
    *,
    starts_at: datetime,
    expires_at: datetime | None,
    now: datetime,
    zone: ZoneInfo,
    step: int = 60,
) -> tuple[DayLeft, ...]:
    """A row for each day from the grant's first until today or its last, whichever comes first.

    What was used before its first day counts on it, and what is given back makes the line rise. What never expires
    need not be used by any day: using it evenly is using nothing of it. An even line goes down by whole steps: minutes,
    or 1 for incidents.
    """
    first, today = _day(starts_at, zone), _day(now, zone)
    last = max(today, first) if expires_at is None else _day(expires_at - timedelta(seconds=1), zone)
    today = min(max(today, first), last)
    by_day: dict[date, int] = {}
    for use in uses:
        on = min(max(_day(use.at, zone), first), today)
        by_day[on] = by_day.get(on, 0) + use.amount
    days, left, length = [], granted, (last - first).days + 1
    for number in range((today - first).days + 1):
        on = first + timedelta(days=number)
        used = by_day.get(on, 0)
        left -= used
        even = 0 if expires_at is None else granted * (length - number - 1) // length
        days.append(DayLeft(on, used, left, even // step * step))
    return tuple(days)


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()
