"""Coverage and price: which service the customer has bought, as a function of facts, signed documents and the moment.

The same facts, documents and moment always give the same decision, with its reasons in the order in which the rules
spoke. Before Day 1 help is commissioning support; under house terms without an integrator the manufacturer stands in
for it, so nothing is ever billed to a company that does not exist. What it costs, and from which minute, is asked of
`rating` with supposed work: the price shown is the price billed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import islice

from portal.calendars import is_open, open_periods, resolve_local
from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Collector, Level, Payer, TaskClass
from portal.contracts.calendar_blocks import NOWHERE, Places
from portal.contracts.conditions import Circumstance, WorkKey
from portal.contracts.entry import Opener
from portal.contracts.policy import Policy
from portal.contracts.prices import minimum_minutes, net_price_of, price_of
from portal.contracts.rules import (
    PayerFacts,
    amount_minor,
    band_at,
    bill_to_row,
    calendar_label,
    calendar_named,
    cause_named,
    free_causes,
    plan_named,
    warranty_end,
    warranty_for,
)
from portal.contracts.terms import BillTo, Plan
from portal.entitlement.rules.answering import response_promised
from portal.entitlement.rules.authorization import emergency_path
from portal.entitlement.rules.beside import prices_beside, told_words
from portal.entitlement.rules.beyond import beyond_reasons, standing_pays
from portal.entitlement.rules.bought import beyond_seconds, pays_with, usable_parts, usable_seconds, usable_states
from portal.entitlement.rules.decision import (
    BandPrice,
    CoverageDecision,
    CoverageFacts,
    EntryView,
    Reason,
    standing_room_minor,
)
from portal.entitlement.rules.entry import Asking, entry_for
from portal.rating.engine import rate
from portal.rating.facts import CaseFacts, Cover, WorkInterval
from portal.rating.lines import RatedCase
from portal.rating.policies import compile_tariff
from portal.rating.preview import preview
from portal.rating.tariff import Tariff
from portal.zones import zone_named

# Every weekly calendar shows all its borders within this time; nobody works on longer without a break.
HORIZON_SECONDS = 7 * 86_400


@dataclass(frozen=True)
class _Situation:
    """What the facts mean under the policy, before money."""

    plan: Plan
    task_class: TaskClass
    before_day1: bool
    in_warranty: bool
    row: BillTo
    payer: Payer


@dataclass(frozen=True)
class _Cost:
    """How long work costs nothing (None: for ever), the least it costs once it does, whether an incident pays."""

    free_seconds: int | None
    least_minor: int
    takes_incident: bool


def coverage_for(
    facts: CoverageFacts, policy: Policy, agreement: Agreement | None, *, now: datetime
) -> CoverageDecision:
    """What the case's payer has bought and what the work would cost, at ``now``.

    *Raises*: RuleBroken when the facts name a plan the policy does not have.
    """
    situation = _situation(facts, policy, now)
    band = band_at(policy, now, facts.places)
    entry = _entry(facts, policy, situation.plan, now)
    cost = _cost(facts, policy, tariff_for(policy, facts.product_line, agreement, facts.places), situation, now)
    can_cost = cost.free_seconds is not None
    beyond = _beyond(facts, policy, situation, now) if can_cost else 0
    authorized = facts.authorized_minor.get(situation.payer, 0)
    included = usable_seconds(facts, situation.plan)
    if situation.payer == Payer.CUSTOMER and standing_pays(
        policy.authorization, included_seconds=included, beyond_seconds=beyond
    ):
        authorized += standing_room_minor(facts.standing, facts.severity)
    return CoverageDecision(
        decided_at=now,
        plan_code=situation.plan.code,
        plan_name=situation.plan.name,
        may_open=entry.lets_in,
        entry=entry,
        starts_with=situation.plan.customer_case_starts_with,
        task_class=situation.task_class,
        mode=facts.mode,
        severity=facts.severity,
        band=band.code,
        before_day1=situation.before_day1,
        in_warranty=situation.in_warranty,
        covered=cost.free_seconds is None or cost.free_seconds > 0,
        can_cost=can_cost,
        payer=situation.payer,
        collector=situation.row.collector if facts.has_integrator else Collector.OPERATOR,
        seller_of_record=situation.row.seller_of_record,
        currency=policy.currency,
        prices=_prices(facts, policy, agreement, situation),
        free_seconds=cost.free_seconds,
        increment_minutes=policy.rounding.increment_minutes,
        minimum_minutes=_minimum(policy, _work(facts, situation, band.code)),
        least_minor=cost.least_minor,
        free_causes=_free_cause_labels(facts, policy, situation),
        included_seconds_left=included,
        hours_beyond_seconds=beyond,
        takes_incident=cost.takes_incident,
        nte_suggestion_minor=max(amount_minor(policy.authorization.default_nte, policy.currency), cost.least_minor),
        least_nte_minor=amount_minor(policy.authorization.least_nte, policy.currency),
        authorized_minor=authorized,
        authorization_needed=can_cost and authorized < cost.least_minor,
        emergency=emergency_path(policy, facts.severity),
        response=response_promised(facts, policy, situation.plan, now),
        queue_rank=situation.plan.rank,
        reasons=(
            *_reasons(facts, policy, situation, entry, now, can_cost=can_cost),
            *beyond_reasons(policy.authorization.beyond_limit, beyond),
            *(prices_beside(policy, _work(facts, situation, band.code)) if can_cost else ()),
        ),
    )


def _beyond(facts: CoverageFacts, policy: Policy, situation: _Situation, now: datetime) -> int:
    """Time that is left for this work beyond what the case may use without asking."""
    if situation.payer != Payer.CUSTOMER:
        return 0
    return beyond_seconds(facts, situation.plan, covered=_plan_covers(facts, policy, situation, now))


def _local_day(policy: Policy, at: datetime) -> date:
    return at.astimezone(zone_named(policy.zone)).date()


def _situation(facts: CoverageFacts, policy: Policy, now: datetime) -> _Situation:
    plan = plan_named(policy, facts.plan_code)
    today = _local_day(policy, now)
    before_day1 = facts.day1_on is not None and today < facts.day1_on
    task_class = TaskClass.COMMISSIONING if before_day1 else facts.task_class
    in_warranty = _in_warranty(facts, policy, today)
    row = bill_to_row(policy, PayerFacts(task_class, plan.code, before_day1, in_warranty, _certified(facts)))
    absent = row.payer == Payer.INTEGRATOR and not facts.has_integrator
    return _Situation(plan, task_class, before_day1, in_warranty, row, Payer.MANUFACTURER if absent else row.payer)


def _certified(facts: CoverageFacts) -> bool:
    """Only a technician can lack a certificate: a contact or an engineer who opens a case is not asked for one."""
    return facts.certified or facts.opener in (Opener.CONTACT, Opener.ENGINEER)


def _warranty_over_on(facts: CoverageFacts, policy: Policy) -> date | None:
    """The first day without warranty; None where there never was one or nobody knows its end."""
    if facts.warranty_ends_on is not None:
        return facts.warranty_ends_on + timedelta(days=1)
    if facts.warranty_starts_on is None:
        return None
    return warranty_end(policy, facts.product_line, facts.warranty_starts_on)


def _in_warranty(facts: CoverageFacts, policy: Policy, today: date) -> bool:
    starts_on, over_on = facts.warranty_starts_on, _warranty_over_on(facts, policy)
    begun = starts_on is None or starts_on <= today
    return begun and over_on is not None and today < over_on


@lru_cache(maxsize=512)
def tariff_for(policy: Policy, product_line: str, agreement: Agreement | None, places: Places = NOWHERE) -> Tariff:
    """The compiled tariff of these documents where the case is, compiled once."""
    return compile_tariff(policy, product_line=product_line, agreement=agreement, places=places)


def _cost(facts: CoverageFacts, policy: Policy, tariff: Tariff, situation: _Situation, now: datetime) -> _Cost:
    """From when it costs and how much at least, as rating says of supposed work from ``now`` on.

    Where cost begins is first guessed and the guess then verified; searching is the slow way to the same answer.
    """
    case = _case_facts(facts, policy, situation, now)
    grants = usable_states(facts, situation.plan)
    mode, task_class = facts.mode.value, facts.task_class.value

    def rated(seconds: int) -> RatedCase:
        work = WorkInterval(0, 0, now, now + timedelta(seconds=seconds), mode, task_class)
        return rate(case, (work,), grants, tariff)

    def owed(seconds: int) -> int:
        return rated(seconds).owed_by(situation.payer.value)

    def searched() -> int | None:
        found = preview(
            case, (), grants, tariff, at=now, mode=mode, task_class=task_class, horizon_seconds=HORIZON_SECONDS
        )
        return found.costs_from_seconds

    free = _first_free(owed, _guess(facts, policy, situation.plan, now), searched)
    takes = any(grant.incidents for grant in grants) and any(draw.incidents for draw in rated(HORIZON_SECONDS).draws)
    return _Cost(free, 0 if free is None else owed(free + 1), takes)


def _first_free(owed: Callable[[int], int], guess: int, searched: Callable[[], int | None]) -> int | None:
    """The most seconds of work that cost nothing; None where none within the horizon cost anything."""
    if owed(1):
        return 0
    if guess and not owed(guess) and owed(guess + 1):
        return guess
    return searched() if owed(HORIZON_SECONDS) else None


def _guess(facts: CoverageFacts, policy: Policy, plan: Plan, now: datetime) -> int:
    """Where cost probably begins: hours left in whole steps of rounding, or the end of the plan's hours."""
    step = policy.rounding.increment_minutes * 60
    if facts.severity in plan.always_covered_severities:
        return usable_seconds(facts, plan) // step * step
    calendar = calendar_named(policy, plan.cover_calendar, facts.places)
    until = now + timedelta(seconds=HORIZON_SECONDS)
    begins = next(islice(open_periods(calendar, now, until), 1), None)
    closing = begins.seconds if begins is not None and begins.start <= now else 0
    included, bought = usable_parts(facts, plan)
    return closing if plan.unlimited else (min(included, closing) + bought) // step * step


