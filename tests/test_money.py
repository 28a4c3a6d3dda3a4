"""Amounts and their exact division against published vectors and properties."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal import money
from portal.contracts.holdings import part_of_month, rolled_over
from portal.errors import CurrencyMismatch, Invalid, RuleBroken
from portal.money import Money, allocate, allocate_cumulative, parse_amount, plain_amount, round_half_up, step_shares
from portal.rating.facts import GrantState
from portal.rating.grants import draw

VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parent / "vectors" / "money_vectors.json").read_text())["vectors"]
}

# A busy machine is no failure.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def named(area: str, numbers: str) -> list[str]:
    return [f"{area}-{number}" for number in numbers.split()]


SPLIT_BY_LARGEST_REMAINDER = named("split", "011 018 019 021 024 025 026 027 028 029")

# The source's rule hands leftovers out in list order and is not one of ours; the vector's note states our answer.
SPLIT_OTHERWISE_BY_US = {"split-002": (12, 2, 1), "split-005": (8, 15, 54)}

SPLIT_WITH_A_CAP = named("split", "008 009")

ROUNDED_TO_INCREMENT = named("round", "011 016")

HERE = {
    *SPLIT_BY_LARGEST_REMAINDER,
    *SPLIT_OTHERWISE_BY_US,
    *SPLIT_WITH_A_CAP,
    *ROUNDED_TO_INCREMENT,
    *named("split", "007 017"),
    *named("round", "002 017 018 021"),
    *named("ledger", "001 002 003"),
    *named("tax", "001"),
    *named("derived", "003"),
}

# Cases of rules that live elsewhere; the tests of those rules take them from the same file.
ELSEWHERE = {
    "rating": [
        *named("rate", "002 003 004 005 008 009 012 013 019 023 025 026 028 030 031 033 034 035 038 039 040 041 042"),
        *named("rate", "045 046 047"),
        *named("round", "004 006 007 015 023"),
        *named("prepaid", "001 002 003 005 006 008 009 013 015 016 017"),
    ],
    "agreement": named("split", "013 014 015"),
    "purchase orders": named("split", "016"),
    "settlement": named("settle", "001 002"),
    "quote": named("tax", "002 003 004"),
}


# Right by their sources, and rules the portal does not have; each with what it does instead, which is tested too.
NOT_OURS = {
    "rate-048": "a least spend of a period: no policy studied has one, least money is of a case or a part of it; only "
    "its pro rata part is ours",
    "prepaid-012": "a debt of hours: hours left never go below zero, use beyond them is billed when it happens",
}


def weights_of(texts: Sequence[int | str]) -> list[Fraction]:
    """The vectors' notation: integers, ``n%``, ``a/b`` and ``remaining``."""
    exact = [
        None if text == "remaining" else Fraction(text[:-1]) / 100 if str(text).endswith("%") else Fraction(text)
        for text in texts
    ]
    rest = 1 - sum(weight for weight in exact if weight is not None)
    return [rest if weight is None else weight for weight in exact]


def share_of(amount: int, weight: str) -> int:
    """What the first of two parties gets, the second taking the remainder."""
    return allocate(amount, weights_of([weight, "remaining"]))[0]


def test_every_vector_is_taken_here_or_named_elsewhere():
    elsewhere = [vector for vectors in ELSEWHERE.values() for vector in vectors]
    assert len(elsewhere) == len(set(elsewhere))
    assert HERE.isdisjoint(elsewhere)
    assert HERE.union(elsewhere, NOT_OURS) == set(VECTORS)
    assert not set(NOT_OURS) & {*HERE, *elsewhere}
    assert len(VECTORS) == 80


@pytest.mark.parametrize("name", SPLIT_BY_LARGEST_REMAINDER)
def test_published_split(name):
    given_, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    assert allocate(given_["amount"], weights_of(given_["weights"])) == tuple(expected["shares"])


