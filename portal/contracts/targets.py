"""Promises against the clock as documents write them: what, for whom, how long, counted how, from when, pausing when.

A promise is in minutes of a calendar's open time, in business days, at once, or with the next release, which has no
date. A promise in business days is due when the calendar closes on that day.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import BasisPoints, Block, Code, DecimalText, Label, Severity, SomeDays, SomeMinutes
from portal.contracts.calendar_blocks import ClockText


class Clock(StrEnum):
    """The promises that run against the clock."""

    ACKNOWLEDGEMENT = "acknowledgement"
    RESPONSE = "response"
    UPDATE = "update"
    WORKAROUND = "workaround"
    ON_SITE = "on_site"
    DELIVERY = "delivery"
    RESOLUTION = "resolution"
    MANAGEMENT = "management"


# They run from the offer or opening until somebody answers, whoever holds the case.
ANSWER_CLOCKS = frozenset({Clock.ACKNOWLEDGEMENT, Clock.RESPONSE})


class StartEvent(StrEnum):
    """From what a promise counts."""

    ARRIVAL = "arrival"
    OPENING = "opening"
    NEXT_OPENING = "next_opening"
    ESCALATION = "escalation"
    INTAKE = "intake"
    RESPONSE = "response"


class Channel(StrEnum):
    """How somebody asks."""

    PORTAL = "portal"
    PHONE = "phone"
    EMAIL = "email"
    CHAT = "chat"


class DayEnd(StrEnum):
    """When on its last day a promise in business days is due."""

    CLOSE = "close"
    SAME_TIME = "same_time"


class Target(Block):
    """A promise by severity; the first row of a clock that fits decides."""

    clock: Clock = Clock.RESPONSE
    """acknowledgement, response, update, workaround, on_site, delivery (a part), resolution, or management (told)."""
    severities: tuple[Severity, ...] = ()
    """Severities this row is for; any where left out."""
    certified: bool | None = None
    """Only for technicians with (true) or without (false) a certificate; for both where left out."""
    customer_classes: tuple[Code, ...] = ()
    """Customer classes this row is for; any where left out."""
    channels: tuple[Channel, ...] = ()
    """Ways of asking this row is for: portal, phone, email, chat; any where left out."""
    levels: tuple[int, ...] = ()
    """Support levels this row is for, 1 to 3; any where left out."""
    minutes: SomeMinutes | None = None
    """How long, counted in open time of the calendar."""
    days: int | None = Field(default=None, ge=0, le=3_660)
    """How many business days of the calendar; 0 is the same one. Instead of minutes."""
    at_once: bool = False
    """Due the moment it begins. Instead of minutes."""
    next_release: bool = False
    """With the next release, which has no date. Instead of minutes."""
    calendar: Code
    """The calendar in which it counts; an always-open one makes minutes clock time."""
    starts: StartEvent = StartEvent.ARRIVAL
    """arrival (with the factory), opening (of the case), next_opening (of the calendar after arrival), escalation (to
    the factory), intake (once complete) or response."""
    cut_off: ClockText | None = None
    """For days: from this time on, a day counts as the next business day."""
    day_ends: DayEnd = DayEnd.CLOSE
    """For days: due at the close of the last day, or at the same_time of day, at the latest at its close."""
    pauses: tuple[Code, ...] | None = None
    """Pause reasons that stop it; those that the reason itself names where left out."""
    best_effort: bool = False
    """An aim and no guarantee: shown as such, and missing it owes nothing."""
    warn_minutes: SomeMinutes | None = None
    """Minutes before it is due at which those who work on it are warned; never where left out."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        lengths = (self.minutes is not None, self.days is not None, self.at_once, self.next_release)
        if sum(lengths) != 1:
            raise ValueError("a promise is in minutes or in days, or at_once = true, or next_release = true")
        if self.days is None and (self.cut_off is not None or self.day_ends is not DayEnd.CLOSE):
            raise ValueError("cut_off and day_ends belong to days")
        if self.next_release and self.warn_minutes is not None:
            raise ValueError("a promise without a date warns of nothing")
        return self

    @property
    def is_watched(self) -> bool:
        """Whether somebody is told before it is due, or by when the management is told."""
        return self.warn_minutes is not None or self.clock is Clock.MANAGEMENT


class PauseReason(Block):
    """Why a case may wait while its promises stand still."""

    code: Code
    """The name targets use."""
    label: Label
    """What people choose: "waiting for the customer"."""
    stops: tuple[Clock, ...] = (
        Clock.UPDATE,
        Clock.WORKAROUND,
        Clock.ON_SITE,
        Clock.DELIVERY,
        Clock.RESOLUTION,
        Clock.MANAGEMENT,
    )
    """The clocks it stops; every one but acknowledgement and response where left out."""


class Remedy(Block):
    """What the customer gets when a promise of the plan is broken; the first row that fits decides."""

    clock: Clock
    """The promise that was broken."""
    severities: tuple[Severity, ...] = ()
    """Severities this row is for; any where left out."""
    credit_bp: BasisPoints | None = None
    """A credit in basis points of the plan's price of one month."""
    credit: DecimalText | None = None
    """A credit of a fixed amount."""
    extra_days: SomeDays | None = None
    """Days that the paid term lasts longer."""
    late_by_minutes: SomeMinutes | None = None
    """Only when it was late by at least this much of its calendar's time."""

    @model_validator(mode="after")
    def _one_remedy(self) -> Self:
        if sum(each is not None for each in (self.credit_bp, self.credit, self.extra_days)) != 1:
            raise ValueError("a remedy is one of credit_bp, credit and extra_days")
        return self
