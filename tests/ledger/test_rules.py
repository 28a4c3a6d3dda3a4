"""The chart of accounts, what makes a transaction, and months by the clock of a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.errors import RuleBroken
from portal.ledger.rules import (
    CHART,
    Leg,
    Purpose,
    account_code,
    check_legs,
    credit,
    debit,
    month_after,
    month_at,
    pairs,
    without_zeros,
)

PAIRS = pairs((Purpose.UNBILLED, Purpose.ACCRUED), (Purpose.STRIPE, Purpose.RECEIVABLE))


@pytest.mark.parametrize("purpose", Purpose)
def test_every_purpose_has_a_name_that_outside_checkers_take(purpose: Purpose) -> None:
    party = "KES" if CHART[purpose].per_party else None
    code = account_code(purpose, party)
    assert re.fullmatch(r"(Assets|Liabilities|Income|Expenses|Equity)(:[A-Z][A-Za-z0-9-]*)+", code)


def test_names_of_accounts_differ() -> None:
    assert len({kind.path for kind in CHART.values()}) == len(CHART)


@pytest.mark.parametrize(
    ("legs", "sentence"),
    [
        ([debit(Purpose.UNBILLED, 5, 1)], "at least two"),
        ([debit(Purpose.UNBILLED, 5, 1), credit(Purpose.ACCRUED, 4, 2)], "sum to zero"),
        ([debit(Purpose.UNBILLED, 0, 1), credit(Purpose.ACCRUED, 0, 2)], "is not zero"),
        ([debit(Purpose.UNBILLED, 5), credit(Purpose.ACCRUED, 5, 2)], "names a party"),
        ([debit(Purpose.UNBILLED, 5, 1), credit(Purpose.ROUNDING, 5, 2)], "names a party"),
        ([debit(Purpose.UNBILLED, 5, 1), credit(Purpose.RECEIVABLE, 5, 1)], "is not posted here"),
        (
            [
                debit(Purpose.UNBILLED, 5, 1),
                credit(Purpose.ACCRUED, 5, 2),
                debit(Purpose.STRIPE, 5),
                credit(Purpose.RECEIVABLE, 5, 1),
            ],
            "is not posted here",
        ),
    ],
)
def test_legs_are_refused_when_they_make_no_transaction(legs: list[Leg], sentence: str) -> None:
    with pytest.raises(RuleBroken, match=sentence):
        check_legs(legs, PAIRS)


def test_legs_pass_with_allowed_pairs_and_their_correction() -> None:
    legs = [debit(Purpose.UNBILLED, 5, 1), credit(Purpose.ACCRUED, 2, 2), credit(Purpose.ACCRUED, 3, 3)]
    check_legs(legs, PAIRS)
    check_legs([Leg(leg.purpose, -leg.amount_minor, leg.party_id) for leg in legs], PAIRS)


def test_zero_legs_are_left_out() -> None:
    assert without_zeros([debit(Purpose.STRIPE, 0), debit(Purpose.BANK, 1)]) == [Leg(Purpose.BANK, 1)]


def test_a_month_begins_at_local_midnight_and_the_next_begins_where_it_ends() -> None:
    march = month_at("Europe/Berlin", datetime(2026, 2, 28, 23, 30, tzinfo=UTC))
    assert (march.label, march.starts_at) == ("2026-03", datetime(2026, 2, 28, 23, tzinfo=UTC))
    april = month_after("Europe/Berlin", march.ends_at)
    assert (april.label, april.starts_at) == ("2026-04", datetime(2026, 3, 31, 22, tzinfo=UTC))


def test_december_is_followed_by_january() -> None:
    december = month_at("UTC", datetime(2026, 12, 31, tzinfo=UTC))
    assert month_after("UTC", december.ends_at).label == "2027-01"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_every_instant_is_of_one_month_where_clocks_change(zone: str) -> None:
    """Months of a zone follow each other without a gap, whatever its clock does; their ends differ between zones."""
    month = month_at(zone, datetime(2026, 1, 15, tzinfo=UTC))
    for _ in range(14):
        following = month_after(zone, month.ends_at)
        assert following.starts_at == month.ends_at
        assert month_at(zone, month.ends_at - timedelta(microseconds=1)).label == month.label
        assert month_at(zone, month.ends_at).label == following.label
        month = following
    assert month.label == "2027-03"