def _case_facts(facts: CoverageFacts, policy: Policy, situation: _Situation, now: datetime) -> CaseFacts:
    """The facts as rating knows them."""

    def midnight(day: date | None) -> datetime | None:
        return None if day is None else resolve_local(policy.zone, datetime.combine(day, time()))

    return CaseFacts(
        cover=(Cover(now, situation.plan.code),),
        severity=facts.severity,
        certified=_certified(facts),
        has_integrator=facts.has_integrator,
        day_one_at=midnight(facts.day1_on),
        warranty_from=midnight(facts.warranty_starts_on),
        warranty_until=midnight(_warranty_over_on(facts, policy)),
        opened_at=now,
        task_class=situation.task_class.value,
        customer_class=facts.customer_class or "",
        requested=facts.requested,
        distances={0: Fraction(facts.distance)} if facts.distance else {},
    )


def _cover_reason(facts: CoverageFacts, policy: Policy, situation: _Situation, now: datetime) -> Reason:
    """Why work costs nothing at first, or why it costs at once."""
    plan, task_class = situation.plan, situation.task_class
    if situation.payer == Payer.MANUFACTURER:
        return Reason(code="manufacturer_bears", sentence="The manufacturer bears this work.")
    warranty = warranty_for(policy, facts.product_line) if situation.in_warranty else None
    if warranty is not None and task_class in warranty.free_task_classes:
        return Reason(code="warranty_covers", sentence="The warranty covers this kind of help.")
    if situation.payer != Payer.CUSTOMER:
        return Reason(code="time_billed", sentence="Time is billed to the integrator from the first minute.")
    covered = _plan_covers(facts, policy, situation, now)
    if not (plan.unlimited and covered) and (pays := pays_with(facts, plan, covered=covered)) is not None:
        return pays
    if not _is_in_scope(facts, situation):
        return Reason(code="outside_scope", sentence=f"{plan.name} does not cover this kind of work.")
    if not covered:
        hours = calendar_label(policy, plan.cover_calendar)
        return Reason(code="outside_hours", sentence=f"{plan.name} covers {hours}; it is outside that now.")
    if plan.unlimited:
        return Reason(code="plan_covers", sentence=f"{plan.name} covers this work, however long.")
    return Reason(code="time_billed", sentence="No hours are left or included: time is billed from the start.")


