"""Checkout sessions in payment mode: a hosted page, and behind it a payment intent once the buyer has paid."""

from decimal import Decimal
from typing import Any

from portal.standin import catalogue, events, objects, payments
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import (
    currency_code,
    decimal_number,
    group,
    integer,
    many,
    merged_metadata,
    metadata,
    text,
)
from portal.standin.refusals import bad_parameter, refused

KIND = "checkout.session"
OPEN_SECONDS = 24 * 3600
SESSION_ID = "{CHECKOUT_SESSION_ID}"


def create_session(call: Call) -> Body:
    given = call.parameters
    if given.get("customer"):
        objects.fetch(call.state, "customer", given["customer"], param="customer")
    items = [_line_item(call, item, index) for index, item in enumerate(given["line_items"])]
    currencies = {item["currency"] for item in items}
    if len(currencies) != 1:
        raise bad_parameter("All line items must have the same currency.", "line_items")
    total = sum(item["amount_total"] for item in items)
    session_id = objects.new_id("cs_test", 58)
    now = call.state.now()
    body: Body = {
        "id": session_id,
        "object": KIND,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "status": None},
        "cancel_url": given.get("cancel_url"),
        "client_reference_id": given.get("client_reference_id"),
        "created": now,
        "currency": currencies.pop(),
        "customer": given.get("customer"),
        "customer_email": given.get("customer_email"),
        "expires_at": given.get("expires_at") or now + OPEN_SECONDS,
        "invoice": None,
        "line_items": objects.list_object(items, f"/v1/checkout/sessions/{session_id}/line_items"),
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "mode": given["mode"],
        "payment_intent": None,
        "payment_link": None,
        "payment_status": "unpaid",
        "status": "open",
        "subscription": None,
        "success_url": given["success_url"],
        "ui_mode": "hosted_page",
        "url": f"{call.public_url}/hosted/checkout/{session_id}",
        "_intent": given.get("payment_intent_data") or {},
    }
    return objects.insert(call.state, body)


def retrieve_session(call: Call, session_id: str) -> Body:
    return objects.fetch(call.state, KIND, session_id)


def list_sessions(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("customer", "payment_intent", "status")}
    return objects.page(call.state, KIND, call.parameters, url="/v1/checkout/sessions", equal=equal)


def list_line_items(call: Call, session_id: str) -> Body:
    session = objects.fetch(call.state, KIND, session_id)
    return objects.page_of(session["line_items"]["data"], call.parameters, session["line_items"]["url"])


def expire_session(call: Call, session_id: str) -> Body:
    body = objects.fetch(call.state, KIND, session_id)
    if body["status"] != "open":
        raise refused(f'Only Checkout Sessions with a status in ["open"] can be expired. It is {body["status"]}.')
    body.update(status="expired", url=None)
    objects.save(call.state, body)
    events.record(call, "checkout.session.expired", body)
    return body


def complete_session(call: Call, session_id: str, *, method: str) -> Body:
    """The buyer pays at the page. Raises: Refusal when the session is no longer open."""
    body = objects.fetch(call.state, KIND, session_id)
    if body["status"] != "open" or body["expires_at"] <= call.state.now():
        raise refused("This checkout session is no longer open.")
    details = body["_intent"]
    intent = payments.create_intent(
        call,
        body["amount_total"],
        body["currency"],
        customer=body["customer"],
        description=details.get("description"),
        metadata=merged_metadata({}, details.get("metadata")),
        transfer_group=details.get("transfer_group"),
    )
    payments.pay_intent(call, intent["id"], method=method, outcome=payments.SUCCEEDED)
    body.update(status="complete", payment_status="paid", payment_intent=intent["id"], url=None)
    objects.save(call.state, body)
    events.record(call, "checkout.session.completed", body)
    return body


def success_address(body: Body) -> str:
    return str(body["success_url"]).replace(SESSION_ID, body["id"])


def _line_item(call: Call, given: dict[str, Any], index: int) -> Body:
    param = f"line_items[{index}]"
    if bool(given.get("price")) == bool(given.get("price_data")):
        raise bad_parameter("Pass exactly one of price and price_data.", f"{param}[price]", code="parameter_missing")
    if given.get("price"):
        price = objects.fetch(call.state, "price", given["price"], param=f"{param}[price]")
        product = objects.fetch(call.state, "product", price["product"])
        name, currency, unit = product["name"], price["currency"], Decimal(price["unit_amount_decimal"])
    else:
        price, inline = None, given["price_data"]
        name = (inline.get("product_data") or {}).get("name") or inline.get("product") or ""
        currency, unit = inline["currency"], catalogue.unit_amount(inline)
    quantity = given.get("quantity") or 1
    amount = catalogue.times(unit, Decimal(quantity))
    return {
        "id": objects.new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": name,
        "price": price,
        "quantity": quantity,
    }


PRICE_DATA = group(
    {
        "currency": currency_code(required=True),
        "product": text(),
        "product_data": group({"name": text(required=True), "description": text(), "metadata": metadata()}),
        "unit_amount": integer(0),
        "unit_amount_decimal": decimal_number(),
    }
)
SESSION = {
    "cancel_url": text(),
    "client_reference_id": text(longest=200),
    "customer": text(),
    "customer_email": text(),
    "expires_at": integer(0),
    "line_items": many(group({"price": text(), "price_data": PRICE_DATA, "quantity": integer(1)}), required=True),
    "metadata": metadata(),
    "mode": text("payment", required=True),
    "payment_intent_data": group({"description": text(), "metadata": metadata(), "transfer_group": text()}),
    "success_url": text(required=True),
}
LIST = {**PAGING, "customer": text(), "payment_intent": text(), "status": text()}
ENDPOINTS = (
    Endpoint("POST", "/v1/checkout/sessions", create_session, SESSION),
    Endpoint("GET", "/v1/checkout/sessions", list_sessions, LIST),
    Endpoint("GET", "/v1/checkout/sessions/<id>", retrieve_session),
    Endpoint("POST", "/v1/checkout/sessions/<id>/expire", expire_session),
    Endpoint("GET", "/v1/checkout/sessions/<id>/line_items", list_line_items, PAGING),
)
