"""What a tariff is compiled from: bands, rates, rounding, minimums, cover, bill-to, favours, as plain terms.

Where a term lists modes, bands or task classes, an empty list means any; of several terms that fit, the first holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from portal.calendars import Calendar
from portal.rating.facts import CUSTOMER, MANUFACTURER, MODES, TASK_CLASSES

PER_ENTRY, PER_DAY, PER_CASE = "entry", "day", "case"
UP, DOWN, NEAREST = "up", "down", "nearest"

# The plan under which an integrator buys at net prices, where it is the payer.
INTERCOMPANY = "intercompany"


@dataclass(frozen=True, slots=True)
class BandTerm:
    """A named part of the week: the calendar's open times, or with ``outside`` everything but them."""

    name: str
    calendar: Calendar
    outside: bool = False


@dataclass(frozen=True, slots=True)
class RateTerm:
    """``hourly`` minor units per hour for work that fits."""

    hourly: Fraction
    modes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    task_classes: tuple[str, ...] = ()


class Rounding(NamedTuple):
    """How worked seconds become whole increments, per entry, day or case.

    Rounding up, nothing is added within ``grace_seconds`` after a whole increment; nearest takes a half upwards.
    """

    increment_seconds: int = 1
    direction: str = UP
    level: str = PER_CASE
    grace_seconds: int = 0


@dataclass(frozen=True, slots=True)
class RoundingTerm:
    """The rounding of some modes; modes with different rounding are rounded apart."""

    rounding: Rounding
    modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MinimumTerm:
    """The least that is counted per entry, day or case; of the work that counts together the largest one holds."""

    seconds: int
    level: str = PER_CASE
    modes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    task_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoverTerms:
    """The work a plan covers: of these classes and modes, in its calendar, or whenever the severity says so.

    Covered work may draw included grants; with ``unlimited`` it costs nothing.
    """

    calendar: Calendar
    task_classes: tuple[str, ...] = TASK_CLASSES
    modes: tuple[str, ...] = MODES
    always_severities: tuple[int, ...] = ()
    unlimited: bool = False


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What a plan says about prices; without ``cover`` it covers every kind of work at every time."""

    key: str
    rates: tuple[RateTerm, ...]
    roundings: tuple[RoundingTerm, ...] = ()
    minimums: tuple[MinimumTerm, ...] = ()
    cover: CoverTerms | None = None


class Bill(NamedTuple):
    """Whose bill work is on: the paying side (the manufacturer: it is free), who collects, and who sells in law."""

    payer: str = CUSTOMER
    collector: str = "operator"
    seller: str = MANUFACTURER


@dataclass(frozen=True, slots=True)
class Favours:
    """What is free: causes by who bears them, and under warranty some classes and some more causes."""

    causes: Mapping[str, str] = field(default_factory=dict)
    warranty_task_classes: tuple[str, ...] = ()
    warranty_causes: tuple[str, ...] = ()


class Situation(NamedTuple):
    """What decides how work is treated: its class and cover, the case's cause, and whether the payer had said yes.

    ``cause`` is None until it is known.
    """

    task_class: str
    plan: str
    cause: str | None
    before_day1: bool
    in_warranty: bool
    certified: bool
    authorised: bool
    has_integrator: bool = True


class Treatment(NamedTuple):
    """What work is on the bill and on whose, and under which plan and task class it is priced."""

    kind: str
    bill: Bill
    plan: str
    task_class: str
