"""The coverage decision and the facts it is made from, as values that are stored with the case and read back equal.

Sentences never hold an amount: one decision serves readers who may see different prices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from portal.contracts.blocks import Collector, Company, Mode, Payer, TaskClass
from portal.contracts.calendar_blocks import Places
from portal.contracts.circumstances import Circumstances
from portal.contracts.entry import EntryDecision, Gate, Opener
from portal.contracts.promises import Asked
from portal.contracts.targets import Channel
from portal.rating.facts import RateKey


class Value(BaseModel):
    """A frozen value that survives JSON unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class StandingFacts(Value):
    """A standing authorization of the customer and what of it is used."""

    incident_minor: int
    """The most per case."""
    month_minor: int
    """The most per calendar month."""
    severities: tuple[int, ...] = ()
    """Severities it is for; all where empty."""
    used_on_case_minor: int = 0
    """Used on this case."""
    used_in_month_minor: int = 0
    """Used in this month, this case included."""


class PackLeft(Value):
    """What is free of a pack that the site's customer bought."""

    label: str
    """What people call it."""
    seconds_left: int = Field(default=0, ge=0)
    """Time not used and not reserved."""
    incidents_left: int = Field(default=0, ge=0)
    """Cases it can still pay for."""
    priority: int = 0
    """Lower is used first."""
    modes: tuple[Mode, ...] = ()
    """Modes it can be used for; any where empty."""
    certified_only: bool = False
    """Only for technicians with a certificate."""
    ends_at: AwareDatetime | None = None
    """When it can no longer be used; never where left out."""


class CoverageFacts(Value):
    """What is known when a case is opened or something about it changes."""

    opener: Opener
    """Who asks; a technician with a certificate is a technician with ``certified``."""
    certified: bool = False
    """Whether that technician holds a valid certificate for the product line."""
    severity: int = Field(ge=1, le=4)
    """1 (system down) to 4."""
    task_class: TaskClass = TaskClass.SUPPORT
    """What is asked for, as long as Day 1 does not make it commissioning support."""
    mode: Mode = Mode.REMOTE
    """How the work will probably be done."""
    product_line: str
    """The system's product line."""
    plan_code: str | None = None
    """The plan in force for the site; None where nothing was chosen."""
    day1_on: date | None = None
    """Day 1 of the site's project; None where none is announced, which means service rules apply."""
    warranty_starts_on: date | None = None
    """The system's first day of warranty."""
    warranty_ends_on: date | None = None
    """Its last day of warranty, where the record names it."""
    has_integrator: bool = True
    """Whether an integrator services the site."""
    included_seconds_left: int = Field(default=0, ge=0)
    """Included time not used and not reserved by other cases, this month."""
    bought_seconds_left: int = Field(default=0, ge=0)
    """Bought time of no named pack."""
    packs: tuple[PackLeft, ...] = ()
    """What is left of bought packs."""
    grant_seconds_used_on_case: int = Field(default=0, ge=0)
    """Included and bought time this case has used or reserved already."""
    hours_authorized_seconds: int = Field(default=0, ge=0)
    """Time beyond the limit of the case that its payer has said yes to."""
    authorized_minor: dict[Payer, int] = Field(default_factory=dict)
    """The sum of live authorizations on this case, by payer."""
    standing: StandingFacts | None = None
    """The customer's standing authorization, where there is one."""
    channel: Channel = Channel.PORTAL
    """How they ask."""
    level: int | None = None
    """The support level asked for, where the policy tells levels apart."""
    customer_class: str | None = None
    """The customer's class under the policy."""
    requested: tuple[str, ...] = ()
    """What the customer asked for, codes of the policy's requests."""
    distance: str = ""
    """How far it is from the base to the site, one way, in the policy's unit; empty where nobody stated it."""
    region: str | None = None
    """The customer's country in small letters, or a region's name, where calendars ask for it."""
    site_zone: str | None = None
    """The zone of the site's clocks, where calendars ask for it."""

    @property
    def asked(self) -> Asked:
        """What the plan's promises look at."""
        return Asked(self.severity, self.certified, self.customer_class, self.channel, self.level)

    @property
    def circumstances(self) -> Circumstances:
        """What was said of the case because prices, cover or promises depend on it."""
        return Circumstances(self.customer_class or "", self.requested, self.distance, self.level, self.channel)

    @property
    def places(self) -> Places:
        """Where the case is, as far as calendars ask."""
        return Places(self.region, self.site_zone)


