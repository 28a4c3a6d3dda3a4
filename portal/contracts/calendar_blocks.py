"""Calendars as documents write them: weekly windows, holidays by date, year or rule, closings, whose zone counts.

Times are by the clock on the wall. A local time that daylight saving skips moves forward by the gap; one that comes
twice is open, or closed, both times. Holidays of a country are copied into the document when it is proposed, so that a
later release of the list changes nothing that was signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from portal.calendars import ALWAYS, Calendar, Window
from portal.closures import DAY_MINUTES, LEAP_YEAR, Closing, Floating
from portal.contracts.blocks import Block, Code, Label, ZoneName

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A closing lasts a year at most; what is longer is no closing but another calendar.
LONGEST_CLOSING_DAYS = 366
_WINDOW = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)")
_MOMENT = re.compile(r"(?:(?P<year>\d{4})-)?(?P<month>\d\d)-(?P<day>\d\d) (?P<clock>\d\d:\d\d)")
_SHORT_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


@dataclass(frozen=True)
class Places:
    """Where a case is, as far as calendars ask: a region, and the zones of the site, the engineer and the depot."""

    region: str | None = None
    site: str | None = None
    engineer: str | None = None
    depot: str | None = None


NOWHERE = Places()


class WhoseZone(StrEnum):
    """Whose clock on the wall a calendar's windows mean."""

    FIXED = "fixed"
    SITE = "site"
    ENGINEER = "engineer"
    DEPOT = "depot"


def clock_minutes(clock: str) -> int:
    """Minutes from midnight of "08:30"; 24:00 is the end of the day. *Raises*: ValueError."""
    hours, minutes = int(clock[:2]), int(clock[3:])
    if minutes > 59 or hours * 60 + minutes > DAY_MINUTES:
        raise ValueError(f"{clock} is no time of day; 00:00 to 24:00")
    return hours * 60 + minutes


def parse_window(text: str) -> tuple[tuple[int, int, int], ...]:
    """The (weekday 0=Monday, opening minute, closing minute) rows that "mon-fri 08:00-17:00" stands for."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError('write a window as "mon-fri 08:00-17:00" or "sat 09:00-12:00"')
    first, last = match["first"], match["last"] or match["first"]
    for day in (first, last):
        if day not in WEEKDAYS:
            raise ValueError(f'"{day}" is no weekday; mon, tue, wed, thu, fri, sat, sun')
    # A week may begin on Sunday: "sun-thu".
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
    if start == 6 and end < 6:
        start = -1
    if end < start:
        raise ValueError("a span of weekdays runs forward within one week, from mon to sun or from sun to sat")
    opens, closes = clock_minutes(match["opens"]), clock_minutes(match["closes"])
    if closes <= opens:
        raise ValueError("a window closes after it opens; past midnight, write two: until 24:00 and from 00:00")
    return tuple((day % 7, opens, closes) for day in range(start, end + 1))


def _window(text: str) -> str:
    parse_window(text)
    return text


def parse_month_day(text: str) -> tuple[int, int]:
    """The (month, day) that "12-25" stands for."""
    month, day = int(text[:2]), int(text[3:])
    if not 1 <= month <= 12 or not 1 <= day <= _SHORT_MONTHS.get(month, 31):
        raise ValueError(f"{text} is no day of a year; write month-day as 12-25")
    return month, day


def _month_day(text: str) -> str:
    parse_month_day(text)
    return text


def _clock(text: str) -> str:
    clock_minutes(text)
    return text


@dataclass(frozen=True)
class WallMoment:
    """A time on the wall, of one year or of every year; without a year the day is one of the leap year 2000."""

    yearly: bool
    day: date
    minute: int


def parse_moment(text: str) -> WallMoment:
    """What "2026-12-24 17:00", or "12-24 17:00" in every year, stands for. *Raises*: ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError('write a moment as "2026-12-24 17:00", or "12-24 17:00" for every year')
    month, day = parse_month_day(f"{match['month']}-{match['day']}")
    try:
        on = date(int(match["year"] or LEAP_YEAR), month, day)
    except ValueError:
        raise ValueError(f"{text[:10]} is no date") from None
    return WallMoment(match["year"] is None, on, clock_minutes(match["clock"]))


def _moment(text: str) -> str:
    parse_moment(text)
    return text


