"""What supplements come to, and that what is gained and borne always sums to what is owed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing.supplements.rules import (
    NOTHING,
    Effect,
    between,
    credit_of,
    difference,
    free_days_minor,
    supplement_kind,
    supplement_legs,
)
from portal.contracts.blocks import Revenue
from portal.errors import RuleBroken
from portal.ledger.rules import Document

A, B, C = 1, 2, 3


@pytest.mark.parametrize(
    ("target", "known", "change"),
    [
        (credit_of(500, A), NOTHING, Effect(-500, {A: -500})),
        (credit_of(500, A), credit_of(500, A), NOTHING),
        (NOTHING, credit_of(500, A), Effect(500, {A: 500})),
        (credit_of(0, A), credit_of(500, A), Effect(500, {A: 500})),
        # Another bears it: the first gets back what it bore.
        (credit_of(500, B), credit_of(500, A), Effect(0, {A: 500, B: -500})),
        (between(300, A, B), NOTHING, Effect(0, {A: -300, B: 300})),
        (between(300, A, A), NOTHING, NOTHING),
        (between(0, A, B), NOTHING, NOTHING),
    ],
)
def test_what_has_to_be_added(target, known, change):
    found = difference(target, known)
    assert (found.owed_minor, dict(found.by_party)) == (change.owed_minor, dict(change.by_party))


def test_what_does_not_sum_is_refused():
    with pytest.raises(RuleBroken):
        Effect(-500, {A: -400})


parts = st.dictionaries(st.sampled_from([A, B, C]), st.integers(-1_000, 1_000), max_size=3)


@given(parts, parts)
def test_difference_leads_from_one_to_the_other_and_posts_to_zero(one, other):
    target, known = Effect(sum(one.values()), one), Effect(sum(other.values()), other)
    change = difference(target, known)
    reached = {each: known.by_party.get(each, 0) + change.by_party.get(each, 0) for each in (A, B, C)}
    assert reached == {each: target.by_party.get(each, 0) for each in (A, B, C)}
    assert known.owed_minor + change.owed_minor == target.owed_minor
    assert 0 not in change.by_party.values()
    legs = supplement_legs(C, change.owed_minor, [(p, m, Document("x", str(p))) for p, m in change.by_party.items()])
    assert sum(leg.amount_minor for leg in legs) == 0


def test_a_remedy_takes_from_what_a_plan_earned_and_all_else_from_work():
    assert supplement_kind("remedy") == Revenue.SUBSCRIPTION
    assert supplement_kind("material") == Revenue.TIME_AND_MATERIALS


@pytest.mark.parametrize(
    ("price", "days", "of_days", "minor"),
    [
        (29_000, 3, 31, 2_806),
        (29_000, 31, 31, 29_000),
        (29_000, 34, 31, 31_806),
        (29_000, 60, 30, 58_000),
        (29_000, 1, 28, 1_036),
        (0, 34, 31, 0),
        (29_000, 0, 31, 0),
    ],
)
def test_free_days_are_worth_their_part_of_the_month_and_whole_months_the_price(price, days, of_days, minor):
    assert free_days_minor(price, days, of_days=of_days) == minor
