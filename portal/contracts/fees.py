"""What is charged beside time: flat incidents, call-out and trip fees, zones, mileage, notice, cancellation, tax."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, Code, DecimalText, Label, Minutes, Mode, SomeMinutes
from portal.contracts.conditions import WorkConditions
from portal.contracts.rates import only_one

Hours = Annotated[int, Field(ge=0, le=87_840)]
Distance = Annotated[int, Field(ge=0, le=100_000)]


class Occasion(StrEnum):
    """What a fee is charged for, each time."""

    CASE = "case"
    CYCLE = "cycle"
    VISIT = "visit"
    DAY = "day"
    ENTRY = "entry"
    RETURN = "return"
    NOT_RETURNED = "not_returned"


class Unit(StrEnum):
    """What distances are measured in."""

    KM = "km"
    MILE = "mile"


class Fee(WorkConditions):
    """A charge beside time. Every fee whose conditions hold is charged; of rows with one code the first that fits.

    The conditions look at the work that begins the occasion; a fee for the case looks at its opening.
    """

    code: Code
    """Its name; rows of one code are alternatives."""
    label: Label
    """What people read on the bill."""
    per: Occasion = Occasion.CASE
    """case, cycle, visit, day, entry; or return and not_returned, for equipment."""
    amount: DecimalText | None = None
    """The money."""
    minutes: SomeMinutes | None = None
    """Time instead of money, at the price of the work that begins the occasion."""
    mode: Mode | None = None
    """The mode whose price and hours left the minutes take; that of the work where left out."""
    percent_of_labour: DecimalText | None = None
    """Percent of what the time of the case costs."""
    percent_of_value: DecimalText | None = None
    """Percent of the value of the equipment; for return and not_returned."""
    per_distance: DecimalText | None = None
    """Money for each kilometre or mile between base and site."""
    round_trip: bool = True
    """Whether the distance is paid there and back."""
    free_distance: Distance = 0
    """Distance, one way, that costs nothing."""
    distance_from: Distance | None = None
    """Only for sites at least this far away: a zone begins."""
    distance_below: Distance | None = None
    """Only for sites nearer than this: a zone ends."""
    notice_below_hours: Hours | None = None
    """Only where the work was asked for less than this long before it begins."""
    included_minutes: Minutes = 0
    """Counted minutes that the fee pays for."""
    included_modes: tuple[Mode, ...] = ()
    """Modes of those minutes; any where left out."""
    included_hours: Hours | None = None
    """How long after the occasion begins those minutes can be used; without limit where left out."""
    is_labour: bool = False
    """Whether it counts as labour where another fee is a percentage of labour: a booked block of hours."""
    by_incident: bool = False
    """Whether an incident bought in advance pays for it."""

    @model_validator(mode="after")
    def _one_sum(self) -> Self:
        only_one(self, ("amount", "minutes", "percent_of_labour", "percent_of_value", "per_distance"))
        if (self.percent_of_value is not None) != (self.per in (Occasion.RETURN, Occasion.NOT_RETURNED)):
            raise ValueError("percent_of_value is stated exactly for return and not_returned")
        if self.percent_of_labour is not None and self.per is not Occasion.CASE:
            raise ValueError('percent_of_labour belongs to per = "case"')
        return self


class Cancellation(Block):
    """What a visit costs that the customer calls off; the first row that fits decides."""

    dispatched: bool | None = None
    """Only when somebody was on the way (true) or nobody was yet (false); both where left out."""
    notice_below_hours: Hours | None = None
    """Only when called off less than this long before; at any time where left out."""
    amount: DecimalText | None = None
    """The money; either this or minutes."""
    minutes: Minutes | None = None
    """Time at the price of the visit's mode; either this or amount."""
    or_travel: bool = False
    """Whether the travel really made counts where it is longer than the minutes."""

    @model_validator(mode="after")
    def _one_sum(self) -> Self:
        only_one(self, ("amount", "minutes"))
        if self.or_travel and self.minutes is None:
            raise ValueError("or_travel belongs to minutes")
        return self


class Tax(Block):
    """The tax class of what is billed; tax stands outside every price and is never shared."""

    label: Label
    """What people read: "VAT"."""
    percent: DecimalText
    """The rate."""