class Reason(Value):
    """One step of the decision, for code and for people."""

    code: str
    """A stable name of the rule that spoke."""
    sentence: str
    """What a person reads."""


class BandPrice(Value):
    """What an hour costs in one band: an exact fraction of minor units."""

    band: str
    """The band's code."""
    label: str
    """What people read."""
    rate_num: int
    """Numerator of minor units per hour."""
    rate_den: int
    """Denominator of minor units per hour."""

    @property
    def per_hour(self) -> Fraction:
        """Minor units per hour."""
        return Fraction(self.rate_num, self.rate_den)


class Step(Value):
    """One stretch of open time counted towards a deadline."""

    start: AwareDatetime
    """Where counting begins."""
    end: AwareDatetime
    """Where it pauses or is done."""
    seconds: int
    """How much of the target it is."""


class Response(Value):
    """When the factory must respond, with its arithmetic."""

    due_at: AwareDatetime
    """The deadline."""
    target_seconds: int
    """How long the plan allows."""
    calendar: str
    """The calendar's code."""
    calendar_label: str
    """What people read."""
    steps: tuple[Step, ...]
    """The stretches counted; they sum to the target."""


class EmergencyPath(Value):
    """What may happen when nobody can be asked."""

    system_down: str
    """The words the opener confirms."""
    wait_seconds: int
    """How long approvers are waited for."""
    at_factory_risk: bool
    """Whether work goes on without an answer, billable only if ratified."""
    ratification_days: int
    """Business days in which a person may ratify."""


class EntryView(Value):
    """What becomes of somebody who asks."""

    decision: EntryDecision
    """accept, wait, refer or refuse."""
    sentence: str
    """What people read."""
    refer_to: str | None = None
    """Who helps instead."""
    opens_at: AwareDatetime | None = None
    """When those who wait are served."""
    requires: tuple[Gate, ...] = ()
    """What has to be there before work begins."""

    @property
    def lets_in(self) -> bool:
        """Whether a case can be opened."""
        return self.decision in (EntryDecision.ACCEPT, EntryDecision.WAIT)


