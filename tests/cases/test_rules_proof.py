"""A deadline is counted again from its proof alone: it agrees, or each difference has a name."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from portal.calendars import Calendar, Period, Window
from portal.cases.rules import Acceptance, ClockFacts, ClockState, segments
from portal.cases.rules.proof import notes_of, proof_of, recount
from portal.closures import Closing, Floating
from portal.contracts.blocks import Company
from portal.contracts.targets import Clock
from portal.errors import RuleBroken

# Friday before the clocks of Berlin go back.
T0 = datetime(2026, 10, 23, 8, 0, tzinfo=UTC)
NIGHTS = Calendar(
    "Europe/Berlin",
    tuple(Window(day, 0, 24 * 60) for day in range(7)),
    frozenset({date(2026, 10, 31)}),
    frozenset({(12, 25)}),
    (Floating(month=0, days_after=1),),
    (Closing((10, 24), 12 * 60, 18 * 60), Closing(date(2026, 10, 26))),
    18 * 60,
)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


RESOLUTION = ClockFacts(
    Clock.RESOLUTION,
    NIGHTS,
    60 * 3_600,
    at(0),
    stopped_at=at(90),
    custody=segments([Acceptance(1, Company.INTEGRATOR, at(0)), Acceptance(2, Company.MANUFACTURER, at(1))]),
    pauses=(Period(at(2), at(5)),),
)
# The whole of Monday 26 October is closed; until then: 1 h with the integrator, 3 h asked, 6 h closed on Saturday.
COUNTED_AGAIN = recount(json.loads(json.dumps(proof_of(RESOLUTION, at(100), {"case": "NOR-1042"}))))


def test_a_proof_that_went_through_a_file_agrees():
    assert COUNTED_AGAIN.agrees
    assert COUNTED_AGAIN.differences == ()
    assert COUNTED_AGAIN.reading.state is ClockState.MET
    assert sum(seconds for _, seconds in COUNTED_AGAIN.reading.steps) == RESOLUTION.target_seconds


def test_the_night_with_the_hour_twice_is_told():
    assert COUNTED_AGAIN.notes == (
        "On 2026-10-25 the clock in Europe/Berlin goes from 03:00 to 02:00: the time shown twice counts twice.",
    )


def test_a_clock_that_stands_was_counted_to_no_date():
    standing = ClockFacts(Clock.RESOLUTION, NIGHTS, 3_600, at(0), custody=RESOLUTION.custody[:1])
    again = recount(proof_of(standing, at(1), {}))
    assert again.agrees
    assert (again.reading.state, again.reading.due_at) == (ClockState.STANDING, None)
    assert notes_of(standing, again.reading) == ()


def test_what_was_given_otherwise_is_named():
    proof = proof_of(RESOLUTION, at(100), {})
    proof["answer"] = {**proof["answer"], "state": "missed", "used_seconds": 5}
    again = recount(proof)
    assert not again.agrees
    assert again.differences == (
        "state: given missed, counted met",
        f"used seconds: given 5, counted {again.reading.used_seconds}",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2}, "form 2; form 1 is read here"),
        ({"read_at": "yesterday"}, "no deadline's calculation"),
        ({"custody": None}, "no deadline's calculation"),
        ({"clock": "hope"}, "no deadline's calculation"),
        ({"calendar": {"zone": "UTC"}}, "no deadline's calculation: 'windows'"),
    ],
)
def test_what_is_no_proof_is_refused_in_words(change, said):
    with pytest.raises(RuleBroken, match=said):
        recount({**proof_of(RESOLUTION, at(1), {}), **change})
