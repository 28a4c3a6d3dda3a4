"""Payment intents and the charges and balance transactions behind a payment. No card and no bank is ever asked.

A card pays at once, less the processing fee; a bank debit costs nothing here and may first be processing. Intents are
made by invoices and checkout; the API only shows them.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from portal.standin import balance, events, exchange, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import text
from portal.standin.refusals import refused

# Stripe's standard price for cards in the United States, 2.9 % + 30 cents. Real fees come with each transaction.
CARD_FEE_BP = 290
CARD_FEE_FIXED_MINOR = 30
BANK_FEE_MINOR = 0
CARD, BANK = "card", "bank"
SUCCEEDED, PROCESSING, FAILED = "succeeded", "processing", "failed"
# A bank debit ends days after it began: docs.stripe.com/payments/ach-direct-debit says up to four business days.
DEBIT_SECONDS = 4 * 24 * 3600
# What a payer can do at a page: the method, what comes of it at once, and how it ends by the clock.
WAYS: dict[str, tuple[str, str, str | None]] = {
    "card": (CARD, SUCCEEDED, None),
    "card_declined": (CARD, FAILED, None),
    "bank": (BANK, SUCCEEDED, None),
    "bank_debit": (BANK, PROCESSING, SUCCEEDED),
    "bank_debit_fails": (BANK, PROCESSING, FAILED),
}


def on_file(call: Call, customer_id: str, way: str) -> str:
    """What a customer pays with from now on, as an object of its own; its id."""
    kind = "card" if WAYS[way][0] == CARD else "us_bank_account"
    body: Body = {
        "id": objects.new_id("pm"),
        "object": "payment_method",
        "created": call.state.now(),
        "customer": customer_id,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
    return str(objects.insert(call.state, body)["id"])


def processing_fee(amount_minor: int, method: str) -> int:
    if method == BANK:
        return BANK_FEE_MINOR
    share = Decimal(amount_minor * CARD_FEE_BP) / 10_000
    return int(share.to_integral_value(ROUND_HALF_UP)) + CARD_FEE_FIXED_MINOR


def create_intent(call: Call, amount: int, currency: str, **details: Any) -> Body:
    """An intent still waiting for a payment method. *Details*: customer, description, metadata, transfer_group."""
    intent_id = objects.new_id("pi")
    body: Body = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": objects.new_id(f"{intent_id}_secret"),
        "confirmation_method": "automatic",
        "created": call.state.now(),
        "currency": currency,
        "customer": details.get("customer"),
        "description": details.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": details.get("metadata") or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_types": ["card", "us_bank_account"],
        "receipt_email": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": details.get("transfer_group"),
    }
    objects.insert(call.state, body)
    events.record(call, "payment_intent.created", body)
    return body


def pay_intent(call: Call, intent_id: str, *, method: str, outcome: str, ends: str | None = None) -> Body:
    """The payer has paid, or tried to; ``ends`` is what the clock makes of a debit. Raises: Refusal when past that."""
    intent = objects.fetch(call.state, "payment_intent", intent_id)
    if intent["status"] not in ("requires_payment_method", "processing"):
        raise refused(f"This PaymentIntent cannot be paid because it has a status of {intent['status']}.")
    if outcome == FAILED:
        return _fail(call, intent, method)
    if intent["status"] == "processing":
        charge = objects.fetch(call.state, "charge", intent["latest_charge"])
    else:
        charge = _charge(call, intent, method)
        intent["latest_charge"] = charge["id"]
    if outcome == PROCESSING:
        intent["status"] = "processing"
        objects.save(call.state, intent)
        events.record(call, "charge.pending", charge)
        events.record(call, "payment_intent.processing", intent)
        if ends is not None:
            call.state.plan(call.state.now() + DEBIT_SECONDS, f"debit_{ends}", intent_id)
        return intent
    return _succeed(call, intent, charge)


def resize_intent(call: Call, intent_id: str, amount: int) -> None:
    """What is to be paid has changed before anybody paid. Raises: Refusal while a payment is processing."""
    intent = objects.fetch(call.state, "payment_intent", intent_id)
    if intent["status"] == "processing":
        raise refused("A payment of this invoice is still processing.", code="payment_intent_unexpected_state")
    objects.save(call.state, {**intent, "amount": amount})


def cancel_intent(call: Call, intent_id: str, reason: str) -> None:
    intent = objects.fetch(call.state, "payment_intent", intent_id)
    intent.update(status="canceled", canceled_at=call.state.now(), cancellation_reason=reason)
    objects.save(call.state, intent)
    events.record(call, "payment_intent.canceled", intent)


def _charge(call: Call, intent: Body, method: str) -> Body:
    card = method == CARD
    details: Body = (
        {"type": "card", "card": {"brand": "visa", "last4": "4242", "funding": "credit", "country": "US"}}
        if card
        else {"type": "us_bank_account", "us_bank_account": {"bank_name": "STAND-IN BANK", "last4": "6789"}}
    )
    body: Body = {
        "id": objects.new_id("ch" if card else "py"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "captured": False,
        "created": call.state.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": None,
        "payment_method_details": details,
        "receipt_url": None,
        "refunded": False,
        "refunds": None,
        "source_transfer": None,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }
    return objects.insert(call.state, body)


def _succeed(call: Call, intent: Body, charge: Body) -> Body:
    amount = intent["amount"]
    method = CARD if charge["payment_method_details"]["type"] == "card" else BANK
    kind = "charge" if method == CARD else "payment"
    settled = exchange.settle(call.state, amount, intent["currency"])
    moved = balance.move(
        call,
        kind,
        settled.amount,
        settled.currency,
        charge["id"],
        fee=exchange.to_step(Decimal(processing_fee(settled.amount, method)), settled.currency),
        description=intent["description"],
        exchange_rate=settled.rate,
    )
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=amount, balance_transaction=moved["id"])
    objects.save(call.state, charge)
    intent.update(status="succeeded", amount_received=amount, latest_charge=charge["id"], last_payment_error=None)
    objects.save(call.state, intent)
    events.record(call, "charge.succeeded", charge)
    events.record(call, "payment_intent.succeeded", intent)
    return intent


def _fail(call: Call, intent: Body, method: str) -> Body:
    if intent["status"] == "processing":
        charge = objects.fetch(call.state, "charge", intent["latest_charge"])
    else:
        charge = _charge(call, intent, method)
    message = "Your card was declined." if method == CARD else "The bank account could not be debited."
    code = "card_declined" if method == CARD else "payment_method_provider_decline"
    charge.update(status="failed", failure_code=code, failure_message=message)
    objects.save(call.state, charge)
    error_type = "card_error" if method == CARD else "invalid_request_error"
    intent.update(
        status="requires_payment_method",
        latest_charge=charge["id"],
        last_payment_error={"code": code, "message": message, "type": error_type, "charge": charge["id"]},
    )
    objects.save(call.state, intent)
    events.record(call, "charge.failed", charge)
    events.record(call, "payment_intent.payment_failed", intent)
    return intent


def retrieve_intent(call: Call, intent_id: str) -> Body:
    return objects.fetch(call.state, "payment_intent", intent_id)


def list_intents(call: Call) -> Body:
    equal = {"customer": call.parameters.get("customer")}
    return objects.page(call.state, "payment_intent", call.parameters, url="/v1/payment_intents", equal=equal)


def retrieve_charge(call: Call, charge_id: str) -> Body:
    charge = objects.fetch(call.state, "charge", charge_id)
    refunds = objects.every(call.state, "refund", charge=charge_id)[::-1]
    return {**charge, "refunds": objects.list_object(refunds, f"/v1/charges/{charge_id}/refunds")}


def list_charges(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("customer", "payment_intent", "transfer_group")}
    return objects.page(call.state, "charge", call.parameters, url="/v1/charges", equal=equal)


ENDPOINTS = (
    Endpoint("GET", "/v1/payment_intents", list_intents, {**PAGING, "customer": text()}),
    Endpoint("GET", "/v1/payment_intents/<id>", retrieve_intent),
    Endpoint(
        "GET",
        "/v1/charges",
        list_charges,
        {**PAGING, "customer": text(), "payment_intent": text(), "transfer_group": text()},
    ),
    Endpoint("GET", "/v1/charges/<id>", retrieve_charge),
)