@pytest.mark.parametrize("name", SPLIT_OTHERWISE_BY_US)
def test_published_split_by_another_rule_gives_the_noted_shares(name):
    vector, ours = VECTORS[name], SPLIT_OTHERWISE_BY_US[name]
    assert vector["rule"] == "floor_then_first"
    assert json.loads(vector["note"].removeprefix("largest_remainder gives ")) == list(ours)
    assert allocate(vector["input"]["amount"], weights_of(vector["input"]["weights"])) == ours


@pytest.mark.parametrize("name", SPLIT_WITH_A_CAP)
def test_published_split_with_a_capped_fee(name):
    given_, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    fee = min(share_of(given_["amount"], given_["fee"]), given_["cap"])
    assert (fee, given_["amount"] - fee) == (expected["fee"], expected["dest"])


def test_published_nested_split():
    expected = VECTORS["split-007"]["expected"]
    taken, merchant = allocate(VECTORS["split-007"]["input"]["amount"], weights_of(["15%", "remaining"]))
    tax, rest = allocate(taken, weights_of(["20%", "remaining"]))
    cashback, platform = allocate(rest, weights_of(["5%", "remaining"]))
    assert {"tax": tax, "cashback": cashback, "platform": platform, "merchant": merchant, "kept": 0} == expected


def test_nothing_is_shared_when_there_is_nothing():
    assert allocate(0, weights_of(VECTORS["split-017"]["input"]["weights"])) == (0, 0)
    assert allocate(0, [0, 0]) == allocate_cumulative(0, [0, 0]) == (0, 0)
    assert allocate(0, []) == allocate_cumulative(0, []) == ()


def test_published_refund_shares():
    given_, expected = VECTORS["derived-003"]["input"], VECTORS["derived-003"]["expected"]
    reached = [list(allocate_cumulative(amount, given_["original_shares"])) for amount in given_["refund_cumulative"]]
    assert reached == expected["reversal_targets"]


def test_published_rounding():
    vector = VECTORS["round-002"]
    assert str(round_half_up(Fraction(vector["input"]["value"]))) == vector["expected"]["value"]


@pytest.mark.parametrize("name", ROUNDED_TO_INCREMENT)
def test_published_rounding_to_the_nearest_increment(name):
    (value, increment), (expected,) = VECTORS[name]["input"].values(), VECTORS[name]["expected"].values()
    assert round_half_up(Fraction(value) / Fraction(increment)) * Fraction(increment) == Fraction(expected)


def quarter(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 15 * round_half_up(Fraction(int(hours) * 60 + int(minutes), 15))


@pytest.mark.parametrize("name", named("round", "017 018"))
def test_published_rounding_of_the_clock_to_a_quarter(name):
    assert quarter(VECTORS[name]["input"]["time"]) == quarter(VECTORS[name]["expected"]["time"])
    assert (
        "{:02d}:{:02d}".format(*divmod(quarter(VECTORS[name]["input"]["time"]), 60))
        == (VECTORS[name]["expected"]["time"])
    )


def test_published_week_of_rounded_clockings():
    given_ = VECTORS["round-021"]["input"]
    day = quarter(given_["out"]) - quarter(given_["in"]) - given_["lunch_minutes"]
    assert Fraction(day * given_["days"], 60) == Fraction(VECTORS["round-021"]["expected"]["hours"])


def test_published_correction_takes_a_tenth_back():
    vector = VECTORS["ledger-001"]
    backs = [round_half_up(Fraction(amount, 10)) for _, _, amount in vector["input"]["posted"]]
    assert backs == [amount for _, _, amount in vector["expected"]["new_entries"]]


@pytest.mark.parametrize("name", named("ledger", "002 003"))
def test_published_exchange_rounds_half_up(name):
    given_, expected = VECTORS[name]["input"], VECTORS[name]["expected"]
    converted = round_half_up(given_["usd_minor"] * Fraction(given_["rate"]))
    assert converted == (expected["inr_minor"] if "inr_minor" in expected else expected["legs"][-1][-1])


def test_published_tax_once_on_the_sum():
    given_ = VECTORS["tax-001"]["input"]
    base = sum(given_["items_minor"])
    assert base + round_half_up(base * Fraction(20, 100)) == VECTORS["tax-001"]["expected"]["total_minor"]


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("-3/2", -2), ("0", 0), ("-1/3", 0), ("2/3", 1), ("-2/3", -1), ("7", 7)],
)
def test_a_half_rounds_away_from_zero(value, rounded):
    assert round_half_up(Fraction(value)) == rounded


