"""What a part of a plan's month costs, by whole local days, and the weights of the cases a month covered."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing.rules.plans import (
    GivenUp,
    given_up,
    later_by_days,
    longer_month_minor,
    month_price,
    months_late,
    months_waited,
    sale_instants,
)
from portal.calendars import Period
from portal.contracts.blocks import WHOLE_BP, Weights
from portal.contracts.sharing import average_weights
from portal.contracts.terms import Plan
from portal.errors import RuleBroken
from portal.ledger.rules import month_at
from portal.money import Money

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=BERLIN)


# Daylight saving begins on the 29th: the month has 31 days all the same.
MARCH = Period(at("03-01"), at("04-01"))


def plan(first: bool, last: bool) -> Plan:
    return Plan(code="a", name="A", first_month_by_days=first, last_month_by_days=last)


@pytest.mark.parametrize(
    ("first", "last", "starts", "ends", "price"),
    [
        (False, False, "03-10T12:00", "03-20T12:00", 31_000),
        (True, False, "03-01", "04-01", 31_000),
        (True, False, "03-10T12:00", "04-01", 22_000),
        (True, False, "03-31T23:59", "04-01", 1_000),
        # The day on which it ends counts, unless it ends with the day before.
        (False, True, "03-01", "03-20T12:00", 20_000),
        (False, True, "03-01", "03-20T00:00", 19_000),
        (True, True, "03-10T12:00", "03-20T00:00", 10_000),
        (True, True, "03-10T08:00", "03-10T09:00", 1_000),
    ],
)
def test_price_of_a_part_of_a_month(first, last, starts, ends, price):
    terms = {"starts_at": at(starts), "ends_at": at(ends), "zone": "Europe/Berlin"}
    assert month_price(31_000, plan(first, last), MARCH, **terms) == price


def test_a_month_in_which_it_was_not_held_costs_nothing_that_could_be_said():
    with pytest.raises(RuleBroken):
        month_price(1, plan(True, True), MARCH, starts_at=at("04-03"), ends_at=at("04-01"), zone="Europe/Berlin")


def weights(integrator_bp: int) -> Weights:
    return Weights(integrator_bp=integrator_bp, manufacturer_bp=WHOLE_BP - integrator_bp)


@pytest.mark.parametrize(
    ("found", "average"),
    [([], 5_000), ([0], 0), ([2_500], 2_500), ([0, 10_000], 5_000), ([0, 0, 10_000], 3_333), ([0, 1], 1)],
)
def test_each_covered_case_counts_once(found, average):
    assert average_weights([weights(each) for each in found], weights(5_000)) == weights(average)


@given(st.lists(st.integers(0, WHOLE_BP), max_size=20))
def test_average_weights_are_whole(found):
    average = average_weights([weights(each) for each in found], weights(5_000))
    assert average.integrator_bp + average.manufacturer_bp == WHOLE_BP
    if found:
        assert min(found) <= average.integrator_bp <= max(found)


@pytest.mark.parametrize(
    ("at_text", "used", "back", "words"),
    [
        # The day on which it is given up was held, unless it ends with the day before.
        ("03-20T12:00", 0, 11_000, "11 of 31 days are left of 310.00 EUR: 110.00 EUR."),
        ("03-20T00:00", 0, 12_000, "12 of 31 days"),
        ("03-01T00:01", 0, 30_000, "30 of 31 days"),
        ("03-31T23:59", 0, 0, "0 of 31 days"),
        ("03-20T12:00", 20_000, 11_000, "11 of 31 days"),
        ("03-20T12:00", 25_000, 6_000, "Of it 250.00 EUR was used, so that 60.00 EUR goes back."),
        ("03-20T12:00", 40_000, 0, "so that 0.00 EUR goes back"),
    ],
)
def test_a_month_given_up_goes_back_by_its_days_and_never_what_was_used(at_text, used, back, words):
    found = gone(True, at_text, used)
    assert found.amount_minor == back
    assert words in " ".join(found.sentences)


def gone(by_days, at_text, used=0, before=0):
    held = Plan(code="a", name="A", given_up_by_days=by_days)
    price = Money(31_000, "EUR")
    said = {"used_minor": used, "gone_minor": before, "zone": "Europe/Berlin"}
    return given_up(price, held, MARCH, at=at(at_text), **said)


@pytest.mark.parametrize(("used", "before", "back"), [(0, 20_000, 11_000), (20_000, 5_000, 6_000), (1, 31_000, 0)])
def test_what_went_back_of_a_month_before_does_not_go_back_again(used, before, back):
    found = gone(True, "03-20T12:00", used, before)
    assert found.amount_minor == back
    assert f"{before / 100:.2f} EUR went back before" in " ".join(found.sentences) or back == 11_000


def test_a_plan_that_says_nothing_gives_nothing_back():
    assert gone(False, "03-20") == GivenUp(0, ("A gives nothing back of a month that is sold.",))


@pytest.mark.parametrize(
    ("sold", "ends", "minor"),
    [(0, "05-01", 15_500), (15_500, "04-13", 15_500), (31_000, "06-01", 0), (40_000, "06-01", 0), (0, "03-10", 31_000)],
)
def test_a_longer_term_spreads_what_is_not_sold_yet(sold, ends, minor):
    assert longer_month_minor(31_000, sold, month=MARCH, ends_at=at(ends)) == minor


@pytest.mark.parametrize(("days", "then"), [(3, "04-01T09:00"), (-3, "03-26T09:00"), (0, "03-29T09:00")])
def test_days_are_those_of_the_clock_on_the_wall(days, then):
    assert later_by_days(at("03-29T09:00"), days, "Europe/Berlin") == at(then)


@pytest.mark.parametrize(
    ("now", "instants"),
    [
        # Within their own month the books sell that month alone.
        ("03-10T12:00", ["03-10T12:00"]),
        ("03-31T23:59", ["03-31T23:59"]),
        # From the first of the next on they sell it as well; and each month that begins while they stay open.
        ("04-01T00:00", ["03-31T23:59:59.999999", "04-01T00:00"]),
        ("04-02T09:00", ["03-31T23:59:59.999999", "04-02T09:00"]),
        ("06-03T09:00", ["03-31T23:59:59.999999", "04-30T23:59:59.999999", "05-31T23:59:59.999999", "06-03T09:00"]),
    ],
)
def test_open_books_sell_their_own_month_and_each_that_began_since(now, instants):
    assert sale_instants("Europe/Berlin", MARCH.end, at(now)) == [at(instant) for instant in instants]


@pytest.mark.parametrize(
    ("held", "now", "bills", "begun"),
    [
        # The month that runs is not late; it is when it is over, to the instant.
        (("03-10", "09-10"), "04-10T11:59", ["03-10", "04-10"], []),
        (("03-10", "09-10"), "04-10T12:00", ["03-10", "04-10"], ["03-10"]),
        (("03-10", "09-10"), "06-20T12:00", ["03-10", "04-10", "05-10", "06-10"], ["03-10", "04-10", "05-10"]),
        # No other plan takes over: the month that runs goes on beyond now.
        (("03-10", None), "05-10T11:59", ["03-10", "04-10", "05-10"], ["03-10"]),
        # A month of which no bill is known is not sold; a year's bill asks for all of its months.
        (("03-10", None), "09-20T12:00", ["03-10", "04-10"], ["03-10"]),
        (("03-10", None), "05-20T12:00", ["03-10", "11-10"], ["03-10", "04-10"]),
        (("03-10", None), "05-20T12:00", [], []),
        # A plan that began, or gave way, within its month has that part of it.
        (("03-20", "09-10"), "05-10T12:00", ["03-10", "04-10", "05-10"], ["03-20", "04-10"]),
        (("03-10", "04-25"), "04-25T11:59", ["03-10", "04-10", "05-10"], ["03-10"]),
        (("03-10", "04-12"), "09-01T12:00", ["03-10", "04-10", "05-10"], ["03-10", "04-10"]),
        (("03-10", "03-10"), "09-01T12:00", ["03-10", "04-10"], []),
        # Held until its bill's end, a moment beyond its month: the moment is of no month that its bill asks for.
        (("03-10", "04-11"), "09-01T12:00", ["03-11", "04-11", "05-11"], ["03-10"]),
    ],
)
def test_months_that_are_over_and_asked_for_are_late(held, now, bills, begun):
    def noon(day):
        return at(f"{day}T12:00") if day else None

    def month_of(instant):
        number = max(number for number in range(1, 12) if noon(f"{number:02d}-10") <= instant)
        return Period(noon(f"{number:02d}-10"), noon(f"{number + 1:02d}-10"))

    asked = [Period(noon(first), noon(last)) for first, last in pairwise(bills)]
    assert months_late(*map(noon, held), month_of, asked, at(now)) == [noon(each) for each in begun]


@pytest.mark.parametrize(
    ("begins", "covers", "waited"),
    [
        ("01-10", "01-10", []),
        ("01-10", "01-30", []),
        ("02-10", "03-12", ["02-10"]),
        ("01-10", "03-10", ["01-10", "02-10"]),
        ("01-10", "03-09", ["01-10"]),
    ],
)
def test_whole_months_of_waiting_are_paid_and_have_no_cover(begins, covers, waited):
    def month_of(instant: datetime) -> Period:
        number = instant.month if instant >= at(f"{instant.month:02d}-10") else instant.month - 1
        return Period(at(f"{number:02d}-10"), at(f"{number + 1:02d}-10"))

    assert [each.start for each in months_waited(at(begins), at(covers), month_of)] == [at(each) for each in waited]


@pytest.mark.parametrize("books", ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"])
@pytest.mark.parametrize("policy", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kathmandu"])
def test_every_month_of_a_plan_is_sold_wherever_books_end_and_clocks_change(books, policy):
    """Books are closed two days late and once a whole month late; each month of the plan's own zone is found."""
    now, closes_at = at("01-10T12:00"), month_at(books, at("01-10T12:00")).ends_at
    sold = []
    while now < at("12-20T12:00"):
        sold += [month_at(policy, each).label for each in sale_instants(books, closes_at, now)]
        late = 33 if closes_at.month == 4 else 2
        if now >= closes_at + timedelta(days=late):
            closes_at = month_at(books, closes_at).ends_at
        now += timedelta(hours=6)
    assert list(dict.fromkeys(sold)) == [f"2026-{number:02d}" for number in range(1, 13)]
