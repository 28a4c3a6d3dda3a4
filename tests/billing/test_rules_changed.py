"""A plan changed at once within its term: what goes over, what the months after it cost, which bill paid for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.billing.rules.plans import changed_back_minor, paid_parts, stretch_minor, terms_of
from portal.calendars import Period

FIRST = datetime(2026, 4, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


APRIL = Period(day(0), day(30))


@pytest.mark.parametrize(
    ("left", "since", "ends", "minor"),
    [
        # The rest of a month takes all; with a month after it, by its days.
        (32_667, 10, 30, 32_667),
        (50_000, 10, 60, 20_000),
        (50_000, 0, 60, 25_000),
        (0, 10, 60, 0),
        (-5, 10, 30, 0),
    ],
)
def test_a_stretch_costs_its_part_of_what_is_not_sold(left, since, ends, minor):
    assert stretch_minor(left, stretch=Period(day(since), APRIL.end), month=APRIL, ends_at=day(ends)) == minor


@pytest.mark.parametrize(
    ("sold", "credit", "unsold", "used", "at", "back"),
    [
        # A term that is sold gives back what Stripe gave back, never more than was sold and is not used.
        (29_000, 19_333, 0, 0, 10, 19_333),
        (15_000, 19_333, 0, 0, 10, 15_000),
        (29_000, 19_333, 0, 12_000, 10, 17_000),
        (29_000, 19_333, 0, 31_000, 10, 0),
        # Of a longer one, the month that runs gives back its rest; the others were never sold.
        (30_000, 250_000, 330_000, 0, 10, 20_000),
        (30_000, 250_000, 330_000, 0, -3, 30_000),
        (30_000, 250_000, 330_000, 25_000, 10, 5_000),
    ],
)
def test_of_the_month_that_ran_its_rest_goes_over(sold, credit, unsold, used, at, back):
    assert changed_back_minor(sold, credit, unsold, used_minor=used, covered=APRIL, at=day(at)) == back


@pytest.mark.parametrize(
    ("bills", "terms"),
    [
        ([], []),
        ([(1, 0, 30, False), (2, 30, 60, False)], [((1,), 0, 30, False), ((2,), 30, 60, False)]),
        (
            [(1, 0, 30, False), (2, 10, 30, True), (3, 20, 30, True), (4, 30, 60, False)],
            [((1, 2, 3), 0, 30, True), ((4,), 30, 60, False)],
        ),
        # A year that took a month's place at once lasts longer than it.
        ([(1, 0, 30, False), (2, 10, 375, True)], [((1, 2), 0, 375, True)]),
        # A change that comes after all that is paid has a term of its own.
        ([(1, 0, 30, False), (2, 30, 60, True)], [((1,), 0, 30, False), ((2,), 30, 60, False)]),
    ],
)
def test_bills_of_changes_belong_to_the_term_they_came_within(bills, terms):
    found = terms_of((number, Period(day(since), day(until)), change) for number, since, until, change in bills)
    said = [(each.bill_ids, (each.starts_at - FIRST).days, (each.ends_at - FIRST).days) for each in found]
    assert [(*each, term.is_changed) for each, term in zip(said, found, strict=True)] == terms


@pytest.mark.parametrize(
    ("bills", "sales", "parts"),
    [
        ([29_000], [29_000], [(29_000, 0)]),
        # The second bill paid what the first one's rest did not.
        ([29_000, 13_334], [9_667, 32_667], [(9_667, 19_333, 0), (0, 13_334, 0)]),
        ([100, 50], [30, 80], [(30, 70, 0), (0, 10, 40)]),
        ([100], [], [(100,)]),
    ],
)
def test_bills_pay_for_a_terms_months_in_turn(bills, sales, parts):
    assert list(paid_parts(bills, sales)) == parts
    assert sum(map(sum, paid_parts(bills, sales))) == sum(bills)
