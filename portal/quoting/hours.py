"""Whether the plan's hours are open when somebody asks, in which band, and when they open next."""

from __future__ import annotations

from typing import Any

from portal.calendars import is_open, next_open
from portal.contracts.agreement import Agreement
from portal.contracts.calendar_blocks import holiday_name
from portal.contracts.policy import Policy
from portal.contracts.rules import band_at, calendar_block, plan_named
from portal.errors import RuleBroken
from portal.quoting.case_input import CaseInput
from portal.quoting.deadlines import local_instant, places_of, shown_zone
from portal.zones import zone_named


def hours(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """Open or not, the price band, the name of the holiday if it is one, the next opening."""
    places = places_of(case)
    block = calendar_block(policy, plan_named(policy, case.plan).cover_calendar, places.region)
    calendar = block.opened_in(policy.zone, places)
    asked_at = local_instant(policy, case, case.moments.asked_at or case.opened_at)
    zone = zone_named(shown_zone(policy, case, calendar))
    try:
        opens = next_open(calendar, asked_at).astimezone(zone).isoformat()
    except RuleBroken:
        opens = None
    return {
        "asked_at": asked_at.astimezone(zone).isoformat(),
        "open": is_open(calendar, asked_at),
        "next_open": opens,
        "band": band_at(policy, asked_at, places).code,
        "holiday": holiday_name(block, asked_at.astimezone(zone_named(calendar.zone)).date()),
    }
