"""What templates print: amounts, instants, durations, shares."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.numbers import format_currency

from portal.money import Money, currencies_of
from portal.web import display

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(123450, "USD"), "$1,234.50"),
        (Money(-300, "EUR"), "-€3.00"),
        (Money(1200, "JPY"), "¥1,200"),
        (Money(0, "USD"), "$0.00"),
        (None, "–"),
    ],
)
def test_money_reads_with_its_currency_and_digits(amount, text):
    assert display.money_text(amount) == text


def test_what_stands_before_an_amount_is_what_babel_writes_for_every_currency():
    for currency in (code for digits in (0, 2, 3, 4) for code in currencies_of(digits=digits)):
        nothing = format_currency(0, currency, locale="en_US")
        assert display.money_text(Money(0, currency)).partition("0")[0] == nothing.partition("0")[0], currency


def test_local_time_shows_the_viewers_zone_and_keeps_the_exact_instant():
    markup = display.local_time(NOON, NEW_YORK)
    assert 'datetime="2026-11-20T17:00:00Z"' in markup
    assert "20 Nov 2026, 12:00" in markup
    assert "17:00:00 UTC" in markup


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (timedelta(hours=1, minutes=20), "due in 1 h 20 min (13:20)"),
        (timedelta(0), "due in 0 min (12:00)"),
        (timedelta(seconds=30), "due in under 1 min (12:00)"),
        (-timedelta(minutes=25), "overdue by 25 min (11:35)"),
        (timedelta(days=2, hours=3), "due in 2 d 3 h (Sun 22 Nov 15:00)"),
    ],
)
def test_due_says_how_long_and_when(offset, words):
    assert words in display.due(NOON + offset, NOON, NEW_YORK)


def test_due_marks_what_is_late_and_names_an_unset_time():
    assert "due-late" in display.due(NOON - timedelta(seconds=1), NOON, NEW_YORK)
    assert "due-late" not in display.due(NOON, NOON, NEW_YORK)
    assert display.due(None, NOON, NEW_YORK) == "no time set"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min"), (750, "12 min 30 s"), (7500, "2 h 05 min"), (3601, "1 h 00 min 01 s"), (-60, "-1 min"), (None, "–")],
)
def test_worked_time_reads_to_the_second(seconds, text):
    assert display.minutes_text(seconds) == text


@pytest.mark.parametrize(("basis_points", "text"), [(6250, "62.5 %"), (10000, "100 %"), (1, "0.01 %"), (None, "–")])
def test_basis_points_read_as_a_percentage(basis_points, text):
    assert display.percentage(basis_points) == text


def test_a_date_of_an_instant_is_the_viewers_date():
    assert display.local_date(datetime(2026, 11, 21, 3, 0, tzinfo=UTC), NEW_YORK) == "20 Nov 2026"
    assert display.local_date(date(2026, 1, 2), NEW_YORK) == "02 Jan 2026"


def test_a_window_counts_down_while_it_is_open_and_then_says_when_it_ended():
    assert "due in 1 h (13:00)" in display.window_end(NOON + timedelta(hours=1), NOON, NEW_YORK)
    ended = display.window_end(NOON, NOON, NEW_YORK)
    assert ended.startswith("ended <time")
    assert "20 Nov 2026, 12:00" in ended


@pytest.mark.parametrize(
    ("text", "said"),
    [("assured, Main building", "Assured, Main building"), ("éclairage", "Éclairage"), ("", "")],
)
def test_a_sentence_keeps_the_names_within_as_they_are_written(text, said):
    assert display.sentence(text) == said
