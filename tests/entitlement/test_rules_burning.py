"""Hours day by day: what each day took, what was left, and using them evenly."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from portal.entitlement.rules.burning import Use, burn_down

BERLIN = ZoneInfo("Europe/Berlin")
# The first of March in Berlin until the first of April, across the change to summer time.
STARTS, EXPIRES = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)


def days(*uses: Use, now: datetime):
    return burn_down(3_100, uses, starts_at=STARTS, expires_at=EXPIRES, now=now, zone=BERLIN)


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_each_day_until_today_has_a_row():
    found = days(Use(at(2), 300), Use(at(2, 15), 100), Use(at(4), 1_000, is_promised=True), now=at(5))
    assert [(day.on.day, day.used, day.left) for day in found] == [
        (1, 0, 3_100), (2, 400, 2_700), (3, 0, 2_700), (4, 1_000, 1_700), (5, 0, 1_700),
    ]  # fmt: skip
    assert [day.even for day in found[:2]] == [3_000, 2_880]


def test_what_is_given_back_makes_the_line_rise():
    assert [day.left for day in days(Use(at(1), 500), Use(at(2), -500), now=at(2))] == [2_600, 3_100]


@pytest.mark.parametrize(("now", "last"), [(at(31, 23), 31), (datetime(2027, 1, 1, tzinfo=UTC), 31), (at(1, 0), 1)])
def test_the_last_row_is_today_or_the_last_day(now, last):
    found = days(Use(datetime(2026, 1, 1, tzinfo=UTC), 10), Use(datetime(2028, 1, 1, tzinfo=UTC), 10), now=now)
    assert found[-1].on.day == last
    assert found[-1].left == 3_080
    if last == 31:
        assert found[-1].even == 0


def test_what_never_expires_is_never_used_too_fast() -> None:
    found = burn_down(600, [Use(at(3), 600)], starts_at=at(2), expires_at=None, now=at(4), zone=BERLIN)
    assert [(day.left, day.even) for day in found] == [(600, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize(("day", "even"), [(1, 4), (7, 3), (31, 0)])
def test_incidents_go_down_one_by_one(day, even) -> None:
    uses = [Use(at(1), 1), Use(at(1, 15), 1, is_promised=True)]
    found = burn_down(5, uses, starts_at=STARTS, expires_at=EXPIRES, now=at(31), zone=BERLIN, step=1)
    assert (found[day - 1].left, found[day - 1].even) == (3, even)