amounts = st.integers(-(10**15) + 1, 10**15 - 1)
small_amounts = st.integers(0, 400)
weights = st.lists(
    st.integers(0, 10**6) | st.fractions(min_value=0, max_value=100, max_denominator=10**4), min_size=1, max_size=8
).filter(any)


@UNHURRIED
@given(amounts, weights)
def test_shares_sum_and_stay_within_a_unit_of_their_quota(amount, parties):
    shares = allocate(amount, parties)
    total = sum(map(Fraction, parties))
    assert sum(shares) == amount
    assert len(shares) == len(parties)
    assert all(abs(share - amount * weight / total) < 1 for share, weight in zip(shares, parties, strict=True))
    assert allocate(-amount, parties) == tuple(-share for share in shares)


@UNHURRIED
@given(amounts, weights, st.fractions(min_value=Fraction(1, 50), max_value=50))
def test_only_the_proportion_of_the_weights_matters(amount, parties, factor):
    scaled = [weight * factor for weight in parties]
    assert allocate(amount, scaled) == allocate(amount, parties)
    assert allocate_cumulative(amount, scaled) == allocate_cumulative(amount, parties)


@UNHURRIED
@given(st.integers(0, 1000), st.integers(1, 10), st.integers(1, 50))
def test_equal_parties_are_served_in_their_order(amount, count, weight):
    shares = allocate(amount, [weight] * count)
    assert list(shares) == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1
    assert allocate_cumulative(amount, [weight] * count) == shares


@UNHURRIED
@given(small_amounts, weights, st.randoms(use_true_random=False))
def test_party_order_decides_ties_and_nothing_else(amount, parties, random):
    order = list(range(len(parties)))
    random.shuffle(order)
    for divide in (allocate, allocate_cumulative):
        shares = divide(amount, parties)
        shuffled = divide(amount, [parties[party] for party in order])
        by_weight = {}
        for party, share in enumerate(shares):
            by_weight.setdefault(Fraction(parties[party]), []).append(share)
        for place, party in enumerate(order):
            assert abs(shuffled[place] - shares[party]) <= 1
        if len(by_weight) == len(parties) and divide is allocate:
            remainders = [amount * Fraction(weight) / sum(map(Fraction, parties)) % 1 for weight in parties]
            if len(set(remainders)) == len(remainders):
                assert [shuffled[order.index(party)] for party in range(len(parties))] == list(shares)


def seats_one_by_one(amount: int, parties: Sequence[int | Fraction]) -> list[int]:
    """The method as written: each next unit to the highest weight / (2k + 1), the earliest party on a tie."""
    shares = [0] * len(parties)
    for _ in range(amount):
        shares[max(range(len(parties)), key=lambda p: (Fraction(parties[p]) / (2 * shares[p] + 1), -p))] += 1
    return shares


@UNHURRIED
@given(small_amounts, weights)
@example(3, [1, 1, 1, 1])
@example(2, [1, 1, 1, 1])
@example(13, [5, 3, 3, 1])
@example(5, [100, 1, 1, 1, 1])
def test_cumulative_shares_are_those_of_handing_out_unit_by_unit(amount, parties):
    assert list(allocate_cumulative(amount, parties)) == seats_one_by_one(amount, parties)
    assert list(allocate_cumulative(-amount, parties)) == [-share for share in seats_one_by_one(amount, parties)]


@UNHURRIED
@given(amounts, amounts, weights)
def test_cumulative_shares_sum_and_never_fall(one, other, parties):
    low, high = sorted((one, other))
    before, after = allocate_cumulative(low, parties), allocate_cumulative(high, parties)
    assert (sum(before), sum(after)) == (low, high)
    assert all(early <= late for early, late in zip(before, after, strict=True))


