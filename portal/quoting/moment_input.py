"""What happened when, where it is and how old: what deadlines, calendars and warranty ask of a case in a file."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from portal.contracts.blocks import Block, Code, ZoneName


class MomentsInput(Block):
    """When what happened, as far as it has; without a zone, by the clock of the site, else of the policy."""

    arrived_at: datetime | None = None
    """When the factory was first asked; at the opening where left out."""
    escalated_at: datetime | None = None
    """When the case was offered to the factory; on arrival where left out."""
    intake_at: datetime | None = None
    """When everything asked for was there; on arrival where left out."""
    responded_at: datetime | None = None
    """When the factory first answered."""
    told_at: datetime | None = None
    """When the factory last told the other side something."""
    asked_at: datetime | None = None
    """When the hours are asked for; at the opening where left out."""
    information_asked_at: datetime | None = None
    """When information was asked for, or an answer or workaround was given."""
    replied_at: datetime | None = None
    """When the customer replied to it."""
    resolved_at: datetime | None = None
    """When the case was resolved."""


class PlacesInput(Block):
    """Where the case is, and whose clocks count."""

    region: Code | None = None
    """The region, where calendars differ by region."""
    site: ZoneName | None = None
    """The zone of the site's clocks."""
    engineer: ZoneName | None = None
    """The zone of the engineer's clocks."""
    depot: ZoneName | None = None
    """The zone of the depot's clocks."""


class SystemInput(Block):
    """What the system, or the part of it, is and how old."""

    part: Code | None = None
    """The part, or class of product, where warranty differs by it."""
    shipped_on: date | None = None
    """When it was shipped."""
    bought_on: date | None = None
    """When it was bought."""
    installed_on: date | None = None
    """When it was installed."""
    registered_on: date | None = None
    """When it was registered."""
    age_days: int | None = Field(default=None, ge=0, le=40_000)
    """How old it was at the opening, where no date is known."""
    plan_since: date | None = None
    """From when on the plan has been held without a break."""


class PlanChangeInput(Block):
    """A plan chosen while the case runs."""

    at: datetime
    """From when it holds."""
    plan: Code
    """The plan; the complimentary one where a plan is given up."""
