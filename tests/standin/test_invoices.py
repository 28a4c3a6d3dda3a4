"""Invoices from draft to paid, void or uncollectible, and the money behind a payment."""

from decimal import Decimal

import pytest
import stripe

from tests.standin.builders import an_open_invoice

DAY_SECONDS = 24 * 3600


@pytest.fixture
def customer(client):
    return client.v1.customers.create({"name": "St. Mary's", "email": "ap@hospital.example"})


def a_draft(client, customer, **details):
    return client.v1.invoices.create(
        {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 14, **details}
    )


def test_lines_add_up_by_quantity_and_exact_unit_amount(client, customer):
    invoice = a_draft(client, customer, metadata={"intent": "i1"})
    for quantity, unit in ((3, "33.35"), (1, "0.5"), (1, "-10")):
        client.v1.invoice_items.create(
            {
                "customer": customer.id,
                "invoice": invoice.id,
                "currency": "usd",
                "quantity": quantity,
                "unit_amount_decimal": Decimal(unit),
                "description": f"{quantity} × {unit}",
            }
        )
    found = client.v1.invoices.retrieve(invoice.id)
    assert [line.amount for line in found.lines.data] == [100, 1, -10]
    assert (found.status, found.total, found.amount_due, found.metadata["intent"]) == ("draft", 91, 91, "i1")
    assert found.lines.data[0].quantity_decimal == Decimal(3)


def test_finalizing_numbers_the_invoice_and_makes_it_due(standin, client):
    standin.control.set_clock(1_790_000_000)
    invoice = an_open_invoice(client)
    assert invoice.status == "open"
    assert invoice.number.endswith("-0001")
    assert invoice.due_date - invoice.status_transitions.finalized_at == 30 * DAY_SECONDS
    assert invoice.hosted_invoice_url.startswith(standin.base_url)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.finalize_invoice(invoice.id)


def test_sending_finalizes_and_tells_so(client, customer):
    invoice = a_draft(client, customer)
    client.v1.invoice_items.create({"customer": customer.id, "invoice": invoice.id, "currency": "usd", "amount": 5})
    assert client.v1.invoices.send_invoice(invoice.id).status == "open"
    told = [event.type for event in client.v1.events.list({"types": ["invoice.*"]})]
    assert told == ["invoice.sent", "invoice.finalized", "invoice.created"]


def test_an_invoice_over_nothing_is_paid_when_finalized(client, customer):
    invoice = client.v1.invoices.finalize_invoice(a_draft(client, customer).id)
    assert (invoice.status, invoice.amount_due) == ("paid", 0)


@pytest.mark.parametrize(("method", "fee", "prefix"), [("card", 320, "ch_"), ("bank", 0, "py_")])
def test_a_paid_invoice_leads_to_its_charge_and_fee(standin, client, method, fee, prefix):
    invoice = an_open_invoice(client, 10_000)
    standin.control.pay_invoice(invoice.id, method=method)
    paid = client.v1.invoices.retrieve(invoice.id, {"expand": ["payments.data.payment.payment_intent", "customer"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 10_000, 0)
    assert paid.customer.name == "Customer"
    intent = paid.payments.data[0].payment.payment_intent
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)
    charge = client.v1.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]})
    assert charge.id.startswith(prefix)
    assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (fee, 10_000 - fee)
    listed = client.v1.invoice_payments.list({"invoice": invoice.id, "status": "paid"}).data
    assert [one.amount_paid for one in listed] == [10_000]


def test_payments_show_only_when_expanded(client):
    invoice = an_open_invoice(client)
    assert "payments" not in client.v1.invoices.retrieve(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id, {"expand": ["payments"]}).payments.data[0].status == "open"


def test_a_payment_out_of_band_moves_no_balance(standin, client):
    invoice = an_open_invoice(client, 10_000)
    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True, "expand": ["payments"]})
    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 10_000, 10_000)
    assert paid.payments.data[0].status == "canceled"
    assert standin.control.counters()["balance_transaction"] == 0
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert caught.value.code == "invoice_already_paid"


def test_paying_by_the_api_without_a_payment_method_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(an_open_invoice(client).id)


def test_a_declined_card_leaves_the_invoice_open_for_another_try(standin, client):
    invoice = an_open_invoice(client)
    standin.control.pay_invoice(invoice.id, outcome="failed")
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    assert client.v1.events.list({"type": "invoice.payment_failed"}).data[0].data.object.id == invoice.id
    assert standin.control.pay_invoice(invoice.id)["status"] == "paid"


def test_a_bank_debit_is_processing_before_it_succeeds_or_fails(standin, client):
    invoice = an_open_invoice(client)
    standin.control.pay_invoice(invoice.id, method="bank", outcome="processing")
    assert client.v1.payment_intents.list({"customer": invoice.customer}).data[0].status == "processing"
    assert standin.control.counters()["balance_transaction"] == 0
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.void_invoice(invoice.id)
    standin.control.pay_invoice(invoice.id, method="bank", outcome="failed")
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    standin.control.pay_invoice(invoice.id, method="bank")
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_a_void_invoice_cannot_be_paid(standin, client):
    invoice = an_open_invoice(client)
    assert client.v1.invoices.void_invoice(invoice.id).status == "void"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert client.v1.payment_intents.list({"customer": invoice.customer}).data[0].status == "canceled"


