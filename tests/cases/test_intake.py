"""A checklist that is completed after the case was opened: its promises begin then, work that waited may begin."""

from __future__ import annotations

import pytest

from portal.cases import actions
from portal.cases.models import SupportCase
from portal.errors import Conflict, Invalid, NotFound, RuleBroken
from portal.metering.actions import start_timer
from tests.support.cases import ANSWERS, closed, event_kinds, new_case, scope_of
from tests.support.cast import NOW, everything, hours_later
from tests.support.versions import signed_policy

RESOLUTION = '{ clock = "resolution", severities = [2], minutes = 1620, calendar = "business" },'
FROM_INTAKE = RESOLUTION.replace(" },", ', starts = "intake" },')
BEFORE = '[[rates]]\nmodes = ["travel"]'


@pytest.fixture
def call(work_session, cast) -> SupportCase:
    """A call that was written down without the firmware and the lamps."""
    entry = '[[entry]]\ndecision = "accept"\nrequires = ["checklist"]\n\n'
    signed_policy(work_session, cast, (RESOLUTION, FROM_INTAKE), (BEFORE, entry + BEFORE))
    new = new_case(cast, answers={"serial": "NA-1001"}, caller_name="Tom", caller_phone="+49 1")
    return actions.log_call(work_session, cast.ana, new, now=NOW)


def answer(session, actor, case, answers, hours=2.0):
    return actions.answer_checklist(session, actor, case, answers, seq=case.seq, now=hours_later(hours))


def clocks(session, kind):
    return [row["started_at"] for row in everything(session, "case_clock") if row["kind"] == kind]


def test_promise_counts_from_the_last_answer(work_session, web_session, cast, call):
    assert [each.code for each in actions.unanswered(work_session, call, now=NOW)] == ["firmware", "leds"]
    assert clocks(work_session, "resolution") == []
    assert answer(work_session, cast.ana, call, {"firmware": "4.2.1"}, 1).kind == "checklist_answered"
    assert clocks(work_session, "resolution") == []
    work_session.commit()
    session = web_session(scope_of(cast.tom))
    mine = session.get_one(SupportCase, call.id)
    assert answer(session, cast.tom, mine, {"leds": ANSWERS["leds"]}).kind == "checklist_completed"
    session.commit()
    work_session.expire_all()
    assert clocks(work_session, "resolution") == [hours_later(2)]
    assert clocks(work_session, "response") == []
    assert (call.due_kind, call.intake["leds"]) == ("resolution", ANSWERS["leds"])
    assert event_kinds(work_session, call)[-2:] == ["checklist_answered", "checklist_completed"]
    assert actions.unanswered(work_session, call, now=NOW) == ()


def test_work_that_waited_for_the_checklist_begins(work_session, cast, call):
    begin = {"mode": "phone", "task_class": "support", "now": hours_later(2)}
    with pytest.raises(RuleBroken, match="the checklist is complete"):
        start_timer(work_session, cast.ana, call, **begin)
    answer(work_session, cast.ana, call, ANSWERS)
    start_timer(work_session, cast.ana, call, **begin)


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        ({}, []),
        ({"serial": "NA-9999", "colour": "red"}, []),
        ({"leds": "mauve"}, ["answers.leds"]),
        ({"firmware": "x" * 4_001}, ["answers.firmware"]),
    ],
)
def test_only_what_is_missing_is_answered(work_session, cast, call, answers, fields):
    with pytest.raises(Invalid) as refused:
        answer(work_session, cast.ana, call, answers)
    assert list(refused.value.fields) == fields
    assert call.intake == {"serial": "NA-1001"}


def test_strangers_and_ended_cases_are_left_alone(work_session, cast, call):
    with pytest.raises(NotFound):
        answer(work_session, cast.sam, call, ANSWERS)
    ended = closed(work_session, cast)
    with pytest.raises(Conflict):
        answer(work_session, cast.ana, ended, ANSWERS)
