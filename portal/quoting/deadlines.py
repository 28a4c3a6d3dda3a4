"""When the promises of the plan are due for the case."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.calendars import ALWAYS, Calendar, explain_deadline
from portal.contracts.agreement import Agreement
from portal.contracts.calendar_blocks import Places
from portal.contracts.policy import Policy
from portal.contracts.promises import Asked, Moments, begins_at, due_of, promise_words, target_of
from portal.contracts.rules import calendar_block, calendar_label, plan_named
from portal.contracts.targets import Clock, Target
from portal.quoting.case_input import CaseInput
from portal.quoting.facts import instant
from portal.zones import wall_note, zone_named


def deadlines(policy: Policy, agreement: Agreement | None, case: CaseInput) -> list[dict[str, Any]]:
    """Each clock that the plan promises something for: how long, in which calendar, from when, until when.

    ``due_at`` is None for a promise without a date and for one whose beginning has not come.
    """
    plan = plan_named(policy, case.plan)
    asked = Asked(case.severity, case.certified, case.customer_class, case.channel, case.level)
    targets = (target_of(plan, clock, asked) for clock in Clock)
    return [_deadline(policy, case, target) for target in targets if target is not None]


def _deadline(policy: Policy, case: CaseInput, target: Target) -> dict[str, Any]:
    places = places_of(case)
    calendar = calendar_block(policy, target.calendar, places.region).opened_in(policy.zone, places)
    begins = begins_at(target, calendar, moments_of(policy, case))
    due = due_of(target, calendar, begins) if begins is not None else None
    zone = shown_zone(policy, case, calendar)
    return {
        "clock": target.clock.value,
        "promise": promise_words(target),
        "minutes": target.minutes,
        "days": target.days,
        "calendar": calendar_label(policy, target.calendar),
        "best_effort": target.best_effort,
        "begins_at": _shown(begins, zone),
        "due_at": _shown(due.at, zone) if due is not None else None,
        "due_on": due.on.isoformat() if due is not None and due.on is not None else None,
        "windows": [
            {"from": _shown(period.start, zone), "to": _shown(period.end, zone), "seconds": seconds}
            for period, seconds in (explain_deadline(calendar, begins, due.seconds) if begins and due else ())
        ],
    }


def places_of(case: CaseInput) -> Places:
    """Where the case is, as calendars ask."""
    return Places(case.places.region, case.places.site, case.places.engineer, case.places.depot)


def shown_zone(policy: Policy, case: CaseInput, calendar: Calendar) -> str:
    """The zone in which a deadline is said: the calendar's, or where somebody reads it."""
    return calendar.zone if calendar != ALWAYS else case.places.site or policy.zone


def moments_of(policy: Policy, case: CaseInput) -> Moments:
    """The case's moments as instants; what is not said happened on arrival, or has not happened."""
    said = case.moments
    opened_at = local_instant(policy, case, case.opened_at)
    arrived_at = _at(policy, case, said.arrived_at) or _at(policy, case, said.escalated_at) or opened_at
    return Moments(
        opened_at=opened_at,
        arrived_at=arrived_at,
        escalated_at=_at(policy, case, said.escalated_at) or arrived_at,
        intake_at=_at(policy, case, said.intake_at) or arrived_at,
        responded_at=_at(policy, case, said.responded_at),
        told_at=_at(policy, case, said.told_at),
    )


def local_instant(policy: Policy, case: CaseInput, at: datetime) -> datetime:
    """The instant of a time in the file: by its own zone, else the site's, else the policy's."""
    return instant(case.places.site or policy.zone, at)


def notes(policy: Policy, agreement: Agreement | None, case: CaseInput) -> list[str]:
    """A sentence for each time of the file that its clock on the wall skips or shows twice."""
    zone = case.places.site or policy.zone
    times = [case.opened_at, *(each for piece in case.work for each in (piece.starts_at, piece.ends_at) if each)]
    times += [at for name in type(case.moments).model_fields if (at := getattr(case.moments, name)) is not None]
    said = (wall_note(zone, at) for at in dict.fromkeys(times) if at.tzinfo is None)
    return [note for note in said if note is not None]


def _at(policy: Policy, case: CaseInput, at: datetime | None) -> datetime | None:
    return None if at is None else local_instant(policy, case, at)


def _shown(at: datetime | None, zone: str) -> str | None:
    return None if at is None else at.astimezone(zone_named(zone)).isoformat()
