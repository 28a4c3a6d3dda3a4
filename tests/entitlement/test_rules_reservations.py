"""Hours left are promised in order of work time, never twice."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.entitlement.rules import Grant, Reservation, Work, included_window, reserve
from tests.support.documents import policy

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def grant(number, seconds, **changes):
    values = {"kind": "included", "starts_at": START, "expires_at": START + 30 * DAY, **changes}
    return Grant(number, free_seconds=seconds, **values)


def test_earlier_work_is_served_first_whatever_the_order_given():
    work = [Work(2, START + 2 * DAY, 1_800), Work(1, START + DAY, 3_600)]
    assert reserve(work, [grant(1, 4_500)]) == (Reservation(1, 1, 3_600), Reservation(2, 1, 900))


def test_grants_go_by_priority_then_expiry_then_kind():
    grants = [
        grant(1, 100, kind="bought"),
        grant(2, 100),
        grant(3, 100, expires_at=START + 5 * DAY),
        grant(4, 100, priority=-1, kind="bought"),
    ]
    assert [each.grant_id for each in reserve([Work(9, START + DAY, 400)], grants)] == [4, 3, 2, 1]


@pytest.mark.parametrize(("at", "covered"), [(START, True), (START - DAY, False), (START + 30 * DAY, False)])
def test_grant_serves_work_that_starts_while_it_is_valid(at, covered):
    assert bool(reserve([Work(1, at, 60)], [grant(1, 600)])) is covered


def test_case_gets_no_more_than_its_limit():
    work = [Work(1, START, 3_600), Work(2, START + DAY, 3_600)]
    taken = reserve(work, [grant(1, 99_999)], case_limit_seconds=5_400, case_used_seconds=900)
    assert taken == (Reservation(1, 1, 3_600), Reservation(2, 1, 900))
    assert reserve(work, [grant(1, 99_999)], case_limit_seconds=100, case_used_seconds=900) == ()


@given(
    works=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9_000)), max_size=6),
    sizes=st.lists(st.integers(0, 9_000), max_size=4),
    limit=st.none() | st.integers(0, 20_000),
    order=st.randoms(use_true_random=False),
)
def test_no_grant_and_no_case_is_ever_overdrawn(works, sizes, limit, order):
    work = [Work(number, START + days * DAY, seconds) for number, (days, seconds) in enumerate(works)]
    grants = [grant(number, seconds, priority=number % 2) for number, seconds in enumerate(sizes)]
    taken = reserve(work, grants, case_limit_seconds=limit)
    for each in grants:
        assert sum(row.seconds for row in taken if row.grant_id == each.grant_id) <= each.free_seconds
    for piece in work:
        assert sum(row.seconds for row in taken if row.entry_id == piece.entry_id) <= piece.seconds
    assert all(row.seconds > 0 for row in taken)
    if limit is not None:
        assert sum(row.seconds for row in taken) <= limit
    order.shuffle(work)
    order.shuffle(grants)
    assert reserve(work, grants, case_limit_seconds=limit) == taken


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