@UNHURRIED
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=6).filter(any), st.data())
def test_the_steps_of_a_full_reversal_restore_the_original_shares(original, data):
    total = sum(original)
    stops = sorted(data.draw(st.lists(st.integers(0, total), max_size=5)))
    steps = [step_shares(before, after, original) for before, after in zip([0, *stops], [*stops, total], strict=True)]
    assert all(part >= 0 for step in steps for part in step)
    assert [sum(parts) for parts in zip(*steps, strict=True)] == original
    assert step_shares(total, 0, original) == tuple(-share for share in original)


def test_largest_remainder_is_not_for_refunds():
    first, second = VECTORS["split-025"], VECTORS["split-026"]
    parties = first["input"]["weights"]
    smaller, larger = allocate(first["input"]["amount"], parties), allocate(second["input"]["amount"], parties)
    assert any(early > late for early, late in zip(smaller, larger, strict=True))


@pytest.mark.parametrize("divide", [allocate, allocate_cumulative])
@pytest.mark.parametrize("parties", [[], [0], [0, 0], [1, -1], [2, Fraction(-1, 2)]])
def test_division_is_refused_when_weights_cannot_share(divide, parties):
    with pytest.raises(RuleBroken):
        divide(1, parties)


def test_shares_that_do_not_add_up_are_refused():
    with pytest.raises(RuleBroken, match="do not add up"):
        money._summing_to(3, [1, 1])


def test_money_adds_subtracts_and_compares_within_a_currency():
    five, seven = Money(500, "USD"), Money(700, "USD")
    assert five + seven == Money(1200, "USD")
    assert five - seven == Money(-200, "USD") == -Money(200, "USD")
    assert five < seven <= Money(700, "USD")
    assert seven > five >= Money(500, "USD")
    assert Money.total([five, seven, five], "USD") == Money(1700, "USD")
    assert Money.total([], "EUR") == Money.zero("EUR")
    assert five
    assert not Money.zero("USD")
    assert str(Money(-1234567, "USD")) == "-12345.67 USD"


@pytest.mark.parametrize(
    "meet",
    [
        lambda one, other: one + other,
        lambda one, other: one - other,
        lambda one, other: one < other,
        lambda one, other: one <= other,
        lambda one, other: one > other,
        lambda one, other: one >= other,
        lambda one, other: Money.total([one, other], "USD"),
    ],
)
def test_two_currencies_never_meet(meet):
    with pytest.raises(CurrencyMismatch):
        meet(Money(1, "USD"), Money(1, "EUR"))
    assert Money(1, "USD") != Money(1, "EUR")


@pytest.mark.parametrize(("minor", "currency"), [(1.0, "USD"), (True, "USD"), (1, "usd"), (1, "XXX"), (1, "")])
def test_money_is_refused_when_it_is_no_amount(minor, currency):
    with pytest.raises(RuleBroken):
        Money(minor, currency)


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("TND", 3), ("CLF", 4), ("ISK", 0), ("MGA", 2)],
)
def test_minor_digits_follow_the_standard(currency, digits):
    assert money.minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12", "USD", 1200),
        ("12.5", "USD", 1250),
        (" 12.50 ", "USD", 1250),
        ("-0.05", "USD", -5),
        ("0", "USD", 0),
        ("007", "JPY", 7),
        ("1.234", "KWD", 1234),
        ("999999999999999.99", "USD", 99999999999999999),
    ],
)
def test_an_amount_is_read_when_well_written(text, currency, minor):
    assert parse_amount(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "USD"),
        ("12,50", "USD"),
        ("1,250.00", "USD"),
        ("1 250", "USD"),
        ("+1", "USD"),
        (".5", "USD"),
        ("1.", "USD"),
        ("1e3", "USD"),
        ("$5", "USD"),
        ("١٢", "USD"),
        ("--1", "USD"),
        ("1.2.3", "USD"),
        ("1.005", "USD"),
        ("1.0", "JPY"),
        ("1" * 16, "USD"),
        ("nan", "USD"),
    ],
)
def test_an_amount_is_refused_when_badly_written(text, currency):
    with pytest.raises(Invalid):
        parse_amount(text, currency)


