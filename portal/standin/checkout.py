"""Checkout sessions: what is bought, once or by subscription, and where the buyer pays; paying is ``checkout_paying``.

A price stated inline becomes a price of its own. Discounts come by a coupon or promotion code of the request, or by a
code typed at the page; tax by the switch. A session closes when it is paid, expired by the API, or a day old.
"""

from decimal import Decimal
from typing import Any

from portal.standin import catalogue, events, objects, promotions, taxes
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, group, integer, many, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused

KIND = "checkout.session"
PAYMENT, SUBSCRIPTION = "payment", "subscription"
# docs.stripe.com/api/checkout/sessions/create: from half an hour to a day.
OPEN_SECONDS = 24 * 3600
LEAST_OPEN_SECONDS = 30 * 60
# docs.stripe.com/api/checkout/sessions/create: subscription_data.trial_end.
LEAST_TRIAL_SECONDS = 48 * 3600 - 60
SESSION_ID = "{CHECKOUT_SESSION_ID}"


def create_session(call: Call) -> Body:
    given = call.parameters
    if given.get("customer"):
        objects.fetch(call.state, "customer", given["customer"], param="customer")
    if given.get("customer") and given.get("customer_email"):
        raise bad_parameter("You may only specify one of these parameters: customer, customer_email.", "customer")
    items = [_line_item(call, item, index) for index, item in enumerate(given["line_items"])]
    _check_trial(call, items)
    currencies = {item["currency"] for item in items}
    if len(currencies) != 1:
        raise bad_parameter("All line items must have the same currency.", "line_items")
    _check_mode(given, items)
    session_id = objects.new_id("cs_test", 58)
    body = _blank(call, session_id, items)
    body["currency"] = currencies.pop()
    body["_code"] = _code_given(call)
    reckon(call, body)
    call.state.plan(body["expires_at"], "session_over", session_id)
    return objects.insert(call.state, body)


def reckon(call: Call, body: Body) -> None:
    """What is to be paid: the lines, less the discount of the code, with the tax on that."""
    subtotal = sum(item["amount_subtotal"] for item in body["line_items"]["data"])
    discount = promotions.discount_on(
        call.state, subtotal, body["currency"], promotions.given_to(call.state, body["_code"])
    )
    customer = objects.find(call.state, "customer", body["customer"]) if body["customer"] else None
    tax = taxes.tax_on(subtotal - discount, customer, body["automatic_tax"])
    body.update(
        amount_subtotal=subtotal,
        amount_total=subtotal - discount + tax,
        total_details={"amount_discount": discount, "amount_shipping": 0, "amount_tax": tax},
        discounts=_discounts(call, body),
    )


def type_code(call: Call, body: Body, code: str) -> None:
    """The buyer types a promotion code at the page. Raises: Refusal for one that is not valid."""
    if not body["allow_promotion_codes"]:
        raise refused("This checkout takes no promotion code.")
    body["_code"] = promotions.named(call, code)["id"]
    reckon(call, body)
    objects.save(call.state, body)


def retrieve_session(call: Call, session_id: str) -> Body:
    return objects.fetch(call.state, KIND, session_id)


def list_sessions(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("customer", "payment_intent", "status", "subscription")}
    return objects.page(call.state, KIND, call.parameters, url="/v1/checkout/sessions", equal=equal)


def list_line_items(call: Call, session_id: str) -> Body:
    session = objects.fetch(call.state, KIND, session_id)
    return objects.page_of(session["line_items"]["data"], call.parameters, session["line_items"]["url"])


def expire_session(call: Call, session_id: str) -> Body:
    body = objects.fetch(call.state, KIND, session_id)
    if body["status"] != "open":
        raise refused(f'Only Checkout Sessions with a status in ["open"] can be expired. It is {body["status"]}.')
    return _expire(call, body)


def over(call: Call, session_id: str) -> None:
    """The session's day has passed."""
    body = objects.find(call.state, KIND, session_id)
    if body is not None and body["status"] == "open":
        _expire(call, body)


def success_address(body: Body) -> str:
    return str(body["success_url"]).replace(SESSION_ID, body["id"])


def _expire(call: Call, body: Body) -> Body:
    body.update(status="expired", url=None)
    objects.save(call.state, body)
    events.record(call, "checkout.session.expired", body)
    return body


def _check_mode(given: Body, items: list[Body]) -> None:
    recurring = [item for item in items if item["price"] and item["price"]["recurring"]]
    if given["mode"] == PAYMENT and recurring:
        message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode."
        raise bad_parameter(message, "mode")
    if given["mode"] == SUBSCRIPTION and len(recurring) != 1:
        message = "You must provide at least one recurring price in `subscription` mode; the stand-in takes one."
        raise bad_parameter(message, "mode")
    other = "subscription_data" if given["mode"] == PAYMENT else "payment_intent_data"
    if given.get(other):
        raise bad_parameter(f"You can not pass `{other}` in `{given['mode']}` mode.", other)
    if given.get("discounts") and given.get("allow_promotion_codes"):
        message = "You may only specify one of these parameters: allow_promotion_codes, discounts."
        raise bad_parameter(message, "discounts")


