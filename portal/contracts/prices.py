"""What the tables about work say of some work: its price, rounding, minimums, caps, burn; first match wins.

Amounts leave this module in minor units, rates as exact minor units per hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Level
from portal.contracts.conditions import WorkConditions, WorkKey
from portal.contracts.policy import Policy
from portal.contracts.rates import Cap, Minimum, PercentRow, RateRow, Rounding
from portal.contracts.rules import amount_minor, plan_named, rate_minor
from portal.errors import RuleBroken

Row = TypeVar("Row", bound=WorkConditions)


@dataclass(frozen=True)
class Price:
    """Minor units per hour, and those beyond counted seconds at a level, each with what is due once it is reached."""

    hourly: Fraction
    over: tuple[tuple[str, int, Fraction, int], ...] = ()
    over_for_all: bool = False
    unit_seconds: int = 3_600


def first_fitting(rows: Iterable[Row], work: WorkKey) -> Row | None:
    """The row that decides for the work; None where no row is for it."""
    return next((row for row in rows if row.fits(work)), None)


def price_of(policy: Policy, work: WorkKey) -> Price:
    """The price of some work towards the customer. *Raises*: RuleBroken when no row prices it."""
    row = first_fitting(policy.rates, work)
    if row is None:
        raise RuleBroken(f"The policy names no price for {work.mode} work, {work.band}, {work.task_class}.")
    return _price(row, policy.currency, factor_of(policy, work))


def net_price_of(policy: Policy, agreement: Agreement | None, work: WorkKey) -> Price:
    """The price that the integrator pays: the agreement's net price, else the policy's own price."""
    row = first_fitting(agreement.intercompany, work._replace(plan="")) if agreement else None
    if row is not None:
        return _price(row, policy.currency, Fraction(1))
    return price_of(policy, work._replace(plan=plan_named(policy, None).code))


def factor_of(policy: Policy, work: WorkKey) -> Fraction:
    """What surcharges and discounts make of the price of an hour."""
    added, taken = first_fitting(policy.surcharges, work), first_fitting(policy.discounts, work)
    return (1 + _part(added)) * (1 - _part(taken))


def _part(row: PercentRow | None) -> Fraction:
    return Fraction(row.percent) / 100 if row else Fraction(0)


def _price(row: RateRow, currency: str, factor: Fraction) -> Price:
    scale = rate_minor("1", currency)
    over = tuple(
        (
            each.level.value,
            each.minutes * 60,
            Fraction(each.per_hour) * scale * factor,
            amount_minor(each.amount, currency) if each.amount is not None else 0,
        )
        for each in row.over
    )
    return Price(row.hourly * scale * factor, over, row.over_for_all, row.unit_seconds)


def rounding_of(policy: Policy, work: WorkKey) -> Rounding:
    """How the time of some work is rounded."""
    return first_fitting(policy.roundings, work) or policy.rounding


def minimums_of(policy: Policy, work: WorkKey) -> tuple[Minimum, ...]:
    """The least that is billed of some work: of minutes and of money at most one row for each level."""
    found: dict[tuple[Level, bool], Minimum] = {}
    for row in policy.minimums:
        if row.fits(work):
            found.setdefault((row.level, row.minutes is None), row)
    return tuple(found.values())


def minimum_minutes(policy: Policy, level: Level, work: WorkKey) -> int:
    """The least minutes billed at a level of some work; 0 where the policy states none."""
    return next((row.minutes or 0 for row in minimums_of(policy, work) if row.level == level and row.minutes), 0)


def caps_of(policy: Policy, work: WorkKey) -> tuple[tuple[int, Cap], ...]:
    """The caps that limit some work, each with its place in the table."""
    return tuple((number, row) for number, row in enumerate(policy.caps) if row.fits(work))


def burn_of(policy: Policy, work: WorkKey) -> Fraction:
    """Bought hours used for an hour of some work."""
    row = first_fitting(policy.burns, work)
    return Fraction(row.factor) if row else Fraction(1)


def told_apart(policy: Policy, agreement: Agreement | None) -> frozenset[str]:
    """The fields of a circumstance that any row looks at; the others change no price."""
    tables: Sequence[Sequence[WorkConditions]] = (
        policy.rates,
        policy.roundings,
        policy.surcharges,
        policy.discounts,
        policy.minimums,
        policy.caps,
        policy.burns,
        agreement.intercompany if agreement else (),
    )
    rows = [row for table in tables for row in table]
    keys = {
        "role": "roles",
        "skill": "skills",
        "customer_class": "customer_classes",
        "requested": "requested",
        "severity": "severities",
    }
    return frozenset(field for field, key in keys.items() if any(getattr(row, key) for row in rows))


def customer_class_of(policy: Policy, lapsed_days: int | None) -> str:
    """The class of a customer whose plan ended so many days ago; empty where none is for it."""
    if lapsed_days is None:
        return ""
    fitting = [
        (each.lapsed_over_days, each.code)
        for each in policy.customer_classes
        if each.lapsed_over_days is not None and lapsed_days > each.lapsed_over_days
    ]
    return max(fitting, default=(0, ""))[1]