@UNHURRIED
@given(amounts, st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_a_plain_amount_reads_back(minor, currency):
    written = Money(minor, currency)
    assert parse_amount(plain_amount(written), currency) == written


def test_what_stands_instead_of_a_debt_of_hours():
    """The ten hours beyond the balance are billed, so the next month opens with them: ours is theirs and the ten."""
    given_, expected = VECTORS["prepaid-012"]["input"], VECTORS["prepaid-012"]["expected"]
    drawn, billed = draw([GrantState(1, "bought", given_["balance"])], given_["use"])
    left = given_["balance"] - sum(each.seconds for each in drawn)
    assert (left, billed) == (0, given_["use"] - given_["balance"])
    assert rolled_over(given_["rollover_min"], left, given_["rollover_max"]) == expected["after_reset"] + billed


def test_pro_rata_part_of_a_least_spend():
    given_, expected = VECTORS["rate-048"]["input"], VECTORS["rate-048"]["expected"]
    least = part_of_month(given_["minimum_minor"], given_["days"], given_["of_days"])
    assert least - given_["used_minor"] == expected["true_up_minor"]
    assert round_half_up(Fraction(20, 100) * (least - given_["used_minor"])) == expected["tax_minor"]


@pytest.mark.parametrize(
    ("amount", "currency", "part"),
    [
        (12_345, "KWD", 12_340),
        (12_340, "KWD", 12_340),
        (9, "BHD", 0),
        (-12_345, "OMR", -12_340),
        (0, "TND", 0),
        # Two decimals and none: every whole unit can be paid.
        (12_345, "EUR", 12_345),
        (12_345, "JPY", 12_345),
        (-1, "KRW", -1),
    ],
)
def test_what_is_moved_is_as_much_as_can_be_paid(amount, currency, part):
    assert money.asked_part(amount, currency) == part
    money.check_asked(part, currency)


@pytest.mark.parametrize(
    ("amounts", "currency", "asked"),
    [
        ([12_345], "KWD", (12_350,)),
        # Each line is less than a step off, and all together are asked once rounded up.
        ([12_345, 12_345, 12_345], "KWD", (12_350, 12_340, 12_350)),
        ([3, 3, 3], "BHD", (10, 0, 0)),
        ([-7, 20_007], "JOD", (0, 20_000)),
        ([20_000, -1], "KWD", (20_000, 0)),
        ([12_345, 1], "USD", (12_345, 1)),
        ([1_235], "JPY", (1_235,)),
        ([], "KWD", ()),
    ],
)
def test_a_demand_is_the_next_amount_that_can_be_paid(amounts, currency, asked):
    assert money.asked_lines(amounts, currency) == asked


@given(st.lists(st.integers(-100_000, 100_000), max_size=8), st.sampled_from(["KWD", "JPY", "EUR"]))
def test_a_demand_never_asks_less_than_is_owed_nor_a_step_more(amounts, currency):
    asked = money.asked_lines(amounts, currency)
    assert 0 <= sum(asked) - sum(amounts) < money.asked_step(currency)
    for line, owed in zip(asked, amounts, strict=True):
        assert abs(line - owed) < money.asked_step(currency)
        money.check_asked(line, currency)


@pytest.mark.parametrize(
    ("amount", "currency"), [(12_345, "KWD"), (-5, "BHD"), (500, "ISK"), (500, "UGX"), (500, "MGA"), (1, "CLF")]
)
def test_what_cannot_be_paid_is_not_asked(amount, currency):
    with pytest.raises(RuleBroken):
        money.check_asked(amount, currency)


def test_currencies_are_found_by_their_digits():
    assert money.currencies_of(digits=3) == ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
    assert all(money.minor_digits(code) == 0 for code in money.currencies_of(digits=0))
