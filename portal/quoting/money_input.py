"""What a case file says about money beside work: packs held and bought, plans that lapsed, visits called off."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, Code, Company, DecimalText, Label, Minutes, Mode
from portal.contracts.owing import Disposition
from portal.contracts.parts import PartBearer


class ClaimKind(StrEnum):
    """What is claimed."""

    LABOUR = "labour"
    REFERRAL = "referral"
    MATERIAL = "material"


class HoldingInput(Block):
    """A pack the customer holds, or held."""

    pack: Code
    """Its code in the policy."""
    count: int = Field(default=1, ge=1, le=10_000)
    """How many packs were bought."""
    bought_on: date | None = None
    """When; the day of the case's opening where left out."""
    used_minutes: Minutes = 0
    """Minutes used before this case."""
    used_incidents: int = Field(default=0, ge=0)
    """Incidents used before this case."""
    topped_up_minutes: Minutes = 0
    """Minutes bought since, which may keep what is left at its end."""


class PurchaseInput(Block):
    """Packs to buy."""

    pack: Code
    """Its code in the policy."""
    minutes: Minutes = 0
    """How many minutes are wanted; or incidents."""
    incidents: int = Field(default=0, ge=0)
    """How many incidents are wanted."""

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if bool(self.minutes) == bool(self.incidents):
            raise ValueError("a purchase names either minutes or incidents")
        return self


class LapseInput(Block):
    """A plan that ended and is taken up again."""

    ended_on: date
    """The day it ended."""
    renewed_on: date
    """The day it is taken up again."""
    yearly_price: DecimalText | None = None
    """Its price of a year; by the plan's percentage of list_price where left out."""
    list_price: DecimalText | None = None
    """The list price of what it covers."""
    missed_upgrade: bool = False
    """Whether a major release came out meanwhile."""


class CancelledInput(Block):
    """A visit that was called off."""

    cancelled_at: datetime
    """When it was called off."""
    visit_at: datetime
    """When somebody was to leave for it."""
    dispatched: bool = False
    """Whether somebody was on the way."""
    travel_minutes: Minutes = 0
    """The travel really made."""
    mode: Mode = Mode.ON_SITE
    """The mode whose price time takes."""


class EquipmentInput(Block):
    """Equipment that came back, or did not."""

    returned: bool
    """Whether it came back."""
    value: DecimalText
    """What it is worth."""


class SubscriptionInput(Block):
    """A plan that is paid."""

    months: int = Field(default=12, ge=1, le=240)
    """For how long."""
    list_price: DecimalText | None = None
    """The list price of what it covers, where the plan costs a percentage of it."""
    seller: Code = "manufacturer"
    """The party that sold it."""
    discount: DecimalText = "0"
    """What a promotion code took off it."""


class PartInput(Block):
    """A part that was fitted, where the policy or whoever records it says that the customer bears it."""

    part: Label
    """What it is called on the bill, with its serial and RMA number where it has them."""
    price: DecimalText
    """Its list price."""
    supplier: Company = Company.MANUFACTURER
    """Whose it was: manufacturer or integrator."""
    disposition: Disposition | None = None
    """What became of the old part: returned, kept, scrapped or lost."""
    borne_by: PartBearer = PartBearer.CUSTOMER
    """Who bears it where the policy's table of parts does not say: customer or companies."""
    fitted_at: datetime | None = None
    """When; when the case was opened where left out."""
    authorized: bool = True
    """Whether the payer had said yes by then."""


class ClaimInput(Block):
    """What one company claims of the other beside the shares: its work, a bonus for a sale, a replaced part."""

    kind: ClaimKind
    """labour, referral or material."""
    trips: int = Field(default=0, ge=0)
    """For labour: trips to the site."""
    amount: DecimalText = "0"
    """For referral the sale's amount; for material the part's price."""
    disposition: Disposition = Disposition.RETURNED
    """For material: what became of the old part: returned, kept, scrapped or lost."""
    supplier: Company = Company.INTEGRATOR
    """For material: whose the new part was."""
    days: int = Field(default=0, ge=0)
    """Days since the resolution; for referral since the opening."""
