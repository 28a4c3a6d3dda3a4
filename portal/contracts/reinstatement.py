"""What an order of a plan that has lapsed owes beside the plan itself, in parts that are said in words. Pure.

The formula is ``renewals``; here it meets a site's history and the way a plan is paid. A term that begins where the
old one ended is paid for the time that is over as a part of the reinstatement, and for the rest as the first term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from portal.contracts.packs import Lapse
from portal.contracts.policy import Policy
from portal.contracts.renewals import LapsedPlan, Renewal, renewal
from portal.contracts.rules import amount_minor, plan_named
from portal.errors import RuleBroken
from portal.money import Money, allocate
from portal.zones import zone_named

MONTHS_OF_A_YEAR = 12
# What Stripe takes as the end of a first term, at the least; a term that ends before is as good as over.
LEAST_TERM = timedelta(days=2)


@dataclass(frozen=True)
class Held:
    """A plan as a site chose it: from when, and whether it was a paid one."""

    plan_code: str
    from_at: datetime
    paid: bool


@dataclass(frozen=True)
class Gap:
    """A time without the plan that was paid before: from its end until it is taken up again."""

    plan_code: str
    from_at: datetime
    until_at: datetime


@dataclass(frozen=True)
class Reinstatement:
    """What is due, why, and from when it covers.

    ``first_term_minor`` is what the rest of a term costs that began where the old one ended, and ``first_term_until``
    its end; both None where the term begins with the order.
    """

    gap: Gap
    amount_minor: int
    covers_from: datetime
    first_term_minor: int | None
    first_term_until: datetime | None
    sentences: tuple[str, ...]

    @property
    def kept(self) -> dict[str, Any]:
        """As it is kept with the order and the choice."""
        return {
            "amount_minor": self.amount_minor,
            "from": self.gap.from_at.isoformat(),
            "until": self.gap.until_at.isoformat(),
            "covers_from": self.covers_from.isoformat(),
            "first_term_until": self.first_term_until.isoformat() if self.first_term_until else None,
            "sentences": list(self.sentences),
        }


def gap_before(chosen: Sequence[Held], plan_code: str, at: datetime) -> Gap | None:
    """The time without a plan that an order of ``plan_code`` at an instant would end.

    None while a paid plan is held, for a plan that was never held, and where another paid one was held last.

    *Shape*: ``chosen`` is in order of time; each holds until the next.
    """
    begun = [each for each in chosen if each.from_at <= at]
    ended_at: datetime | None = None
    for each in reversed(begun):
        if each.paid:
            ends_something = ended_at is not None and ended_at < at
            return Gap(plan_code, ended_at, at) if ended_at and ends_something and each.plan_code == plan_code else None
        ended_at = each.from_at
    return None


def is_paid(policy: Policy, plan_code: str) -> bool:
    """Whether a plan costs something by the month."""
    return any(plan.code == plan_code and Fraction(plan.price_per_month) > 0 for plan in policy.plans)


def reinstatement(policy: Policy, gap: Gap, *, months: int | None, offered_minor: int | None = None) -> Reinstatement:
    """What the policy asks for the gap when the plan is paid every so many months; None months is by invoice.

    ``offered_minor`` is an offer's price of those months: it takes the place of the policy's, and counts a release that
    was missed.

    *Raises*: RuleBroken where it cannot be taken up again, or not in this way, or only at a price nobody has named.
    """
    terms = policy.lapse or Lapse()
    local = zone_named(policy.zone)
    plan = plan_named(policy, gap.plan_code)
    agreed = offered_minor is not None
    yearly = amount_minor(plan.price_per_month, policy.currency) * MONTHS_OF_A_YEAR
    if offered_minor is not None:
        yearly = offered_minor * MONTHS_OF_A_YEAR // (months or MONTHS_OF_A_YEAR)
    lapsed = LapsedPlan(gap.from_at.astimezone(local).date(), gap.until_at.astimezone(local).date(), yearly)
    due = renewal(policy, lapsed)
    _must_be_possible(terms, due, lapsed, agreed=agreed)
    term = _Term.of(due, lapsed, yearly)
    if term is not None and months is not None and months != MONTHS_OF_A_YEAR:
        raise RuleBroken("The policy takes a lapsed plan up again by the year: order it for a year.")
    past = term.past_minor if term is not None else 0
    covers_from = gap.until_at + timedelta(days=(due.covers_on - lapsed.renewed_on).days)
    until = None
    if term is not None and months is not None:
        until = gap.until_at + timedelta(days=(due.ends_on - lapsed.renewed_on).days)
        if until < gap.until_at + LEAST_TERM:
            raise RuleBroken(
                f"The term that begins where the old one ended is over by {due.ends_on}: ask for an offer."
            )
    return Reinstatement(
        gap=gap,
        amount_minor=(due.fee_minor or 0) + due.missed_minor + past,
        covers_from=covers_from,
        first_term_minor=term.rest_minor if term is not None and until is not None else None,
        first_term_until=until,
        sentences=_sentences(policy, terms, due, lapsed, term, until=until, agreed=agreed),
    )


def due_from(kept: Mapping[str, Any]) -> int:
    """The amount of a reinstatement that was kept; 0 for none."""
    return int(kept.get("amount_minor") or 0)


@dataclass(frozen=True)
class _Term:
    """A term that begins where the old one ended: what of its price is for the time that is over."""

    past_minor: int
    rest_minor: int

    @classmethod
    def of(cls, due: Renewal, lapsed: LapsedPlan, yearly_minor: int) -> _Term | None:
        """By days; None for a term that begins with the order."""
        if due.begins_on >= lapsed.renewed_on:
            return None
        whole, gone = (due.ends_on - due.begins_on).days, (lapsed.renewed_on - due.begins_on).days
        past, rest = allocate(yearly_minor * due.years, [min(gone, whole), max(whole - gone, 0)])
        return cls(past, rest)


def _must_be_possible(terms: Lapse, due: Renewal, lapsed: LapsedPlan, *, agreed: bool) -> None:
    if not due.possible:
        raise RuleBroken(
            f"The plan ended on {lapsed.ended_on}, {due.days_lapsed} days ago. The policy lets it be taken up again"
            f" within {terms.ends_after_days} days only: choose another plan, or ask for an offer."
        )
    if due.fee_minor is None:
        raise RuleBroken("The policy asks a fee for taking the plan up again and does not name it: ask for an offer.")
    if terms.missed_upgrade_percent is not None and due.days_lapsed > terms.grace_days and not agreed:
        raise RuleBroken("A release that was missed is paid first, which only an offer can say: ask for one.")


def _sentences(
    policy: Policy,
    terms: Lapse,
    due: Renewal,
    lapsed: LapsedPlan,
    term: _Term | None,
    *,
    until: datetime | None,
    agreed: bool,
) -> tuple[str, ...]:
    def money(minor: int) -> str:
        return str(Money(minor, policy.currency))

    days = f"{due.days_lapsed} day{'s' * (due.days_lapsed != 1)}"
    said = [f"Without cover from {lapsed.ended_on} to {lapsed.renewed_on}, {days}."]
    if due.days_lapsed <= terms.grace_days:
        said.append(f"Within the {terms.grace_days} days of grace no fee is due.")
    if due.fee_minor:
        said.append(f"Reinstatement fee {money(due.fee_minor)}: {_fee_words(terms)}.")
    if due.missed_minor:
        by = "by days of a year" if terms.missed_time == "day" else "by begun months"
        said.append(f"Missed time {money(due.missed_minor)}: the yearly price {money(lapsed.yearly_minor)} {by}.")
    if term is not None:
        years = f"{due.years} years are" if due.years > 1 else "The year is"
        said.append(
            f"{years} paid from {due.begins_on}, where the old term ended, to {due.ends_on}:"
            f" {money(term.past_minor)} of it for the days that are over."
        )
    if until is not None and term is not None:
        said.append(f"The rest of that term, to {due.ends_on}, costs {money(term.rest_minor)}.")
    if due.covers_on > lapsed.renewed_on:
        said.append(f"It covers again from {due.covers_on}, after {terms.waiting_days} days of waiting.")
    if agreed and terms.missed_upgrade_percent is not None:
        said.append("A release that was missed is counted in the offer's price.")
    return tuple(said)


def _fee_words(terms: Lapse) -> str:
    flat = f"{terms.amount}" if terms.amount is not None else ""
    percent = f"{terms.percent} % of the yearly price" if terms.percent is not None else ""
    if flat and percent:
        return f"{percent}, {flat} at least"
    return percent or f"the policy asks {flat}"
