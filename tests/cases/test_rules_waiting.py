"""What time does to a question nobody answers, and to a resolved case nobody returns to."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.cases.rules.confirmation import reopen_until
from portal.cases.rules.waiting import WaitDates, WaitStep, closing_reminder_at, unanswered_dates, wait_step
from tests.support.documents import policy

HOURS = "reopen_hours = 168\n"
QUESTION = 'unanswered = { close_days = 10, calendar = "business", cause = "not_found", last_action = "none"%s }\n'
DAYS = 'reopen_days = 10\nreopen_calendar = "business"\n'
# A Tuesday, 10:00 in Berlin; the factory closes at 17:00, and the clocks go forward on 29 March.
ASKED = datetime(2026, 3, 10, 9, tzinfo=UTC)
A_WEEK_LATER = datetime(2026, 3, 17, 16, tzinfo=UTC)
TEN_DAYS_LATER = datetime(2026, 3, 24, 16, tzinfo=UTC)


def lifecycle(lines: str):
    return policy((HOURS, lines))


@pytest.mark.parametrize(
    ("reminder", "dates"),
    [
        (", reminder_days = 5", WaitDates(A_WEEK_LATER, TEN_DAYS_LATER)),
        ("", WaitDates(None, TEN_DAYS_LATER)),
    ],
)
def test_days_of_a_question_end_when_its_calendar_closes(reminder, dates):
    assert unanswered_dates(lifecycle(QUESTION % reminder), ASKED) == dates


def test_a_question_waits_for_ever_when_the_policy_says_nothing():
    assert unanswered_dates(policy(), ASKED) is None


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("remind_at", "now", "step"),
    [
        (A_WEEK_LATER, A_WEEK_LATER - SECOND, WaitStep.WAIT),
        (A_WEEK_LATER, A_WEEK_LATER, WaitStep.REMIND),
        (A_WEEK_LATER, TEN_DAYS_LATER - SECOND, WaitStep.REMIND),
        (A_WEEK_LATER, TEN_DAYS_LATER, WaitStep.CLOSE),
        (None, TEN_DAYS_LATER - SECOND, WaitStep.WAIT),
        (None, TEN_DAYS_LATER, WaitStep.CLOSE),
    ],
)
def test_a_reminder_comes_before_the_end(remind_at, now, step):
    assert wait_step(WaitDates(remind_at, TEN_DAYS_LATER), now) is step


@pytest.mark.parametrize(
    ("lines", "reminded_at"),
    [
        (DAYS + "closing_reminder_days = 5\n", A_WEEK_LATER),
        (DAYS, None),
        (HOURS, None),
    ],
)
def test_a_reminder_before_closing_needs_days_to_count(lines, reminded_at):
    assert closing_reminder_at(lifecycle(lines), ASKED) == reminded_at


@pytest.mark.parametrize(("lines", "until"), [(DAYS, TEN_DAYS_LATER), (HOURS, ASKED + timedelta(days=7))])
def test_the_window_to_return_is_counted_in_hours_or_in_business_days(lines, until):
    assert reopen_until(lifecycle(lines), ASKED) == until
