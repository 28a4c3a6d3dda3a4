"""Checkout in payment mode, and refunds of what was paid."""

import pytest
import stripe

LINES = [{"price_data": {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Hour pack"}}, "quantity": 2}]


def a_session(client, **details):
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": LINES,
            "success_url": "https://portal.example/done?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://portal.example/back",
            "client_reference_id": "order-1",
            "metadata": {"intent": "i1"},
            "payment_intent_data": {"transfer_group": "order-1", "metadata": {"intent": "i1"}},
            **details,
        }
    )


def a_paid_charge(standin, client):
    standin.control.pay_session(a_session(client).id)
    return client.v1.charges.list({"transfer_group": "order-1"}).data[0]


def test_a_session_waits_open_at_its_page(standin, client):
    session = a_session(client)
    assert session.id.startswith("cs_test_")
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 5000)
    assert session.url.startswith(standin.base_url)
    assert session.payment_intent is None


def test_a_paid_session_leads_to_its_charge(standin, client):
    session = a_session(client)
    standin.control.pay_session(session.id)
    path = "payment_intent.latest_charge.balance_transaction"
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": [path, "line_items"]})
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert paid.payment_intent.metadata["intent"] == "i1"
    assert paid.payment_intent.latest_charge.balance_transaction.net == 5000 - 175
    assert paid.line_items.data[0].quantity == 2
    event = client.v1.events.list({"type": "checkout.session.completed"}).data[0]
    assert event.data.object.id == session.id


def test_a_catalogue_price_can_be_bought(client):
    product = client.v1.products.create({"name": "Pack"})
    price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1500})
    session = a_session(client, line_items=[{"price": price.id, "quantity": 3}])
    assert session.amount_total == 4500
    assert client.v1.checkout.sessions.line_items.list(session.id).data[0].description == "Pack"
    assert [one.id for one in client.v1.prices.list({"product": product.id})] == [price.id]
    assert client.v1.products.list().data[0].name == "Pack"


def test_an_expired_session_is_closed(client):
    session = client.v1.checkout.sessions.expire(a_session(client).id)
    assert (session.status, session.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)
    assert [one.id for one in client.v1.checkout.sessions.list({"status": "expired"})] == [session.id]


@pytest.mark.parametrize(
    "details",
    [
        {"mode": "subscription"},
        {"mode": "payment", "subscription_data": {"description": "x"}},
        {"expires_at": 1},
        {"line_items": [{"quantity": 1}]},
        {"line_items": [{"price": "price_unknown"}]},
        {"payment_method_types": ["card"]},
        {"customer": "cus_unknown"},
        {"line_items": [*LINES, {"price_data": {"currency": "eur", "unit_amount": 1, "product_data": {"name": "E"}}}]},
    ],
)
def test_a_session_that_makes_no_sense_is_refused(client, details):
    with pytest.raises(stripe.InvalidRequestError):
        a_session(client, **details)


def test_a_refund_takes_the_money_back_without_the_fee(standin, client):
    charge = a_paid_charge(standin, client)
    refund = client.v1.refunds.create({"payment_intent": charge.payment_intent, "amount": 2000, "metadata": {"a": "1"}})
    assert (refund.status, refund.charge) == ("succeeded", charge.id)
    assert client.v1.balance.retrieve().available[0].amount == 5000 - 175 - 2000
    found = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (found.amount_refunded, found.refunded, found.refunds.data[0].id) == (2000, False, refund.id)


def test_a_refund_of_more_than_is_left_is_refused(standin, client):
    charge = a_paid_charge(standin, client)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"charge": charge.id, "amount": 5001})
    standin.control.fund(1000)
    client.v1.refunds.create({"charge": charge.id})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id})
    assert caught.value.code == "charge_already_refunded"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"amount": 1})


def test_a_refund_that_the_balance_does_not_cover_stays_pending(standin, client):
    charge = a_paid_charge(standin, client)
    standin.control.set_available(0)
    refund = client.v1.refunds.create({"charge": charge.id})
    assert (refund.status, refund.pending_reason, refund.balance_transaction) == ("pending", "insufficient_funds", None)
    standin.control.settle_refund(refund.id)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert client.v1.events.list({"type": "refund.updated"}).data[0].data.object.id == refund.id
    assert [one.id for one in client.v1.refunds.list({"charge": charge.id})] == [refund.id]
