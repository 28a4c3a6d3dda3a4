"""For how long figures that were shown may be charged, and what becomes of a charge whose job was late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.payments.charging.rules import Course, Figures, Sent, course_of, other_words, too_old_words

SHOWN = datetime(2026, 3, 10, 9, tzinfo=UTC)


def minutes(number):
    return SHOWN + timedelta(minutes=number)


@pytest.mark.parametrize(
    ("sent", "now", "course"),
    [
        (None, 0, Course.ASK),
        # A worker's clock may be behind the page's.
        (None, -0.1, Course.ASK),
        (None, 10, Course.ASK),
        (None, 10.1, Course.TOO_OLD),
        (None, 300, Course.TOO_OLD),
        ((1, 1), 2, Course.REPEAT),
        ((1, 9), 10, Course.REPEAT),
        ((9, 9), 10.5, Course.WAIT),
        ((1, 9.9), 11.8, Course.WAIT),
        ((1, 9), 11, Course.LOOK),
        ((9, 9), 300, Course.LOOK),
    ],
)
def test_a_charge_is_made_in_time_or_not_at_all_and_one_that_was_made_is_looked_for(sent, now, course):
    made = Sent(*(minutes(each) for each in sent)) if sent else None
    assert course_of(SHOWN, made, minutes(now)) is course


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((1_000, 1_500, 500), ""),
        ((1_001, 1_501, 500), "You saw that it charges 10.00 EUR; by now it would be 10.01 EUR. Nothing was charged."),
        ((1_000, 1_600, 600), "What the 10.00 EUR are made of is not as you saw it any more. Nothing was charged."),
    ],
)
def test_other_figures_are_said_and_not_charged(found, words):
    assert other_words(Figures(1_000, 1_500, 500), Figures(*found), "EUR") == words


@pytest.mark.parametrize(("after", "said"), [(11, "11 minutes"), (119.9, "119 minutes"), (120, "2 hours")])
def test_how_late_it_was_is_said(after, said):
    words = too_old_words(SHOWN, minutes(after))
    assert (
        words == f"It could only be carried out {said} after you saw what it charges, and that holds for 10 minutes."
        " Nothing was charged."
    )