def test_an_uncollectible_invoice_can_still_be_paid_out_of_band(client):
    invoice = an_open_invoice(client)
    assert client.v1.invoices.mark_uncollectible(invoice.id).status == "uncollectible"
    assert client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True}).status == "paid"


def test_a_final_invoice_takes_no_items_and_no_terms_but_metadata(client):
    invoice = an_open_invoice(client)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoice_items.create({"invoice": invoice.id, "customer": invoice.customer, "amount": 1})
    assert caught.value.code == "invoice_not_editable"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.update(invoice.id, {"description": "Other"})
    assert client.v1.invoices.update(invoice.id, {"metadata": {"a": "1"}}).metadata["a"] == "1"


def test_items_and_drafts_can_be_deleted(client, customer):
    invoice = a_draft(client, customer)
    item = client.v1.invoice_items.create(
        {"customer": customer.id, "invoice": invoice.id, "amount": 5, "currency": "usd"}
    )
    assert client.v1.invoice_items.update(item.id, {"description": "New"}).description == "New"
    client.v1.invoice_items.delete(item.id)
    assert client.v1.invoices.retrieve(invoice.id).total == 0
    assert client.v1.invoices.delete(invoice.id).deleted
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.retrieve(invoice.id)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_pending_items_join_an_invoice_only_when_asked(client, customer):
    item = client.v1.invoice_items.create({"customer": customer.id, "amount": 5, "currency": "usd"})
    assert a_draft(client, customer).total == 0
    assert a_draft(client, customer, pending_invoice_items_behavior="include").total == 5
    assert client.v1.invoice_items.retrieve(item.id).invoice


def test_an_item_can_name_a_price(client, customer):
    product = client.v1.products.create({"name": "Hour"})
    price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 15_000})
    item = client.v1.invoice_items.create({"customer": customer.id, "pricing": {"price": price.id}, "quantity": 2})
    assert (item.amount, item.pricing.price_details.price) == (30_000, price.id)


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"amount": 1, "unit_amount_decimal": Decimal(1)},
        {"amount": 1, "quantity": 2},
        {"amount": 1, "currency": "eur"},
        {"amount": 1, "unit_amount": 3},
        {"pricing": {"price": "price_unknown"}},
    ],
)
def test_an_item_that_makes_no_sense_is_refused(client, customer, details):
    invoice = a_draft(client, customer)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoice_items.create({"customer": customer.id, "invoice": invoice.id, "currency": "usd", **details})


@pytest.mark.parametrize(
    "details",
    [
        {"collection_method": "send_invoice"},
        {"days_until_due": 3},
        {"collection_method": "send_invoice", "days_until_due": 3, "due_date": 1_900_000_000},
        {"collection_method": "by_pigeon", "days_until_due": 3},
    ],
)
def test_terms_that_contradict_each_other_are_refused(client, customer, details):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.create({"customer": customer.id, **details})


def test_lines_are_added_to_a_draft_all_or_none(client, customer):
    invoice = a_draft(client, customer, currency="eur")
    lines = [{"amount": amount, "description": f"Line {amount}", "metadata": {"n": str(amount)}} for amount in (7, -2)]
    assert client.v1.invoices.add_lines(invoice.id, {"lines": lines}).total == 5
    added = client.v1.invoices.line_items.list(invoice.id).data
    assert [(line.amount, line.currency, line.metadata["n"]) for line in added] == [(7, "eur", "7"), (-2, "eur", "-2")]
    for refused in ([{"amount": 1}, {"description": "Of nothing"}], [{"amount": 1}] * 249):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.invoices.add_lines(invoice.id, {"lines": refused})
    assert client.v1.invoices.retrieve(invoice.id).total == 5
    client.v1.invoices.finalize_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(invoice.id, {"lines": lines})
    assert caught.value.code == "invoice_not_editable"


def test_an_invoice_shows_ten_lines_and_pages_the_rest(client, customer):
    invoice = a_draft(client, customer)
    for amount in range(1, 13):
        client.v1.invoice_items.create(
            {"customer": customer.id, "invoice": invoice.id, "currency": "usd", "amount": amount}
        )
    found = client.v1.invoices.retrieve(invoice.id)
    assert (len(found.lines.data), found.lines.has_more, found.total) == (10, True, 78)
    lines = client.v1.invoices.line_items.list(invoice.id, {"limit": 5}).auto_paging_iter()
    assert [line.amount for line in lines] == list(range(1, 13))


def test_invoices_are_found_by_customer_status_and_metadata(client, customer):
    a_draft(client, customer, metadata={"intent": "i1"})
    an_open_invoice(client)
    assert len(client.v1.invoices.list({"customer": customer.id}).data) == 1
    assert len(client.v1.invoices.list({"status": "open"}).data) == 1
    found = client.v1.invoices.search({"query": "metadata['intent']:'i1' AND status:'draft'"})
    assert len(found.data) == 1