class CoverageDecision(Value):
    """Coverage and price of a case at one moment."""

    schema_version: Literal[1] = 1
    """The version of this record."""
    decided_at: AwareDatetime
    """The moment it is for."""
    plan_code: str
    """The plan that speaks; the complimentary one where nothing was chosen."""
    plan_name: str
    """What people read."""
    may_open: bool
    """Whether the plan lets this person open a case."""
    entry: EntryView | None = None
    """Why, and what has to be there first; None in older records."""
    starts_with: Company
    """With which company a case opened by the customer's contact starts."""
    task_class: TaskClass
    """What kind of help it counts as."""
    mode: Mode
    """How the work will probably be done."""
    severity: int
    """1 to 4."""
    band: str
    """The price band of the moment."""
    before_day1: bool
    """Whether the customer does not yet use the system unaided."""
    in_warranty: bool
    """Whether the system is under warranty."""
    covered: bool
    """Whether work now would cost the payer nothing more, at least at first."""
    can_cost: bool
    """Whether it can cost the payer money at all."""
    payer: Payer
    """Who pays what it costs."""
    collector: Collector
    """Who collects it."""
    seller_of_record: Company
    """Who sells it in law."""
    currency: str
    """Currency of every amount."""
    prices: tuple[BandPrice, ...]
    """What an hour costs the payer, by band."""
    free_seconds: int | None
    """Work that costs nothing before it costs money; None where it never does."""
    increment_minutes: int
    """The rounding step."""
    minimum_minutes: int
    """The least minutes billed once anything is."""
    least_minor: int
    """The least it costs the payer, once it costs, at the price of the moment."""
    free_causes: tuple[str, ...]
    """Labels of causes that would make it free when it is closed."""
    included_seconds_left: int
    """Included and bought time this case may still use without asking."""
    hours_beyond_seconds: int = 0
    """Included and bought time that is left beyond that: the payer is asked first."""
    takes_incident: bool = False
    """Whether an incident that the customer bought pays for it, at once or when its hours are used."""
    nte_suggestion_minor: int
    """The not-to-exceed amount suggested."""
    least_nte_minor: int
    """The least not-to-exceed amount that can be given."""
    authorized_minor: int
    """What the payer has said yes to on this case, the standing authorization included."""
    authorization_needed: bool
    """Whether the payer must say yes before it may cost money."""
    emergency: EmergencyPath | None
    """What may happen when nobody can be asked; None below the emergency severities."""
    response: Response | None
    """When the factory must respond; None where the plan promises nothing."""
    queue_rank: int
    """Place in the factory's queue: lower is served first."""
    reasons: tuple[Reason, ...]
    """Why, in order."""

    @property
    def price_now(self) -> BandPrice:
        """The price of the moment's band."""
        return next(price for price in self.prices if price.band == self.band)

    @property
    def costs_from_minute(self) -> int | None:
        """The first minute that costs money, counting from 1; None where none does."""
        return None if self.free_seconds is None else self.free_seconds // 60 + 1


def is_dearer(before: CoverageDecision, after: CoverageDecision) -> bool:
    """Whether what is decided now can cost its payer more than what was: another payer, a band that costs more, a
    greater least, or less time before it costs anything.
    """
    if not after.can_cost:
        return False
    if not before.can_cost or before.payer is not after.payer:
        return True
    old = {price.band: price.per_hour for price in before.prices}
    higher = any(price.per_hour > old.get(price.band, price.per_hour) for price in after.prices)
    return higher or after.least_minor > before.least_minor or (before.covered and not after.covered)


def standing_room_minor(standing: StandingFacts | None, severity: int) -> int:
    """What a standing authorization still allows on a case of this severity."""
    if standing is None or (standing.severities and severity not in standing.severities):
        return 0
    room = min(
        standing.incident_minor - standing.used_on_case_minor, standing.month_minor - standing.used_in_month_minor
    )
    return max(room, 0)


def to_json(value: CoverageDecision | CoverageFacts) -> dict[str, Any]:
    """The value as plain JSON, to be stored."""
    return value.model_dump(mode="json")


def decision_from_json(stored: Mapping[str, Any]) -> CoverageDecision:
    """The decision back from what was stored; equal to what went in."""
    return CoverageDecision.model_validate_json(json.dumps(stored))


def facts_from_json(stored: Mapping[str, Any]) -> CoverageFacts:
    """The facts back from what was stored."""
    return CoverageFacts.model_validate_json(json.dumps(stored))


# What follows reads one thing of many stored values; making each whole would cost more than all that is done with it.


def prices_shown(stored: Mapping[str, Any]) -> dict[RateKey, Fraction]:
    """The prices of a stored decision: minor units per hour."""
    mode, task_class = stored["mode"], stored["task_class"]
    return {
        RateKey(mode, task_class, price["band"]): Fraction(price["rate_num"], price["rate_den"])
        for price in stored["prices"]
    }


def lacked_certificate(stored: Mapping[str, Any]) -> bool:
    """Whether, by stored facts, whoever asked lacked the certificate; contacts and engineers need none."""
    return not stored["certified"] and stored["opener"] not in (Opener.CONTACT, Opener.ENGINEER)
