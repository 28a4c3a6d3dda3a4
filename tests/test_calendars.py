"""Business time against published vectors, a slow reference, and properties."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal import calendars, zones
from portal.calendars import ALWAYS, Calendar, Period, Window
from portal.closures import Closing
from portal.errors import RuleBroken

VECTORS = json.loads((Path(__file__).parent / "vectors" / "business_hours_vectors.json").read_text())
MINUTE = timedelta(minutes=1)
# A busy machine is no failure.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def minutes(clock: str) -> int:
    hours, mins = clock.split(":")
    return int(hours) * 60 + int(mins)


def vector_calendar(name: str) -> Calendar:
    described = VECTORS["calendars"][name]
    once = [text for text in described["holidays"] if len(text) == 10]
    yearly = [text for text in described["holidays"] if len(text) == 5]
    assert len(once) + len(yearly) == len(described["holidays"])
    return Calendar(
        zone=described["tz"],
        windows=tuple(
            Window(WEEKDAYS.index(weekday), minutes(opens), minutes(closes))
            for weekday, windows in described["weekly"].items()
            for opens, closes in windows
        ),
        holidays=frozenset(date.fromisoformat(text) for text in once),
        yearly_holidays=frozenset((int(text[:2]), int(text[3:])) for text in yearly),
    )


def instant(text: str) -> datetime:
    if " " in text:
        local, zone = text.split(" ")
        return calendars.resolve_local(zone, datetime.fromisoformat(local))
    return datetime.fromisoformat(text)


def naive(text: str) -> datetime:
    day, clock = text.split("T")
    if clock == "24:00":
        return datetime.fromisoformat(day) + timedelta(days=1)
    return datetime.fromisoformat(text)


def pauses_of(vector: dict) -> list[Period]:
    return [Period(instant(begins), instant(ends)) for begins, ends in vector.get("pauses", [])]


OPERATIONS = {
    "add": lambda v, c: calendars.add_seconds(c, instant(v["start"]), v["amount_s"], pauses_of(v)),
    "between": lambda v, c: calendars.seconds_between(c, instant(v["start"]), instant(v["end"]), pauses_of(v)),
    "is_open": lambda v, c: calendars.is_open(c, instant(v["start"])),
    "next_open": lambda v, c: calendars.next_open(c, instant(v["start"])),
    "prev_close": lambda v, c: calendars.previous_close(c, instant(v["start"])),
    "add_days": lambda v, c: calendars.add_working_days(c, date.fromisoformat(v["start"]), v["days"]),
    "resolve_local": lambda v, c: calendars.resolve_local(v["tz"], naive(v["local"])),
}


def expected_of(vector: dict) -> object:
    if vector["op"] == "between":
        return vector["expected_s"]
    if vector["op"] == "is_open":
        return vector["expected"]
    if vector["op"] == "add_days":
        return date.fromisoformat(vector["expected"])
    return instant(vector["expected"])


def test_the_vectors_are_all_there():
    assert len(VECTORS["vectors"]) == 108
    assert len({vector["id"] for vector in VECTORS["vectors"]}) == 108


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: f"{vector['id']}-{vector['op']}")
def test_published_case(vector):
    calendar = vector_calendar(vector["calendar"]) if "calendar" in vector else ALWAYS
    answer = OPERATIONS[vector["op"]](vector, calendar)
    assert answer == expected_of(vector)
    if isinstance(answer, datetime):
        assert answer.tzinfo is UTC


# Where clocks misbehave: (zone, a UTC day next to the change).
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Sao_Paulo", date(2015, 10, 18)),  # midnight does not exist
    ("America/Sao_Paulo", date(2015, 2, 22)),  # the hour before midnight comes twice
    ("America/St_Johns", date(2006, 10, 29)),  # one minute past midnight back into the day before, half-hour offset
    ("Asia/Tehran", date(2016, 3, 21)),  # half-hour offset, midnight gap
    ("Asia/Tehran", date(2016, 9, 20)),
    ("Australia/Lord_Howe", date(2026, 4, 4)),  # moves by half an hour
    ("Australia/Lord_Howe", date(2026, 10, 3)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a whole local day does not exist
    ("Antarctica/Troll", date(2026, 3, 29)),  # moves by two hours
    ("Asia/Kathmandu", date(2026, 1, 1)),  # 5:45 ahead, over the end of a year
    ("Pacific/Kiritimati", date(2025, 12, 31)),  # 14 hours ahead, over the end of a year
    ("Africa/Cairo", date(2010, 8, 11)),  # daylight saving suspended for a month
]

window = st.builds(
    lambda weekday, one, other: Window(weekday, min(one, other), max(one, other)),
    st.integers(0, 6),
    st.sampled_from([0, 1, 30, 61, 120, 150, 480, 540, 1020, 1380]),
    st.sampled_from([31, 90, 121, 195, 482, 720, 1021, 1410, 1439, 1440]),
)


hours = st.sampled_from([(0, 60), (0, 1_440), (61, 181), (480, 900), (1_380, 1_440)])


def closing(on, yearly, span):
    """Closed hours near the change, of that year or of every year."""
    return Closing((on.month, on.day) if yearly else on, *span)


@st.composite
def business_time(draw):
    """A calendar near a change of its clock, a minute near it, and pauses near it."""
    zone, change = draw(st.sampled_from(CHANGES))
    midnight = datetime(change.year, change.month, change.day, tzinfo=UTC)

    def near():
        return midnight + draw(st.integers(-36 * 60, 36 * 60)) * MINUTE

    near_days = st.integers(-2, 2).map(lambda days: change + timedelta(days=days))
    calendar = Calendar(
        zone,
        tuple(draw(st.lists(window, min_size=1, max_size=14))),
        draw(st.frozensets(near_days, max_size=2)),
        draw(st.frozensets(near_days.map(lambda on: (on.month, on.day)), max_size=1)),
        closings=tuple(draw(st.lists(st.builds(closing, near_days, st.booleans(), hours), max_size=2))),
        eve_from=draw(st.sampled_from([1_440, 1_440, 720, 1_100])),
    )
    pauses = [Period(*sorted((near(), near()))) for _ in range(draw(st.integers(0, 4)))]
    return calendar, near(), pauses


def open_by_the_wall(calendar: Calendar, at: datetime) -> bool:
    """The definition, without arithmetic: read the wall clock, look the time up."""
    local = at.astimezone(ZoneInfo(calendar.zone))
    minute = local.hour * 60 + local.minute
    windowed = any(w.weekday == local.weekday() and w.opens <= minute < w.closes for w in calendar.windows)
    return windowed and closed_by_the_wall(calendar, local.date(), minute) == calendar.on_holidays


def closed_by_the_wall(calendar: Calendar, on: date, minute: int) -> bool:
    def is_holiday(day: date) -> bool:
        return day in calendar.holidays or (day.month, day.day) in calendar.yearly_holidays

    if is_holiday(on) or (minute >= calendar.eve_from and is_holiday(on + timedelta(days=1))):
        return True
    return any(c.on in (on, (on.month, on.day)) and c.begins <= minute < c.ends for c in calendar.closings)


def open_minutes(calendar: Calendar, start: datetime, count: int, pauses: list[Period]) -> list[datetime]:
    """Each open, un-paused minute of ``count`` minutes, found one by one."""
    every = (start + step * MINUTE for step in range(count))
    return [at for at in every if open_by_the_wall(calendar, at) and not any(p.start <= at < p.end for p in pauses)]


@settings(UNHURRIED, max_examples=150)
@given(business_time(), st.integers(0, 2 * 1440))
def test_time_agrees_with_stepping_through_the_minutes(case, count):
    calendar, start, pauses = case
    end = start + count * MINUTE
    stepped = open_minutes(calendar, start, count, pauses)
    assert calendars.seconds_between(calendar, start, end, pauses) == 60 * len(stepped)
    if stepped:
        seconds = 60 * len(stepped)
        assert calendars.add_seconds(calendar, start, seconds, pauses) == stepped[-1] + MINUTE
        assert calendars.add_seconds(calendar, end, -seconds, pauses) == stepped[0]
    unpaused = open_minutes(calendar, start, count, [])
    periods = list(calendars.open_periods(calendar, start, end))
    assert [at for period in periods for at in minutes_of(period)] == unpaused
    assert all(early.end < late.start for early, late in pairwise(periods))
    assert calendars.is_open(calendar, start) == open_by_the_wall(calendar, start)
    if unpaused:
        assert calendars.next_open(calendar, start) == unpaused[0]
        assert calendars.previous_close(calendar, end) == unpaused[-1] + MINUTE


def minutes_of(period: Period) -> list[datetime]:
    return [period.start + step * MINUTE for step in range(period.seconds // 60)]


@settings(UNHURRIED, max_examples=200)
# A minute a week comes to two days in 55 years; within 100 every calendar has to have been open for so long.
@given(business_time(), st.integers(-2 * 86400, 2 * 86400))
@example((ALWAYS, datetime(2026, 1, 1, tzinfo=UTC), []), 0)
def test_adding_and_measuring_are_inverse(case, seconds):
    calendar, start, pauses = case
    start += timedelta(seconds=17)
    reached = calendars.add_seconds(calendar, start, seconds, pauses)
    first, last = sorted((start, reached))
    assert calendars.seconds_between(calendar, first, last, pauses) == abs(seconds)
    assert calendars.seconds_between(calendar, last, first, pauses) == 0
    counted = calendars.explain_deadline(calendar, start, seconds, pauses)
    assert sum(part for _, part in counted) == abs(seconds)
    assert all(period.seconds == part > 0 for period, part in counted)
    assert all(early.end <= late.start for (early, _), (late, _) in pairwise(counted))
    if counted:
        assert (counted[-1][0].end if seconds > 0 else counted[0][0].start) == reached


@settings(UNHURRIED, max_examples=100)
@given(business_time(), st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=3))
def test_adjoining_spans_add_up_whatever_the_fraction_of_a_second(case, shifts):
    calendar, start, pauses = case
    one, two, three = sorted(start + timedelta(seconds=shift, microseconds=abs(shift) % 997_001) for shift in shifts)
    between = calendars.seconds_between
    assert between(calendar, one, three, pauses) == (
        between(calendar, one, two, pauses) + between(calendar, two, three, pauses)
    )


@settings(UNHURRIED, max_examples=60)
@given(business_time())
def test_a_calendar_turned_around_is_open_where_the_other_is_closed(case):
    calendar, start, _ = case
    turned = replace(calendar, on_holidays=True)
    for minute in range(0, 36 * 60, 7):
        at = start + minute * MINUTE
        assert calendars.is_open(turned, at) == open_by_the_wall(turned, at)


@settings(UNHURRIED, max_examples=50)
# A calendar that opens for one minute a week is open for 86 hours in a hundred years.
@given(business_time(), st.integers(1, 36 * 3600), st.integers(1, 36 * 3600))
def test_adding_in_two_steps_is_adding_once(case, one, two):
    calendar, start, pauses = case
    add = calendars.add_seconds
    assert add(calendar, add(calendar, start, one, pauses), two, pauses) == add(calendar, start, one + two, pauses)


@settings(UNHURRIED, max_examples=100)
@given(business_time(), st.integers(-60, 60))
def test_working_days_agree_with_stepping_through_the_days(case, days):
    calendar, start, _ = case
    direction = timedelta(days=-1 if days < 0 else 1)
    day, left = start.date(), abs(days)
    while left or not calendars.is_working_day(calendar, day):
        left -= calendars.is_working_day(calendar, day)
        day += direction
    assert calendars.add_working_days(calendar, start.date(), days) == day


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


OFFICE = Calendar("America/Chicago", tuple(Window(weekday, 480, 1020) for weekday in range(5)))


def test_a_window_in_a_gap_is_open_only_while_the_wall_shows_it():
    night = Calendar("America/Los_Angeles", (Window(6, 150, 195),))  # Sunday 02:30 to 03:15
    gap, ordinary = utc("2026-03-08T00:00"), utc("2026-03-15T00:00")
    assert calendars.seconds_between(night, gap, gap + timedelta(days=1)) == 15 * 60
    assert calendars.seconds_between(night, ordinary, ordinary + timedelta(days=1)) == 45 * 60


def test_a_window_in_a_repeated_hour_is_open_twice():
    night = Calendar("America/Los_Angeles", (Window(6, 60, 90),))  # Sunday 01:00 to 01:30
    assert list(calendars.open_periods(night, utc("2026-11-01T00:00"), utc("2026-11-02T00:00"))) == [
        Period(utc("2026-11-01T08:00"), utc("2026-11-01T08:30")),
        Period(utc("2026-11-01T09:00"), utc("2026-11-01T09:30")),
    ]


def test_periods_over_the_end_of_a_year_are_one():
    start, end = utc("2024-06-01T00:00"), utc("2027-06-01T00:00")
    assert list(calendars.open_periods(ALWAYS, start, end)) == [Period(start, end)]
    assert list(calendars.open_periods(ALWAYS, end, start)) == []
    assert calendars.explain_deadline(ALWAYS, utc("2025-12-31T23:00"), 7200) == (
        (Period(utc("2025-12-31T23:00"), utc("2026-01-01T01:00")), 7200),
    )


def test_a_deadline_explains_the_periods_counted():
    start = calendars.resolve_local("America/Chicago", datetime(2026, 11, 20, 16, 0))  # Friday
    pause = Period(utc("2026-11-23T15:00"), utc("2026-11-23T15:30"))
    assert calendars.explain_deadline(OFFICE, start, 3 * 3600, [pause]) == (
        (Period(utc("2026-11-20T22:00"), utc("2026-11-20T23:00")), 3600),
        (Period(utc("2026-11-23T14:00"), utc("2026-11-23T15:00")), 3600),
        (Period(utc("2026-11-23T15:30"), utc("2026-11-23T16:30")), 3600),
    )


def test_a_deadline_used_up_at_a_closing_or_a_pause_does_not_wait():
    start = utc("2026-11-20T22:00")  # Friday 16:00 in Chicago
    assert calendars.add_seconds(OFFICE, start, 3600) == utc("2026-11-20T23:00")
    pause = Period(utc("2026-11-20T22:30"), utc("2026-11-20T22:45"))
    assert calendars.add_seconds(OFFICE, start, 1800, [pause]) == pause.start
    assert calendars.add_seconds(OFFICE, utc("2026-11-20T23:00"), -900, [pause]) == utc("2026-11-20T22:45")
    assert calendars.add_seconds(OFFICE, utc("2026-11-20T23:00"), -901, [pause]) == utc("2026-11-20T22:29:59")


def test_adding_nothing_stays_even_when_closed_or_paused():
    saturday = utc("2026-11-21T12:00")
    pause = Period(saturday - MINUTE, saturday + MINUTE)
    assert calendars.add_seconds(OFFICE, saturday, 0, [pause]) == saturday
    assert calendars.explain_deadline(OFFICE, saturday, 0, [pause]) == ()


def test_days_move_on_the_wall_and_keep_its_time():
    friday = calendars.resolve_local("America/Chicago", datetime(2026, 10, 30, 9, 30))
    monday = calendars.resolve_local("America/Chicago", datetime(2026, 11, 2, 9, 30))
    assert calendars.add_days(OFFICE, friday, 1) == monday
    assert monday - friday == timedelta(days=3, hours=1)
    assert calendars.add_days(OFFICE, monday, -1) == friday
    assert calendars.add_days(OFFICE, friday + timedelta(days=1), 0) == monday


def test_a_yearly_leap_day_closes_leap_years_only():
    calendar = Calendar("UTC", ALWAYS.windows, yearly_holidays=frozenset({(2, 29)}))
    day = 86_400
    assert calendars.seconds_between(calendar, utc("2024-02-28"), utc("2024-03-02")) == 2 * day
    assert calendars.seconds_between(calendar, utc("2025-02-28"), utc("2025-03-02")) == 2 * day


def test_a_clock_that_changes_as_the_utc_year_ends_is_followed():
    # Niamey moved from UTC to UTC+1 as 1960 began: no stretch is empty, none is missing.
    assert zones.offsets("Africa/Niamey", 1959) == ((zones.year_start(1959), zones.year_start(1960), 0),)
    assert zones.offsets("Africa/Niamey", 1960) == ((zones.year_start(1960), zones.year_start(1961), 3600),)


def test_a_change_of_the_clock_is_found_to_the_second():
    change = zones.stamp_of(utc("2026-03-29T01:00"))
    begins, ends = zones.year_start(2026), zones.year_start(2027)
    assert zones.offsets("Europe/Berlin", 2026)[:2] == (
        (begins, change, 3600),
        (change, zones.stamp_of(utc("2026-10-25T01:00")), 7200),
    )
    assert zones.offsets("Europe/Berlin", 2026)[-1][1] == ends


@pytest.mark.parametrize(
    "build",
    [
        lambda: Period(datetime(2026, 1, 1), utc("2026-01-02")),
        lambda: Period(utc("2026-01-01"), datetime(2026, 1, 2)),
        lambda: Period(utc("2026-01-02"), utc("2026-01-01")),
        lambda: Window(7, 0, 60),
        lambda: Window(-1, 0, 60),
        lambda: Window(0, 60, 60),
        lambda: Window(0, -1, 60),
        lambda: Window(0, 0, 1441),
        lambda: Calendar("Mars/Olympus", ()),
        lambda: Calendar("", ()),
        lambda: Calendar("../etc", ()),
        lambda: Calendar("UTC", (), yearly_holidays=frozenset({(2, 30)})),
    ],
)
def test_a_value_is_refused_when_it_cannot_be(build):
    with pytest.raises(RuleBroken):
        build()


CLOSED = Calendar("UTC", ())
NOON = utc("2026-01-01T12:00")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: calendars.next_open(CLOSED, NOON),
        lambda: calendars.previous_close(CLOSED, NOON),
        lambda: calendars.add_seconds(CLOSED, NOON, 1),
        lambda: calendars.add_seconds(CLOSED, NOON, -1),
        lambda: calendars.add_working_days(CLOSED, NOON.date(), 0),
        lambda: calendars.add_days(CLOSED, NOON, -3),
        lambda: calendars.is_open(ALWAYS, datetime(2026, 1, 1)),
        lambda: calendars.is_open(ALWAYS, datetime(1, 1, 1, tzinfo=UTC)),
        lambda: calendars.is_open(ALWAYS, datetime(9999, 1, 1, tzinfo=UTC)),
        lambda: calendars.resolve_local("UTC", NOON),
        lambda: calendars.resolve_local("Nowhere", datetime(2026, 1, 1)),
    ],
)
def test_a_question_is_refused_when_it_has_no_answer(ask):
    with pytest.raises(RuleBroken):
        ask()


def test_a_closed_calendar_measures_nothing():
    assert calendars.seconds_between(CLOSED, NOON, NOON + timedelta(days=900)) == 0
    assert not calendars.is_open(CLOSED, NOON)


def test_equal_calendars_are_one_key():
    same = Calendar("America/Chicago", tuple(Window(weekday, 480, 1020) for weekday in range(5)))
    assert same == OFFICE
    assert hash(same) == hash(OFFICE)
    assert same != Calendar("America/Denver", same.windows)


def test_forty_years_are_measured_from_forty_years_of_periods():
    calendar = Calendar("Europe/Vienna", OFFICE.windows, yearly_holidays=frozenset({(1, 1), (12, 25), (12, 26)}))
    start = utc("2026-01-05T00:00")
    end = start + timedelta(days=40 * 365)
    before = calendars._year_table.cache_info().misses
    seconds = calendars.seconds_between(calendar, start, end)
    assert calendars.seconds_between(calendar, start, calendars.add_seconds(calendar, start, seconds)) == seconds
    assert calendars._year_table.cache_info().misses - before == 40
    stepped = sum(calendars.is_working_day(calendar, start.date() + timedelta(days=day)) for day in range(40 * 365))
    assert seconds == stepped * 9 * 3600
