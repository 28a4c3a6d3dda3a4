"""Legs of money that settles in another currency: a table of amounts, and that parts sum to the whole."""

from __future__ import annotations

from fractions import Fraction

import pytest

from portal.ledger.rules import Document, Purpose, check_legs, credit, debit
from portal.payments.exchanges.legs import Exchanged, asked_legs, at_first_rate, settled_at, settled_legs
from portal.payments.rules import EXCHANGE_PAIRS


def moved(amount: int, settled: int, *, fee: int = 0, pair: str = "EUR USD", rate: Fraction | None = None) -> Exchanged:
    asked_in, settled_in = pair.split()
    return Exchanged("txn_1", asked_in, amount, settled_in, settled, fee, rate or Fraction(abs(settled), abs(amount)))


# Asked for, rate between smallest units, settled in, and what that is.
RATES = [
    (10_000, "1.1", "USD", 11_000),
    (10_001, "1.1", "USD", 11_001),
    (10_005, "1.1", "USD", 11_006),
    (-10_005, "1.1", "USD", -11_006),
    (33_333, "0.8547", "GBP", 28_490),
    (1, "0.4", "USD", 0),
    (10_000, "1.5523", "JPY", 15_523),
    (10_001, "1.5523", "JPY", 15_525),
    (15_525, "0.6442", "USD", 10_001),
    (10_000, "3.0731", "KWD", 30_730),
    (10_002, "3.0731", "KWD", 30_740),
    (-10_002, "3.0731", "KWD", -30_740),
    (10_000, "3.0735", "KWD", 30_740),
    (30_730, "0.325399", "USD", 10_000),
    (10_000, "37.7", "BHD", 377_000),
]


@pytest.mark.parametrize(("amount", "rate", "currency", "settled"), RATES)
def test_an_amount_settles_half_up_to_the_smallest_step_of_its_currency(amount, rate, currency, settled):
    assert settled_at(amount, Fraction(rate), currency) == settled


# The movement, how much of it is at the first rate, and the legs in the currency of the balance.
LEGS = [
    (moved(10_000, 11_000, fee=349), 11_000, {"stripe_clearing": 10_651, "fees": 349, "exchange": -11_000}),
    (moved(10_000, 11_000), 11_000, {"stripe_clearing": 11_000, "exchange": -11_000}),
    (moved(-4_000, -4_480), -4_400, {"stripe_clearing": -4_480, "exchange": 4_400, "exchange_difference": 80}),
    (moved(-4_000, -4_320), -4_400, {"stripe_clearing": -4_320, "exchange": 4_400, "exchange_difference": -80}),
    (moved(4_000, 4_480), 4_400, {"stripe_clearing": 4_480, "exchange": -4_400, "exchange_difference": -80}),
    (
        moved(-10_000, -11_200, fee=1_500),
        -11_000,
        {"stripe_clearing": -12_700, "fees": 1_500, "exchange": 11_000, "exchange_difference": 200},
    ),
    (
        moved(-10_000, -10_800, fee=1_500),
        -11_000,
        {"stripe_clearing": -12_300, "fees": 1_500, "exchange": 11_000, "exchange_difference": -200},
    ),
    (moved(15_523, 10_000, pair="JPY USD"), 10_000, {"stripe_clearing": 10_000, "exchange": -10_000}),
    (moved(10_000, 30_730, fee=920, pair="USD KWD"), 30_730, {"stripe_clearing": 29_810, "fees": 920,
                                                             "exchange": -30_730}),
]  # fmt: skip


@pytest.mark.parametrize(("exchanged", "first_rate", "expected"), LEGS)
def test_each_ledger_gets_legs_that_sum_to_zero_and_name_the_difference(exchanged, first_rate, expected):
    settled = settled_legs(exchanged, first_rate, Document("chargeback", "7"))
    check_legs(settled, EXCHANGE_PAIRS)
    assert {str(leg.purpose): leg.amount_minor for leg in settled} == expected
    difference = expected.get("exchange_difference")
    if difference is not None:
        named = next(leg.document for leg in settled if leg.purpose is Purpose.EXCHANGE_DIFFERENCE)
        assert named == Document("exchange_loss" if difference > 0 else "exchange_gain", "txn_1")
    against = credit(Purpose.RECEIVABLE, exchanged.amount_minor, 3)
    if exchanged.amount_minor < 0:
        against = debit(Purpose.REFUNDS, -exchanged.amount_minor, 3)
    asked = asked_legs(exchanged, [against])
    check_legs(asked, EXCHANGE_PAIRS)
    assert [leg.amount_minor for leg in asked] == [exchanged.amount_minor, -exchanged.amount_minor]


@pytest.mark.parametrize(
    ("asked", "settled", "parts"),
    [
        (10_000, 11_000, (4_000, 6_000)),
        (10_001, 11_001, (3_333, 3_333, 3_335)),
        (7, 5, (1, 1, 1, 1, 1, 1, 1)),
        (3, 10_000, (1, 1, 1)),
        (100_000, 7, (1, 49_999, 50_000)),
        (10_000, 30_730, (3_333, -3_333, 10_000)),
    ],
)
def test_parts_that_go_back_sum_to_what_came_whatever_they_are(asked, settled, parts):
    paid = moved(asked, settled)
    held = [asked, settled]
    for part in parts:
        back = at_first_rate(paid, (held[0], held[1]), -part)
        held = [held[0] - part, held[1] + back]
        assert abs(held[1] - Fraction(settled * held[0], asked)) <= Fraction(1, 2)
    assert held == [0, 0]
