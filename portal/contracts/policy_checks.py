"""Where a policy contradicts itself; each finding names both places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from portal.contracts.blocks import Collector, Payer, Revenue
from portal.contracts.calendar_checks import band_contradictions, calendar_contradictions
from portal.contracts.checks import (
    ALWAYS_PARTIES,
    amount_contradictions,
    doubled,
    never_applying,
    party_order_contradictions,
    resolution_contradictions,
    share_contradictions,
    spelling_contradictions,
    uncharged_contradictions,
    unknown,
    weight_contradictions,
)
from portal.contracts.reading import Contradiction
from portal.contracts.terms import ALWAYS_CALENDAR
from portal.contracts.work_checks import work_contradictions

if TYPE_CHECKING:
    from portal.contracts.policy import Policy

BILL_TO_CONDITIONS = ("task_classes", "plans", "causes", "before_day1", "in_warranty", "certified")
ENTRY_CONDITIONS = (
    "openers",
    "plans",
    "customer_classes",
    "channels",
    "levels",
    "severities",
    "task_classes",
    "outside",
    "identified",
)
# House terms share every kind but parts, which are their supplier's where nothing else is said.
_STATED_KINDS = tuple(kind for kind in Revenue if kind is not Revenue.MATERIALS)
# The support levels that people ask for, as texts name them.
LEVELS = ("1", "2", "3")
TARGET_CONDITIONS = ("clock", "severities", "certified", "customer_classes", "channels", "levels")


def drafted_policy_contradictions(policy: Policy) -> Iterator[Contradiction]:
    """The same of a text that is not signed yet, with what cannot be charged."""
    found = tuple(policy_contradictions(policy))
    yield from found
    # The steps of a currency that is none are nobody's to say.
    if not any(each.path == ("currency",) for each in found):
        yield from uncharged_contradictions(policy, policy.currency)


def policy_contradictions(policy: Policy) -> Iterator[Contradiction]:
    """Every contradiction of the policy, table by table."""
    yield from amount_contradictions(policy, policy.currency)
    checks: tuple[Callable[[Policy], Iterator[Contradiction]], ...] = (
        _calendars_and_bands,
        work_contradictions,
        _warranty,
        _causes,
        _parts,
        _bill_to,
        _plans,
        _plan_terms,
        _authorization_and_emergency,
        _intake,
        _entry_and_lifecycle,
        _house_terms,
        spelling_contradictions,
    )
    for check in checks:
        yield from check(policy)


def _calendar_codes(policy: Policy) -> set[str]:
    return {ALWAYS_CALENDAR, *(each.code for each in policy.calendars)}


def _calendars_and_bands(policy: Policy) -> Iterator[Contradiction]:
    yield from calendar_contradictions(policy.calendars)
    yield from band_contradictions(policy)


def _warranty(policy: Policy) -> Iterator[Contradiction]:
    yield from never_applying(("warranty",), policy.warranty, ("product_lines", "parts"))
    causes = [each.code for each in policy.causes]
    for number, row in enumerate(policy.warranty):
        yield from unknown(("warranty", number, "free_causes"), row.free_causes, causes, "causes")


def _causes(policy: Policy) -> Iterator[Contradiction]:
    yield from doubled(("causes",), [each.code for each in policy.causes])
    yield from doubled(("corrective_actions",), [each.code for each in policy.corrective_actions])
    yield from doubled(("task_classes",), [each.code for each in policy.task_classes])


def _parts(policy: Policy) -> Iterator[Contradiction]:
    yield from never_applying(("parts",), policy.parts, ("product_lines", "causes", "in_warranty", "dispositions"))
    causes = [each.code for each in policy.causes]
    for number, row in enumerate(policy.parts):
        yield from unknown(("parts", number, "causes"), row.causes, causes, "causes")


def _bill_to(policy: Policy) -> Iterator[Contradiction]:
    plans = [each.code for each in policy.plans]
    causes = [each.code for each in policy.causes]
    last = len(policy.bill_to) - 1
    if policy.bill_to[last].conditional:
        yield Contradiction(("bill_to", last), "the last row takes all other cases and has no condition")
    yield from never_applying(("bill_to",), policy.bill_to, BILL_TO_CONDITIONS)
    for number, row in enumerate(policy.bill_to):
        yield from unknown(("bill_to", number, "plans"), row.plans, plans, "plans")
        yield from unknown(("bill_to", number, "causes"), row.causes, causes, "causes")
        if row.payer is Payer.INTEGRATOR and row.collector is Collector.INTEGRATOR:
            yield Contradiction(
                ("bill_to", number, "collector"),
                "an integrator that pays does not collect from itself",
                ("bill_to", number, "payer"),
            )


def _plans(policy: Policy) -> Iterator[Contradiction]:
    yield from doubled(("plans",), [each.code for each in policy.plans])
    complimentary = [number for number, plan in enumerate(policy.plans) if plan.complimentary]
    if not complimentary:
        yield Contradiction(("plans",), "one plan has complimentary = true; none does")
    for number in complimentary[1:]:
        yield Contradiction(
            ("plans", number, "complimentary"), "only one plan is complimentary", ("plans", complimentary[0])
        )
    calendars = _calendar_codes(policy)
    reasons = [each.code for each in policy.pause_reasons]
    classes = [each.code for each in policy.customer_classes]
    yield from doubled(("pause_reasons",), reasons)
    for number, plan in enumerate(policy.plans):
        yield from unknown(("plans", number, "cover_calendar"), [plan.cover_calendar], calendars, "calendars")
        targets = ("plans", number, "targets")
        yield from never_applying(targets, plan.targets, TARGET_CONDITIONS)
        for place, target in enumerate(plan.targets):
            yield from unknown((*targets, place, "calendar"), [target.calendar], calendars, "calendars")
            yield from unknown((*targets, place, "pauses"), target.pauses or (), reasons, "pause_reasons")
            here = (*targets, place)
            yield from unknown((*here, "customer_classes"), target.customer_classes, classes, "customer_classes")
            yield from unknown((*here, "levels"), map(str, target.levels), LEVELS, "the support levels")
        remedies = ("plans", number, "remedies")
        yield from never_applying(remedies, plan.remedies, ("clock", "severities", "late_by_minutes"))
        for place, remedy in enumerate(plan.remedies):
            if not any(target.clock is remedy.clock and not target.best_effort for target in plan.targets):
                sentence = f'the plan promises no "{remedy.clock}" that could be broken'
                yield Contradiction((*remedies, place, "clock"), sentence, targets)


def _plan_terms(policy: Policy) -> Iterator[Contradiction]:
    for number, plan in enumerate(policy.plans):
        path = ("plans", number)
        if plan.complimentary and Fraction(plan.price_per_month):
            yield Contradiction(
                (*path, "price_per_month"), "a complimentary plan has no price", (*path, "complimentary")
            )
        if plan.unlimited and plan.included_minutes_per_month:
            yield Contradiction(
                (*path, "included_minutes_per_month"), "an unlimited plan counts no minutes", (*path, "unlimited")
            )
        if plan.included_worth_per_hour is not None and not plan.included_minutes_per_month:
            yield Contradiction(
                (*path, "included_worth_per_hour"), "without included minutes there is nothing to be worth"
            )
        if plan.included_worth * plan.included_minutes_per_month > Fraction(plan.price_per_month) * 60:
            yield Contradiction(
                (*path, "included_worth_per_hour"),
                "the included minutes are worth more than the plan costs",
                (*path, "price_per_month"),
            )
        monthly, per_case = plan.standing_limit_per_month, plan.standing_limit
        if monthly is not None and (per_case is None or Fraction(monthly) < Fraction(per_case)):
            yield Contradiction(
                (*path, "standing_limit_per_month"),
                "the monthly limit is stated with a limit per case and is not below it",
                (*path, "standing_limit"),
            )


def _authorization_and_emergency(policy: Policy) -> Iterator[Contradiction]:
    terms = policy.authorization
    if Fraction(terms.default_nte) < Fraction(terms.least_nte):
        yield Contradiction(
            ("authorization", "default_nte"), "the amount suggested is below the least", ("authorization", "least_nte")
        )
    yield from unknown(("emergency", "calendar"), [policy.emergency.calendar], _calendar_codes(policy), "calendars")


def _intake(policy: Policy) -> Iterator[Contradiction]:
    yield from never_applying(("intake",), policy.intake, ("product_lines",))
    for number, row in enumerate(policy.intake):
        yield from doubled(("intake", number, "fields"), [each.code for each in row.fields])


def _entry_and_lifecycle(policy: Policy) -> Iterator[Contradiction]:
    plans, calendars = [each.code for each in policy.plans], _calendar_codes(policy)
    classes = [each.code for each in policy.customer_classes]
    yield from never_applying(("entry",), policy.entry, ENTRY_CONDITIONS)
    for number, row in enumerate(policy.entry):
        path = ("entry", number)
        yield from unknown((*path, "plans"), row.plans, plans, "plans")
        yield from unknown((*path, "customer_classes"), row.customer_classes, classes, "customer_classes")
        yield from unknown((*path, "levels"), map(str, row.levels), LEVELS, "the support levels")
        yield from unknown((*path, "outside"), [row.outside], calendars, "calendars")
        yield from unknown((*path, "until"), [row.until], calendars, "calendars")
    for number, warranty in enumerate(policy.warranty):
        yield from unknown(("warranty", number, "longer_with"), warranty.longer_with, plans, "plans")
        if warranty.longer_months is not None and warranty.longer_months <= (warranty.months or 0):
            yield Contradiction(
                ("warranty", number, "longer_months"), "it lasts no longer so", ("warranty", number, "months")
            )
    again = ("reclassification", "calendar")
    yield from unknown(again, [policy.reclassification.calendar], calendars, "calendars")
    terms = policy.lifecycle
    yield from unknown(("lifecycle", "reopen_calendar"), [terms.reopen_calendar], calendars, "calendars")
    if terms.unanswered is not None:
        here, silence = ("lifecycle", "unanswered"), terms.unanswered
        actions = [each.code for each in policy.corrective_actions]
        yield from unknown((*here, "calendar"), [silence.calendar], calendars, "calendars")
        yield from unknown((*here, "cause"), [silence.cause], [each.code for each in policy.causes], "causes")
        yield from unknown((*here, "last_action"), [silence.last_action], actions, "corrective_actions")


def _house_terms(policy: Policy) -> Iterator[Contradiction]:
    terms, path = policy.house_terms, ("house_terms",)
    yield from party_order_contradictions((*path, "party_order"), terms.party_order, ALWAYS_PARTIES)
    yield from share_contradictions((*path, "shares"), terms.shares, ALWAYS_PARTIES, _STATED_KINDS)
    yield from resolution_contradictions((*path, "resolution"), terms.resolution)
    yield from weight_contradictions((*path, "fallback"), terms.fallback)
    causes = [each.code for each in policy.causes]
    actions = [each.code for each in policy.corrective_actions]
    for number, row in enumerate(terms.resolution):
        here = (*path, "resolution", number)
        yield from unknown((*here, "causes"), row.causes, causes, "causes")
        yield from unknown((*here, "last_actions"), row.last_actions, actions, "corrective_actions")
    for side in ("integrator_calendar", "manufacturer_calendar"):
        name = getattr(terms.confirmation, side)
        yield from unknown((*path, "confirmation", side), [name], _calendar_codes(policy), "calendars")
