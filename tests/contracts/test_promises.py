"""Promises of documents: from when they count and when they are due; and what is refused."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from portal.calendars import ALWAYS, Calendar, Window
from portal.contracts.policy import parse_policy
from portal.contracts.promises import Asked, Moments, begins_at, due_of, promise_words, target_of
from portal.contracts.targets import Clock, Target
from portal.contracts.terms import Plan
from portal.errors import DocumentInvalid
from tests.support.documents import POLICY, changed

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = Calendar(
    "America/New_York", tuple(Window(weekday, 510, 1050) for weekday in range(5)), frozenset({date(2026, 3, 17)})
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def days(count: int, **more) -> Target:
    return Target.model_validate({"days": count, "calendar": "office", **more}, strict=False)


@pytest.mark.parametrize(
    ("target", "begins", "due", "on"),
    [
        (days(5), "2026-03-05T15:30", "2026-03-12T17:30", date(2026, 3, 12)),
        (days(2), "2026-03-06T16:00", "2026-03-10T17:30", date(2026, 3, 10)),
        (days(0), "2026-03-06T16:00", "2026-03-06T17:30", date(2026, 3, 6)),
        (days(0), "2026-03-06T18:30", "2026-03-09T17:30", date(2026, 3, 9)),
        (days(1), "2026-03-06T18:30", "2026-03-09T17:30", date(2026, 3, 9)),
        (days(1), "2026-03-07T10:00", "2026-03-10T17:30", date(2026, 3, 10)),  # Saturday counts as Monday
        (days(1), "2026-03-16T10:00", "2026-03-18T17:30", date(2026, 3, 18)),  # over the holiday
        (days(1, cut_off="15:00"), "2026-03-05T14:59", "2026-03-06T17:30", date(2026, 3, 6)),
        (days(1, cut_off="15:00"), "2026-03-05T15:00", "2026-03-09T17:30", date(2026, 3, 9)),
        (days(1, day_ends="same_time"), "2026-03-05T10:00", "2026-03-06T10:00", date(2026, 3, 6)),
        (days(1, day_ends="same_time"), "2026-03-05T18:00", "2026-03-06T17:30", date(2026, 3, 6)),
    ],
)
def test_business_days_end_when_the_calendar_closes(target, begins, due, on):
    found = due_of(target, OFFICE, at(begins))
    assert (found.at, found.on) == (at(due), on)


def test_days_are_open_seconds_so_that_a_pause_lengthens_them():
    assert due_of(days(1), OFFICE, at("2026-03-05T16:30")).seconds == 3600 + 9 * 3600


def test_a_promise_at_once_is_due_when_it_begins_and_one_with_the_next_release_never():
    now = at("2026-03-05T16:30")
    assert due_of(Target(at_once=True, calendar="x"), OFFICE, now).at == now
    assert due_of(Target(next_release=True, calendar="x"), OFFICE, now).at is None


@pytest.mark.parametrize(
    ("starts", "begins"),
    [
        ("arrival", "2026-03-07T10:00"),
        ("opening", "2026-03-07T09:00"),
        ("next_opening", "2026-03-09T08:30"),
        ("escalation", "2026-03-07T11:00"),
        ("intake", "2026-03-07T12:00"),
        ("response", None),
    ],
)
def test_promises_count_from_the_event_they_name(starts, begins):
    moments = Moments(*(at(f"2026-03-07T{hour:02}:00") for hour in (9, 10, 11, 12)))
    target = Target.model_validate({"minutes": 60, "calendar": "office", "starts": starts}, strict=False)
    assert begins_at(target, OFFICE, moments) == (begins and at(begins))


def test_the_rhythm_of_updates_counts_from_the_last_one():
    told = datetime(2026, 3, 3, 15, 10, tzinfo=UTC)
    target = Target(clock=Clock.UPDATE, minutes=30, calendar="always")
    assert begins_at(target, ALWAYS, Moments(told, told, told_at=told)) == told


def test_the_first_row_that_fits_who_asks_decides():
    plan = Plan.model_validate(
        {
            "code": "p",
            "name": "P",
            "cover_calendar": "x",
            "targets": [
                {"minutes": 10, "calendar": "x", "channels": ["phone"]},
                {"minutes": 20, "calendar": "x", "customer_classes": ["gold"], "levels": [2]},
                {"minutes": 30, "calendar": "x", "certified": True},
            ],
        },
        strict=False,
    )

    def minutes(**asked):
        found = target_of(plan, Clock.RESPONSE, Asked(3, **asked))
        return found and found.minutes

    assert minutes(channel="phone") == 10
    assert minutes(customer_class="gold", level=2) == 20
    assert minutes(customer_class="gold", level=1) is None
    assert minutes(certified=True) == 30


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"minutes": 90}, "1 h 30 min"),
        ({"days": 1}, "1 business day"),
        ({"days": 0}, "the same business day"),
        ({"at_once": True}, "at once"),
        ({"next_release": True}, "with the next release"),
    ],
)
def test_promises_in_words(target, words):
    assert promise_words(Target.model_validate({"calendar": "x", **target}, strict=False)) == words


ROW = '{ severities = [2], minutes = 60, calendar = "business" }'


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{ minutes = 60, days = 1, calendar = "business" }', "in minutes or in days"),
        ('{ calendar = "business" }', "in minutes or in days"),
        ('{ minutes = 60, cut_off = "15:00", calendar = "business" }', "belong to days"),
        ('{ next_release = true, warn_minutes = 5, calendar = "business" }', "warns of nothing"),
        ('{ severities = [2], minutes = 60, pauses = ["customer"], calendar = "business" }', "not in pause_reasons"),
    ],
)
def test_targets_that_contradict_themselves_are_refused(row, said):
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy(changed(POLICY, (ROW, row)))
    assert any(said in str(problem) for problem in caught.value.problems)