WindowText = Annotated[str, AfterValidator(_window)]
MonthDay = Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d$"), AfterValidator(_month_day)]
ClockText = Annotated[str, StringConstraints(pattern=r"^\d\d:\d\d$"), AfterValidator(_clock)]
MomentText = Annotated[str, AfterValidator(_moment)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Year = Annotated[int, Field(ge=1970, le=2200)]


class FloatingHoliday(Block):
    """A holiday that a rule finds every year: the nth such weekday of a month, or a distance from Easter Sunday."""

    name: Label
    """What people read."""
    easter: bool = False
    """Count from Easter Sunday; month and weekday are then left out."""
    month: int | None = Field(default=None, ge=1, le=12)
    """The month of the weekday."""
    weekday: str | None = Field(default=None, pattern=r"^(mon|tue|wed|thu|fri|sat|sun)$")
    """The weekday: mon, tue, wed, thu, fri, sat, sun."""
    nth: int = Field(default=1, ge=-1, le=5)
    """Which of them: 1 to 5, or -1 for the last of the month."""
    days_after: int = Field(default=0, ge=-366, le=366)
    """Days after that day; negative before it: Good Friday is easter = true, days_after = -2."""

    @model_validator(mode="after")
    def _counts_from_one_day(self) -> Self:
        if self.easter == (self.month is not None) or (self.month is None) != (self.weekday is None):
            raise ValueError("state easter = true, or a month with its weekday")
        if self.nth == 0:
            raise ValueError("nth is 1 to 5, or -1 for the last")
        return self

    def as_rule(self) -> Floating:
        """The rule as calendars know it."""
        weekday = WEEKDAYS.index(self.weekday) if self.weekday is not None else 0
        return Floating(self.month or 0, weekday, self.nth, self.days_after)


class HolidayRule(Block):
    """Public holidays of a country, copied into named_holidays from a published list when the document is proposed."""

    country: CountryCode
    """ISO 3166 code: "PL"."""
    subdivision: str | None = Field(default=None, pattern=r"^[A-Z0-9]{1,3}$")
    """State or province, as in ISO 3166-2 after the dash: "BY"."""
    first_year: Year
    """The first year that is copied."""
    last_year: Year
    """The last year that is copied; in later years the calendar knows none of them."""
    leave_out: tuple[Label, ...] = ()
    """Names, in English, of holidays of the list on which the calendar stays open."""

    @model_validator(mode="after")
    def _years_in_order(self) -> Self:
        if self.last_year < self.first_year:
            raise ValueError("last_year is not before first_year")
        if self.last_year - self.first_year > 30:
            raise ValueError("copy at most 31 years")
        return self


class NamedHoliday(Block):
    """A day on which the calendar is closed, with its name."""

    on: date
    """The day."""
    name: Label
    """What people read."""


class ClosingBlock(Block):
    """Time in which the calendar is closed though its week says open: once, or every year where no year is stated."""

    begins: MomentText
    """The first closed moment: "2026-12-24 12:00", or "12-24 12:00" every year."""
    ends: MomentText | None = None
    """The first open moment after it, written the same way; 24:00 is the end of its day."""
    label: Label | None = None
    """What people read."""

    def days(self) -> Iterator[Closing]:
        """The closed hours, one row a day; nothing where it never ends, which a check refuses."""
        if self.ends is None:
            return
        begins, ends = parse_moment(self.begins), parse_moment(self.ends)
        last = ends.day
        if begins.yearly and (last, ends.minute) <= (begins.day, begins.minute):
            last = date(last.year + 1, last.month, last.day) if (last.month, last.day) != (2, 29) else last
        for number in range(min((last - begins.day).days, LONGEST_CLOSING_DAYS) + 1):
            day = begins.day + timedelta(days=number)
            hours = (begins.minute if number == 0 else 0, ends.minute if day == last else DAY_MINUTES)
            if hours[0] < hours[1]:
                yield Closing((day.month, day.day) if begins.yearly else day, *hours)


class RegionRow(Block):
    """Which calendar counts in some regions."""

    regions: tuple[Code, ...] = ()
    """Regions of this row; any where left out."""
    calendar: Code
    """The calendar that counts there."""


class CalendarBlock(Block):
    """A named calendar: weekday windows in a zone, closed on holidays; or always open; or another one by region."""

    code: Code
    """The name other tables use."""
    label: Label | None = None
    """What people read; the code where left out."""
    zone: ZoneName | None = None
    """IANA zone of the windows; the document's zone where left out."""
    whose_zone: WhoseZone = WhoseZone.FIXED
    """fixed, or whose clock counts: site, engineer or depot; where that is not known, the zone above."""
    by_region: tuple[RegionRow, ...] = ()
    """Other calendars by the region of the case, first match wins; this one then has no windows of its own."""
    always: bool = False
    """Open around the clock, every day: windows and holidays are then left out."""
    windows: tuple[WindowText, ...] = ()
    """Weekday windows such as "mon-fri 08:00-17:00" or "sun-thu 09:00-18:00"; a closing time of 24:00 is midnight."""
    holidays: tuple[date, ...] = ()
    """Days on which the calendar is closed."""
    yearly_holidays: tuple[MonthDay, ...] = ()
    """Month-day dates closed every year, such as "12-25"."""
    floating_holidays: tuple[FloatingHoliday, ...] = ()
    """Holidays by rule: the fourth Thursday of November, two days before Easter."""
    holiday_rules: tuple[HolidayRule, ...] = ()
    """Public holidays of countries, copied when the document is proposed."""
    named_holidays: tuple[NamedHoliday, ...] = ()
    """Closed days with their names; what holiday_rules copy stands here."""
    holidays_begin: ClockText | None = None
    """Time of the day before from which a holiday counts, such as "17:00"; its own midnight where left out."""
    on_holidays: bool = False
    """Turned around: the windows count on holidays and in closings only, as for a holiday price."""
    closings: tuple[ClosingBlock, ...] = ()
    """Closed hours beside the holidays."""

    @model_validator(mode="after")
    def _open_at_some_time(self) -> Self:
        days_off = self.holidays or self.yearly_holidays or self.floating_holidays or self.named_holidays
        restricted = bool(self.windows or days_off or self.holiday_rules or self.closings)
        if self.always and (restricted or self.by_region):
            raise ValueError("a calendar that is always open has no windows and no holidays")
        if self.by_region and restricted:
            raise ValueError("a calendar by region has no windows and no holidays of its own")
        if not self.always and not self.windows and not self.by_region:
            raise ValueError("a calendar needs windows, or always = true")
        return self

    def opened_in(self, zone: str, places: Places = NOWHERE) -> Calendar:
        """The calendar as a value to reckon with; ``zone`` is the document's. By region: see ``regional``."""
        return ALWAYS if self.always else _opened(self, self.zone_for(places) or self.zone or zone)

    def zone_for(self, places: Places) -> str | None:
        """The zone of whoever's clock counts, where that is known."""
        return {
            WhoseZone.FIXED: None,
            WhoseZone.SITE: places.site,
            WhoseZone.ENGINEER: places.engineer,
            WhoseZone.DEPOT: places.depot,
        }[self.whose_zone]

    def regional(self, region: str | None) -> str:
        """The code of the calendar that counts in a region; its own where it has windows or no row fits."""
        for row in self.by_region:
            if not row.regions or region in row.regions:
                return row.calendar
        return self.code

    @property
    def parsed_windows(self) -> tuple[tuple[int, int, int], ...]:
        """Every (weekday, opening minute, closing minute), in the order of the week."""
        return tuple(sorted(row for text in self.windows for row in parse_window(text)))


@lru_cache(maxsize=1_024)
def _opened(block: CalendarBlock, zone: str) -> Calendar:
    """The same calendar for the same words: a decision asks for each of them many times."""
    return Calendar(
        zone,
        tuple(Window(*row) for row in block.parsed_windows),
        frozenset((*block.holidays, *(each.on for each in block.named_holidays))),
        frozenset(parse_month_day(text) for text in block.yearly_holidays),
        tuple(each.as_rule() for each in block.floating_holidays),
        tuple(day for closing in block.closings for day in closing.days()),
        clock_minutes(block.holidays_begin) if block.holidays_begin is not None else DAY_MINUTES,
        on_holidays=block.on_holidays,
    )


def holiday_name(block: CalendarBlock, on: date) -> str | None:
    """What people call the holiday of a day; None for a day that is none or has no name."""
    for named in block.named_holidays:
        if named.on == on:
            return named.name
    for floating in block.floating_holidays:
        if on in {floating.as_rule().in_year(year) for year in (on.year - 1, on.year, on.year + 1)}:
            return floating.name
    for closing in block.closings:
        if any(day.in_year(on.year) == on for day in closing.days()):
            return closing.label
    return None
