"""Time cut at the borders of bands, cover and local days, with each day's borders computed once.

Invariants: every instant lies in exactly one band; pieces follow each other without gaps. The only state is a memory of
days already met, which changes no answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from portal.calendars import Calendar, open_periods
from portal.rating.terms import BandTerm

DAY_SECONDS = 86_400

Span = tuple[int, int]


class Piece(NamedTuple):
    """A stretch of time, in seconds since 1970 UTC: its band, whether cover is open, its local day if that matters."""

    start: int
    end: int
    band: str
    covered: bool
    day: int


class DayBorders(NamedTuple):
    """One UTC day: where its pieces start (the last number is the next midnight) and what each of them is."""

    starts: tuple[int, ...]
    answers: tuple[tuple[str, bool, int], ...]


@dataclass(frozen=True)
class Timetable:
    """Bands in order of precedence, ``otherwise`` for all other time; ``cover`` None covers always.

    Local days, of ``zone``, matter only where ``by_day`` says so.
    """

    zone: str
    bands: tuple[BandTerm, ...]
    otherwise: str
    cover: Calendar | None
    by_day: bool
    known: dict[int, DayBorders] = field(default_factory=dict, repr=False, compare=False)

    def band_names(self) -> tuple[str, ...]:
        """Every band, the one for all other time last."""
        return (*(band.name for band in self.bands), self.otherwise)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """The time from ``start`` to a later ``end`` cut at its borders; neighbours differ in something."""
        borders = self._day(start)
        index = bisect_right(borders.starts, start)
        begun, answer = start, borders.answers[index - 1]
        while borders.starts[index] < end:
            border = borders.starts[index]
            if index == len(borders.answers):
                borders, index = self._day(border), 0
            met = borders.answers[index]
            index += 1
            if met != answer:
                yield Piece(begun, border, *answer)
                begun, answer = border, met
        yield Piece(begun, end, *answer)

    def _day(self, instant: int) -> DayBorders:
        number = instant // DAY_SECONDS
        borders = self.known.get(number)
        if borders is None:
            borders = self.known[number] = _day_borders(self, number)
        return borders


def _day_borders(table: Timetable, number: int) -> DayBorders:
    first, last = number * DAY_SECONDS, (number + 1) * DAY_SECONDS
    bands = [_spans(band.calendar, first, last, outside=band.outside) for band in table.bands]
    cover = None if table.cover is None else _spans(table.cover, first, last, outside=False)
    instants = {first}
    for spans in (*bands, cover or ()):
        instants.update(instant for span in spans for instant in span)
    if table.by_day:
        instants.update(_local_midnights(table.zone, first, last))
    starts = sorted(instant for instant in instants if instant < last)
    answers = [
        (
            _band_of(table, bands, start),
            cover is None or _within(cover, start),
            _local_date(table.zone, start).toordinal() if table.by_day else 0,
        )
        for start in starts
    ]
    return DayBorders((*starts, last), tuple(answers))


def _spans(calendar: Calendar, first: int, last: int, *, outside: bool) -> list[Span]:
    start, end = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
    found = [(int(p.start.timestamp()), int(p.end.timestamp())) for p in open_periods(calendar, start, end)]
    if not outside:
        return found
    borders = [first, *(instant for span in found for instant in span), last]
    return list(zip(borders[::2], borders[1::2], strict=True))


def _within(spans: Sequence[Span], instant: int) -> bool:
    return any(start <= instant < end for start, end in spans)


def _band_of(table: Timetable, bands: Sequence[Sequence[Span]], instant: int) -> str:
    for band, spans in zip(table.bands, bands, strict=True):
        if _within(spans, instant):
            return band.name
    return table.otherwise


def _local_midnights(zone: str, first: int, last: int) -> list[int]:
    """Where local days begin; a midnight that daylight saving skips begins its day at the change."""
    day = _local_date(zone, first)
    begins = (datetime.combine(day + timedelta(days=n), time(0), ZoneInfo(zone)) for n in (0, 1, 2))
    return [stamp for stamp in (int(begin.timestamp()) for begin in begins) if first <= stamp < last]


def _local_date(zone: str, instant: int) -> date:
    return datetime.fromtimestamp(instant, ZoneInfo(zone)).date()
