"""Business time: when a calendar is open, how much open time lies between two instants, when an amount is used up.

Invariants: instants are timezone-aware and answers are UTC; periods are half-open; only whole seconds count (a fraction
of a second in an instant is dropped), so that the time of adjoining spans adds up. An instant is open when the clock on
the wall in the calendar's zone shows a time inside a window and inside no holiday or closing: an hour that daylight
saving skips is no open time, an hour it repeats is open twice. Nothing here asks what time it is.

Why years: the open periods of one calendar in one UTC year are computed once, with running totals; adding and
measuring are then two bisections and a sum over years, equally quick for an hour and for forty years.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from portal import zones
from portal.closures import DAY_MINUTES, Closing, Closures, Floating, Hours, without
from portal.errors import RuleBroken

# A calendar that stays closed this long never opens for any purpose of ours; every search ends here.
HORIZON_YEARS = 100

resolve_local = zones.resolve_local


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``start`` up to, not including, ``end``. *Raises*: RuleBroken when naive or running backwards."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise RuleBroken("A period needs times with their zone.")
        if self.end < self.start:
            raise RuleBroken("A period cannot end before it starts.")

    @property
    def seconds(self) -> int:
        """Whole seconds in it."""
        return zones.stamp_of(self.end) - zones.stamp_of(self.start)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Open hours on one weekday, by the clock on the wall.

    *Units*: ``weekday`` 0 is Monday; ``opens`` and ``closes`` are minutes from midnight, ``closes`` at most 1440, which
    is 24:00. A window over midnight is two windows. *Raises*: RuleBroken when it is not within one day.
    """

    weekday: int
    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise RuleBroken("A weekday is a number from 0, Monday, to 6, Sunday.")
        if not 0 <= self.opens < self.closes <= DAY_MINUTES:
            raise RuleBroken("A window opens before it closes, within one day.")


@dataclass(frozen=True)
class Calendar:
    """Weekly windows in one zone, less holidays and closings.

    *Shape*: several windows a weekday, in any order; windows that touch or overlap count once; a holiday closes the
    whole local day, ``holidays`` once, ``yearly_holidays`` as (month, day) and ``floating`` by rule every year, and
    from ``eve_from`` on the evening before; ``closings`` are hours of a day. With ``on_holidays`` it is turned around:
    the windows count in holidays and closings only.
    *Raises*: RuleBroken for an unknown zone or a (month, day) that no year has.
    """

    zone: str
    windows: tuple[Window, ...]
    holidays: frozenset[date] = frozenset()
    yearly_holidays: frozenset[tuple[int, int]] = frozenset()
    floating: tuple[Floating, ...] = ()
    closings: tuple[Closing, ...] = ()
    eve_from: int = DAY_MINUTES
    on_holidays: bool = False

    def __post_init__(self) -> None:
        zones.zone_named(self.zone)
        closures = self.closures
        # Hashed once: the calendar is the key under which its years are remembered.
        object.__setattr__(self, "_hash", hash((self.zone, self.windows, closures, self.on_holidays)))

    def __hash__(self) -> int:
        return int(self.__dict__["_hash"])

    @property
    def closures(self) -> Closures:
        """What closes it though its week says open."""
        return Closures(self.holidays, self.yearly_holidays, self.floating, self.closings, self.eve_from)


