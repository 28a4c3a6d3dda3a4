"""A case from a file as the facts that the rules take: instants, work intervals, cover, grants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

from portal.calendars import resolve_local
from portal.contracts.conditions import Circumstance, WorkKey
from portal.contracts.cover import plans_over_case
from portal.contracts.holdings import Holding, expires_on, pack_named, rolled_over, usable
from portal.contracts.packs import AllowancePer
from portal.contracts.parts import PartBearer
from portal.contracts.policy import Policy
from portal.contracts.prices import customer_class_of
from portal.contracts.rules import amount_minor, band_at, plan_named
from portal.errors import RuleBroken
from portal.quoting.case_input import CaseInput
from portal.quoting.money_input import PartInput
from portal.rating.facts import (
    BOUGHT_GRANT,
    CUSTOMER,
    GIVEN_GRANT,
    INCLUDED_GRANT,
    CaseFacts,
    Cover,
    FittedPart,
    GrantState,
    HoursLimit,
    WorkInterval,
)
from portal.rating.situations import setting_at
from portal.zones import zone_named

# Grants of a quote are numbered: the plan's included minutes, allowances in the policy's order, then the packs held.
INCLUDED_ID, FIRST_ALLOWANCE, FIRST_HOLDING = 1, 101, 1_001


def instant(zone: str, at: datetime) -> datetime:
    """The instant of a time in the file: in its own zone where it names one, else in ``zone``."""
    return (resolve_local(zone, at) if at.tzinfo is None else at).astimezone(UTC)


def opened_on(policy: Policy, case: CaseInput) -> date:
    """The day of the case's opening, in the policy's zone."""
    return instant(policy.zone, case.opened_at).astimezone(zone_named(policy.zone)).date()


def work_of(policy: Policy, case: CaseInput) -> tuple[WorkInterval, ...]:
    """The work of the case in the file's order; every piece of every person is an entry of its own, from 1."""
    intervals: list[WorkInterval] = []
    follows = instant(policy.zone, case.opened_at)
    for number, piece in enumerate(case.work, start=1):
        start = instant(policy.zone, piece.starts_at) if piece.starts_at else follows
        length = timedelta(minutes=piece.minutes or 0)
        follows = instant(policy.zone, piece.ends_at) if piece.ends_at is not None else start + length
        if follows < start:
            raise RuleBroken(f"Work {number} ends before it starts.")
        task_class = (piece.task_class or case.task_class).value
        about = (piece.authorized, piece.side, piece.role, piece.skill, piece.visit)
        for person in range(piece.people):
            entry = len(intervals) + 1
            intervals.append(WorkInterval(entry, person + 1, start, follows, piece.mode.value, task_class, *about))
    return tuple(intervals)


def class_of(policy: Policy, case: CaseInput) -> str:
    """The customer's class: as the file says, else by how long ago its plan ended."""
    return case.customer_class or customer_class_of(policy, case.lapsed_days)


def case_facts(policy: Policy, case: CaseInput) -> CaseFacts:
    """What rating takes of the case."""
    opened_at = instant(policy.zone, case.opened_at)
    facts = CaseFacts(
        cover=_cover(policy, case, opened_at),
        severity=case.severity,
        certified=case.certified,
        has_integrator=case.has_integrator,
        cause=case.cause,
        day_one_at=_midnight(policy.zone, case.day1_on),
        warranty_from=_midnight(policy.zone, case.warranty_from_on),
        warranty_until=_midnight(policy.zone, case.warranty_until_on),
        nte_minor={} if case.nte is None else {CUSTOMER: amount_minor(case.nte, policy.currency)},
        opened_at=opened_at,
        task_class=case.task_class.value,
        customer_class=class_of(policy, case),
        requested=case.requested,
        cycles=tuple(instant(policy.zone, at) for at in sorted(case.reopened_at)),
        distances={} if case.distance is None else {0: Fraction(case.distance)},
        parts=tuple(_fitted(policy, each, opened_at) for each in case.parts),
    )
    return replace(facts, hours_limit=_hours_limit(policy, case, facts))


def _fitted(policy: Policy, part: PartInput, opened_at: datetime) -> FittedPart:
    return FittedPart(
        part.part,
        amount_minor(part.price, policy.currency),
        opened_at if part.fitted_at is None else instant(policy.zone, part.fitted_at),
        part.supplier.value,
        part.disposition or "",
        on_customer=part.borne_by is PartBearer.CUSTOMER,
        authorized=part.authorized,
    )