def _check_trial(call: Call, items: list[Body]) -> None:
    """docs.stripe.com/payments/checkout/free-trials: its end is two days off at least; its price is asked from then."""
    ends = (call.parameters.get("subscription_data") or {}).get("trial_end")
    if ends is None:
        return
    if ends < call.state.now() + LEAST_TRIAL_SECONDS:
        message = "The `trial_end` date has to be at least 2 days in the future."
        raise bad_parameter(message, "subscription_data[trial_end]")
    for item in items:
        if item["price"]["recurring"]:
            item.update(amount_subtotal=0, amount_total=0)


def _blank(call: Call, session_id: str, items: list[Body]) -> Body:
    given, now = call.parameters, call.state.now()
    expires_at = given.get("expires_at") or now + OPEN_SECONDS
    if given.get("expires_at") and not now + LEAST_OPEN_SECONDS - 60 <= expires_at <= now + OPEN_SECONDS:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise bad_parameter(message, "expires_at")
    details = given.get("subscription_data" if given["mode"] == SUBSCRIPTION else "payment_intent_data")
    return {
        "id": session_id,
        "object": KIND,
        "allow_promotion_codes": bool(given.get("allow_promotion_codes")),
        "automatic_tax": taxes.shown_switch(given.get("automatic_tax")),
        "cancel_url": given.get("cancel_url"),
        "client_reference_id": given.get("client_reference_id"),
        "created": now,
        "customer": given.get("customer"),
        "customer_email": given.get("customer_email"),
        "expires_at": expires_at,
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
        "_details": details or {},
    }


def _code_given(call: Call) -> str | None:
    given = call.parameters.get("discounts") or []
    if not given:
        return None
    if bool(given[0].get("coupon")) == bool(given[0].get("promotion_code")):
        raise bad_parameter("Pass exactly one of coupon and promotion_code.", "discounts[0]")
    kind = promotions.COUPON if given[0].get("coupon") else promotions.CODE
    found = objects.fetch(call.state, kind, given[0][kind], param=f"discounts[0][{kind}]")
    if found["max_redemptions"] is not None and found["times_redeemed"] >= found["max_redemptions"]:
        raise refused("This coupon has reached its maximum redemptions.", code="coupon_expired", param="discounts[0]")
    return str(found["id"])


def _discounts(call: Call, body: Body) -> list[Body]:
    given = promotions.given_to(call.state, body["_code"])
    if given is None:
        return []
    names = dict.fromkeys((promotions.COUPON, promotions.CODE))
    return [{**names, given["object"]: given["id"]}]


def _line_item(call: Call, given: dict[str, Any], index: int) -> Body:
    param = f"line_items[{index}]"
    if bool(given.get("price")) == bool(given.get("price_data")):
        raise bad_parameter("Pass exactly one of price and price_data.", f"{param}[price]", code="parameter_missing")
    if given.get("price"):
        price = objects.fetch(call.state, "price", given["price"], param=f"{param}[price]")
    else:
        price = catalogue.inline_price(call, given["price_data"])
    product = objects.fetch(call.state, "product", price["product"])
    quantity = given.get("quantity") or 1
    amount = catalogue.times(Decimal(price["unit_amount_decimal"]), Decimal(quantity))
    return {
        "id": objects.new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "price": price,
        "quantity": quantity,
    }


SWITCH = group({"enabled": boolean(required=True)})
SESSION = {
    "allow_promotion_codes": boolean(),
    "automatic_tax": SWITCH,
    "cancel_url": text(),
    "client_reference_id": text(longest=200),
    "customer": text(),
    "customer_email": text(),
    "customer_update": group({name: text("auto", "never") for name in ("address", "name", "shipping")}),
    "discounts": many(group({"coupon": text(), "promotion_code": text()}), most=1),
    "expires_at": integer(0),
    "line_items": many(
        group({"price": text(), "price_data": catalogue.PRICE_DATA, "quantity": integer(1)}), required=True
    ),
    "metadata": metadata(),
    "mode": text(PAYMENT, SUBSCRIPTION, required=True),
    "payment_intent_data": group({"description": text(), "metadata": metadata(), "transfer_group": text()}),
    "subscription_data": group({"description": text(longest=500), "metadata": metadata(), "trial_end": integer(0)}),
    "success_url": text(required=True),
    "tax_id_collection": SWITCH,
}
LIST = {**PAGING, "customer": text(), "payment_intent": text(), "status": text(), "subscription": text()}
ENDPOINTS = (
    Endpoint("POST", "/v1/checkout/sessions", create_session, SESSION),
    Endpoint("GET", "/v1/checkout/sessions", list_sessions, LIST),
    Endpoint("GET", "/v1/checkout/sessions/<id>", retrieve_session),
    Endpoint("POST", "/v1/checkout/sessions/<id>/expire", expire_session),
    Endpoint("GET", "/v1/checkout/sessions/<id>/line_items", list_line_items, PAGING),
)
