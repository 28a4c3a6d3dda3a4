"""When the promises of the plan are due for the case."""

from __future__ import annotations

from typing import Any

from portal.calendars import add_seconds
from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.contracts.rules import calendar_label, calendar_named, plan_named, target_for
from portal.contracts.terms import Clock
from portal.quoting.case_input import CaseInput
from portal.quoting.facts import instant
from portal.zones import zone_named


def deadlines(policy: Policy, agreement: Agreement | None, case: CaseInput) -> list[dict[str, Any]]:
    """Each clock that the plan promises something for: how long, in which calendar, until when."""
    opened_at = instant(policy.zone, case.opened_at)
    plan = plan_named(policy, case.plan)
    found = []
    for clock in Clock:
        target = target_for(plan, clock, severity=case.severity, certified=case.certified)
        if target is not None:
            due_at = add_seconds(calendar_named(policy, target.calendar), opened_at, target.minutes * 60)
            found.append(
                {
                    "clock": clock.value,
                    "minutes": target.minutes,
                    "calendar": calendar_label(policy, target.calendar),
                    "due_at": due_at.astimezone(zone_named(policy.zone)).isoformat(),
                }
            )
    return found
