"""The vocabulary both kinds of documents are written in: codes, amounts, calendars, rate rows, tranches, weights.

Everything is a frozen value; an unknown key is an error; a list of conditions that is left out means "any".
Amounts and rates are decimal text in major units, exact, never a float.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from portal.calendars import ALWAYS, Calendar, Window

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHOLE_BP = 10_000
_WINDOW = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)")
_SHORT_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class Block(BaseModel):
    """One table of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Mode(StrEnum):
    """How the work was done."""

    REMOTE = "remote"
    PHONE = "phone"
    ON_SITE = "on_site"
    TRAVEL = "travel"


class TaskClass(StrEnum):
    """What kind of help it was."""

    SUPPORT = "support"
    HOW_TO = "how_to"
    COMMISSIONING = "commissioning"


class Revenue(StrEnum):
    """The kinds of revenue that are shared."""

    TIME_AND_MATERIALS = "time_and_materials"
    INCLUDED = "included"
    SUBSCRIPTION = "subscription"
    PACK_USE = "pack_use"
    PACK_BREAKAGE = "pack_breakage"


class Company(StrEnum):
    """The two companies that can hold and resolve a case."""

    MANUFACTURER = "manufacturer"
    INTEGRATOR = "integrator"


class Payer(StrEnum):
    """Who pays a bill item; the manufacturer paying means that it is free and borne by the manufacturer."""

    CUSTOMER = "customer"
    INTEGRATOR = "integrator"
    MANUFACTURER = "manufacturer"


class Collector(StrEnum):
    """Who collects the money from the payer."""

    OPERATOR = "operator"
    INTEGRATOR = "integrator"


class Direction(StrEnum):
    """Which way minutes are rounded."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


class Level(StrEnum):
    """Where rounding and minimums apply."""

    ENTRY = "entry"
    DAY = "day"
    CASE = "case"


class Recipient(StrEnum):
    """To whom a tranche goes."""

    PARTY = "party"
    SELLER = "seller"
    WORKED_TIME = "worked_time"
    RESOLVER = "resolver"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{name}" is no time zone; write a name like "Europe/Berlin"') from None
    return name


def _minutes(clock: str) -> int:
    hours, minutes = int(clock[:2]), int(clock[3:])
    if minutes > 59 or hours * 60 + minutes > 1440:
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
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
    if end < start:
        raise ValueError("a span of weekdays runs forward within one week, from mon to sun")
    opens, closes = _minutes(match["opens"]), _minutes(match["closes"])
    if closes <= opens:
        raise ValueError("a window closes after it opens; past midnight, write two: until 24:00 and from 00:00")
    return tuple((day, opens, closes) for day in range(start, end + 1))


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


Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ProductLineCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./_+-]{0,79}$")]
OrganisationCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,9}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
DecimalText = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$")]
MailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
ZoneName = Annotated[str, AfterValidator(_zone)]
WindowText = Annotated[str, AfterValidator(_window)]
MonthDay = Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d$"), AfterValidator(_month_day)]
BasisPoints = Annotated[int, Field(ge=0, le=WHOLE_BP)]
Minutes = Annotated[int, Field(ge=0, le=5_256_000)]
SomeMinutes = Annotated[int, Field(ge=1, le=5_256_000)]
Days = Annotated[int, Field(ge=0, le=3_660)]
SomeDays = Annotated[int, Field(ge=1, le=3_660)]
Severity = Annotated[int, Field(ge=1, le=4)]


class CalendarBlock(Block):
    """A named calendar: weekday windows in a zone, closed on holidays, or always open."""

    code: Code
    """The name other tables use."""
    label: Label | None = None
    """What people read; the code where left out."""
    zone: ZoneName | None = None
    """IANA zone of the windows; the document's zone where left out."""
    always: bool = False
    """Open around the clock, every day: windows and holidays are then left out."""
    windows: tuple[WindowText, ...] = ()
    """Weekday windows such as "mon-fri 08:00-17:00"; a closing time of 24:00 is midnight."""
    holidays: tuple[date, ...] = ()
    """Days on which the calendar is closed."""
    yearly_holidays: tuple[MonthDay, ...] = ()
    """Month-day dates closed every year, such as "12-25"."""

    @model_validator(mode="after")
    def _open_at_some_time(self) -> Self:
        if self.always and (self.windows or self.holidays or self.yearly_holidays):
            raise ValueError("a calendar that is always open has no windows and no holidays")
        if not self.always and not self.windows:
            raise ValueError("a calendar needs windows, or always = true")
        return self

    def opened_in(self, zone: str) -> Calendar:
        """The calendar as a value to reckon with; ``zone`` is the document's."""
        if self.always:
            return ALWAYS
        return Calendar(
            self.zone or zone,
            tuple(Window(*row) for row in self.parsed_windows),
            frozenset(self.holidays),
            frozenset(parse_month_day(text) for text in self.yearly_holidays),
        )

    @property
    def parsed_windows(self) -> tuple[tuple[int, int, int], ...]:
        """Every (weekday, opening minute, closing minute), in the order of the week."""
        return tuple(sorted(row for text in self.windows for row in parse_window(text)))