ALWAYS = Calendar("UTC", tuple(Window(weekday, 0, DAY_MINUTES) for weekday in range(7)))


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether ``at`` lies in an open period; the opening instant does, the closing instant does not."""
    stamp = zones.stamp_of(at)
    year = _year_table(calendar, zones.year_of(stamp))
    index = bisect_right(year.starts, stamp) - 1
    return index >= 0 and stamp < year.ends[index]


def open_periods(calendar: Calendar, start: datetime, end: datetime) -> Iterator[Period]:
    """The open periods within [start, end), in order, cut at both; periods that touch are one."""
    for opens, closes in _open_stamps(calendar, zones.stamp_of(start), zones.stamp_of(end)):
        yield Period(zones.instant_of(opens), zones.instant_of(closes))


def seconds_between(calendar: Calendar, start: datetime, end: datetime, pauses: Sequence[Period] = ()) -> int:
    """Open seconds in [start, end) outside every pause; zero when ``end`` is not after ``start``.

    *Shape*: pauses in any order, overlapping or empty ones included; each second is taken off once.
    """
    first, last = zones.stamp_of(start), zones.stamp_of(end)
    if last <= first:
        return 0
    paused = sum(
        _open_seconds(calendar, max(first, begins), min(last, stops))
        for begins, stops in _union(pauses)
        if begins < last and stops > first
    )
    return _open_seconds(calendar, first, last) - paused


def add_seconds(calendar: Calendar, start: datetime, seconds: int, pauses: Sequence[Period] = ()) -> datetime:
    """The first instant by which ``seconds`` of open, un-paused time have passed since ``start``.

    Used up exactly at a closing, the answer is that closing and not the next opening. A negative amount goes backward
    to the last instant from which that much open time leads to ``start``; zero is ``start`` itself, open or not.

    *Raises*: RuleBroken when the calendar does not open enough within a hundred years.
    """
    stamp = zones.stamp_of(start)
    union = _union(pauses)
    if seconds > 0:
        return zones.instant_of(_forward(calendar, stamp, seconds, union))
    if seconds < 0:
        return zones.instant_of(_backward(calendar, stamp, -seconds, union))
    return zones.instant_of(stamp)


def explain_deadline(
    calendar: Calendar, start: datetime, seconds: int, pauses: Sequence[Period] = ()
) -> tuple[tuple[Period, int], ...]:
    """The stretches of open, un-paused time that make up a deadline, so that a page can show the sum.

    *Shape*: (period, its seconds) in order of time; the seconds add up to the amount's size. The last period ends where
    ``add_seconds`` of the same arguments does; with a negative amount the first one starts there.
    *Raises*: as ``add_seconds``.
    """
    reached = zones.stamp_of(add_seconds(calendar, start, seconds, pauses))
    first, last = sorted((zones.stamp_of(start), reached))
    counted: list[tuple[Period, int]] = []
    for opens, closes in _outside(_union(pauses), first, last):
        for begins, stops in _open_stamps(calendar, opens, closes):
            counted.append((Period(zones.instant_of(begins), zones.instant_of(stops)), stops - begins))
    return tuple(counted)


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """``at`` itself when open, else the next opening. *Raises*: RuleBroken when there is none in a hundred years."""
    stamp = zones.stamp_of(at)
    # The first open second from here ends one second after it began.
    return zones.instant_of(_forward(calendar, stamp, 1, ()) - 1)


def previous_close(calendar: Calendar, at: datetime) -> datetime:
    """``at`` itself within an open period or at its closing, else the latest closing before.

    An opening instant is not within the period that it opens.

    *Raises*: RuleBroken when there is none in a hundred years.
    """
    stamp = zones.stamp_of(at)
    return zones.instant_of(_backward(calendar, stamp, 1, ()) + 1)


def is_working_day(calendar: Calendar, on: date) -> bool:
    """Whether the calendar has a window on that local day of which holidays and closings leave something."""
    return bool(open_hours(calendar, on))


def open_hours(calendar: Calendar, on: date) -> tuple[Hours, ...]:
    """The (opening, closing) minutes of a local day by the clock on the wall, in order; empty where it is closed."""
    windows = [(each.opens, each.closes) for each in calendar.windows if each.weekday == on.weekday()]
    return tuple(_hours_of_day(calendar, windows, _closed_hours(calendar, on.year).get(on, ()))) if windows else ()


def add_working_days(calendar: Calendar, on: date, days: int) -> date:
    """The working day ``days`` working days from ``on``.

    A day that is no working day first rolls to the nearest one in the direction of travel (forward for zero).

    *Raises*: RuleBroken when the calendar has too few working days within a hundred years.
    """
    step = timedelta(days=-1 if days < 0 else 1)
    remaining = abs(days)
    day = on
    for _ in range(HORIZON_YEARS * 366):
        if is_working_day(calendar, day):
            if remaining == 0:
                return day
            remaining -= 1
        day += step
    raise _never_open(calendar)


def add_days(calendar: Calendar, at: datetime, days: int) -> datetime:
    """``at`` moved by working days, keeping the time on the wall in the calendar's zone.

    *Shape*: the local day moves as in ``add_working_days``; a wall time that does not exist or comes twice on the new
    day is resolved as in ``resolve_local``. *Raises*: as ``add_working_days``.
    """
    local = zones.instant_of(zones.stamp_of(at)).astimezone(zones.zone_named(calendar.zone))
    return resolve_local(calendar.zone, datetime.combine(add_working_days(calendar, local.date(), days), local.time()))


@dataclass(frozen=True, slots=True)
class _Year:
    """Open periods of one calendar in one UTC year, as seconds since 1970.

    *Shape*: ``elapsed[i]`` is the open time before period i; one more element than there are periods, the last is the
    year's total.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    elapsed: tuple[int, ...]

    def open_before(self, stamp: int) -> int:
        """Open seconds of the year before ``stamp``."""
        index = bisect_right(self.starts, stamp) - 1
        if index < 0:
            return 0
        return self.elapsed[index] + min(stamp, self.ends[index]) - self.starts[index]

    def first_with(self, elapsed: int) -> int:
        """The first instant before which ``elapsed`` seconds were open; from 1 to the year's total."""
        index = bisect_left(self.elapsed, elapsed) - 1
        return self.starts[index] + elapsed - self.elapsed[index]

    def last_with(self, elapsed: int) -> int:
        """The last instant before which ``elapsed`` seconds were open; from 0 to the year's total less 1."""
        index = bisect_right(self.elapsed, elapsed) - 1
        return self.starts[index] + elapsed - self.elapsed[index]


