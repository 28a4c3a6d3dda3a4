"""Clocks on walls: IANA zones, the instants their readings mean, and the stretches of time with one offset.

Invariants: instants are UTC, or whole seconds since 1970 (a *stamp*); a fraction of a second is dropped downward.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.errors import RuleBroken

DAY_SECONDS = 86_400
# How far a clock on a wall is behind UTC and ahead of it at most: Baker Island, the Line Islands.
FURTHEST_WEST, FURTHEST_EAST = timedelta(hours=12), timedelta(hours=14)
# The years of ``datetime``, less one at each end for the distance of any zone from UTC.
FIRST_YEAR, LAST_YEAR = 2, 9998

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=256)
def zone_named(name: str) -> ZoneInfo:
    """The zone of an IANA name. *Raises*: RuleBroken."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RuleBroken(f"There is no time zone named {name!r}.") from error


def local_day(zone: str, at: datetime) -> date:
    """The day that the calendar on a wall of ``zone`` shows at an instant. *Raises*: RuleBroken as ``zone_named``."""
    return at.astimezone(zone_named(zone)).date()


def resolve_local(zone: str, naive: datetime) -> datetime:
    """The instant, in UTC, at which the wall clock of ``zone`` shows ``naive``.

    A time that the clock skips moves forward by the length of the gap; one that it shows twice is the first.

    *Raises*: RuleBroken for an unknown zone, or when ``naive`` already has one. *Source*: PEP 495, fold 0.
    """
    if naive.tzinfo is not None:
        raise RuleBroken("A wall-clock time has no zone of its own.")
    return naive.replace(tzinfo=zone_named(zone), fold=0).astimezone(UTC)


def wall_note(zone: str, naive: datetime) -> str | None:
    """What is said of a wall-clock time that does not exist or comes twice, by the rule of ``resolve_local``.

    None for an ordinary time. *Raises*: as ``resolve_local``.
    """
    meant = resolve_local(zone, naive).astimezone(zone_named(zone))
    if meant.replace(tzinfo=None) != naive:
        return f"{naive:%Y-%m-%d %H:%M} does not exist in {zone}: the clock skips it, {meant:%H:%M} is meant."
    if meant.replace(fold=1).utcoffset() != meant.utcoffset():
        return f"{naive:%Y-%m-%d %H:%M} comes twice in {zone}: the first is meant ({meant:%Z})."
    return None


def change_notes(zone: str, start: datetime, end: datetime) -> tuple[str, ...]:
    """A sentence for each time between two instants at which the clock of ``zone`` is set forward or back."""
    first, last = stamp_of(start), stamp_of(end)
    found: list[str] = []
    before: int | None = None
    for year in range(year_of(first), year_of(last) + 1):
        for begins, _, offset in offsets(zone, year):
            if before is not None and before != offset and first < begins < last:
                found.append(_change_words(zone, begins, before, offset))
            before = offset
    return tuple(found)


def _change_words(zone: str, begins: int, before: int, after: int) -> str:
    old, new = (instant_of(begins + offset) for offset in (before, after))
    said = f"On {old:%Y-%m-%d} the clock in {zone} goes from {old:%H:%M} to {new:%H:%M}: "
    return said + ("the time skipped is no open time." if after > before else "the time shown twice counts twice.")


@lru_cache(maxsize=2048)
def offsets(zone: str, year: int) -> tuple[tuple[int, int, int], ...]:
    """The stretches of a UTC year with one offset: (from, to, seconds ahead of UTC).

    The offset is looked up once a day and the change between two days found by bisection: no zone has ever moved its
    clock and moved it back within 24 hours.
    """
    clock = zone_named(zone)

    def offset_at(stamp: int) -> int:
        offset = datetime.fromtimestamp(stamp, clock).utcoffset() or timedelta()
        return offset // _SECOND

    first, last = year_start(year), year_start(year + 1)
    stretches: list[tuple[int, int, int]] = []
    begins, offset = first, offset_at(first)
    for day in range(first + DAY_SECONDS, last + 1, DAY_SECONDS):
        if offset_at(day) != offset:
            probes = range(day - DAY_SECONDS, day + 1)
            old = offset
            changed = probes[bisect_left(probes, True, key=lambda stamp: offset_at(stamp) != old)]
            stretches.append((begins, changed, offset))
            begins, offset = changed, offset_at(changed)
    stretches.append((begins, last, offset))
    return tuple(stretch for stretch in stretches if stretch[0] < last)


def stamp_of(at: datetime) -> int:
    """Whole seconds from 1970 to an instant. *Raises*: RuleBroken when it is naive."""
    if at.tzinfo is None:
        raise RuleBroken("A time needs its zone.")
    return (at - _EPOCH) // _SECOND


def instant_of(stamp: int) -> datetime:
    """The instant of a stamp, in UTC."""
    return datetime.fromtimestamp(stamp, UTC)


def year_of(stamp: int) -> int:
    """The UTC year of a stamp. *Raises*: RuleBroken outside the years that can be computed with."""
    year = instant_of(stamp).year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise RuleBroken("That time is too far away to be computed with.")
    return year


def year_start(year: int) -> int:
    """The stamp at which a UTC year begins."""
    return (date(year, 1, 1).toordinal() - _EPOCH_ORDINAL) * DAY_SECONDS


def day_number(on: date) -> int:
    """Days from 1970-01-01 to a date."""
    return on.toordinal() - _EPOCH_ORDINAL