class RateRow(Block):
    """One row of a rate table; the first row whose conditions all hold gives the price of an hour."""

    modes: tuple[Mode, ...] = ()
    """Modes of work this row is for; any where left out."""
    bands: tuple[Code, ...] = ()
    """Bands this row is for; any where left out."""
    task_classes: tuple[TaskClass, ...] = ()
    """Task classes this row is for; any where left out."""
    product_lines: tuple[ProductLineCode, ...] = ()
    """Product lines this row is for; any where left out."""
    plans: tuple[Code, ...] = ()
    """Plans this row is for; any where left out. Intercompany rows name none."""
    per_hour: DecimalText
    """The price of one hour, in the document's currency, as text: "150.00"."""

    def covers(self, *, mode: str, band: str, task_class: str, product_line: str, plan: str) -> bool:
        """Whether the row is for this work."""
        pairs = (
            (self.modes, mode),
            (self.bands, band),
            (self.task_classes, task_class),
            (self.product_lines, product_line),
            (self.plans, plan),
        )
        return all(not allowed or value in allowed for allowed, value in pairs)


class Tranche(Block):
    """One slice of a revenue kind."""

    to: Recipient
    """"party" (a fixed one, named by party), "seller", "worked_time" (by seconds worked) or "resolver" (by weights)."""
    party: Code | None = None
    """The fixed party: operator, manufacturer, integrator, or another code of the parties table."""
    bp: BasisPoints
    """Its part in basis points; the tranches of one kind sum to 10000."""
    cap: DecimalText | None = None
    """The most this tranche takes from one bill item; what is above goes to the next tranche."""

    @model_validator(mode="after")
    def _names_its_party(self) -> Self:
        if (self.to == Recipient.PARTY) != (self.party is not None):
            raise ValueError('to = "party" names its party; the other recipients name none')
        return self


class ShareRow(Block):
    """How revenue of some kinds is shared."""

    revenues: tuple[Revenue, ...] = Field(min_length=1)
    """The revenue kinds this row is for."""
    tranches: tuple[Tranche, ...] = Field(min_length=1)
    """The slices, in order."""


class Weights(Block):
    """How much of the resolving counts for each company."""

    integrator_bp: BasisPoints
    """The integrator's weight in basis points."""
    manufacturer_bp: BasisPoints
    """The manufacturer's weight in basis points; both sum to 10000."""

    def of(self, company: Company) -> int:
        """The weight of one company."""
        return self.integrator_bp if company == Company.INTEGRATOR else self.manufacturer_bp


class ResolutionRow(Weights):
    """Weights for a cause and last corrective action; the first row that fits decides."""

    causes: tuple[Code, ...] = ()
    """Causes this row is for; any where left out."""
    last_actions: tuple[Code, ...] = ()
    """Last corrective actions this row is for; any where left out."""

    def covers(self, *, cause: str, last_action: str) -> bool:
        """Whether the row is for this cause and last corrective action."""
        by_cause = not self.causes or cause in self.causes
        return by_cause and (not self.last_actions or last_action in self.last_actions)
