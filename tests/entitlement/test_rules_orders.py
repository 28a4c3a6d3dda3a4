"""Purchase orders: which one a case takes its yes from, what it holds once billed, what to do when nothing is left."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.entitlement.orders.rules import (
    Held,
    OrderFacts,
    OrderState,
    check_order,
    order_for,
    settled,
    state_of,
    what_to_do,
)
from portal.errors import Invalid

TODAY = date(2026, 3, 10)


def order(number=1, free=1_000, ends=None, *, withdrawn=False):
    return OrderFacts(number, free, ends, withdrawn=withdrawn)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (order(), OrderState.OPEN),
        (order(ends=TODAY), OrderState.OPEN),
        (order(ends=date(2026, 3, 9)), OrderState.EXPIRED),
        (order(free=0), OrderState.EXHAUSTED),
        (order(free=0, ends=date(2026, 3, 9)), OrderState.EXPIRED),
        (order(withdrawn=True, ends=date(2026, 3, 9)), OrderState.WITHDRAWN),
    ],
)
def test_state_of_an_order(facts, state):
    assert state_of(facts, TODAY) is state


def test_every_order_that_can_give_no_more_says_what_to_do():
    assert [bool(what_to_do(state)) for state in OrderState] == [False, True, True, True]


@pytest.mark.parametrize(
    ("orders", "taken"),
    [
        ([], None),
        ([order()], (1, 500)),
        ([order(free=500)], (1, 500)),
        ([order(free=499)], (1, 499)),
        ([order(free=199)], None),
        ([order(ends=date(2026, 3, 9))], None),
        ([order(withdrawn=True)], None),
        # The one that ends first, then the older one; one that has too little is passed over.
        ([order(1), order(2, ends=date(2026, 12, 31)), order(3, ends=date(2026, 6, 30))], (3, 500)),
        ([order(2), order(1)], (1, 500)),
        ([order(1, 100, date(2026, 6, 30)), order(2)], (2, 500)),
    ],
)
def test_order_that_ends_first_gives_the_yes(orders, taken):
    assert order_for(orders, wanted_minor=500, least_minor=200, on=TODAY) == taken


def test_nothing_is_no_yes():
    assert order_for([order()], wanted_minor=0, least_minor=0, on=TODAY) is None


@pytest.mark.parametrize(
    ("held", "left", "is_over", "free", "then"),
    [
        (Held(500, 0), 500, False, 0, Held(500, 0)),
        (Held(500, 0), 200, False, 0, Held(200, 300)),
        (Held(500, 0), 200, True, 0, Held(0, 300)),
        (Held(500, 0), 500, True, 0, Held(0, 0)),
        # Billed again for less, and for more than it holds: never more than is free.
        (Held(0, 300), 400, True, 200, Held(0, 100)),
        (Held(0, 300), 0, True, 200, Held(0, 500)),
        (Held(0, 300), 0, True, 50, Held(0, 350)),
        (Held(0, 300), 200, False, 100, Held(100, 300)),
    ],
)
def test_what_a_case_holds_once_billed(held, left, is_over, free, then):
    assert settled(held, authorized_minor=500, left_minor=left, is_over=is_over, free_minor=free) == then


amounts = st.integers(0, 1_000)


@given(amounts, amounts, amounts, st.integers(1, 1_000), st.booleans(), st.data())
def test_an_order_never_goes_below_zero_and_settling_again_changes_nothing(
    reserved, drawn, free, authorized, is_over, data
):
    left = data.draw(st.integers(0, authorized))
    terms = {"authorized_minor": authorized, "left_minor": left, "is_over": is_over}
    then = settled(Held(reserved, drawn), **terms, free_minor=free)
    free_then = free + reserved + drawn - then.reserved_minor - then.drawn_minor
    assert min(free_then, then.reserved_minor, then.drawn_minor) >= 0
    assert then.drawn_minor <= authorized - left
    assert settled(then, **terms, free_minor=free_then) == then


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"expires_on": TODAY, "terms_days": 0}, []),
        ({"number": ""}, ["number"]),
        ({"number": "4" * 61}, ["number"]),
        ({"number": "4\n5"}, ["number"]),
        ({"amount_minor": 0}, ["amount"]),
        ({"expires_on": date(2026, 3, 9)}, ["expires_on"]),
        ({"terms_days": 181}, ["terms_days"]),
        ({"terms_days": -1, "amount_minor": -5}, ["amount", "terms_days"]),
    ],
)
def test_an_order_that_could_not_be_used_is_refused_at_its_fields(changes, fields):
    said = {"number": "4711", "amount_minor": 1, "expires_on": None, "terms_days": 30} | changes
    if not fields:
        return check_order(**said, on=TODAY)
    with pytest.raises(Invalid) as refused:
        check_order(**said, on=TODAY)
    assert list(refused.value.fields) == fields
    return None


def test_published_payment_from_a_source_with_too_little_moves_nothing():
    """split-016: a tenth of the amount is to come from a source that has less; then none of it is taken."""
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "money_vectors.json").read_text(encoding="utf-8"))
    vector = next(each for each in vectors["vectors"] if each["id"] == "split-016")
    (part, _, left), _ = vector["input"]["sources"]
    needed = vector["input"]["amount"] * int(part.removesuffix("%")) // 100
    assert vector["expected"] == {"error": "missing_funds", "postings": []}
    assert order_for([order(free=left)], wanted_minor=needed, least_minor=needed, on=TODAY) is None
