"""Promises in the life of a case: begun by their events, kept by their own acts, watched before they break."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from portal.access import Audience
from portal.cases import actions, clocks, queries, rules
from portal.cases.actions import NewNote
from portal.cases.models import CaseEvent
from portal.contracts.targets import Clock
from portal.errors import Conflict, Invalid, NotFound, RuleBroken
from tests.support.cases import accepted, escalated, event_kinds
from tests.support.cast import NOW, hours_later
from tests.support.versions import signed_policy

# 10 March 2026 is a Tuesday; the factory is open from 8:00 to 17:00 in Berlin, which is 7:00 to 16:00 UTC.
TARGETS = (
    '  { severities = [2], minutes = 60, calendar = "business" },\n',
    """  { severities = [2], minutes = 60, calendar = "business" },
  { clock = "acknowledgement", severities = [2], minutes = 15, calendar = "always" },
  { clock = "workaround", severities = [2], minutes = 240, calendar = "business", warn_minutes = 60 },
  { clock = "on_site", severities = [2], days = 1, calendar = "business", starts = "response", pauses = ["parts"] },
  { clock = "update", severities = [2], minutes = 120, calendar = "business", starts = "response" },
  { clock = "management", severities = [2], minutes = 180, calendar = "always" },
""",
)
RELEASE = (
    '  { clock = "resolution", severities = [2], minutes = 1620, calendar = "business" },\n',
    '  { clock = "resolution", severities = [2], next_release = true, calendar = "business" },\n',
)
REASONS = (
    "[authorization]",
    '[[pause_reasons]]\ncode = "parts"\nlabel = "Waiting for parts"\nstops = ["resolution"]\n\n[authorization]',
)


@pytest.fixture
def promises(work_session, cast):
    return signed_policy(work_session, cast, TARGETS, RELEASE, REASONS)


def lines_of(session, case, now=NOW):
    return {line.clock.kind: line for line in queries.clock_lines(session, case, now=now) if not _void(line)}


def _void(line):
    return line.closing is not None and line.closing.outcome == "void"


def test_each_promise_begins_with_its_event(work_session, cast, promises):
    case = escalated(work_session, cast)
    assert set(lines_of(work_session, case)) == {
        "acknowledgement",
        "response",
        "workaround",
        "resolution",
        "management",
    }
    actions.accept_custody(work_session, cast.ana, case, seq=case.seq, now=hours_later(0.5))
    lines = lines_of(work_session, case, hours_later(0.5))
    assert lines["on_site"].reading.due_at == datetime(2026, 3, 11, 16, tzinfo=UTC)
    assert lines["update"].clock.started_at == hours_later(0.5)
    assert {kind for kind, line in lines.items() if line.closing} == {"acknowledgement", "response"}
    assert lines["acknowledgement"].closing.outcome == "missed"


def test_word_that_it_has_come_keeps_the_receipt_only(work_session, cast, promises):
    case = escalated(work_session, cast)
    received = NewNote("Received, somebody looks at it.", Audience.COMPANIES, substantive=False)
    actions.add_note(work_session, cast.ana, case, received, now=hours_later(0.1))
    lines = lines_of(work_session, case, hours_later(0.1))
    assert lines["acknowledgement"].closing.outcome == "met"
    assert lines["response"].closing is None


def test_a_promise_with_the_next_release_is_never_due(work_session, cast, promises):
    case = accepted(work_session, cast)
    reading = lines_of(work_session, case, hours_later(5000))["resolution"].reading
    assert (reading.state, reading.due_at) == (rules.ClockState.RUNNING, None)


def test_workaround_clock_ends_by_the_workaround_and_not_only_with_the_resolution(work_session, cast, promises):
    case = accepted(work_session, cast)
    actions.keep_promise(
        work_session, cast.ana, case, clock=Clock.WORKAROUND, words="Use door 5.", seq=case.seq, now=hours_later(2)
    )
    line = lines_of(work_session, case, hours_later(3))["workaround"]
    assert (line.closing.outcome, line.closing.used_seconds) == ("met", 5400)
    assert event_kinds(work_session, case)[-1] == "workaround_given"
    assert case.state == "open"


def test_only_promises_that_are_kept_by_word_are_kept_so(work_session, cast, promises):
    case = accepted(work_session, cast)
    with pytest.raises(Invalid):
        actions.keep_promise(
            work_session, cast.ana, case, clock=Clock.RESOLUTION, words="Done", seq=case.seq, now=hours_later(2)
        )


def test_a_pause_stops_what_its_reason_or_the_promise_says(work_session, cast, promises):
    case = accepted(work_session, cast)
    with pytest.raises(Invalid, match="why the case waits"):
        actions.pause(work_session, cast.ana, case, reason="Parts", seq=case.seq, now=hours_later(1))
    actions.pause(work_session, cast.ana, case, reason="", reason_code="parts", seq=case.seq, now=hours_later(1))
    lines = lines_of(work_session, case, hours_later(2))
    states = {kind: line.reading.state.value for kind, line in lines.items() if line.closing is None}
    assert states == {
        "workaround": "running",
        "on_site": "standing",
        "update": "running",
        "resolution": "running",
        "management": "running",
    }


def test_the_factory_is_warned_before_a_promise_breaks_and_both_are_told_after(work_session, cast, promises):
    case = accepted(work_session, cast)
    due = lines_of(work_session, case, hours_later(0.5))["workaround"].reading.due_at
    assert due == hours_later(0.5) + timedelta(hours=4)
    assert actions.watch_case(work_session, case.id, now=due - timedelta(minutes=61)) == []
    at_risk = due - timedelta(minutes=60)
    assert "promise_at_risk" in actions.watch_case(work_session, case.id, now=at_risk)
    assert actions.watch_case(work_session, case.id, now=at_risk) == []
    assert actions.watch_case(work_session, case.id, now=due + timedelta(seconds=1)) == ["promise_missed"]
    events = work_session.query(CaseEvent).filter_by(case_id=case.id, kind="promise_at_risk").all()
    assert [event.audience for event in events] == ["own"]


def test_the_management_is_told_in_time_and_once(work_session, cast, promises):
    case = escalated(work_session, cast)
    actions.accept_custody(work_session, cast.ana, case, seq=case.seq, now=NOW + timedelta(minutes=1))
    late = NOW + timedelta(minutes=182)
    assert actions.cases_to_watch(work_session, now=late) == [case.id]
    assert "management_told" in actions.watch_case(work_session, case.id, now=late)
    assert lines_of(work_session, case, late)["management"].closing.outcome == "met"
    assert actions.watch_case(work_session, case.id, now=late) == []


def test_a_watch_is_set_for_the_next_thing_to_be_said(work_session, cast, promises):
    accepted(work_session, cast)
    waiting = work_session.scalars(text("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'watch_case'"))
    # Accepted after half an hour, the workaround's warning comes after three of its four hours.
    assert hours_later(3.5) in {at.astimezone(UTC) for at in waiting if at is not None}


def test_a_deadline_is_counted_again_from_its_file_alone(work_session, cast, promises):
    case = accepted(work_session, cast)
    clock = lines_of(work_session, case)["workaround"].clock
    now = hours_later(3)
    proof = json.loads(json.dumps(queries.deadline_proof(work_session, cast.tom, case, clock.id, now=now)))
    found = rules.recount(proof)
    assert found.agrees
    past, policies = clocks.history(work_session, case, now), clocks.policies_for(work_session, [clock])
    assert found.reading == clocks.read(clock, past, policies[clock.version_id], now=now)
    proof["target_seconds"] += 60
    assert any(difference.startswith("due at") for difference in rules.recount(proof).differences)
    with pytest.raises(RuleBroken):
        rules.recount({**proof, "calendar": {}})


def test_a_stranger_finds_no_deadline(work_session, cast, promises):
    case = accepted(work_session, cast)
    clock = lines_of(work_session, case)["workaround"].clock
    with pytest.raises(NotFound):
        queries.deadline_proof(work_session, cast.eve, case, clock.id, now=NOW)


def test_promise_is_not_kept_twice_from_one_form(work_session, cast, promises):
    case = accepted(work_session, cast)
    seq = case.seq
    kept = {"clock": Clock.WORKAROUND, "words": "Use door 5.", "seq": seq, "now": hours_later(2)}
    actions.keep_promise(work_session, cast.ana, case, **kept)
    with pytest.raises(Conflict):
        actions.keep_promise(work_session, cast.ana, case, **kept)
