"""Hours left are promised in order of work time, never twice, never more than there are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.entitlement.rules import NOTHING, Amount, Promise, Room, included_window, promises, window_of
from portal.entitlement.rules.ending import Left, ends_with, kept_minutes
from portal.rating.grants import Use
from tests.support.documents import policy

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = 3_600


def use(day: int, seconds: int, *, grant: int = 1, incidents: int = 0) -> Use:
    return Use(grant, day, int((START + day * DAY).timestamp()), seconds, incidents)


def promise(day: int, seconds: int, *, grant: int = 1, expired: bool = False) -> Promise:
    return Promise(grant, START + day * DAY, seconds, from_expired=expired)


def test_earlier_work_is_served_first_whatever_the_order_given():
    found = promises([use(2, 1_800), use(1, HOUR)], {1: Room(Amount(4_500))})
    assert found == (promise(1, HOUR), promise(2, 900))


def test_what_bills_have_drawn_is_not_promised_again():
    assert promises([use(1, HOUR), use(2, HOUR)], {1: Room(Amount(HOUR), drawn=Amount(5_400))}) == (promise(2, 1_800),)


@pytest.mark.parametrize(
    ("outlives", "wanted"),
    [
        # What rolled over is kept for later work: earlier work takes what expired first.
        (True, (promise(1, HOUR, expired=True), promise(1, 1_800), promise(9, 1_800))),
        # Where nothing is left beyond the end anyway, no expiry is taken back without need.
        (False, (promise(1, 3_600), promise(1, 1_800, expired=True))),
    ],
)
def test_earlier_work_uses_what_expired_after_it(outlives, wanted):
    room = Room(Amount(HOUR), expired=Amount(HOUR), expired_at=START + 5 * DAY, outlives_expiry=outlives)
    assert promises([use(1, 5_400), use(9, HOUR)], {1: room}) == wanted


@given(
    works=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9_000), st.integers(0, 2)), max_size=6),
    rooms=st.lists(st.tuples(*[st.integers(0, 9_000)] * 3, st.booleans()), min_size=3, max_size=3),
    order=st.randoms(use_true_random=False),
)
def test_no_grant_is_ever_overdrawn(works, rooms, order):
    uses = [
        Use(grant, entry, int((START + days * DAY).timestamp()), seconds)
        for entry, (days, seconds, grant) in enumerate(works)
    ]
    held = {
        number: Room(Amount(left), Amount(drawn), Amount(expired), START + 20 * DAY, outlives)
        for number, (left, drawn, expired, outlives) in enumerate(rooms)
    }
    taken = promises(uses, held)
    for number, room in held.items():
        mine = [row for row in taken if row.grant_id == number]
        assert sum(row.seconds for row in mine if not row.from_expired) <= room.left.seconds
        assert sum(row.seconds for row in mine if row.from_expired) <= room.expired.seconds
        wanted = sum(row.seconds for row in uses if row.grant_id == number)
        assert sum(row.seconds for row in mine) <= max(wanted - room.drawn.seconds, 0)
    assert all(row.seconds > 0 for row in taken)
    assert all(row.worked_from < START + 20 * DAY for row in taken if row.from_expired)
    order.shuffle(uses)
    assert promises(uses, held) == taken


def test_amounts_are_added_and_taken_off_by_unit():
    assert Amount(60, 1) + Amount(30) - Amount(0, 1) == Amount(90)
    assert not NOTHING
    assert Amount(0, -1)


@pytest.mark.parametrize(
    ("most", "kept"),
    [(0, {}), (600, {2: 600}), (HOUR, {2: 1_800, 1: 1_800}), (99_999, {2: 1_800, 1: 2_700})],
)
def test_the_newest_minutes_roll_over_first_within_the_most(most, kept):
    assert kept_minutes([Left(1, START, 2_700), Left(2, START + DAY, 1_800)], most) == kept


@pytest.mark.parametrize(
    ("bought", "until"),
    [
        ([], None),
        ([(HOUR, START + 9 * DAY)], None),
        ([(HOUR, START + 9 * DAY), (HOUR, START + 8 * DAY)], (START + 9 * DAY,)),
        ([(2 * HOUR, None)], (None,)),
        ([(2 * HOUR, START - DAY)], None),
    ],
)
def test_a_pack_is_kept_by_what_was_bought_before_its_end(bought, until):
    assert ends_with(bought, needed_seconds=2 * HOUR, after=START) == until


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (
            datetime(2026, 11, 30, 23, 30, tzinfo=UTC),
            datetime(2026, 11, 30, 23, tzinfo=UTC),
            datetime(2026, 12, 31, 23, tzinfo=UTC),
        ),
        (
            datetime(2026, 3, 15, tzinfo=UTC),
            datetime(2026, 2, 28, 23, tzinfo=UTC),
            datetime(2026, 3, 31, 22, tzinfo=UTC),
        ),
    ],
)
def test_included_minutes_hold_for_the_local_month(at, start, end):
    window = included_window(policy(), at)
    assert (window.start, window.end) == (start, end)


ANCHOR = datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (ANCHOR, ANCHOR, datetime(2026, 2, 28, 10, tzinfo=UTC)),
        (datetime(2026, 2, 28, 9, tzinfo=UTC), ANCHOR, datetime(2026, 2, 28, 10, tzinfo=UTC)),
        (
            datetime(2026, 3, 1, tzinfo=UTC),
            datetime(2026, 2, 28, 10, tzinfo=UTC),
            datetime(2026, 3, 31, 10, tzinfo=UTC),
        ),
        (
            datetime(2027, 1, 31, 10, tzinfo=UTC),
            datetime(2027, 1, 31, 10, tzinfo=UTC),
            datetime(2027, 2, 28, 10, tzinfo=UTC),
        ),
    ],
)
def test_months_paid_by_subscription_are_counted_from_its_beginning(at, start, end):
    window = window_of(policy(), at, ANCHOR)
    assert (window.start, window.end) == (start, end)


def test_other_months_are_the_calendars():
    assert window_of(policy(), START, None) == included_window(policy(), START)
