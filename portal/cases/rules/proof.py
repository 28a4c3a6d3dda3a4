"""Why a deadline is what it is, as one JSON value that holds everything it was counted from.

Anybody can count again from the value alone: the calendar with its holidays, custody, pauses, the promise and the
moment are in it. Nothing is looked up, so the answer can be checked years later and by somebody who trusts nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from portal.calendars import Calendar, Period, Window
from portal.cases.rules.clocks import ClockFacts, ClockReading, read_clock
from portal.cases.rules.custody import Segment
from portal.closures import Closing, Floating
from portal.contracts.blocks import Company
from portal.contracts.targets import Clock
from portal.errors import RuleBroken
from portal.zones import change_notes

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Recount:
    """A deadline counted again: the reading, whether it is the one that was given, and what differs."""

    reading: ClockReading
    agrees: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def proof_of(facts: ClockFacts, now: datetime, about: Mapping[str, Any]) -> dict[str, Any]:
    """The clock read at ``now`` with everything it is counted from; ``about`` says in words what it is about."""
    return {
        "schema_version": SCHEMA_VERSION,
        "about": dict(about),
        "read_at": now.isoformat(),
        "clock": facts.clock.value,
        "target_seconds": facts.target_seconds,
        "started_at": facts.started_at.isoformat(),
        "stopped_at": facts.stopped_at.isoformat() if facts.stopped_at is not None else None,
        "company": facts.company.value,
        "custody": [
            {
                "company": each.company.value,
                "from": each.start.isoformat(),
                "to": each.end.isoformat() if each.end else None,
            }
            for each in facts.custody
        ],
        "pauses": [_period(pause) for pause in facts.pauses],
        "paused": facts.paused,
        "answer_pauses": facts.answer_pauses,
        "without_date": facts.without_date,
        "calendar": _calendar_json(facts.calendar),
        "answer": _answer(read_clock(facts, now)),
    }


def recount(proof: Mapping[str, Any]) -> Recount:
    """Count a deadline again from its proof alone. *Raises*: RuleBroken for what is no such value."""
    try:
        if proof["schema_version"] != SCHEMA_VERSION:
            raise RuleBroken(f"This is written in form {proof['schema_version']}; form {SCHEMA_VERSION} is read here.")
        facts, now = _facts(proof), datetime.fromisoformat(proof["read_at"])
        given = dict(proof["answer"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RuleBroken(f"This is no deadline's calculation: {error}.") from error
    reading = read_clock(facts, now)
    counted = _answer(reading)
    differences = tuple(
        f"{name.replace('_', ' ')}: given {given.get(name)}, counted {counted[name]}"
        for name in counted
        if given.get(name) != counted[name]
    )
    return Recount(reading, not differences, differences, notes_of(facts, reading))


def notes_of(facts: ClockFacts, reading: ClockReading) -> tuple[str, ...]:
    """A sentence for each change of the clocks on the wall within what was counted."""
    if not reading.steps:
        return ()
    return change_notes(facts.calendar.zone, facts.started_at, reading.steps[-1][0].end)


def _answer(reading: ClockReading) -> dict[str, Any]:
    return {
        "state": reading.state.value,
        "used_seconds": reading.used_seconds,
        "left_seconds": reading.left_seconds,
        "due_at": reading.due_at.isoformat() if reading.due_at is not None else None,
        "steps": [{**_period(period), "seconds": seconds} for period, seconds in reading.steps],
    }


def _period(period: Period) -> dict[str, Any]:
    return {"from": period.start.isoformat(), "to": period.end.isoformat()}


def _calendar_json(calendar: Calendar) -> dict[str, Any]:
    return {
        "zone": calendar.zone,
        "windows": [[each.weekday, each.opens, each.closes] for each in calendar.windows],
        "holidays": sorted(on.isoformat() for on in calendar.holidays),
        "yearly_holidays": sorted([month, day] for month, day in calendar.yearly_holidays),
        "floating": [[each.month, each.weekday, each.nth, each.days_after] for each in calendar.floating],
        "closings": [
            [list(each.on) if isinstance(each.on, tuple) else each.on.isoformat(), each.begins, each.ends]
            for each in calendar.closings
        ],
        "eve_from": calendar.eve_from,
        "on_holidays": calendar.on_holidays,
    }


def _calendar(said: Mapping[str, Any]) -> Calendar:
    return Calendar(
        said["zone"],
        tuple(Window(*row) for row in said["windows"]),
        frozenset(date.fromisoformat(text) for text in said["holidays"]),
        frozenset((int(month), int(day)) for month, day in said["yearly_holidays"]),
        tuple(Floating(*row) for row in said["floating"]),
        tuple(
            Closing(date.fromisoformat(on) if isinstance(on, str) else (int(on[0]), int(on[1])), begins, ends)
            for on, begins, ends in said["closings"]
        ),
        said["eve_from"],
        on_holidays=said["on_holidays"],
    )


def _facts(proof: Mapping[str, Any]) -> ClockFacts:
    at = datetime.fromisoformat
    return ClockFacts(
        clock=Clock(proof["clock"]),
        calendar=_calendar(proof["calendar"]),
        target_seconds=int(proof["target_seconds"]),
        started_at=at(proof["started_at"]),
        stopped_at=at(proof["stopped_at"]) if proof["stopped_at"] is not None else None,
        company=Company(proof["company"]),
        custody=tuple(
            Segment(Company(each["company"]), at(each["from"]), at(each["to"]) if each["to"] else None)
            for each in proof["custody"]
        ),
        pauses=tuple(Period(at(each["from"]), at(each["to"])) for each in proof["pauses"]),
        paused=bool(proof["paused"]),
        answer_pauses=bool(proof["answer_pauses"]),
        without_date=bool(proof["without_date"]),
    )
