"""What a tariff is compiled from: bands, rates, rounding, minimums, cover, bill-to, favours, as plain terms.

Where a term lists modes, bands or task classes, an empty list means any; of several terms that fit, the first holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from portal.calendars import Calendar
from portal.contracts.conditions import WorkKey
from portal.rating.facts import CUSTOMER, MANUFACTURER, MODES, TASK_CLASSES

PER_ENTRY, PER_VISIT, PER_DAY, PER_CYCLE, PER_CASE = "entry", "visit", "day", "cycle", "case"
LEVELS = (PER_ENTRY, PER_VISIT, PER_DAY, PER_CYCLE, PER_CASE)
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
    """How worked seconds become whole increments, per entry, visit, day, cycle or case; or of these each band apart.

    Rounding up, nothing is added within ``grace_seconds`` after a whole increment; nearest takes a half upwards.
    """

    increment_seconds: int = 1
    direction: str = UP
    level: str = PER_CASE
    grace_seconds: int = 0
    by_band: bool = False


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
    authorized: bool
    has_integrator: bool = True


class PartSituation(NamedTuple):
    """What the policy looks at to say who bears a part: ``cause`` is None until it is known."""

    cause: str | None
    in_warranty: bool
    disposition: str


class Treatment(NamedTuple):
    """What work is on the bill and on whose, and under which plan and task class it is priced."""

    kind: str
    bill: Bill
    plan: str
    task_class: str


class Least(NamedTuple):
    """The least that is counted at a level: the time of these modes counts, of travel at most so much."""

    level: str
    seconds: int
    counting: tuple[str, ...] = ()
    travel_seconds: int | None = None


class Most(NamedTuple):
    """The most that is counted or billed at a level of the work that has it; ``number`` tells it from others."""

    number: int
    level: str
    seconds: int | None = None
    minor: int | None = None
    counting: tuple[str, ...] = ()
    up_to_seconds: int | None = None
    with_fees: bool = False


class Extras(NamedTuple):
    """What a price has beside its rate: other prices beyond some time, limits, how fast it uses hours bought.

    ``over`` are (level, seconds, numerator, denominator, due once) in rising order, for all the time or what is beyond;
    ``least_money`` are (level, minor units); ``detail`` tells lines apart for readers: a role, a skill, overtime, the
    name of a fee.
    """

    detail: str = ""
    over: tuple[tuple[str, int, int, int, int], ...] = ()
    most: tuple[Most, ...] = ()
    least_money: tuple[tuple[str, int], ...] = ()
    burn_num: int = 1
    burn_den: int = 1
    unit_seconds: int = 3_600
    role: str = ""
    skill: str = ""
    over_for_all: bool = False
    due_once: int = 0


PLAIN = Extras()


@dataclass(frozen=True, slots=True)
class FeeTerm:
    """A fee as rating takes it: of terms with one code the first that ``fits`` the work is charged.

    The sum is ``minor``; or ``seconds`` at the price of ``mode``; or a part of the labour; or ``per_distance`` minor
    units, ``trips`` times the distance beyond ``free_distance``.
    """

    code: str
    label: str
    per: str
    fits: Callable[[WorkKey], bool]
    minor: int = 0
    seconds: int = 0
    mode: str = ""
    labour_part: Fraction = Fraction(0)
    per_distance: Fraction | None = None
    trips: int = 2
    free_distance: int = 0
    distance_from: int | None = None
    distance_below: int | None = None
    notice_below_hours: int | None = None
    included_seconds: int = 0
    included_modes: tuple[str, ...] = ()
    included_hours: int | None = None
    by_incident: bool = False
    is_labour: bool = False
