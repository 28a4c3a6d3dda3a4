"""Which transfers the balance covers, from when, and what to do about the rest: a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.settlement.covering import Arrival, Demand, forecast

NOW = datetime(2026, 4, 12, 9, tzinfo=UTC)


def day(days: int) -> datetime:
    return NOW + timedelta(days=days)


def demands(*minor: int) -> list[Demand]:
    return [Demand(number, f"S{number}", 7, "prepared", day(number - 9), each) for number, each in enumerate(minor)]


def arrivals(*rows: tuple[int, int]) -> list[Arrival]:
    return [Arrival(f"txn_{days}", "charge", NOW, day(days), minor) for days, minor in rows]


# Available, arrivals by day, demands oldest first; gap now, lacking for good, closes on day, covered on days, advice.
CASES = [
    (0, (), (), 0, 0, None, (), "nothing"),
    (100, (), (40, 60), 0, 0, None, (0, 0), "nothing"),
    (99, (), (40, 60), 1, 1, None, (0, None), "top_up"),
    (99, ((2, 1),), (40, 60), 1, 0, 2, (0, 2), "wait"),
    (0, ((2, 40), (5, 59)), (40, 60), 100, 1, None, (2, None), "top_up"),
    (0, ((5, 60), (2, 40)), (40, 60), 100, 0, 5, (2, 5), "wait"),
    (0, ((2, 70), (3, -20), (5, 50)), (60,), 60, 0, 5, (5,), "wait"),
    (-30, ((1, 40),), (10,), 40, 0, 1, (1,), "wait"),
    (500, ((1, 40),), (), 0, 0, None, (), "nothing"),
]


@pytest.mark.parametrize(("available", "coming", "wanted", "gap", "lacking", "closes", "covered", "advice"), CASES)
def test_the_oldest_is_covered_first_and_what_lacks_is_said(
    available, coming, wanted, gap, lacking, closes, covered, advice
):
    found = forecast("EUR", available, arrivals(*coming), reversed(demands(*wanted)), now=NOW)
    assert (found.gap_minor, found.lacking_minor, found.advice) == (gap, lacking, advice)
    assert found.closes_at == (None if closes is None else day(closes))
    assert [each.covered_at for each in found.covered] == [None if days is None else day(days) for days in covered]
    assert [each.demand.statement_id for each in found.covered] == list(range(len(wanted)))
    assert found.needed_minor == sum(wanted)
    assert found.pending_minor == sum(minor for _, minor in coming)
