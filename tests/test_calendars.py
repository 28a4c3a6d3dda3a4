"""Business time against published vectors, a slow reference, and properties."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from portal import calendars
from portal.calendars import ALWAYS, Calendar, Period, Window

VECTORS = json.loads((Path(__file__).parent / "vectors" / "business_hours_vectors.json").read_text())
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
