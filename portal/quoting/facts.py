"""A case from a file as the facts that the rules take: instants, work intervals, cover."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from portal.calendars import resolve_local
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, plan_named
from portal.errors import RuleBroken
from portal.quoting.case_input import CaseInput
from portal.rating.facts import CUSTOMER, CaseFacts, Cover, WorkInterval


def instant(zone: str, at: datetime) -> datetime:
    """The instant of a time in the file: in its own zone where it names one, else in ``zone``."""
    return (resolve_local(zone, at) if at.tzinfo is None else at).astimezone(UTC)


def work_of(policy: Policy, case: CaseInput) -> tuple[WorkInterval, ...]:
    """The work of the case in the file's order; every piece is an entry of its own, numbered from 1."""
    intervals: list[WorkInterval] = []
    follows = instant(policy.zone, case.opened_at)
    for number, piece in enumerate(case.work, start=1):
        start = instant(policy.zone, piece.starts_at) if piece.starts_at else follows
        if piece.minutes is not None:
            follows = start + timedelta(minutes=piece.minutes)
        elif piece.ends_at is not None:
            follows = instant(policy.zone, piece.ends_at)
        if follows < start:
            raise RuleBroken(f"Work {number} ends before it starts.")
        task_class = (piece.task_class or case.task_class).value
        intervals.append(
            WorkInterval(number, 1, start, follows, piece.mode.value, task_class, piece.authorised, piece.side)
        )
    return tuple(intervals)


def case_facts(policy: Policy, case: CaseInput) -> CaseFacts:
    """What rating takes of the case."""
    return CaseFacts(
        cover=(Cover(instant(policy.zone, case.opened_at), plan_named(policy, case.plan).code),),
        severity=case.severity,
        certified=case.certified,
        has_integrator=case.has_integrator,
        cause=case.cause,
        day_one_at=_midnight(policy.zone, case.day1_on),
        warranty_from=_midnight(policy.zone, case.warranty_from_on),
        warranty_until=_midnight(policy.zone, case.warranty_until_on),
        nte_minor={} if case.nte is None else {CUSTOMER: amount_minor(case.nte, policy.currency)},
    )


def _midnight(zone: str, day: date | None) -> datetime | None:
    return None if day is None else resolve_local(zone, datetime.combine(day, time()))
