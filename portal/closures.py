"""When a calendar is closed though its week says open: holidays by date, by year or by rule, and closings of hours.

Invariants: everything here is by the clock on the wall, day by day; a holiday closes the whole local day and, where the
calendar says so, the evening before it. Rules give at most one day a year. Nothing here asks what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from portal.errors import RuleBroken

DAY_MINUTES = 1_440
# A leap year: every (month, day) that any year has is a day of it.
LEAP_YEAR = 2000

Hours = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Floating:
    """A day that a rule finds in every year: the nth such weekday of a month, or a distance from Easter Sunday.

    *Units*: ``weekday`` 0 is Monday; ``nth`` 1 to 5, or -1 for the last; ``days_after`` may be negative. With ``month``
    0 the rule counts from Easter. *Raises*: RuleBroken for a month, weekday or place that cannot be.
    """

    month: int = 0
    weekday: int = 0
    nth: int = 1
    days_after: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.month <= 12 and 0 <= self.weekday <= 6 and self.nth in (-1, 1, 2, 3, 4, 5)):
            raise RuleBroken("A holiday rule names a month, a weekday and which of them: 1 to 5, or -1 for the last.")
        if abs(self.days_after) > 366:
            raise RuleBroken("A holiday rule stays within a year of the day it counts from.")

    def in_year(self, year: int) -> date | None:
        """The day of ``year``, which may lie in the next or the last one; None where a fifth weekday is missing."""
        anchor = easter_sunday(year) if self.month == 0 else _nth_weekday(year, self.month, self.weekday, self.nth)
        return None if anchor is None else anchor + timedelta(days=self.days_after)


@dataclass(frozen=True, slots=True)
class Closing:
    """Hours of one local day in which the calendar is closed: of a date, or of a (month, day) every year.

    *Units*: ``begins`` and ``ends`` are minutes from midnight, ``ends`` at most 1440. *Raises*: RuleBroken.
    """

    on: date | tuple[int, int]
    begins: int = 0
    ends: int = DAY_MINUTES

    def __post_init__(self) -> None:
        if not 0 <= self.begins < self.ends <= DAY_MINUTES:
            raise RuleBroken("A closing ends after it begins, within one day.")
        if isinstance(self.on, tuple):
            day_of_year(LEAP_YEAR, *self.on)

    def in_year(self, year: int) -> date | None:
        """Its day in a year; None where it has none there."""
        if isinstance(self.on, tuple):
            return day_of_year(year, *self.on)
        return self.on if self.on.year == year else None


@dataclass(frozen=True, slots=True)
class Closures:
    """Everything that closes one calendar.

    ``eve_from`` is the minute of the day before a holiday from which the holiday's closing holds; 1440 means that a
    holiday begins at its own midnight.
    """

    holidays: frozenset[date] = frozenset()
    yearly_holidays: frozenset[tuple[int, int]] = frozenset()
    floating: tuple[Floating, ...] = ()
    closings: tuple[Closing, ...] = ()
    eve_from: int = DAY_MINUTES

    def __post_init__(self) -> None:
        for month, day in self.yearly_holidays:
            day_of_year(LEAP_YEAR, month, day)
        if not 0 < self.eve_from <= DAY_MINUTES:
            raise RuleBroken("A holiday begins on the evening before: a time of that day after midnight.")

    def closed_hours(self, year: int) -> dict[date, tuple[Hours, ...]]:
        """The closed hours of each day of a year and of the days next to it, overlapping ones not yet merged."""
        closed: dict[date, list[Hours]] = {}
        for on in self.holidays_near(year):
            closed.setdefault(on, []).append((0, DAY_MINUTES))
            if self.eve_from < DAY_MINUTES:
                closed.setdefault(on - timedelta(days=1), []).append((self.eve_from, DAY_MINUTES))
        for closing in self.closings:
            for near in (year - 1, year, year + 1):
                day = closing.in_year(near)
                if day is not None:
                    closed.setdefault(day, []).append((closing.begins, closing.ends))
        return {day: tuple(hours) for day, hours in closed.items()}

    def holidays_near(self, year: int) -> frozenset[date]:
        """The holidays of a year and of the years next to it."""
        days = {on for on in self.holidays if abs(on.year - year) <= 1}
        for near in (year - 1, year, year + 1):
            days.update(on for month, day in self.yearly_holidays if (on := day_of_year(near, month, day)))
            days.update(on for rule in self.floating if (on := rule.in_year(near)))
        return frozenset(days)


def without(windows: Iterable[Hours], closed: Iterable[Hours]) -> Iterator[Hours]:
    """The windows less the closed hours, in order."""
    shut = sorted(closed)
    for opens, closes in sorted(windows):
        reached = opens
        for begins, ends in shut:
            if ends <= reached or begins >= closes:
                continue
            if begins > reached:
                yield reached, begins
            reached = max(reached, ends)
        if reached < closes:
            yield reached, closes


def day_of_year(year: int, month: int, day: int) -> date | None:
    """That day of ``year``; None for the 29th of February of a year without one. *Raises*: RuleBroken."""
    try:
        date(LEAP_YEAR, month, day)
    except ValueError as error:
        raise RuleBroken(f"No year has a day {month:02d}-{day:02d} to be a holiday.") from error
    try:
        return date(year, month, day)
    except ValueError:
        return None


def easter_sunday(year: int) -> date:
    """Easter Sunday by the Gregorian calendar. *Source*: Meeus, Astronomical Algorithms, the anonymous computus."""
    century = year // 100
    golden = year % 19
    skipped = century - century // 4 - (8 * century + 13) // 25
    epact = (19 * golden + skipped + 15) % 30
    epact -= (epact // 28) * (1 - (epact // 28) * (29 // (epact + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + epact + 2 - century + century // 4) % 7
    offset = epact - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date | None:
    if nth == -1:
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - weekday) % 7)
    first = date(year, month, 1)
    found = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    return found if found.month == month else None