def _hours_limit(policy: Policy, case: CaseInput, facts: CaseFacts) -> tuple[HoursLimit, ...]:
    """What the case may use of hours left: as the plan of its first work lets it, and what its payer allowed beside."""
    work = work_of(policy, case)
    if not work:
        return ()
    first = min(piece.started_at for piece in work)
    plan = plan_named(policy, setting_at(facts, first).plan)
    if plan.standing_minutes_per_case is None:
        return ()
    return (HoursLimit(first, (plan.standing_minutes_per_case + case.allowed_minutes) * 60),)


def _cover(policy: Policy, case: CaseInput, opened_at: datetime) -> tuple[Cover, ...]:
    """The plan at the opening, and those chosen while the case runs."""
    chosen = [(opened_at, plan_named(policy, case.plan).code)]
    for change in case.plan_changes:
        chosen.append((instant(policy.zone, change.at), plan_named(policy, change.plan).code))
    return tuple(Cover(*each) for each in plans_over_case(policy, opened_at, sorted(chosen, key=lambda row: row[0])))


def _midnight(zone: str, day: date | None) -> datetime | None:
    return None if day is None else resolve_local(zone, datetime.combine(day, time()))


def holdings_of(policy: Policy, case: CaseInput) -> tuple[Holding, ...]:
    """The packs held when the case was opened, as they could be used then."""
    today = opened_on(policy, case)
    found = []
    for each in case.holdings:
        pack = pack_named(policy, each.pack)
        minutes = (pack.minutes or 0) * each.count - each.used_minutes + each.topped_up_minutes
        incidents = (pack.incidents or 0) * each.count - each.used_incidents
        held = Holding(pack, each.bought_on or today, max(minutes, 0), max(incidents, 0))
        ended = usable(held, today, topped_up_minutes=each.topped_up_minutes, certified=case.certified)
        # What was bought since has an end of its own, later than the case.
        kept = max(ended.left_minutes, 0 if pack.certified_only and not case.certified else each.topped_up_minutes)
        found.append(Holding(pack, held.bought_on, kept, ended.left_incidents))
    return tuple(found)


def grants_of(policy: Policy, case: CaseInput, holdings: Iterable[Holding]) -> tuple[GrantState, ...]:
    """What the case may draw: the plan's included minutes, allowances, packs."""
    plan = plan_named(policy, case.plan)
    grants = []
    left = case.included_left_minutes
    if left is None:
        left = rolled_over(plan.included_minutes_per_month, case.last_month_left_minutes, plan.rollover_minutes)
    if plan.included_minutes_per_month and left:
        grants.append(GrantState(INCLUDED_ID, INCLUDED_GRANT, left * 60))
    grants.extend(_allowances(policy, case))
    for number, held in enumerate(holdings):
        modes = tuple(mode.value for mode in held.pack.modes)
        end = expires_on(held.pack, held.bought_on)
        # What was kept beyond its end by buying more ends with what was bought.
        kept = end is not None and end <= opened_on(policy, case)
        grants.append(
            GrantState(
                FIRST_HOLDING + number,
                BOUGHT_GRANT,
                held.left_minutes * 60,
                held.pack.priority,
                granted_at=_midnight(policy.zone, held.bought_on),
                expires_at=None if kept else _midnight(policy.zone, end),
                modes=modes,
                incidents=held.left_incidents,
            )
        )
    return tuple(grants)


def _allowances(policy: Policy, case: CaseInput) -> Iterable[GrantState]:
    """The allowances of the sale that the case names, as far as they fit; those of every case rating gives."""
    if case.sale is None:
        return
    plan = plan_named(policy, case.plan).code
    about = Circumstance("", "", class_of(policy, case), case.requested, case.severity)
    band = band_at(policy, instant(policy.zone, case.opened_at)).code
    for number, row in enumerate(policy.allowances):
        modes = row.modes or ()
        work = WorkKey(
            modes[0].value if modes else "remote", band, case.task_class.value, case.product_line, plan, about
        )
        if row.per is AllowancePer.SALE and row.fits(work):
            yield GrantState(
                FIRST_ALLOWANCE + number, GIVEN_GRANT, row.minutes * 60, modes=tuple(mode.value for mode in modes)
            )
