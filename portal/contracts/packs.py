"""Time and incidents bought in advance or given: packs, allowances, and what a lapsed plan costs to renew."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, Code, Days, DecimalText, Label, Minutes, Mode, SomeMinutes, TaxCode
from portal.contracts.conditions import WorkConditions
from portal.contracts.rates import only_one

Months = Annotated[int, Field(ge=1, le=240)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Pack(Block):
    """Minutes or incidents a customer can buy in advance."""

    code: Code
    """The name other tables use."""
    label: Label
    """What people read."""
    minutes: SomeMinutes | None = None
    """Minutes of one pack; either this or incidents."""
    incidents: Count | None = None
    """Incidents of one pack; one pays for a whole case, however long it takes."""
    price: DecimalText | None = None
    """What one pack costs; on application where left out."""
    valid_months: Months | None = None
    """Months from the purchase in which it can be used; for ever where left out."""
    carry_over_top_up_minutes: SomeMinutes | None = None
    """What is left at expiry is kept when at least this much is bought by then; lost where left out."""
    top_up_below_minutes: Minutes | None = None
    """The customer is told to top up when less than this is left."""
    modes: tuple[Mode, ...] = ()
    """Modes it can be used for; any where left out."""
    calendar: Code | None = None
    """When a case must be opened to use it; at any time where left out."""
    certified_only: bool = False
    """Only for technicians who hold a certificate for the product line."""
    priority: int = Field(default=0, ge=0, le=99)
    """Lower is used first."""
    tax_code: TaxCode | None = None
    """Its tax class, such as txcd_10103001; that of everything sold where left out."""

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        only_one(self, ("minutes", "incidents"))
        if self.incidents is not None and (self.carry_over_top_up_minutes or self.top_up_below_minutes):
            raise ValueError("carry_over_top_up_minutes and top_up_below_minutes belong to minutes")
        return self


class AllowancePer(StrEnum):
    """What an allowance is given for."""

    CASE = "case"
    SALE = "sale"


class Allowance(WorkConditions):
    """Minutes that cost nothing, beside what a plan includes."""

    code: Code
    """Its name."""
    label: Label
    """What people read."""
    minutes: SomeMinutes
    """Minutes given each time."""
    per: AllowancePer = AllowancePer.CASE
    """case, or sale of equipment: those serve the cases that name the sale."""


class Lapse(Block):
    """What it costs to take up a plan again after it ended; everything beside the renewal itself."""

    grace_days: Days = 0
    """Days after the end in which nothing more is due."""
    ends_after_days: Days | None = None
    """Days after which a plan cannot be taken up again; never where left out."""
    amount: DecimalText | None = None
    """A flat fee."""
    amount_stated: bool = True
    """False where a fee is due whose amount the policy does not say."""
    percent: DecimalText | None = None
    """A fee in percent of the renewal; with amount, the greater of the two."""
    missed_time: str | None = Field(default=None, pattern=r"^(day|month)$")
    """"day" or "month": the missed time is paid at the yearly price, by days of 365 or whole months of 12."""
    whole_years: bool = False
    """Each begun missed year is bought, and a current one; the new term runs from the old end."""
    missed_upgrade_percent: DecimalText | None = None
    """Percent of the list price due first when a major release was missed."""
    backdated: bool = False
    """The new term begins where the old one ended."""
    waiting_days: Days = 0
    """Days after a plan was taken up again late until it covers; at once where left out."""
