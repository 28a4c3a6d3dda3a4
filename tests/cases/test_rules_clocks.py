"""Promises against the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.calendars import ALWAYS, Calendar, Period, Window, seconds_between
from portal.cases.rules import (
    Acceptance,
    ClockFacts,
    ClockSpec,
    ClockState,
    changed_clocks,
    clock_start,
    clocks_for,
    read_clock,
    segments,
)
from portal.cases.rules.clocks import spec_of, stopping
from portal.contracts.blocks import Company
from portal.contracts.promises import Asked
from portal.contracts.rules import plan_named
from portal.contracts.targets import Clock, PauseReason, StartEvent, Target
from tests.support.documents import policy

P = policy()
MAKER, INTEGRATOR = Company.MANUFACTURER, Company.INTEGRATOR
T0 = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)  # a Friday
OFFICE = Calendar("UTC", tuple(Window(day, 8 * 60, 17 * 60) for day in range(5)))
HOUR = 3_600


def at(hours):
    return T0 + timedelta(hours=hours)


# With the integrator for an hour, the factory from 1 to 3, the integrator to 5, then the factory again.
CUSTODY = segments(
    [
        Acceptance(1, INTEGRATOR, at(0)),
        Acceptance(2, MAKER, at(1)),
        Acceptance(3, INTEGRATOR, at(3)),
        Acceptance(4, MAKER, at(5)),
    ]
)


def response(**changes):
    return ClockFacts(
        **{"clock": Clock.RESPONSE, "calendar": OFFICE, "target_seconds": 2 * HOUR, "started_at": at(0), **changes}
    )


def resolution(**changes):
    return ClockFacts(
        **{
            "clock": Clock.RESOLUTION,
            "calendar": ALWAYS,
            "target_seconds": 3 * HOUR,
            "started_at": at(0),
            "custody": CUSTODY,
            **changes,
        }
    )


def test_plan_opens_the_clocks_it_promises():
    assured = plan_named(P, "assured")
    assert clocks_for(assured, Asked(1, False)) == (
        ClockSpec(Clock.RESPONSE, 1_800, "always"),
        ClockSpec(Clock.UPDATE, 7_200, "always"),
        ClockSpec(Clock.RESOLUTION, 86_400, "always"),
    )
    assert clocks_for(assured, Asked(4, False)) == (ClockSpec(Clock.RESPONSE, 32_400, "business"),)


def test_change_of_severity_closes_and_opens_clocks():
    assured = plan_named(P, "assured")
    three, one = (clocks_for(assured, Asked(severity, True)) for severity in (3, 1))
    changes = changed_clocks(three, one, responded=False)
    assert changes.closed == (Clock.RESPONSE,)
    assert [spec.clock for spec in changes.opened] == [Clock.RESPONSE, Clock.UPDATE, Clock.RESOLUTION]
    back = changed_clocks(one, three, responded=False)
    assert back.closed == (Clock.RESPONSE, Clock.UPDATE, Clock.RESOLUTION)
    answered = changed_clocks(one[1:], one, responded=True)
    assert (answered.closed, answered.opened) == ((), ())


def test_nothing_changes_when_the_promises_are_the_same():
    specs = clocks_for(plan_named(P, "assured"), Asked(2, True))
    assert changed_clocks(specs, specs, responded=False).opened == ()


@pytest.mark.parametrize(
    ("hours", "new_information", "start"),
    [(23.9, False, at(-40)), (24, False, at(0)), (1, True, at(0)), (None, False, at(0))],
)
def test_clock_goes_on_when_a_case_bounces_without_new_information(hours, new_information, start):
    handed_back_at = None if hours is None else at(-hours)
    found = clock_start(
        P, at(0), handed_back_at=handed_back_at, previous_start=at(-40), new_information=new_information
    )
    assert found == start
    assert clock_start(P, at(0), handed_back_at=at(-1), previous_start=None, new_information=False) == at(0)


def test_response_clock_runs_whoever_holds_the_case():
    reading = read_clock(response(custody=CUSTODY), at(0.5))
    assert (reading.state, reading.used_seconds, reading.left_seconds) == (ClockState.RUNNING, HOUR // 2, 3 * HOUR // 2)
    assert reading.due_at == at(2)
    assert reading.steps == ((Period(at(0), at(2)), 2 * HOUR),)


@pytest.mark.parametrize(
    ("stopped", "state", "missed"),
    [(1, ClockState.MET, None), (2, ClockState.MET, None), (2 + 1 / HOUR, ClockState.MISSED, 2)],
)
def test_promise_is_kept_up_to_the_deadline_itself(stopped, state, missed):
    reading = read_clock(response(stopped_at=at(stopped)), at(30))
    assert reading.state is state
    assert reading.missed_at == (None if missed is None else at(missed))
    assert reading.due_at == at(2)


def test_promise_breaks_by_the_first_second_after_it_and_stays_broken():
    assert read_clock(response(), at(2)).state is ClockState.RUNNING
    reading = read_clock(response(), at(2) + timedelta(seconds=1))
    assert (reading.state, reading.left_seconds, reading.missed_at) == (ClockState.MISSED, 0, at(2))


def test_what_happens_later_is_not_known_yet():
    assert read_clock(response(stopped_at=at(1.5)), at(1)).state is ClockState.RUNNING


def test_response_is_due_on_monday_when_the_office_closes():
    reading = read_clock(response(started_at=at(8)), at(8))
    assert reading.due_at == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert [seconds for _, seconds in reading.steps] == [HOUR, HOUR]


def test_other_clocks_run_only_in_their_companys_custody():
    standing = read_clock(resolution(), at(4))
    assert (standing.state, standing.used_seconds, standing.due_at, standing.steps) == (
        ClockState.STANDING,
        2 * HOUR,
        None,
        (),
    )
    running = read_clock(resolution(), at(5.5))
    assert (running.state, running.used_seconds, running.due_at) == (ClockState.RUNNING, 5 * HOUR // 2, at(6))
    assert [seconds for _, seconds in running.steps] == [2 * HOUR, HOUR]
    assert read_clock(resolution(), at(7)).missed_at == at(6)
    assert read_clock(resolution(company=INTEGRATOR), at(6)).state is ClockState.STANDING


def test_pauses_belong_to_the_case_and_stop_its_clocks():
    pause = Period(at(1.5), at(2.5))
    reading = read_clock(resolution(pauses=(pause,)), at(6))
    assert (reading.used_seconds, reading.due_at) == (2 * HOUR, at(7))
    paused = read_clock(resolution(pauses=(Period(at(5.5), at(6)),), paused=True), at(6))
    assert (paused.state, paused.used_seconds) == (ClockState.STANDING, 5 * HOUR // 2)


def test_broken_promise_keeps_its_instant_while_the_clock_stands():
    bounced = segments([Acceptance(1, MAKER, at(0)), Acceptance(2, INTEGRATOR, at(4))])
    reading = read_clock(resolution(custody=bounced), at(5))
    assert (reading.state, reading.missed_at, reading.used_seconds) == (ClockState.MISSED, at(3), 4 * HOUR)


def test_clock_without_custody_stands():
    assert read_clock(resolution(custody=()), at(1)).state is ClockState.STANDING
    assert read_clock(resolution(started_at=at(2)), at(2)).used_seconds == 0


@given(
    gaps=st.lists(st.integers(60, 100_000), min_size=1, max_size=8),
    holders=st.lists(st.sampled_from(Company), min_size=8, max_size=8),
    pauses=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 50_000)), max_size=3),
    target=st.integers(1, 200_000),
    now=st.integers(0, 500_000),
    calendar=st.sampled_from([ALWAYS, OFFICE]),
)
def test_used_time_of_both_companies_and_pauses_never_exceeds_open_time(
    *, gaps, holders, pauses, target, now, calendar
):
    case = segments(
        [
            Acceptance(number + 1, holders[number], T0 + timedelta(seconds=sum(gaps[:number])))
            for number in range(len(gaps))
        ]
    )
    end = T0 + timedelta(seconds=now)
    stretches = tuple(
        Period(T0 + timedelta(seconds=start), T0 + timedelta(seconds=start + length)) for start, length in pauses
    )
    readings = [
        read_clock(
            resolution(calendar=calendar, target_seconds=target, company=company, custody=case, pauses=stretches), end
        )
        for company in Company
    ]
    assert sum(reading.used_seconds for reading in readings) == seconds_between(calendar, T0, end, stretches)
    for reading in readings:
        assert reading.left_seconds == max(target - reading.used_seconds, 0)
        assert (reading.state is ClockState.MISSED) is (reading.used_seconds > target)
        assert sum(seconds for _, seconds in reading.steps) in (0, target)
        if reading.missed_at is not None:
            assert reading.missed_at < end


NEXT_RELEASE = Target(clock=Clock.RESOLUTION, calendar="always", next_release=True)
ON_PARTS = Target(clock=Clock.RESOLUTION, calendar="always", minutes=60, pauses=("parts",))
REASONS = (
    PauseReason(code="parts", label="Waiting for parts", stops=(Clock.RESOLUTION,)),
    PauseReason(code="site", label="No access to the site", stops=(Clock.RESPONSE, Clock.RESOLUTION)),
)


@pytest.mark.parametrize(
    ("clock", "target", "code", "stops"),
    [
        (Clock.RESOLUTION, ON_PARTS, "parts", True),
        (Clock.RESOLUTION, ON_PARTS, "site", False),
        (Clock.RESPONSE, None, "parts", False),
        (Clock.RESPONSE, NEXT_RELEASE, "site", True),
        (Clock.RESPONSE, None, None, False),
        (Clock.RESOLUTION, None, None, True),
        (Clock.UPDATE, None, "unknown", True),
    ],
)
def test_a_pause_stops_what_the_promise_says_else_what_the_reason_says(clock, target, code, stops):
    assert stopping(clock, target, REASONS, code) is stops


@pytest.mark.parametrize(
    ("stopped", "state"), [(None, ClockState.RUNNING), (1, ClockState.MET), (3, ClockState.RUNNING)]
)
def test_a_promise_without_a_date_is_kept_or_open_but_never_broken(stopped, state):
    reading = read_clock(resolution(without_date=True, stopped_at=None if stopped is None else at(stopped)), at(2))
    assert (reading.state, reading.due_at, reading.missed_at) == (state, None, None)


def test_a_clock_counts_from_the_event_its_promise_names():
    assert ClockSpec(Clock.RESPONSE, 60, "always").starts is StartEvent.ARRIVAL
    target = Target(clock=Clock.RESPONSE, calendar="always", minutes=1, starts=StartEvent.INTAKE)
    assert spec_of(target).starts is StartEvent.INTAKE
