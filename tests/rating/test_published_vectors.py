"""Published cases of rating and of hours left, as far as an hourly tariff and grants express them."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from portal.rating.counting import rounded
from portal.rating.engine import rate
from portal.rating.facts import GrantState
from portal.rating.grants import Draw, draw, give_back
from portal.rating.lines import PAID_KINDS, difference
from portal.rating.terms import RateTerm, Rounding
from tests.rating.builders import NINE, facts, hourly, plan, steps, tariff, work

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "money_vectors.json").read_text(encoding="utf-8"))
VECTORS = {vector["id"]: vector for vector in PUBLISHED["vectors"]}
GRANTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
# One unit of a vector is an hour of work, so a price per unit is a price per hour.
UNIT = 60


def billed(rated):
    seconds = sum(line.seconds for line in rated.lines if line.kind in PAID_KINDS)
    return Fraction(seconds, 3600), rated.amount_minor


def grants_of(vector):
    """Rows are (kind, priority, age, amount)."""
    kinds = {"granted": "included", "purchased": "bought"}
    return [
        GrantState(number, kinds[kind], amount, priority, GRANTED_AT + timedelta(days=age))
        for number, (kind, priority, age, amount) in enumerate(vector["input"]["grants"])
    ]


def left_after(grants, use):
    drawn = {each.grant_id: each.seconds for each in draw(grants, use)[0]}
    return [grant.remaining_seconds - drawn.get(grant.grant_id, 0) for grant in grants]


@pytest.mark.parametrize("name", ["prepaid-001", "prepaid-002", "prepaid-003", "prepaid-005", "prepaid-006"])
def test_grants_are_used_in_the_published_order(name):
    vector = VECTORS[name]
    draws, _ = draw(grants_of(vector), vector["input"]["use"])

    assert left_after(grants_of(vector), vector["input"]["use"]) == vector["expected"]["remaining"]
    assert len(draws) == vector["expected"].get("allocations", len(draws))


@pytest.mark.parametrize("name", ["prepaid-008", "prepaid-009"])
def test_the_grant_that_expires_first_is_used_first(name):
    vector = VECTORS[name]
    grants = [
        GrantState(number, "bought", amount, priority, GRANTED_AT, expires_at=GRANTED_AT + timedelta(days=days))
        for number, (_, priority, days, amount) in enumerate(vector["input"]["grants"])
    ]

    assert left_after(grants, vector["input"]["use"]) == vector["expected"]["remaining"]


@pytest.mark.parametrize("name", ["prepaid-013", "prepaid-015"])
def test_a_correction_gives_back_the_last_draw_first(name):
    vector = VECTORS[name]
    draws = [Draw(number, grant, amount) for number, (grant, amount) in enumerate(vector["input"]["consumed"])]

    returned = give_back(draws, vector["input"]["correct"])

    assert [[each.kind, each.seconds] for each in returned] == vector["expected"]["restored"]


def test_what_no_grant_covers_is_left_over_to_be_billed():
    vector = VECTORS["prepaid-017"]
    grants = [GrantState(1, "bought", vector["input"]["available"])]

    draws, left_over = draw(grants, vector["input"]["use"])

    assert sum(each.seconds for each in draws) == vector["expected"]["from_credit"]
    assert left_over == vector["expected"]["advance"]


def test_rate_023_each_entry_rounded_up_or_the_case_once():
    given, expected = VECTORS["rate-023"]["input"], VECTORS["rate-023"]["expected"]
    first = work(1, NINE, int(given["earlier_line_raw"]) * UNIT / 1000)
    second = work(2, NINE + timedelta(hours=3), int(given["line_raw"]) * UNIT / 1000)

    def later_cut(level):
        terms = tariff(plan(hourly(given["unit_price"]), roundings=[steps(UNIT, level)]))
        earlier = rate(facts(), [first], [], terms).lines
        return difference(rate(facts(), [first, second], [], terms).lines, earlier)

    by_entry = later_cut("entry")
    assert sum(line.seconds for line in by_entry) == int(expected["billed_units"]) * 3600
    assert sum(line.amount_minor for line in by_entry) == int(expected["amount"]) * 100
    assert sum(line.seconds for line in later_cut("case")) == int(expected["billed_units_if_cumulative"]) * 3600


def test_rate_025_rounding_comes_before_the_allowance():
    given, expected = VECTORS["rate-025"]["input"], VECTORS["rate-025"]["expected"]
    terms = tariff(plan(hourly(given["unit_price"]), roundings=[steps(UNIT)]))
    allowance = GrantState(1, "included", int(Fraction(given["allowance"]) * 3600))

    rated = rate(facts(), [work(1, NINE, int(given["raw"]) * UNIT / 1000)], [allowance], terms)

    assert billed(rated) == (Fraction(expected["billed_units"]), int(expected["amount"]) * 100)


@pytest.mark.parametrize(
    ("name", "earlier", "now", "amount"), [("rate-026", "5", "8", 3_000), ("rate-028", "5", "7", 2_000)]
)
def test_a_later_cut_bills_the_difference_at_the_same_price(name, earlier, now, amount):
    terms = tariff(plan(hourly(VECTORS[name]["input"]["unit_price"])))
    lines = [rate(facts(), [work(1, NINE, int(units) * UNIT)], [], terms).lines for units in (earlier, now)]

    (line,) = difference(lines[1], lines[0])

    assert line.seconds == (int(now) - int(earlier)) * 3600
    assert line.amount_minor == amount


def test_rate_038_a_fraction_of_a_cent_is_compared_rounded_with_rounded():
    given = VECTORS["rate-038"]["input"]
    terms = tariff(plan(RateTerm(Fraction(given["unit_price"]) * 100)))
    rated = rate(facts(), [work(1, NINE, given["units"] * UNIT)], [], terms)

    assert rated.amount_minor == int(Fraction(given["already_billed"]) * 100)
    assert difference(rated.lines, rated.lines) == ()


def test_rate_039_a_begun_package_is_a_whole_one():
    given, expected = VECTORS["rate-039"]["input"], VECTORS["rate-039"]["expected"]
    price = hourly(Fraction(given["package_price_minor"], 100))
    terms = tariff(plan(price, roundings=[steps(given["package_minutes"])]))

    rated = rate(facts(), [work(1, NINE, given["minutes"])], [], terms)

    assert billed(rated) == (expected["packages"], expected["amount_minor"])


def test_rate_045_a_multiplied_rate_is_exact():
    given, expected = VECTORS["rate-045"]["input"], VECTORS["rate-045"]["expected"]
    terms = tariff(plan(hourly(Fraction(given["standard_rate"]) * Fraction(given["value"]))))

    assert rate(facts(), [work(1, NINE, 60)], [], terms).lines[0].rate == int(expected["rate"]) * 100


@pytest.mark.parametrize(("name", "direction"), [("round-004", "up"), ("round-006", "up"), ("round-007", "down")])
def test_a_quantity_is_rounded_up_or_down_to_decimals(name, direction):
    """Amounts are rounded half up, once; time is what goes up or down, to steps: a unit here is a thousand seconds."""
    given, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    step = Fraction(1_000) / Fraction(10) ** given["decimals"]
    counted = rounded(int(Fraction(given["value"]) * 1_000), Rounding(int(step), direction))
    assert Fraction(counted, 1_000) == Fraction(expected["value"])


def test_what_is_given_back_expires_with_the_rest():
    given, expected = VECTORS["prepaid-016"]["input"], VECTORS["prepaid-016"]["expected"]
    draws, _ = draw([GrantState(1, "bought", given["plan"])], given["release"])
    returned = give_back(draws, given["reopen"])
    left = given["plan"] - sum(each.seconds for each in draws) + sum(each.seconds for each in returned)
    assert left == expected["expired"]
