"""What an invoice asks of Stripe so that it is taxed, where a payer is for it, and how its cash is divided: tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.adjustments.rules.unused import Payment
from portal.billing.rules.cash import base_paid
from portal.errors import RuleBroken
from portal.payments import rules
from portal.payments.rules import InvoiceLine, TaxClass
from portal.payments.taxing.rules import (
    Address,
    address_problems,
    by_position,
    less_credits,
    payer_request,
    taxed_request,
)
from portal.taxes.rules.invoices import EXEMPT, NONE, REVERSE, status_of_payer, words_for

pytestmark = pytest.mark.measured

LABOUR, PARTS = "txcd_20030000", "txcd_99999999"
SAID = [("Invoice", "NOR-INV-1"), ("Seller", "Nordlicht")]


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        ([("", 100)], (100,)),
        ([("", -30), ("", 100), ("", 50)], (0, 80, 40)),
        # A credit is taken off what has its own class first, and off the rest where that does not cover it.
        ([(PARTS, -30), (LABOUR, 100), (PARTS, 50)], (0, 100, 20)),
        ([(PARTS, -80), (LABOUR, 100), (PARTS, 50)], (0, 70, 0)),
        ([(PARTS, -10), (LABOUR, -10), (LABOUR, 40)], (0, 0, 20)),
        ([("", -1), ("", 1), ("", 1)], (0, 0, 1)),
        ([("", -5), ("", 5)], (0, 0)),
    ],
)
def test_credits_are_taken_off_what_is_charged(lines, asked):
    assert less_credits(lines) == asked


def test_more_credits_than_charges_are_not_taxed():
    with pytest.raises(RuleBroken):
        less_credits([("", -6), ("", 5)])


@given(
    st.lists(st.tuples(st.sampled_from(["", PARTS]), st.integers(-500, 500)), min_size=1, max_size=8).filter(
        lambda lines: sum(minor for _, minor in lines) >= 0
    )
)
def test_what_is_asked_sums_to_the_lines_and_no_line_asks_more_than_it_charges(lines):
    asked = less_credits(lines)
    assert sum(asked) == sum(minor for _, minor in lines)
    assert all(0 <= now <= max(minor, 0) for now, (_, minor) in zip(asked, lines, strict=True))


def test_a_taxed_invoice_names_its_seller_and_the_class_of_each_line():
    lines = [
        InvoiceLine("Work", 10_000, "bill_item-1", (TaxClass(LABOUR, 1, "work"),)),
        InvoiceLine("Back", -500, "bill_item-2", (TaxClass(LABOUR, 1, "work"),)),
    ]
    plain = rules.invoice_request(
        intent_id="i",
        currency="EUR",
        lines=lines,
        days_until_due=30,
        said=SAID,
    )
    taxed = taxed_request(plain, lines, EXEMPT, "EUR")
    assert taxed["tax"] == {"status": "exempt"}
    assert taxed["invoice"]["automatic_tax"] == {"enabled": True}
    assert [field["value"] for field in taxed["invoice"]["custom_fields"]] == ["NOR-INV-1", "Nordlicht"]
    (item,) = taxed["items"]
    assert (item["description"], item["metadata"]["position"], "amount" in item) == ("Work, less credits", "0", False)
    assert item["price_data"] == {
        "currency": "eur", "unit_amount": 9_500, "tax_behavior": "exclusive",
        "product_data": {"name": "Work", "tax_code": LABOUR},
    }  # fmt: skip
    assert rules.invoice_steps(taxed)[:3] == ("customer", "tax_payer", "invoice")
    assert rules.invoice_steps(plain)[:2] == ("customer", "invoice")


def test_a_line_of_several_classes_is_several_lines_that_sum_to_it():
    both = (TaxClass(LABOUR, 300, "work"), TaxClass(PARTS, 100, "parts"), TaxClass("", -10, "travel"))
    lines = [InvoiceLine("Case 7", 200, "bill_item-1", both), InvoiceLine("Plan", 50, "plan_sale-1")]
    plain = rules.invoice_request(
        intent_id="i",
        currency="EUR",
        lines=lines,
        days_until_due=30,
        said=SAID,
    )
    items = taxed_request(plain, lines, NONE, "EUR")["items"]
    assert [
        (item["metadata"]["position"], item["description"], item["price_data"]["unit_amount"]) for item in items
    ] == [("0-0", "Case 7, work", 150), ("0-1", "Case 7, parts", 50), ("1", "Plan", 50)]
    assert [item["price_data"]["product_data"].get("tax_code") for item in items] == [LABOUR, PARTS, None]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (("Ringstr. 1", "10115", "Berlin", "", "DE"), set()),
        (("", "", "", "", "DE"), set()),
        (("", "", "", "", "Germany"), {"country"}),
        (("", "1011", "", "CA", "US"), {"postal_code"}),
        (("", "94107-1234", "", "", "US"), set()),
        (("", "", "", "", "CA"), {"state"}),
        (("", "", "", "ON", "CA"), set()),
        (("x" * 101, "", "", "", "DE"), {"line1"}),
    ],
)
def test_an_address_says_enough_for_its_country(said, wrong):
    assert set(address_problems(Address(*said))) == wrong


def test_a_payer_without_an_address_keeps_the_one_that_stripe_has():
    assert payer_request(NONE, None) == {"tax_exempt": "none"}
    assert payer_request(REVERSE, Address("", "10115", "", "", "DE")) == {
        "tax_exempt": "reverse", "address": {"postal_code": "10115", "country": "DE"},
    }  # fmt: skip


def test_lines_that_are_one_of_ours_are_taxed_together():
    assert by_position([("0", 5), ("1-0", 7), ("1-1", 1)]) == {0: 5, 1: 8}


MAKER, OPERATOR, DEALER, CUSTOMER = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("seller", "payer", "certified", "treatment", "status"),
    [
        (MAKER, CUSTOMER, False, "", NONE),
        (OPERATOR, CUSTOMER, False, "domestic", NONE),
        (MAKER, CUSTOMER, True, "", EXEMPT),
        # The dealer's customer is the dealer's to tax; what the dealer itself owes is sold to it.
        (DEALER, CUSTOMER, False, "", None),
        (DEALER, DEALER, False, "domestic", NONE),
        (DEALER, DEALER, False, "reverse_charge", REVERSE),
        (DEALER, DEALER, True, "reverse_charge", EXEMPT),
    ],
)
def test_what_a_payer_is_for_tax(seller, payer, certified, treatment, status):
    said = {"seller_id": seller, "issuer_ids": (MAKER, OPERATOR), "payer_id": payer, "certified": certified}
    assert status_of_payer(treatment=treatment, **said) == status


@pytest.mark.parametrize(
    ("tax", "reasons", "words"),
    [
        (5, ["standard_rated"], ()),
        (0, ["customer_exempt"], ("The payer is exempt.",)),
        (0, ["reverse_charge"], ("Reverse charge: the customer accounts for the tax.",)),
        (0, ["a", "b"], ("Stripe reckoned no tax.",)),
    ],
)
def test_a_tax_of_nothing_says_why(tax, reasons, words):
    assert words_for(tax, reasons) == words


@pytest.mark.parametrize(
    ("cash", "base", "tax", "paid"),
    [
        (0, 10_000, 1_900, 0),
        (5_950, 10_000, 1_900, 5_000),
        (1, 10_000, 1_900, 1),
        (11_899, 10_000, 1_900, 9_999),
        (11_900, 10_000, 1_900, 10_000),
        (12_000, 10_000, 1_900, 10_100),
        (4_000, 10_000, 0, 4_000),
        (700, 0, 700, 700),
    ],
)
def test_cash_pays_for_what_is_charged_in_proportion(cash, base, tax, paid):
    assert base_paid(cash, base, tax) == paid


@given(st.integers(1, 5_000), st.integers(0, 2_000), st.lists(st.integers(1, 3_000), min_size=1, max_size=6))
def test_part_payments_leave_no_remainder_and_never_take_back(base, tax, payments):
    reached, before = 0, 0
    for payment in payments:
        reached = min(reached + payment, base + tax)
        now = base_paid(reached, base, tax)
        assert before <= now <= min(base, reached)
        assert reached - now <= tax
        before = now
    assert base_paid(base + tax, base, tax) == base


@given(st.integers(1, 5_000), st.integers(0, 2_000), st.lists(st.integers(1, 3_000), min_size=1, max_size=6))
def test_many_parts_that_go_back_take_the_tax_that_one_does(base, tax, parts):
    gone, taken = 0, 0
    for wanted in [*parts, base + tax]:
        if part := min(wanted, base + tax - gone):
            taken += Payment(base + tax, tax, gone, taken).tax_of(part)
            gone += part
    assert (gone, taken) == (base + tax, tax)
