"""Subscriptions by checkout: renewed, past due, cancelled, changed; debits that end by the clock; codes and tax."""

from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import stripe

from tests.standin.test_checkout import a_session

DAY = 86_400
MONTHLY = {
    "price_data": {
        "currency": "usd",
        "unit_amount": 30_000,
        "product_data": {"name": "Full support"},
        "recurring": {"interval": "month"},
    }
}
ENDED_DEBIT_DAYS = 5


def a_subscription_session(client, **details):
    customer = client.v1.customers.create({"name": "Hospital", "email": "ap@hospital.example"})
    return client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [MONTHLY],
            "success_url": "https://portal.example/done",
            "subscription_data": {"metadata": {"order": "7"}},
            **details,
        }
    )


def subscribed(standin, client, method="card", **details):
    session = a_subscription_session(client, **details)
    standin.control.pay_session(session.id, method=method)
    done = client.v1.checkout.sessions.retrieve(session.id)
    return client.v1.subscriptions.retrieve(done.subscription)


def invoices_of(client, subscription):
    found = client.v1.invoices.list({"customer": subscription.customer}).data
    return [one for one in found if one.parent.subscription_details.subscription == subscription.id]


def event_types(client):
    return [event.type for event in client.v1.events.list({"limit": 100}).data][::-1]


def test_a_checkout_begins_a_subscription_with_a_paid_invoice(standin, client):
    subscription = subscribed(standin, client)
    assert (subscription.status, subscription.metadata["order"]) == ("active", "7")
    (invoice,) = invoices_of(client, subscription)
    assert (invoice.status, invoice.total, invoice.billing_reason) == ("paid", 30_000, "subscription_create")
    assert invoice.parent.subscription_details.metadata["order"] == "7"
    types = event_types(client)
    assert types.index("invoice.paid") < types.index("checkout.session.completed")


def test_months_are_renewed_by_the_clock(standin, client):
    subscription = subscribed(standin, client)
    standin.control.advance_clock(63 * DAY)
    invoices = invoices_of(client, subscription)
    assert [one.billing_reason for one in invoices] == [
        "subscription_cycle",
        "subscription_cycle",
        "subscription_create",
    ]
    assert [one.status for one in invoices] == ["paid"] * 3
    item = client.v1.subscriptions.retrieve(subscription.id)["items"].data[0]
    assert item.current_period_start == invoices[0].created


def test_a_failed_renewal_is_past_due_and_paid_by_a_later_try(standin, client):
    subscription = subscribed(standin, client)
    standin.control.pay_renewals_by(subscription.id, "card_declined")
    standin.control.advance_clock(32 * DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    assert "invoice.payment_failed" in event_types(client)
    standin.control.pay_renewals_by(subscription.id, "card")
    standin.control.advance_clock(4 * DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    assert invoices_of(client, subscription)[0].attempt_count == 2


def test_one_cancelled_to_the_end_of_its_period_ends_there(standin, client):
    subscription = subscribed(standin, client)
    changed = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (changed.status, changed.cancel_at) == ("active", subscription["items"].data[0].current_period_end)
    standin.control.advance_clock(32 * DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert len(invoices_of(client, subscription)) == 1
    assert event_types(client)[-1] == "customer.subscription.deleted"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.cancel(subscription.id)


def test_a_cancellation_can_be_taken_back_or_be_at_once(standin, client):
    subscription = subscribed(standin, client)
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False}).cancel_at is None
    assert client.v1.subscriptions.cancel(subscription.id).status == "canceled"


def test_a_change_of_price_is_prorated_as_previewed(standin, client):
    subscription = subscribed(standin, client)
    standin.control.advance_clock(10 * DAY)
    product = client.v1.products.create({"name": "Fuller support"})
    dearer = client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 60_000, "recurring": {"interval": "month"}}
    )
    item = {"id": subscription["items"].data[0].id, "price": dearer.id}
    at = client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": {"items": [item]}}
    ).parent.subscription_details.subscription_proration_date
    previewed = client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": {"items": [item], "proration_date": at}}
    )
    change = {"items": [item], "proration_behavior": "always_invoice", "proration_date": at}
    client.v1.subscriptions.update(subscription.id, change)
    billed = invoices_of(client, subscription)[0]
    assert billed.total == previewed.total
    assert 19_000 < billed.total < 21_000
    assert (billed.status, billed.billing_reason) == ("paid", "subscription_update")


def changed_at_once(client, subscription, interval="month", **said):
    """The dearer price from now on, charged at once or not made."""
    product = client.v1.products.create({"name": "Fuller support"})
    price = {"product": product.id, "currency": "usd", "unit_amount": 60_000, "recurring": {"interval": interval}}
    item = {"id": subscription["items"].data[0].id, "price_data": price}
    how = {"items": [item], "proration_behavior": "always_invoice"}
    previewed = client.v1.invoices.create_preview({"subscription": subscription.id, "subscription_details": how})
    return previewed, lambda: client.v1.subscriptions.update(
        subscription.id, {**how, "payment_behavior": "error_if_incomplete", **said}
    )


def test_another_interval_begins_its_own_period_and_is_charged_whole(standin, client):
    subscription = subscribed(standin, client, automatic_tax={"enabled": True})
    standin.control.advance_clock(10 * DAY)
    previewed, change = changed_at_once(client, subscription, "year")
    began, item = subscription["items"].data[0].current_period_end, change()["items"].data[0]
    billed = invoices_of(client, subscription)[0]
    assert (billed.total, billed.total_taxes[0].amount) == (previewed.total, previewed.total_taxes[0].amount)
    assert billed.subtotal == 60_000 + billed.lines.data[0].amount
    assert billed.lines.data[1].pricing.price_details.product == item.price.product
    assert item.current_period_end - item.current_period_start == 365 * DAY
    standin.control.advance_clock(began - item.current_period_start + DAY)
    assert invoices_of(client, subscription)[0].id == billed.id


