"""Who bears what a promotion code took off: tables of examples, and what holds for every price."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.contracts.agreement import parse_agreement
from portal.contracts.blocks import Revenue, Weights
from portal.contracts.discounts import (
    commission_with_discount,
    discount_bearer,
    discount_between,
    without_discount,
)
from portal.contracts.policy import parse_policy
from portal.contracts.sharing import RevenuePart, SharingFacts, shares_of
from portal.errors import DocumentInvalid
from tests.support.cast import DOCUMENTS

AGREEMENT = (DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text()
POLICY = parse_policy((DOCUMENTS / "nordlicht_policy.toml").read_text())


def agreement(bearer: str = "", commission_bp: int = 0):
    """The demo's agreement with a selling table that says this."""
    lines = ["[selling]", f"commission_bp = {commission_bp}"]
    lines += [f'discounts_borne_by = "{bearer}"'] if bearer else []
    return parse_agreement(AGREEMENT.replace("[settlement]", "\n".join([*lines, "", "[settlement]"])))


THREE = (("integrator", 400), ("manufacturer", 500), ("operator", 100))


@pytest.mark.parametrize(
    ("off", "bearer", "minors"),
    [
        (0, "manufacturer", (400, 500, 100)),
        (100, "manufacturer", (400, 400, 100)),
        (500, "manufacturer", (400, 0, 100)),
        # What is more than the bearer has is the others', four to one.
        (600, "manufacturer", (320, 0, 80)),
        (601, "manufacturer", (319, 0, 80)),
        (1_000, "manufacturer", (0, 0, 0)),
        (100, "integrator", (300, 500, 100)),
        (450, "integrator", (0, 458, 92)),
        # Who has no share bears nothing: all of it is in proportion.
        (100, "distributor", (360, 450, 90)),
    ],
)
def test_the_bearers_share_is_lowered_and_what_it_lacks_is_the_others_in_proportion(off, bearer, minors):
    found = without_discount(THREE, off, bearer=bearer, currency="EUR")
    assert tuple(minor for minor, _ in found) == minors


def test_each_share_says_why():
    words = [said for _, said in without_discount(THREE, 600, bearer="manufacturer", currency="EUR")]
    assert words == [
        "of 10.00 EUR, the price without the code, less 0.80 EUR of the discount that the manufacturer could not bear",
        "of 10.00 EUR, the price without the code, less 5.00 EUR of the discount, which it bears",
        "of 10.00 EUR, the price without the code, less 0.20 EUR of the discount that the manufacturer could not bear",
    ]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=5), st.data())
def test_no_share_is_below_zero_and_none_is_above_what_it_was(minors, data):
    off = data.draw(st.integers(0, sum(minors)))
    bearer = data.draw(st.sampled_from(["0", "1", "nobody"]))
    had = [(str(place), minor) for place, minor in enumerate(minors)]
    left = [minor for minor, _ in without_discount(had, off, bearer=bearer, currency="EUR")]
    assert sum(left) == sum(minors) - off
    assert all(0 <= after <= before for after, before in zip(left, minors, strict=True))


@pytest.mark.parametrize(
    ("said", "seller", "bearer"),
    [
        ("", "integrator", None),
        ("shares", "integrator", None),
        ("seller", "integrator", "integrator"),
        ("seller", "manufacturer", "manufacturer"),
        ("manufacturer", "integrator", "manufacturer"),
        ("operator", "integrator", "operator"),
    ],
)
def test_the_agreement_says_who_bears_a_discount(said, seller, bearer):
    assert discount_bearer(agreement(said), seller) == bearer


def test_without_an_agreement_each_bears_its_part_and_a_stranger_bears_nothing():
    assert discount_bearer(None, "manufacturer") is None
    with pytest.raises(DocumentInvalid) as refused:
        agreement("grandmother")
    assert [problem.key for problem in refused.value.problems] == ["selling.discounts_borne_by"]


@pytest.mark.parametrize(
    ("said", "bp", "price", "off", "commission", "left"),
    [
        ("", 0, 900, 100, 0, 100),
        ("", 1_000, 900, 100, 90, 100),
        ("manufacturer", 1_000, 900, 100, 100, 100),
        # The seller's commission is lowered first; what it does not reach lowers its later shares.
        ("seller", 1_000, 950, 50, 50, 0),
        ("seller", 1_000, 700, 300, 0, 200),
        ("integrator", 1_000, 950, 50, 50, 0),
        # Nobody earns more at the sale than was paid.
        ("manufacturer", 2_000, 100, 900, 100, 800),
    ],
)
def test_a_commission_is_that_of_the_price_without_the_code(said, bp, price, off, commission, left):
    found = commission_with_discount(agreement(said, bp), price, off, seller="integrator")
    assert found == (commission, left)


@pytest.mark.parametrize(
    ("off", "price", "before", "after", "part"),
    [
        (100, 900, 0, 900, 100),
        (100, 900, 0, 450, 50),
        (100, 900, 450, 900, 50),
        (100, 900, 300, 600, 34),
        (100, 900, 900, 1_000, 0),
        (100, 900, 600, 300, 0),
        (0, 900, 0, 900, 0),
        (100, 0, 0, 0, 0),
    ],
)
def test_a_discount_goes_along_with_what_is_earned_of_the_price(off, price, before, after, part):
    assert discount_between(off, price, before, after) == part


@given(st.integers(1, 10**7), st.integers(0, 10**7), st.lists(st.integers(0, 10**7), max_size=6))
def test_the_steps_of_a_price_take_all_of_its_discount(price, off, stops):
    reached = sorted({0, price, *(stop for stop in stops if stop < price)})
    steps = [discount_between(off, price, *pair) for pair in pairwise(reached)]
    assert sum(steps) == off


@pytest.mark.parametrize("said", ["manufacturer", "seller", "integrator", "operator"])
@pytest.mark.parametrize("revenue", [Revenue.PACK_USE, Revenue.PACK_BREAKAGE, Revenue.SUBSCRIPTION])
def test_the_others_have_what_they_would_have_of_the_price_without_the_code(said, revenue):
    facts = {"weights": Weights(integrator_bp=4_000, manufacturer_bp=6_000), "seller": "integrator"}
    whole = shares_of(POLICY, agreement(said), SharingFacts((RevenuePart(revenue, 100_000),), **facts))
    sold = SharingFacts((RevenuePart(revenue, 97_000, 3_000),), **facts)
    found = {share.party: share.amount_minor for share in shares_of(POLICY, agreement(said), sold)}
    bearer = "integrator" if said == "seller" else said
    others = {share.party: share.amount_minor for share in whole if share.party != bearer}
    borne = next((share.amount_minor for share in whole if share.party == bearer), 0)
    assert sum(found.values()) == 97_000
    if borne >= 3_000:
        assert {party: found[party] for party in others} == others
    in_proportion = shares_of(POLICY, agreement(), sold)
    assert in_proportion == shares_of(POLICY, agreement(), SharingFacts((RevenuePart(revenue, 97_000),), **facts))
