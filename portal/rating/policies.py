"""A signed policy, with the agreement where there is one, compiled into a tariff.

Compile once per policy version, agreement version and product line, and keep the tariff: it is a function of their
content.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Level
from portal.contracts.calendar_blocks import NOWHERE, Places, WhoseZone
from portal.contracts.conditions import WorkKey
from portal.contracts.fees import Occasion
from portal.contracts.owing import Claimed
from portal.contracts.parts import part_bearer
from portal.contracts.policy import Policy
from portal.contracts.prices import (
    Price,
    burn_of,
    caps_of,
    minimums_of,
    net_price_of,
    price_of,
    rounding_of,
    told_apart,
)
from portal.contracts.rates import Cap
from portal.contracts.rates import Rounding as DocumentRounding
from portal.contracts.rules import (
    PayerFacts,
    amount_minor,
    bill_to_row,
    calendar_named,
    plan_named,
    warranty_for,
)
from portal.contracts.terms import Plan
from portal.rating.fee_terms import fee_terms
from portal.rating.tariff import Row, Tariff
from portal.rating.terms import (
    INTERCOMPANY,
    LEVELS,
    PLAIN,
    BandTerm,
    Bill,
    CoverTerms,
    Extras,
    Favours,
    Least,
    Most,
    PartSituation,
    Rounding,
    Situation,
)
from portal.rating.timetable import Timetable


def compile_tariff(
    policy: Policy, *, product_line: str, agreement: Agreement | None = None, places: Places = NOWHERE
) -> Tariff:
    """The tariff of a policy for one product line; list prices are those of the complimentary plan.

    ``places`` is where the case is: whose clocks and holidays count for bands and cover. Rows are made when work first
    asks for them: most combinations of role, skill and request never occur.
    """
    covers = _covers(policy, places)
    by_engineer = any(block.whose_zone is WhoseZone.ENGINEER for block in policy.calendars)
    return Tariff(
        policy.currency,
        policy.zone,
        plan_named(policy, None).code,
        {},
        _timetables(policy, places),
        covers,
        partial(_bill, policy),
        _favours(policy, product_line),
        make=partial(_row, policy, agreement, product_line),
        told_apart=told_apart(policy, agreement),
        fees=fee_terms(policy, product_line),
        part_bearer=partial(_part_bearer, policy, product_line) if policy.parts else None,
        by_zone=partial(_timetables_in, policy, places) if by_engineer else None,
    )


def _covers(policy: Policy, places: Places) -> dict[str, CoverTerms | None]:
    return {**{plan.code: _cover(policy, plan, places) for plan in policy.plans}, INTERCOMPANY: None}


def _timetables(policy: Policy, places: Places) -> dict[str, Timetable]:
    bands = tuple(
        BandTerm(band.code, calendar_named(policy, band.calendar, places))
        for band in policy.bands
        if band.calendar is not None
    )
    by_day = _counts_by_day(policy)
    return {
        key: Timetable(policy.zone, bands, policy.bands[-1].code, cover.calendar if cover else None, by_day)
        for key, cover in _covers(policy, places).items()
    }


def _timetables_in(policy: Policy, places: Places, zone: str) -> dict[str, Timetable]:
    """The timetables by the clock of an engineer's zone."""
    return _timetables(policy, replace(places, engineer=zone))


def _counts_by_day(policy: Policy) -> bool:
    """Whether any local day matters: a visit nobody numbered is what a day does on site."""
    levels = {
        policy.rounding.level,
        *(row.level for row in policy.roundings),
        *(row.level for row in policy.minimums),
        *(row.level for row in policy.caps),
        *(over.level for row in policy.rates for over in row.over),
    }
    occasions = {fee.per for fee in policy.fees}
    return bool(levels & {Level.DAY, Level.VISIT}) or bool(occasions & {Occasion.DAY, Occasion.VISIT})


def _row(policy: Policy, agreement: Agreement | None, product_line: str, plan: str, work: WorkKey) -> Row:
    """The row of some work under a plan, or at the net prices of an integrator that pays."""
    listed = work._replace(product_line=product_line, plan=plan_named(policy, None).code)
    if plan == INTERCOMPANY:
        work = listed._replace(plan="")
        price = net_price_of(policy, agreement, work)
    else:
        work = listed._replace(plan=plan)
        price = price_of(policy, work)
    shown = max(price.hourly, price_of(policy, listed).hourly)
    return Row(
        plan,
        work.mode,
        work.task_class,
        work.band,
        price.hourly.numerator,
        price.hourly.denominator,
        shown.numerator,
        shown.denominator,
        _rounding(rounding_of(policy, work)),
        _leasts(policy, work),
        _extras(policy, work, price),
    )


def _rounding(terms: DocumentRounding) -> Rounding:
    return Rounding(
        terms.increment_minutes * 60,
        terms.direction.value,
        terms.level.value,
        terms.grace_minutes * 60,
        terms.by_band,
    )


def _leasts(policy: Policy, work: WorkKey) -> tuple[Least, ...]:
    found = {
        row.level.value: Least(
            row.level.value,
            row.minutes * 60,
            tuple(mode.value for mode in row.counting),
            None if row.travel_minutes is None else row.travel_minutes * 60,
        )
        for row in minimums_of(policy, work)
        if row.minutes is not None
    }
    return tuple(found[level] for level in LEVELS if level in found)


def _extras(policy: Policy, work: WorkKey, price: Price) -> Extras | None:
    """What the price has beside its rate; None where it has nothing, which is rated faster."""
    about, burn = work.circumstance, burn_of(policy, work)
    extras = Extras(
        ", ".join(word.replace("_", " ") for word in (about.role, about.skill) if word),
        tuple((level, seconds, rate.numerator, rate.denominator, due) for level, seconds, rate, due in price.over),
        tuple(_most(policy, number, cap) for number, cap in caps_of(policy, work)),
        tuple(
            (row.level.value, amount_minor(row.amount, policy.currency))
            for row in minimums_of(policy, work)
            if row.amount is not None
        ),
        burn.numerator,
        burn.denominator,
        price.unit_seconds,
        about.role,
        about.skill,
        price.over_for_all,
    )
    return None if extras == PLAIN else extras


def _most(policy: Policy, number: int, cap: Cap) -> Most:
    return Most(
        number,
        cap.level.value,
        None if cap.minutes is None else cap.minutes * 60,
        None if cap.amount is None else amount_minor(cap.amount, policy.currency),
        tuple(mode.value for mode in cap.counting),
        None if cap.up_to_minutes is None else cap.up_to_minutes * 60,
        cap.with_fees,
    )


def _cover(policy: Policy, plan: Plan, places: Places) -> CoverTerms:
    return CoverTerms(
        calendar_named(policy, plan.cover_calendar, places),
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


def _part_bearer(policy: Policy, product_line: str, situation: PartSituation) -> str | None:
    about = Claimed(product_line, situation.cause or "", situation.in_warranty)
    return part_bearer(policy.parts, about, situation.disposition)


def _favours(policy: Policy, product_line: str) -> Favours:
    warranty = warranty_for(policy, product_line)
    return Favours(
        {cause.code: cause.borne_by.value for cause in policy.causes if cause.borne_by is not None},
        tuple(each.value for each in warranty.free_task_classes) if warranty else (),
        warranty.free_causes if warranty else (),
    )
