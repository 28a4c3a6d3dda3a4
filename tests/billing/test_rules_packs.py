"""What a sold pack is owed, deferred and earned: every leg balances, and the last minute takes the remainder."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from portal.billing.packs.rules import (
    AHEAD,
    BY_BANK,
    BY_INVOICE,
    BY_STRIPE,
    PACK_PAIRS,
    earned_minor,
    earning_legs,
    expiry_minor,
    sale_legs,
    sharable_minor,
    units,
)
from portal.billing.rules.plans import earning_legs as plan_earning_legs
from portal.billing.rules.plans import sale_legs as plan_sale_legs
from portal.billing.rules.plans import use_by_grant
from portal.contracts.discounts import commission_with_discount
from portal.entitlement.rules import Amount
from portal.ledger.rules import Document, Purpose, check_legs
from tests.support.documents import agreement

DEBTOR, CUSTOMER, FACTORY, KESSLER = 1, 2, 3, 4


def told(legs) -> list[tuple[Purpose, int]]:
    return [(leg.purpose, leg.amount_minor) for leg in legs]


@pytest.mark.parametrize(
    ("paid_by", "tax_minor", "legs"),
    [
        (BY_INVOICE, 0, [(Purpose.UNBILLED, 90_000), (Purpose.DEFERRED, -90_000)]),
        (BY_STRIPE, 17_100, [(Purpose.STRIPE, 107_100), (Purpose.DEFERRED, -90_000), (Purpose.TAX, -17_100)]),
        (BY_BANK, 17_100, [(Purpose.BANK, 107_100), (Purpose.DEFERRED, -90_000), (Purpose.TAX, -17_100)]),
        (AHEAD, 17_100, [(Purpose.PREPAID, 90_000), (Purpose.DEFERRED, -90_000)]),
    ],
)
def test_a_price_is_deferred_and_its_tax_is_not_ours(paid_by, tax_minor, legs):
    posted = sale_legs(paid_by, DEBTOR, CUSTOMER, price_minor=90_000, tax_minor=tax_minor)
    assert told(posted) == legs
    check_legs(posted, PACK_PAIRS)


@pytest.mark.parametrize(
    ("parts", "legs"),
    [
        (
            [(FACTORY, 700), (KESSLER, 300)],
            [(Purpose.DEFERRED, 1_000), (Purpose.PAYABLE, -700), (Purpose.PAYABLE, -300)],
        ),
        ([(FACTORY, -700)], [(Purpose.DEFERRED, -700), (Purpose.PAYABLE, 700)]),
        ([(FACTORY, 0)], []),
    ],
)
@pytest.mark.parametrize("legs_of", [earning_legs, plan_earning_legs])
def test_what_was_deferred_becomes_the_parties_and_can_be_taken_back(legs_of, parts, legs):
    documents = [(party, minor, Document("share", str(number))) for number, (party, minor) in enumerate(parts)]
    assert told(legs_of(CUSTOMER, documents)) == legs


def test_a_month_of_a_plan_is_owed_and_deferred():
    assert told(plan_sale_legs(DEBTOR, CUSTOMER, 29_000)) == [(Purpose.UNBILLED, 29_000), (Purpose.DEFERRED, -29_000)]


@pytest.mark.parametrize(
    ("seconds", "use"), [({7: 100, 5: 200}, {5: 67, 7: 33}), ({5: 1, 7: 0}, {5: 100}), ({5: 0}, {}), ({}, {})]
)
def test_a_cases_use_is_divided_among_the_months_that_served_it(seconds, use):
    assert use_by_grant(100, seconds) == use


def test_a_seller_earns_its_commission_at_the_sale_and_the_rest_is_shared_by_use():
    kessler = agreement()
    selling = kessler.model_copy(update={"selling": kessler.selling.model_copy(update={"commission_bp": 1_000})})
    plain = kessler.model_copy(update={"selling": kessler.selling.model_copy(update={"commission_bp": 0})})
    earned = [commission_with_discount(terms, 90_005, 0, seller="integrator") for terms in (None, plain, selling)]
    assert earned == [(0, 0), (0, 0), (9_001, 0)]
    assert sharable_minor(90_005, 9_001) == 81_004


@pytest.mark.parametrize(
    ("used", "drawn", "expired", "earned"),
    [
        (0, 0, 0, 0),
        (0, 0, 36_000, 90_001),
        (45_000, 18_000, 18_000, 45_001),
        (45_000, 18_000, 0, 0),
        (90_001, 18_000, 18_000, 0),
    ],
)
def test_expiry_earns_what_use_has_left_and_never_below_nothing(used, drawn, expired, earned):
    assert expiry_minor(90_001, used_minor=used, drawn=drawn, expired=expired, granted=36_000) == earned


def test_the_last_minute_takes_the_remainder():
    steps = [earned_minor(100, gone, 3) for gone in range(4)]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 100)


@pytest.mark.parametrize(
    ("seconds", "incidents", "amount", "wanted"),
    [(36_000, 0, None, 36_000), (0, 5, None, 5), (36_000, 0, Amount(60, 0), 60), (0, 5, Amount(0, 2), 2)],
)
def test_a_grant_is_counted_in_the_unit_it_was_sold_in(seconds, incidents, amount, wanted):
    assert units(SimpleNamespace(granted_seconds=seconds, granted_incidents=incidents), amount) == wanted
