"""What time does to the case: reminders, closing by itself, until when it can be reopened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.cases.rules import closing_reminder_at, reopen_until, unanswered_dates
from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.quoting.case_input import CaseInput
from portal.quoting.deadlines import local_instant
from portal.zones import zone_named


def lifecycle(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """The dates of a question that waits, and of a resolution; None for what has not happened."""
    return {"unanswered": _unanswered(policy, case), "resolved": _resolved(policy, case)}


def _unanswered(policy: Policy, case: CaseInput) -> dict[str, Any] | None:
    asked, replied = case.moments.information_asked_at, case.moments.replied_at
    if asked is None:
        return None
    dates = unanswered_dates(policy, local_instant(policy, case, asked))
    if dates is None:
        return {"closes": False, "reminder_on": None, "close_on": None, "counts_from": None}
    in_time = replied is not None and local_instant(policy, case, replied) < dates.close_at
    return {
        "closes": not in_time,
        "reminder_on": _on(policy, dates.remind_at),
        "close_on": None if in_time else _on(policy, dates.close_at),
        "counts_from": "the next question" if in_time else asked.date().isoformat(),
    }


def _resolved(policy: Policy, case: CaseInput) -> dict[str, Any] | None:
    if case.moments.resolved_at is None:
        return None
    resolved_at = local_instant(policy, case, case.moments.resolved_at)
    return {
        "reminder_on": _on(policy, closing_reminder_at(policy, resolved_at)),
        "reopen_until": reopen_until(policy, resolved_at).astimezone(zone_named(policy.zone)).isoformat(),
    }


def _on(policy: Policy, at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(zone_named(policy.zone)).date().isoformat()
