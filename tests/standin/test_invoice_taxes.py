"""Invoices with automatic tax: line by line at the rates that are given, where the payer's address says enough."""

from __future__ import annotations

import pytest
import stripe

RATES = (
    {"country": "DE", "rate_bp": 1900},
    {"country": "DE", "tax_code": "txcd_10000000", "rate_bp": 700},
    {"tax_code": "txcd_00000000", "rate_bp": 0},
)
BERLIN = {"country": "DE", "postal_code": "10115"}


def a_taxed_draft(client: stripe.StripeClient, **payer: object) -> stripe.Invoice:
    customer = client.v1.customers.create({"name": "Payer", **payer})
    terms = {"collection_method": "send_invoice", "days_until_due": 30, "currency": "eur"}
    return client.v1.invoices.create({"customer": customer.id, "automatic_tax": {"enabled": True}, **terms})


def a_line(minor: int, tax_code: str = "", **price: object) -> dict[str, object]:
    product = {"name": "Work", **({"tax_code": tax_code} if tax_code else {})}
    stated = {"currency": "eur", "unit_amount": minor, "tax_behavior": "exclusive", "product_data": product, **price}
    return {"price_data": stated}


LINES = [a_line(10_000), a_line(1_001, "txcd_10000000"), a_line(500, "txcd_00000000")]


def test_each_line_is_taxed_at_its_rate_and_stays_so_when_numbered(standin, client):
    standin.control.tax_rates(*RATES)
    draft = a_taxed_draft(client, address=BERLIN)
    added = client.v1.invoices.add_lines(draft.id, {"lines": LINES})
    assert (added.automatic_tax.status, added.subtotal, added.total) == ("complete", 11_501, 11_501 + 1_900 + 70)
    client.v1.invoices.finalize_invoice(draft.id)
    standin.control.tax_rates({"rate_bp": 0})
    lines = client.v1.invoices.line_items.list(draft.id).data
    assert [(line.taxes[0].amount, line.taxes[0].taxability_reason) for line in lines] == [
        (1_900, "standard_rated"), (70, "standard_rated"), (0, "product_exempt"),
    ]  # fmt: skip
    assert client.v1.invoices.retrieve(draft.id).amount_due == 13_471


@pytest.mark.parametrize(
    ("address", "is_enough"),
    [
        (None, False),
        ({"postal_code": "10115"}, False),
        ({"country": "DE"}, True),
        ({"country": "US"}, False),
        ({"country": "US", "postal_code": "1011"}, False),
        ({"country": "US", "postal_code": "10115-2020"}, True),
        ({"country": "CA"}, False),
        ({"country": "CA", "state": "ON"}, True),
    ],
)
def test_an_invoice_is_not_numbered_before_its_payer_can_be_located(client, address, is_enough):
    draft = a_taxed_draft(client, **({"address": address} if address else {}))
    client.v1.invoices.add_lines(draft.id, {"lines": LINES})
    found = client.v1.invoices.retrieve(draft.id)
    assert found.automatic_tax.status == ("complete" if is_enough else "requires_location_inputs")
    if is_enough:
        assert client.v1.invoices.finalize_invoice(draft.id).total == 11_501 + 949
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.invoices.finalize_invoice(draft.id)
    assert refused.value.code == "customer_tax_location_invalid"
    client.v1.customers.update(found.customer, {"address": BERLIN})
    assert client.v1.invoices.finalize_invoice(draft.id).status == "open"


@pytest.mark.parametrize(("status", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
def test_an_exempt_payer_is_charged_nothing_and_told_why(client, status, reason):
    draft = a_taxed_draft(client, address=BERLIN, tax_exempt=status)
    client.v1.invoices.add_lines(draft.id, {"lines": LINES[:1]})
    made = client.v1.invoices.finalize_invoice(draft.id)
    assert (made.total, made.lines.data[0].taxes[0].taxability_reason) == (10_000, reason)


@pytest.mark.parametrize("line", [{"amount": -5}, {"amount": 5}, a_line(5, tax_behavior="unspecified")])
def test_what_cannot_be_taxed_is_not_taken(client, line):
    draft = a_taxed_draft(client, address=BERLIN)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.add_lines(draft.id, {"lines": [line]})