@lru_cache(maxsize=1024)
def _year_table(calendar: Calendar, year: int) -> _Year:
    """The open periods of ``calendar`` within ``year``, periods that touch or overlap made one."""
    closed = {zones.day_number(on): hours for on, hours in _closed_hours(calendar, year).items()}
    by_weekday: list[list[Hours]] = [[] for _ in range(7)]
    for window in sorted(calendar.windows):
        by_weekday[window.weekday].append((window.opens, window.closes))
    starts: list[int] = []
    ends: list[int] = []
    for begins, stops, offset in zones.offsets(calendar.zone, year):
        for day in range((begins + offset) // zones.DAY_SECONDS, (stops - 1 + offset) // zones.DAY_SECONDS + 1):
            # The first day of 1970 was a Thursday.
            for first, last in _hours_of_day(calendar, by_weekday[(day + 3) % 7], closed.get(day, ())):
                opens = max(begins, day * zones.DAY_SECONDS + first * 60 - offset)
                closes = min(stops, day * zones.DAY_SECONDS + last * 60 - offset)
                if ends and opens <= ends[-1]:
                    ends[-1] = max(ends[-1], closes)
                elif opens < closes:
                    starts.append(opens)
                    ends.append(closes)
    elapsed = [0]
    for opens, closes in zip(starts, ends, strict=True):
        elapsed.append(elapsed[-1] + closes - opens)
    return _Year(tuple(starts), tuple(ends), tuple(elapsed))


def _hours_of_day(calendar: Calendar, windows: Sequence[Hours], closed: Sequence[Hours]) -> Iterable[Hours]:
    """The open hours of a day: its windows less what is closed, or what of them is closed where that is meant."""
    if calendar.on_holidays:
        return without(windows, without([(0, DAY_MINUTES)], closed)) if closed else ()
    return without(windows, closed) if closed else windows


@lru_cache(maxsize=1024)
def _closed_hours(calendar: Calendar, year: int) -> dict[date, tuple[Hours, ...]]:
    """What the calendar's holidays and closings close in a year, by local day."""
    return calendar.closures.closed_hours(year)


def _open_seconds(calendar: Calendar, first: int, last: int) -> int:
    """Open seconds in [first, last)."""
    total = 0
    for year in range(zones.year_of(first), zones.year_of(last) + 1):
        table = _year_table(calendar, year)
        total += table.open_before(last) - table.open_before(first)
    return total


def _open_stamps(calendar: Calendar, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Open stretches within [first, last), those that touch over a year's end made one."""
    if last <= first:
        return
    held: tuple[int, int] | None = None
    for year in range(zones.year_of(first), zones.year_of(last) + 1):
        table = _year_table(calendar, year)
        for index in range(bisect_right(table.ends, first), bisect_left(table.starts, last)):
            opens, closes = max(first, table.starts[index]), min(last, table.ends[index])
            if held is not None and held[1] == opens:
                held = (held[0], closes)
                continue
            if held is not None:
                yield held
            held = (opens, closes)
    if held is not None:
        yield held


def _forward(calendar: Calendar, stamp: int, seconds: int, pauses: Iterable[tuple[int, int]]) -> int:
    """The first stamp by which ``seconds`` (1 or more) open, un-paused seconds have passed."""
    for begins, stops in pauses:
        if stops <= stamp:
            continue
        available = _open_seconds(calendar, stamp, begins) if begins > stamp else 0
        if available >= seconds:
            break
        seconds -= available
        stamp = stops
    year = zones.year_of(stamp)
    for later in range(year, min(year + HORIZON_YEARS, zones.LAST_YEAR) + 1):
        table = _year_table(calendar, later)
        before = table.open_before(stamp)
        if table.elapsed[-1] - before >= seconds:
            return table.first_with(before + seconds)
        seconds -= table.elapsed[-1] - before
    raise _never_open(calendar)


def _backward(calendar: Calendar, stamp: int, seconds: int, pauses: Sequence[tuple[int, int]]) -> int:
    """The last stamp from which ``seconds`` (1 or more) open, un-paused seconds lead to ``stamp``."""
    for begins, stops in reversed(pauses):
        if begins >= stamp:
            continue
        available = _open_seconds(calendar, stops, stamp) if stops < stamp else 0
        if available >= seconds:
            break
        seconds -= available
        stamp = begins
    year = zones.year_of(stamp)
    for earlier in range(year, max(year - HORIZON_YEARS, zones.FIRST_YEAR) - 1, -1):
        table = _year_table(calendar, earlier)
        before = table.open_before(stamp)
        if before >= seconds:
            return table.last_with(before - seconds)
        seconds -= before
    raise _never_open(calendar)


def _union(pauses: Iterable[Period]) -> tuple[tuple[int, int], ...]:
    """The pauses as disjoint stretches in order, empty ones left out."""
    union: list[tuple[int, int]] = []
    for begins, stops in sorted((zones.stamp_of(pause.start), zones.stamp_of(pause.end)) for pause in pauses):
        if union and begins <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], stops))
        elif begins < stops:
            union.append((begins, stops))
    return tuple(union)


def _outside(pauses: Iterable[tuple[int, int]], first: int, last: int) -> Iterator[tuple[int, int]]:
    """What the disjoint, ordered pauses leave of [first, last)."""
    for begins, stops in pauses:
        if begins >= last:
            break
        if begins > first:
            yield first, begins
        first = max(first, stops)
    if first < last:
        yield first, last


def _never_open(calendar: Calendar) -> RuleBroken:
    return RuleBroken(f"This calendar ({calendar.zone}) is not open for long enough within {HORIZON_YEARS} years.")