def _is_in_scope(facts: CoverageFacts, situation: _Situation) -> bool:
    plan = situation.plan
    return situation.task_class in plan.covered_task_classes and facts.mode in plan.covered_modes


def _plan_covers(facts: CoverageFacts, policy: Policy, situation: _Situation, now: datetime) -> bool:
    """Whether the plan's own minutes are good for this kind of work at this moment."""
    plan = situation.plan
    always = facts.severity in plan.always_covered_severities
    in_time = always or is_open(calendar_named(policy, plan.cover_calendar, facts.places), now)
    return in_time and _is_in_scope(facts, situation)


def _prices(
    facts: CoverageFacts, policy: Policy, agreement: Agreement | None, situation: _Situation
) -> tuple[BandPrice, ...]:
    prices = []
    for band in policy.bands:
        work = _work(facts, situation, band.code)
        integrator_pays = situation.payer == Payer.INTEGRATOR
        rate = (net_price_of(policy, agreement, work) if integrator_pays else price_of(policy, work)).hourly
        prices.append(BandPrice(band=band.code, label=band.label, rate_num=rate.numerator, rate_den=rate.denominator))
    return tuple(prices)


def _work(facts: CoverageFacts, situation: _Situation, band: str) -> WorkKey:
    """The work that is asked about, in one band."""
    return WorkKey(
        facts.mode.value,
        band,
        situation.task_class.value,
        facts.product_line,
        situation.plan.code,
        Circumstance("", "", facts.customer_class or "", facts.requested, facts.severity),
    )


