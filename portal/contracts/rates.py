"""What time costs and how it counts: rate rows, overtime, surcharges and discounts, rounding, minimums, caps.

Every table is read first match wins. Prices are exact: an hour's price is a rational number of major units.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, DecimalText, Direction, Level, Minutes, Mode, SomeMinutes
from portal.contracts.conditions import WorkConditions

_UNITS = ("per_hour", "per_minute", "per_day")


def only_one(block: Block, keys: tuple[str, ...]) -> None:
    """Refuse a block that does not state exactly one of the keys."""
    if sum(getattr(block, key) is not None for key in keys) != 1:
        raise ValueError(f"exactly one of {', '.join(keys)} is stated")


class Over(Block):
    """Another price for what is beyond some counted time of one mode of work: overtime, or a first hour of its own."""

    minutes: SomeMinutes
    """Counted minutes after which this price holds."""
    level: Level = Level.DAY
    """What is counted together: entry, visit, day, cycle or case."""
    per_hour: DecimalText
    """The price of an hour from then on."""
    amount: DecimalText | None = None
    """Money due once when this price is reached, beside the hours."""


class RateRow(WorkConditions):
    """One row of a rate table; the first row whose conditions all hold gives the price of work."""

    per_hour: DecimalText | None = None
    """The price of one hour, in the document's currency, as text: "150.00"."""
    per_minute: DecimalText | None = None
    """The price of one minute, instead of an hour's."""
    per_day: DecimalText | None = None
    """The price of a day of minutes_per_day, instead of an hour's."""
    minutes_per_day: SomeMinutes = 480
    """The length of a day that per_day prices."""
    over: tuple[Over, ...] = ()
    """Other prices beyond some time, in rising order of their minutes."""
    over_for_all: bool = False
    """Whether the price that is reached holds for all the time from the first minute, not only for what is beyond."""

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        only_one(self, _UNITS)
        if self.over_for_all and not self.over:
            raise ValueError("over_for_all belongs to over")
        marks = [(each.level, each.minutes) for each in self.over]
        if marks != sorted(set(marks), key=lambda mark: mark[1]) or len({level for level, _ in marks}) > 1:
            raise ValueError("the rows of over count at one level, in rising order of their minutes")
        return self

    @property
    def hourly(self) -> Fraction:
        """Major units per hour, exact."""
        if self.per_hour is not None:
            return Fraction(self.per_hour)
        if self.per_minute is not None:
            return Fraction(self.per_minute) * 60
        return Fraction(self.per_day or 0) * 60 / self.minutes_per_day

    @property
    def unit_seconds(self) -> int:
        """The length of what is priced: an hour, a minute, or a day's."""
        if self.per_day is not None:
            return self.minutes_per_day * 60
        return 3_600 if self.per_hour is not None else 60


class PercentRow(WorkConditions):
    """A surcharge or a discount on the price of work; the first row of its table that fits decides."""

    percent: DecimalText
    """How much of the price is added, or taken off, in percent: "50" makes time and a half."""


class Rounding(Block):
    """How metered time becomes billable minutes."""

    increment_minutes: SomeMinutes = 15
    """The step in minutes."""
    direction: Direction = Direction.UP
    """up, down or nearest (half a step goes up)."""
    level: Level = Level.CASE
    """Where it happens: at each entry, at the sum of a visit, a day, a resolution cycle, or of the case."""
    grace_minutes: Minutes = 0
    """Minutes tolerated past a step before the next one counts; only when rounding up."""
    by_band: bool = False
    """Whether each band's time is rounded by itself."""

    @model_validator(mode="after")
    def _grace_below_step(self) -> Self:
        if self.grace_minutes >= self.increment_minutes:
            raise ValueError("grace_minutes must be less than increment_minutes")
        if self.grace_minutes and self.direction is not Direction.UP:
            raise ValueError('grace_minutes belongs to direction = "up"')
        return self


class RoundingRow(WorkConditions, Rounding):
    """A rounding of its own for some work."""


class Minimum(WorkConditions):
    """The least that is billed once anything is billable; of each level the first row that fits decides."""

    level: Level = Level.CASE
    """entry, visit, day, cycle or case."""
    minutes: SomeMinutes | None = None
    """The least minutes; either this or amount."""
    amount: DecimalText | None = None
    """The least money; either this or minutes."""
    counting: tuple[Mode, ...] = ()
    """Modes whose time counts towards the minutes; all where left out."""
    travel_minutes: Minutes | None = None
    """At most this much travel counts towards the minutes; all of it where left out."""

    @model_validator(mode="after")
    def _minutes_or_money(self) -> Self:
        only_one(self, ("minutes", "amount"))
        if self.amount is not None and (self.counting or self.travel_minutes is not None):
            raise ValueError("counting and travel_minutes belong to minutes")
        return self

    @property
    def is_money(self) -> bool:
        """Whether it is of money: such rows stand beside those of time."""
        return self.amount is not None


class Cap(WorkConditions):
    """The most that is billed; every row whose conditions hold limits the work it fits."""

    level: Level = Level.DAY
    """entry, visit, day, cycle or case."""
    minutes: SomeMinutes | None = None
    """The most minutes; either this or amount. What is beyond is taken off the work this row fits, the last first."""
    amount: DecimalText | None = None
    """The most money; either this or minutes."""
    counting: tuple[Mode, ...] = ()
    """Modes whose time counts towards the minutes, whatever the row's other conditions; all where left out."""
    up_to_minutes: SomeMinutes | None = None
    """Only where the work the row fits counts at most this much: a half day's price."""
    with_fees: bool = False
    """Whether fees of the same visit, day or case are within the most money."""

    @model_validator(mode="after")
    def _minutes_or_money(self) -> Self:
        only_one(self, ("minutes", "amount"))
        if self.minutes is not None and (self.with_fees or self.up_to_minutes is not None):
            raise ValueError("with_fees and up_to_minutes belong to amount")
        return self


class Burn(WorkConditions):
    """How fast bought hours are used by some work; the first row that fits decides, one to one where none does."""

    factor: DecimalText = Field(pattern=r"^(0|[1-9][0-9]{0,2})(\.[0-9]{1,4})?$")
    """Hours used for an hour worked: "1.5"."""
