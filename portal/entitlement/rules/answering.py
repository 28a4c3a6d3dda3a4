"""When the factory must respond to a case that is opened now, with its arithmetic. Pure."""

from __future__ import annotations

from datetime import datetime

from portal.calendars import explain_deadline
from portal.contracts.policy import Policy
from portal.contracts.promises import Moments, begins_at, due_of, target_of
from portal.contracts.rules import calendar_label, calendar_named
from portal.contracts.targets import Clock
from portal.contracts.terms import Plan
from portal.entitlement.rules.decision import CoverageFacts, Response, Step


def response_promised(facts: CoverageFacts, policy: Policy, plan: Plan, now: datetime) -> Response | None:
    """The promise to answer, counted from now; None where there is none, or none with a date."""
    target = target_of(plan, Clock.RESPONSE, facts.asked)
    if target is None:
        return None
    calendar = calendar_named(policy, target.calendar, facts.places)
    begins = begins_at(target, calendar, Moments(now, now, now, now))
    due = due_of(target, calendar, begins) if begins is not None else None
    if due is None or due.at is None or begins is None:
        return None
    return Response(
        due_at=due.at,
        target_seconds=due.seconds,
        calendar=target.calendar,
        calendar_label=calendar_label(policy, target.calendar),
        steps=tuple(
            Step(start=period.start, end=period.end, seconds=counted)
            for period, counted in explain_deadline(calendar, begins, due.seconds)
        ),
    )
