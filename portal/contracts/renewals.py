"""What it costs to take up a plan again after it ended, by the formulas published policies use.

A grace without a fee; a flat fee or a percentage, the greater; the missed time by days or months; each begun year
bought; an upgrade that was missed paid first. Days and months are the calendar's: a year has 365 days, or 12 months.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction

from portal.contracts.packs import Lapse
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, months_after
from portal.money import round_half_up

_DAYS_OF_A_YEAR, _MONTHS_OF_A_YEAR = 365, 12


@dataclass(frozen=True)
class LapsedPlan:
    """A plan that ended: its yearly price and the list price of what it covers, in minor units, where they matter."""

    ended_on: date
    renewed_on: date
    yearly_minor: int = 0
    list_minor: int = 0
    missed_upgrade: bool = False


@dataclass(frozen=True)
class Renewal:
    """What is due to take it up again; ``fee_minor`` None where a fee is due that the policy does not say."""

    days_lapsed: int
    possible: bool
    fee_due: bool
    fee_minor: int | None
    missed_minor: int
    upgrade_minor: int
    years: int
    begins_on: date
    ends_on: date
    covers_on: date
    total_minor: int | None


class PlanState(StrEnum):
    """How a plan that has an end stands on a day."""

    ACTIVE = "active"
    GRACE = "grace"
    LAPSED = "lapsed"
    ENDED = "ended"


def plan_state(terms: Lapse, ended_on: date, on: date) -> PlanState:
    """How it stands: to its last day active, then in grace, then lapsed; ended once it cannot be taken up again."""
    days = (on - ended_on).days
    if days <= 0:
        return PlanState.ACTIVE
    if days <= terms.grace_days:
        return PlanState.GRACE
    return PlanState.LAPSED if terms.ends_after_days is None or days <= terms.ends_after_days else PlanState.ENDED


def renewal(policy: Policy, lapsed: LapsedPlan) -> Renewal:
    """What the policy asks of a customer that comes back."""
    terms = policy.lapse or Lapse()
    days = (lapsed.renewed_on - lapsed.ended_on).days
    possible = terms.ends_after_days is None or days <= terms.ends_after_days
    late = days > terms.grace_days
    missed = _missed_minor(terms, lapsed) if late else 0
    percent = Fraction(terms.missed_upgrade_percent or 0) / 100
    upgrade = round_half_up(lapsed.list_minor * percent) if lapsed.missed_upgrade else 0
    fee = _fee_minor(policy, terms, lapsed) if late else 0
    years = _begun_years(lapsed) + 1 if terms.whole_years else 1
    backdated = terms.whole_years or terms.backdated
    begins_on = lapsed.ended_on if backdated else lapsed.renewed_on
    total = None if fee is None else years * lapsed.yearly_minor + fee + missed + upgrade
    return Renewal(
        days_lapsed=days,
        possible=possible,
        fee_due=late and (fee is None or fee > 0 or missed > 0),
        fee_minor=fee,
        missed_minor=missed,
        upgrade_minor=upgrade,
        years=years,
        begins_on=begins_on,
        ends_on=months_after(begins_on, _MONTHS_OF_A_YEAR * years),
        covers_on=lapsed.renewed_on + timedelta(days=terms.waiting_days if late else 0),
        total_minor=total,
    )


def _fee_minor(policy: Policy, terms: Lapse, lapsed: LapsedPlan) -> int | None:
    if not terms.amount_stated:
        return None
    flat = amount_minor(terms.amount, policy.currency) if terms.amount is not None else 0
    return max(flat, round_half_up(Fraction(terms.percent or 0) / 100 * lapsed.yearly_minor))


def _missed_minor(terms: Lapse, lapsed: LapsedPlan) -> int:
    """The missed time at the yearly price; a begun month counts whole."""
    if terms.missed_time is None:
        return 0
    if terms.missed_time == "day":
        part = Fraction((lapsed.renewed_on - lapsed.ended_on).days, _DAYS_OF_A_YEAR)
    else:
        part = Fraction(_begun(lapsed, 1), _MONTHS_OF_A_YEAR)
    return round_half_up(part * lapsed.yearly_minor)


def _begun_years(lapsed: LapsedPlan) -> int:
    return _begun(lapsed, _MONTHS_OF_A_YEAR)


def _begun(lapsed: LapsedPlan, months: int) -> int:
    """How many periods of so many months were begun since the end."""
    begun = 0
    while months_after(lapsed.ended_on, begun * months) < lapsed.renewed_on and begun < 1_200:
        begun += 1
    return begun