def _minimum(policy: Policy, work: WorkKey) -> int:
    return max(minimum_minutes(policy, level, work) for level in Level)


def _free_cause_labels(facts: CoverageFacts, policy: Policy, situation: _Situation) -> tuple[str, ...]:
    codes = free_causes(policy, facts.product_line, in_warranty=situation.in_warranty)
    return tuple(cause_named(policy, code).label for code in codes)


def _entry(facts: CoverageFacts, policy: Policy, plan: Plan, now: datetime) -> EntryView:
    asking = Asking(
        facts.opener,
        facts.severity,
        facts.certified,
        facts.customer_class,
        facts.channel,
        facts.level,
        facts.task_class,
        places=facts.places,
    )
    return entry_for(policy, plan, asking, now)


def _reasons(
    facts: CoverageFacts, policy: Policy, situation: _Situation, entry: EntryView, now: datetime, *, can_cost: bool
) -> tuple[Reason, ...]:
    """Why, in the order in which the rules spoke."""
    plan, found = situation.plan, []

    def because(code: str, sentence: str) -> None:
        found.append(Reason(code=code, sentence=sentence))

    if facts.plan_code is None:
        because("no_plan", f"The site has chosen no plan: {plan.name} applies.")
    else:
        because("plan", f"The site has the plan {plan.name}.")
    if not entry.lets_in:
        because("may_not_open", entry.sentence)
    elif entry.opens_at is not None or entry.requires:
        because("entry", entry.sentence)
    if situation.before_day1:
        because("before_day1", f"Before Day 1 ({facts.day1_on}) help is commissioning support.")
    if facts.opener is Opener.TECHNICIAN and not facts.certified:
        because("uncertified", f"The technician has no valid certificate for {facts.product_line}.")
    if situation.in_warranty:
        because("in_warranty", "The system is under warranty.")
    if can_cost and (labels := _free_cause_labels(facts, policy, situation)):
        because("free_causes", f"It turns out free if the cause is: {', '.join(labels)}.")
    if situation.row.payer == Payer.INTEGRATOR and not facts.has_integrator:
        because("no_integrator", "No integrator services the site: its part is the manufacturer's.")
    because(f"payer_{situation.payer}", f"What it costs is the {situation.payer}'s to pay.")
    if told := told_words(policy, facts):
        because("told", told)
    because("band", f"It is {band_at(policy, now, facts.places).label} now.")
    found.append(_cover_reason(facts, policy, situation, now))
    if facts.severity in policy.emergency.severities:
        because("emergency", f"Severity {facts.severity} does not wait; unanswered work is billable only if ratified.")
    return tuple(found)
