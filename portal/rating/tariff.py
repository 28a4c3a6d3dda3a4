"""Compiled prices: one row per plan, mode, task class and band, and the plans' timetables.

Invariants: rates are exact fractions of minor units per hour; a list rate is never below the rate; a tariff is compiled
once from its terms and decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from portal.contracts.conditions import ORDINARY, Circumstance, WorkKey
from portal.errors import RuleBroken
from portal.rating.facts import MODES, TASK_CLASSES
from portal.rating.terms import (
    INTERCOMPANY,
    LEVELS,
    PER_DAY,
    BandTerm,
    Bill,
    CoverTerms,
    Extras,
    Favours,
    FeeTerm,
    Least,
    MinimumTerm,
    PartSituation,
    PlanTerms,
    RateTerm,
    Rounding,
    RoundingTerm,
    Situation,
    Treatment,
)
from portal.rating.timetable import Timetable

# Plan, mode, task class, band, and the circumstance where prices look at any; None where they do not.
RowKey = tuple[str, str, str, str, Circumstance | None]


class Row(NamedTuple):
    """The price of one kind of work: rates per hour in minor units as exact fractions, how its seconds count.

    ``minimums`` are the narrowest level's first; ``extras`` None where the price has nothing beside its rate.
    """

    plan: str
    mode: str
    task_class: str
    band: str
    rate_num: int
    rate_den: int
    list_num: int
    list_den: int
    rounding: Rounding
    minimums: tuple[Least, ...]
    extras: Extras | None = None


@dataclass(frozen=True)
class Tariff:
    """Compiled prices of one policy for one product line, in one currency; ``treatments`` remembers decisions made.

    ``make`` gives the rows that are not there yet; ``told_apart`` are the fields of a circumstance that any price looks
    at. ``part_bearer`` is who bears a part by the policy, where it says. ``by_zone`` gives the timetables by a worker's
    own clock, None where no calendar goes by it.
    """

    currency: str
    zone: str
    list_plan: str
    rows: dict[RowKey, Row] = field(repr=False)
    timetables: Mapping[str, Timetable] = field(repr=False)
    covers: Mapping[str, CoverTerms | None] = field(repr=False)
    bill_to: Callable[[Situation], Bill]
    favours: Favours
    treatments: dict[Situation, Treatment] = field(default_factory=dict, repr=False, compare=False)
    make: Callable[[str, WorkKey], Row] | None = field(default=None, repr=False)
    told_apart: frozenset[str] = frozenset()
    fees: tuple[FeeTerm, ...] = ()
    part_bearer: Callable[[PartSituation], str | None] | None = field(default=None, repr=False)
    by_zone: Callable[[str], Mapping[str, Timetable]] | None = field(default=None, repr=False)
    zoned: dict[str, Mapping[str, Timetable]] = field(default_factory=dict, repr=False, compare=False)

    def row(self, plan: str, mode: str, task_class: str, band: str, circumstance: Circumstance | None = None) -> Row:
        """The price of some work. *Raises*: RuleBroken when the policy names none."""
        key = (plan, mode, task_class, band, circumstance)
        row = self.rows.get(key)
        if row is not None:
            return row
        if self.make is None or plan not in self.timetables:
            words = (word.replace("_", " ") for word in (mode, task_class, band))
            raise RuleBroken(f"The policy names no price for {', '.join(words)} under the plan {plan}.")
        # Lines are told apart by the row's identity: whoever is first makes the row that all use.
        made = self.make(plan, WorkKey(mode, band, task_class, circumstance=circumstance or ORDINARY))
        return self.rows.setdefault(key, made)

    def timetable(self, plan: str, zone: str = "") -> Timetable:
        """The bands and cover of a plan, by the worker's own clock where the policy's calendars go by it.

        *Raises*: RuleBroken for a plan that the policy does not have.
        """
        tables = self.timetables
        if zone and self.by_zone is not None:
            if zone not in self.zoned:
                self.zoned[zone] = self.by_zone(zone)
            tables = self.zoned[zone]
        table = tables.get(plan)
        if table is None:
            raise RuleBroken(f"The policy has no plan {plan}.")
        return table


def build_tariff(
    *,
    currency: str,
    zone: str,
    bands: Sequence[BandTerm],
    otherwise: str,
    plans: Sequence[PlanTerms],
    list_plan: str,
    bill_to: Callable[[Situation], Bill],
    favours: Favours | None = None,
) -> Tariff:
    """The tariff of these terms; ``list_plan`` is the plan whose rates are the list prices, ``bill_to`` says whose
    bill work is on.

    Where no intercompany terms are among the plans, an integrator that pays pays list prices.
    *Raises*: RuleBroken for a plan named twice or a list plan that is not there.
    """
    by_key = {plan.key: plan for plan in plans}
    if len(by_key) != len(plans) or list_plan not in by_key:
        raise RuleBroken("A policy's plans need different names, and its list prices a plan among them.")
    listed = by_key[list_plan]
    by_key.setdefault(INTERCOMPANY, PlanTerms(INTERCOMPANY, listed.rates, listed.roundings, listed.minimums))
    names = (*(band.name for band in bands), otherwise)
    rows: dict[RowKey, Row] = {
        (*row[:4], None): row for plan in by_key.values() for row in _rows_of(plan, listed, names)
    }
    by_day = any(_counts_by_day(plan) for plan in plans)
    timetables = {
        key: Timetable(zone, tuple(bands), otherwise, plan.cover.calendar if plan.cover else None, by_day)
        for key, plan in by_key.items()
    }
    covers = {key: plan.cover for key, plan in by_key.items()}
    return Tariff(currency, zone, list_plan, rows, timetables, covers, bill_to, favours or Favours())


def _counts_by_day(plan: PlanTerms) -> bool:
    levels = [*(term.rounding.level for term in plan.roundings), *(term.level for term in plan.minimums)]
    return PER_DAY in levels


def _rows_of(plan: PlanTerms, listed: PlanTerms, bands: Iterable[str]) -> Iterator[Row]:
    for band in bands:
        for mode in MODES:
            for task_class in TASK_CLASSES:
                own = _rate(plan.rates, mode, task_class, band)
                if own is not None:
                    shown = max(own, _rate(listed.rates, mode, task_class, band) or own)
                    prices = (own.numerator, own.denominator, shown.numerator, shown.denominator)
                    minimums = _minimums(plan.minimums, mode, task_class, band)
                    yield Row(plan.key, mode, task_class, band, *prices, _rounding(plan.roundings, mode), minimums)


def _fits(allowed: Sequence[str], met: str) -> bool:
    return not allowed or met in allowed


def _rate(terms: Iterable[RateTerm], mode: str, task_class: str, band: str) -> Fraction | None:
    for term in terms:
        if _fits(term.modes, mode) and _fits(term.bands, band) and _fits(term.task_classes, task_class):
            return term.hourly
    return None


def _rounding(terms: Iterable[RoundingTerm], mode: str) -> Rounding:
    return next((term.rounding for term in terms if _fits(term.modes, mode)), Rounding())


def _minimums(terms: Sequence[MinimumTerm], mode: str, task_class: str, band: str) -> tuple[Least, ...]:
    found: dict[str, int] = {}
    for term in terms:
        if _fits(term.modes, mode) and _fits(term.bands, band) and _fits(term.task_classes, task_class):
            found.setdefault(term.level, term.seconds)
    return tuple(Least(level, found[level]) for level in LEVELS if found.get(level))