def test_a_change_that_cannot_be_paid_is_not_made(standin, client):
    subscription = subscribed(standin, client)
    standin.control.pay_renewals_by(subscription.id, "card_declined")
    asked = {"expand": ["default_payment_method"]}
    assert client.v1.subscriptions.retrieve(subscription.id, asked).default_payment_method.type == "card"
    _, change = changed_at_once(client, subscription)
    with pytest.raises(stripe.CardError, match="declined"):
        change()
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert (after.status, after["items"].data[0].price.unit_amount) == ("active", 30_000)
    assert len(invoices_of(client, subscription)) == 1


@pytest.mark.parametrize(
    ("method", "told", "status"),
    [
        ("bank_debit", "checkout.session.async_payment_succeeded", "paid"),
        ("bank_debit_fails", "checkout.session.async_payment_failed", "unpaid"),
    ],
)
def test_a_bank_debit_of_a_pack_ends_days_later(standin, client, method, told, status):
    session = a_session(client)
    standin.control.pay_session(session.id, method=method)
    early = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (early.status, early.payment_status, early.payment_intent.status) == ("complete", "unpaid", "processing")
    standin.control.advance_clock(ENDED_DEBIT_DAYS * DAY)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == status
    assert event_types(client)[-1] == told


def test_a_debit_for_a_subscription_that_fails_leaves_it_past_due(standin, client):
    subscription = subscribed(standin, client, method="bank_debit_fails")
    assert subscription.status == "active"
    standin.control.advance_clock(ENDED_DEBIT_DAYS * DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    assert {"invoice.payment_failed", "checkout.session.async_payment_failed"} <= set(event_types(client))


def test_a_declined_card_leaves_the_checkout_open(standin, client):
    session = a_session(client)
    standin.control.pay_session(session.id, method="card_declined")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert "declined" in urlopen(session.url).read().decode()
    assert standin.control.counters()["charge"] == 0


def test_a_session_expires_by_the_clock(standin, client):
    session = a_session(client)
    standin.control.advance_clock(25 * 3600)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert event_types(client)[-1] == "checkout.session.expired"


def a_code(client, code="WELCOME", **details):
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    return client.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": code, **details}
    )


def test_a_promotion_code_typed_at_the_page_takes_off_its_part_once(standin, client):
    code = a_code(client, max_redemptions=1)
    session = a_session(client, allow_promotion_codes=True)
    urlopen(Request(f"{session.url}/code", urlencode({"code": "welcome"}).encode()))
    standin.control.pay_session(session.id)
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.amount_total, paid.total_details.amount_discount) == (4_500, 500)
    assert client.v1.promotion_codes.retrieve(code.id).times_redeemed == 1
    with pytest.raises(Exception, match="422"):
        urlopen(Request(f"{a_session(client, allow_promotion_codes=True).url}/code", b"code=WELCOME"))
    assert [one.id for one in client.v1.promotion_codes.list({"code": "WELCOME", "active": True})] == [code.id]


def test_a_once_code_counts_for_the_first_invoice_only(standin, client):
    code = a_code(client)
    subscription = subscribed(standin, client, discounts=[{"promotion_code": code.id}])
    standin.control.advance_clock(32 * DAY)
    assert [one.total for one in invoices_of(client, subscription)] == [30_000, 27_000]


def test_tax_is_added_by_the_switch_and_not_for_the_exempt(standin, client):
    taxed = a_session(client, automatic_tax={"enabled": True})
    assert (taxed.amount_total, taxed.total_details.amount_tax) == (5_413, 413)
    exempt = client.v1.customers.create({"name": "School", "tax_exempt": "exempt"})
    free = a_session(client, automatic_tax={"enabled": True}, customer=exempt.id)
    assert free.total_details.amount_tax == 0
    subscription = subscribed(standin, client, automatic_tax={"enabled": True})
    invoice = invoices_of(client, subscription)[0]
    assert (invoice.total, invoice.total_excluding_tax, invoice.total_taxes[0].amount) == (32_475, 30_000, 2_475)


def test_the_customer_portal_cancels_and_changes_the_way_to_pay(standin, client):
    subscription = subscribed(standin, client)
    session = client.v1.billing_portal.sessions.create(
        {"customer": subscription.customer, "return_url": "https://portal.example/bought"}
    )
    page = urlopen(session.url).read().decode()
    assert "https://portal.example/bought" in page
    assert "Renews" in page
    urlopen(Request(f"{session.url}/subscriptions/{subscription.id}", b"choice=cancel"))
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end
    urlopen(Request(f"{session.url}/subscriptions/{subscription.id}", b"choice=resume"))
    urlopen(Request(f"{session.url}/method", b"way=card_declined"))
    standin.control.advance_clock(32 * DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    with pytest.raises(Exception, match="404"):
        urlopen(session.url)


def test_the_customer_portal_cancels_nothing_where_its_configuration_says_so(standin, client):
    subscription = subscribed(standin, client)
    names = ("invoice_history", "payment_method_update", "subscription_cancel")
    features = {name: {"enabled": name != "subscription_cancel"} for name in names}
    made = client.v1.billing_portal.configurations.create({"features": features})
    wanted = {"customer": subscription.customer, "configuration": made.id, "return_url": "https://portal.example"}
    session = client.v1.billing_portal.sessions.create(wanted)
    assert "Cancel at the end" not in urlopen(session.url).read().decode()
    with pytest.raises(Exception, match="404"):
        urlopen(Request(f"{session.url}/subscriptions/{subscription.id}", b"choice=cancel"))
