"""What closes a calendar: rules, evenings before, closings; by the clock on the wall."""

from datetime import UTC, date, datetime

import pytest

from portal.calendars import Calendar, Window, is_open, is_working_day, open_hours, seconds_between
from portal.closures import Closing, Closures, Floating, easter_sunday
from portal.errors import RuleBroken

OFFICE = tuple(Window(weekday, 480, 1080) for weekday in range(5))
ALL_DAY = tuple(Window(weekday, 0, 1440) for weekday in range(7))


@pytest.mark.parametrize(
    ("rule", "year", "expected"),
    [
        (Floating(11, 3, 4), 2026, date(2026, 11, 26)),  # Thanksgiving
        (Floating(11, 3, 4, 1), 2026, date(2026, 11, 27)),  # the Friday after
        (Floating(11, 3, 4, -1), 2026, date(2026, 11, 25)),  # the day before
        (Floating(5, 0, -1), 2026, date(2026, 5, 25)),  # Memorial Day: the last Monday
        (Floating(12, 4, -1), 2026, date(2026, 12, 25)),  # the last Friday of December
        (Floating(2, 0, 5), 2026, None),  # no fifth Monday
        (Floating(days_after=-2), 2026, date(2026, 4, 3)),  # Good Friday
        (Floating(days_after=1), 2027, date(2027, 3, 29)),  # Easter Monday
    ],
)
def test_a_rule_finds_its_day(rule, year, expected):
    assert rule.in_year(year) == expected


@pytest.mark.parametrize(
    ("year", "expected"), [(1818, date(1818, 3, 22)), (1943, date(1943, 4, 25)), (2000, date(2000, 4, 23))]
)
def test_easter_of_extreme_years(year, expected):
    assert easter_sunday(year) == expected


def test_a_holiday_closes_the_evening_before():
    calendar = Calendar("Europe/Berlin", OFFICE, frozenset({date(2026, 5, 1)}), eve_from=15 * 60)
    assert open_hours(calendar, date(2026, 4, 30)) == ((480, 900),)
    assert open_hours(calendar, date(2026, 5, 1)) == ()
    assert not is_open(calendar, datetime(2026, 4, 30, 13, 0, tzinfo=UTC))
    assert is_open(calendar, datetime(2026, 4, 30, 12, 59, 59, tzinfo=UTC))


def test_the_evening_before_new_year_lies_in_the_old_year():
    calendar = Calendar("UTC", ALL_DAY, yearly_holidays=frozenset({(1, 1)}), eve_from=18 * 60)
    spent = seconds_between(calendar, datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC))
    assert spent == 18 * 3600


def test_closings_cut_hours_and_make_no_holiday_of_a_day():
    calendar = Calendar("UTC", OFFICE, closings=(Closing((12, 24), 720, 1440), Closing(date(2026, 12, 23), 600, 660)))
    assert open_hours(calendar, date(2026, 12, 24)) == ((480, 720),)
    assert open_hours(calendar, date(2026, 12, 23)) == ((480, 600), (660, 1080))
    assert is_working_day(calendar, date(2026, 12, 24))


def test_a_calendar_turned_around_is_open_on_holidays_only():
    calendar = Calendar("UTC", ALL_DAY, frozenset({date(2026, 5, 1)}), on_holidays=True, eve_from=1200)
    assert open_hours(calendar, date(2026, 5, 1)) == ((0, 1440),)
    assert open_hours(calendar, date(2026, 4, 30)) == ((1200, 1440),)
    assert open_hours(calendar, date(2026, 5, 2)) == ()


@pytest.mark.parametrize(
    "made",
    [lambda: Closing((2, 30)), lambda: Closing((1, 1), 60, 60), lambda: Floating(13), lambda: Closures(eve_from=0)],
)
def test_what_cannot_be_is_refused(made):
    with pytest.raises(RuleBroken):
        made()
