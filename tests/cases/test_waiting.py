"""Questions nobody answers and cases nobody returns to: reminded, and closed by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.cases import actions, rules
from portal.cases.models import CaseClosing, Resolution
from tests.support.cases import accepted, event_kinds, resolved
from tests.support.cast import hours_later
from tests.support.versions import signed_policy

UNANSWERED = """reopen_days = 10
closing_reminder_days = 5
reopen_calendar = "business"
unanswered = { reminder_days = 5, close_days = 10, calendar = "business", cause = "not_found", last_action = "none" }
"""
# Tuesday 10 March and ten business days later; Berlin sets its clocks forward on 29 March.
REMINDED_AT = datetime(2026, 3, 17, 16, tzinfo=UTC)
CLOSED_AT = datetime(2026, 3, 24, 16, tzinfo=UTC)


@pytest.fixture
def patient(work_session, cast):
    return signed_policy(work_session, cast, ("reopen_hours = 168\n", UNANSWERED))


@pytest.fixture
def asked(work_session, cast, patient):
    case = accepted(work_session, cast)
    actions.ask_information(work_session, cast.ana, case, question="Firmware?", seq=case.seq, now=hours_later(1))
    return case


def test_a_question_is_reminded_of_once_and_then_closes_the_case(work_session, cast, asked):
    assert actions.watch_question(work_session, asked.id, now=REMINDED_AT - timedelta(seconds=1)) == "wait"
    assert actions.watch_question(work_session, asked.id, now=REMINDED_AT) == "remind"
    actions.watch_question(work_session, asked.id, now=REMINDED_AT)
    assert event_kinds(work_session, asked).count("reminded") == 1
    assert actions.watch_question(work_session, asked.id, now=CLOSED_AT) == "close"
    found = work_session.query(Resolution).filter_by(case_id=asked.id).one()
    assert (found.cause, found.person_id, found.company_id) == ("not_found", None, cast.factory.id)
    assert actions.close_case(work_session, asked.id, now=CLOSED_AT) is not None
    assert work_session.query(CaseClosing).filter_by(case_id=asked.id).one().closed_at == CLOSED_AT


def test_an_answer_ends_the_count_and_the_next_question_begins_another(work_session, cast, asked):
    answered_at = CLOSED_AT - timedelta(days=1)
    actions.answer_information(work_session, cast.tom, asked, answer="4.2.1", seq=asked.seq, now=answered_at)
    assert actions.watch_question(work_session, asked.id, now=CLOSED_AT) == "wait"
    actions.ask_information(work_session, cast.ana, asked, question="And now?", seq=asked.seq, now=CLOSED_AT)
    assert actions.questions_to_watch(work_session, now=CLOSED_AT + timedelta(days=1)) == [asked.id]
    assert actions.watch_question(work_session, asked.id, now=CLOSED_AT + timedelta(days=6)) == "wait"
    assert actions.watch_question(work_session, asked.id, now=CLOSED_AT + timedelta(days=8)) == "remind"


def test_a_question_waits_for_ever_where_the_policy_says_nothing(work_session, cast):
    case = accepted(work_session, cast)
    actions.ask_information(work_session, cast.ana, case, question="Firmware?", seq=case.seq, now=hours_later(1))
    assert actions.watch_question(work_session, case.id, now=hours_later(10_000)) is rules.WaitStep.WAIT


def test_a_resolved_case_is_reopened_within_business_days_and_its_customer_reminded(work_session, cast, patient):
    case = resolved(work_session, cast)
    assert case.reopen_until == CLOSED_AT
    assert not actions.remind_of_closing(work_session, case.id, now=REMINDED_AT - timedelta(seconds=1))
    assert actions.remind_of_closing(work_session, case.id, now=REMINDED_AT)
    assert not actions.remind_of_closing(work_session, case.id, now=REMINDED_AT)
    assert actions.close_case(work_session, case.id, now=CLOSED_AT) is not None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reopen_days = 3\n", "stated together"),
        ('reopen_days = 3\nreopen_calendar = "business"\nclosing_reminder_days = 3\n', "comes before reopen_days"),
        ("closing_reminder_days = 3\n", "belongs to reopen_days"),
        (UNANSWERED.replace("reminder_days = 5, close", "reminder_days = 12, close"), "comes before close_days"),
        (UNANSWERED.replace('cause = "not_found"', 'cause = "gremlins"'), "not in causes"),
    ],
)
def test_windows_that_contradict_themselves_are_refused(line, said):
    from portal.contracts.policy import parse_policy
    from portal.errors import DocumentInvalid
    from tests.support.documents import POLICY, changed

    with pytest.raises(DocumentInvalid) as caught:
        parse_policy(changed(POLICY, ("reopen_hours = 168\n", line)))
    assert any(said in str(problem) for problem in caught.value.problems)
