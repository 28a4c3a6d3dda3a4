"""A signed policy, with the agreement where there is one, compiled into a tariff.

Compile once per policy version, agreement version and product line, and keep the tariff: it is a function of their
content.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Level, Mode, TaskClass
from portal.contracts.policy import Policy
from portal.contracts.rules import (
    PayerFacts,
    bill_to_row,
    calendar_named,
    hourly_rate,
    intercompany_rate,
    minimum_minutes,
    plan_named,
    warranty_for,
)
from portal.contracts.terms import Plan
from portal.rating.tariff import Tariff, build_tariff
from portal.rating.terms import (
    INTERCOMPANY,
    BandTerm,
    Bill,
    CoverTerms,
    Favours,
    MinimumTerm,
    PlanTerms,
    RateTerm,
    Rounding,
    RoundingTerm,
    Situation,
)


def compile_tariff(policy: Policy, *, product_line: str, agreement: Agreement | None = None) -> Tariff:
    """The tariff of a policy for one product line; list prices are those of the complimentary plan."""
    bands = [
        BandTerm(band.code, calendar_named(policy, band.calendar)) for band in policy.bands if band.calendar is not None
    ]
    plans = [_plan_terms(policy, plan, product_line) for plan in policy.plans]
    return build_tariff(
        currency=policy.currency,
        zone=policy.zone,
        bands=bands,
        otherwise=policy.bands[-1].code,
        plans=[*plans, _intercompany_terms(policy, agreement, product_line)],
        list_plan=plan_named(policy, None).code,
        bill_to=partial(_bill, policy),
        favours=_favours(policy, product_line),
    )


def _plan_terms(policy: Policy, plan: Plan, product_line: str) -> PlanTerms:
    def price(mode: str, band: str, task_class: str) -> Fraction:
        return hourly_rate(
            policy, mode=mode, band=band, task_class=task_class, product_line=product_line, plan=plan.code
        )

    return PlanTerms(plan.code, _rates(policy, price), _roundings(policy), _minimums(policy), _cover(policy, plan))


def _intercompany_terms(policy: Policy, agreement: Agreement | None, product_line: str) -> PlanTerms:
    def price(mode: str, band: str, task_class: str) -> Fraction:
        return intercompany_rate(
            policy, agreement, mode=mode, band=band, task_class=task_class, product_line=product_line
        )

    return PlanTerms(INTERCOMPANY, _rates(policy, price), _roundings(policy), _minimums(policy))


def _rates(policy: Policy, price: Callable[[str, str, str], Fraction]) -> tuple[RateTerm, ...]:
    """One rate for each mode, band and task class: the document's own order of precedence is asked for each."""
    return tuple(
        RateTerm(price(mode.value, band.code, task_class.value), (mode.value,), (band.code,), (task_class.value,))
        for mode in Mode
        for band in policy.bands
        for task_class in TaskClass
    )


def _roundings(policy: Policy) -> tuple[RoundingTerm, ...]:
    terms = policy.rounding
    rounding = Rounding(
        terms.increment_minutes * 60, terms.direction.value, terms.level.value, terms.grace_minutes * 60
    )
    return (RoundingTerm(rounding),)


def _minimums(policy: Policy) -> tuple[MinimumTerm, ...]:
    return tuple(
        MinimumTerm(minimum_minutes(policy, level, mode) * 60, level.value, (mode.value,))
        for level in Level
        for mode in Mode
    )


def _cover(policy: Policy, plan: Plan) -> CoverTerms:
    return CoverTerms(
        calendar_named(policy, plan.cover_calendar),
        tuple(each.value for each in plan.covered_task_classes),
        tuple(each.value for each in plan.covered_modes),
        plan.always_covered_severities,
        plan.unlimited,
    )


def _bill(policy: Policy, situation: Situation) -> Bill:
    facts = PayerFacts(
        situation.task_class,
        situation.plan,
        situation.before_day1,
        situation.in_warranty,
        situation.certified,
        situation.cause,
    )
    row = bill_to_row(policy, facts)
    return Bill(row.payer.value, row.collector.value, row.seller_of_record.value)


def _favours(policy: Policy, product_line: str) -> Favours:
    warranty = warranty_for(policy, product_line)
    return Favours(
        {cause.code: cause.borne_by.value for cause in policy.causes if cause.borne_by is not None},
        tuple(each.value for each in warranty.free_task_classes) if warranty else (),
        warranty.free_causes if warranty else (),
    )
