"""Labour credits, referral bonuses and parts: what the agreement's tables say, with limits and dates."""

from __future__ import annotations

import pytest

from portal.contracts.agreement import parse_agreement
from portal.contracts.blocks import Company
from portal.contracts.owing import Claimed, Disposition, Owing, labour_credit, material_owed, referral_bonus
from portal.errors import DocumentInvalid, Invalid
from tests.support.documents import KESSLER, agreement, changed

TABLES = """
[[owing.labour]]
causes = ["hardware_defect"]
in_warranty = true
minutes = 90
per_hour = "80.00"
per_trip = "45.00"
most_trips = 2
most = "200.00"

[[owing.labour]]
causes = ["firmware_defect"]
amount = "75.00"
claim_days = 30

[[owing.referrals]]
product_lines = ["DoorController"]
part_bp = 250
most = "300.00"
claim_days = 180

[[owing.referrals]]
amount = "50.00"

[[owing.materials]]
dispositions = ["lost"]
borne_by = "integrator"

[[owing.materials]]
in_warranty = true
borne_by = "manufacturer"

[settlement]"""


def terms(*changes) -> Owing:
    return agreement(KESSLER, ("[settlement]", TABLES), *changes).owing


def about(**changes) -> Claimed:
    return Claimed(**{"product_line": "DoorController", "cause": "hardware_defect", "in_warranty": True, **changes})


@pytest.mark.parametrize(
    ("facts", "trips", "minor"),
    [
        (about(), 0, 12_000),
        (about(), 1, 16_500),
        # Two trips would be 210.00, and of four only two count: the limit holds for both.
        (about(), 2, 20_000),
        (about(), 4, 20_000),
        (about(cause="firmware_defect", in_warranty=False), 3, 7_500),
        (about(days=60), 0, 12_000),
    ],
)
def test_labour_credit_by_cause_trips_and_limit(facts, trips, minor):
    owed = labour_credit(terms(), "EUR", facts, trips=trips)
    assert (owed.amount_minor, owed.debtor, owed.creditor) == (minor, Company.MANUFACTURER, Company.INTEGRATOR)
    assert owed.sentences


@pytest.mark.parametrize(
    ("facts", "trips", "field"),
    [
        (about(in_warranty=False), 0, "cause"),
        (about(cause="operation"), 0, "cause"),
        (about(days=61), 0, "kind"),
        (about(cause="firmware_defect", days=31), 0, "kind"),
        (about(), -1, "trips"),
        (about(), 101, "trips"),
    ],
)
def test_labour_that_is_not_owed(facts, trips, field):
    with pytest.raises(Invalid) as refused:
        labour_credit(terms(), "EUR", facts, trips=trips)
    assert list(refused.value.fields) == [field]


@pytest.mark.parametrize(
    ("facts", "sale", "minor"),
    [
        (about(), 400_000, 10_000),
        (about(), 4_000_000, 30_000),
        (about(), 10_001, 250),
        (about(product_line="Reader"), 1, 5_000),
    ],
)
def test_referral_bonus_by_part_limit_or_flat(facts, sale, minor):
    assert referral_bonus(terms(), "EUR", facts, sale_minor=sale).amount_minor == minor


@pytest.mark.parametrize(("facts", "sale", "field"), [(about(days=181), 1, "kind"), (about(), 0, "sale")])
def test_bonus_that_is_not_owed(facts, sale, field):
    with pytest.raises(Invalid) as refused:
        referral_bonus(terms(), "EUR", facts, sale_minor=sale)
    assert list(refused.value.fields) == [field]
    with pytest.raises(Invalid):
        referral_bonus(Owing(), "EUR", about(), sale_minor=1)


@pytest.mark.parametrize(
    ("supplier", "disposition", "minor", "debtor"),
    [
        (Company.INTEGRATOR, Disposition.RETURNED, 9_900, Company.MANUFACTURER),
        (Company.MANUFACTURER, Disposition.RETURNED, 0, Company.MANUFACTURER),
        (Company.MANUFACTURER, Disposition.LOST, 9_900, Company.INTEGRATOR),
        (Company.INTEGRATOR, Disposition.LOST, 0, Company.INTEGRATOR),
    ],
)
def test_whoever_bears_a_part_owes_its_supplier(supplier, disposition, minor, debtor):
    owed = material_owed(terms(), "EUR", about(), supplier=supplier, disposition=disposition, price_minor=9_900)
    assert (owed.amount_minor, owed.debtor, owed.creditor) == (minor, debtor, supplier)


@pytest.mark.parametrize(
    ("facts", "price", "field"), [(about(in_warranty=False), 1, "disposition"), (about(), -1, "price")]
)
def test_a_part_that_no_row_is_for(facts, price, field):
    with pytest.raises(Invalid) as refused:
        material_owed(
            terms(), "EUR", facts, supplier=Company.INTEGRATOR, disposition=Disposition.KEPT, price_minor=price
        )
    assert list(refused.value.fields) == [field]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('amount = "75.00"', 'amount = "75.00"\nminutes = 60'), "Exactly one of amount, minutes"),
        (('per_hour = "80.00"\n', ""), "er_hour belongs to minutes"),
        (("part_bp = 250", ""), "Exactly one of amount, part_bp"),
        (('most = "300.00"', 'most = "300.001"'), "decimals"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(change, said):
    with pytest.raises(DocumentInvalid) as caught:
        parse_agreement(changed(KESSLER, ("[settlement]", TABLES), change))
    assert any(said in str(problem) for problem in caught.value.problems)
