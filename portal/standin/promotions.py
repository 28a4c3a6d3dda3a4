"""Coupons, named by a checkout or by the promotion code that a buyer types there: less is paid."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from portal.standin import events, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import (
    boolean,
    currency_code,
    decimal_number,
    group,
    integer,
    merged_metadata,
    metadata,
    text,
)
from portal.standin.refusals import bad_parameter, refused
from portal.standin.state import State

COUPON, CODE = "coupon", "promotion_code"
LETTERS = re.compile(r"[A-Za-z0-9-]+")


def create_coupon(call: Call) -> Body:
    given = call.parameters
    if (given.get("percent_off") is None) == (given.get("amount_off") is None):
        raise bad_parameter("Pass exactly one of percent_off and amount_off.", "percent_off")
    if given.get("amount_off") is not None and not given.get("currency"):
        raise bad_parameter("Missing required param: currency.", "currency", code="parameter_missing")
    percent = given.get("percent_off")
    if percent is not None and not 0 < percent <= 100:
        raise bad_parameter("percent_off is above 0 and at most 100.", "percent_off")
    if given.get("id") and objects.find(call.state, COUPON, given["id"]) is not None:
        raise refused("Coupon already exists.", code="resource_already_exists", param="id")
    body: Body = {
        "id": given.get("id") or objects.new_id("", 8).strip("_"),
        "object": COUPON,
        "amount_off": given.get("amount_off"),
        "created": call.state.now(),
        "currency": given.get("currency"),
        "duration": given.get("duration") or "once",
        "duration_in_months": given.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": given.get("max_redemptions"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "name": given.get("name"),
        "percent_off": None if percent is None else float(percent),
        "redeem_by": given.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    objects.insert(call.state, body)
    events.record(call, "coupon.created", body)
    return body


def create_code(call: Call) -> Body:
    given = call.parameters
    coupon_id = given["promotion"].get("coupon") or ""
    objects.fetch(call.state, COUPON, coupon_id, param="promotion[coupon]")
    code = given.get("code") or objects.new_id("", 8).strip("_").upper()
    if not LETTERS.fullmatch(code):
        raise bad_parameter("A promotion code has letters, digits and dashes only.", "code")
    if _active(call.state, code):
        raise refused("An active promotion code with this code already exists.", code="resource_already_exists")
    body: Body = {
        "id": objects.new_id("promo"),
        "object": CODE,
        "active": given.get("active") is not False,
        "code": code,
        "created": call.state.now(),
        "customer": given.get("customer"),
        "customer_account": None,
        "expires_at": given.get("expires_at"),
        "livemode": False,
        "max_redemptions": given.get("max_redemptions"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "promotion": {"type": "coupon", "coupon": coupon_id},
        "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
        "times_redeemed": 0,
    }
    objects.insert(call.state, body)
    events.record(call, "promotion_code.created", body)
    return body


def update_code(call: Call, code_id: str) -> Body:
    body = objects.fetch(call.state, CODE, code_id)
    before = dict(body)
    given = call.parameters
    if "metadata" in given:
        body["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    if given.get("active") is not None:
        body["active"] = given["active"]
    objects.save(call.state, body)
    events.record(call, "promotion_code.updated", body, previous=before)
    return body


def named(call: Call, code: str) -> Body:
    """The promotion code that a buyer typed. Raises: Refusal for one that is unknown, over or used up."""
    for body in _active(call.state, code):
        expired = body["expires_at"] is not None and body["expires_at"] <= call.state.now()
        used_up = body["max_redemptions"] is not None and body["times_redeemed"] >= body["max_redemptions"]
        if not expired and not used_up:
            return body
    raise refused("This promotion code is not valid.", code="promotion_code_invalid", param="discounts[0]")


def given_to(state: State, found_id: str | None) -> Body | None:
    """The coupon or promotion code of a checkout; None without one."""
    if not found_id:
        return None
    return objects.find(state, CODE, found_id) or objects.find(state, COUPON, found_id)


def discount_on(state: State, amount: int, currency: str, given: Body | None) -> int:
    """Minor units that a coupon or code takes off an amount, at most all of it."""
    if given is None:
        return 0
    coupon = _coupon_of(state, given)
    if coupon["amount_off"] is not None:
        return min(int(coupon["amount_off"]), amount) if coupon["currency"] == currency else 0
    share = Decimal(amount) * Decimal(str(coupon["percent_off"])) / 100
    return min(int(share.to_integral_value(ROUND_HALF_UP)), amount)


def lasts(state: State, given: Body | None) -> bool:
    """Whether it still counts for the invoices after the first; a number of months counts as for ever."""
    return given is not None and _coupon_of(state, given)["duration"] != "once"


def redeem(state: State, given: Body | None) -> None:
    if given is not None:
        objects.save(state, {**given, "times_redeemed": given["times_redeemed"] + 1})


def _coupon_of(state: State, given: Body) -> Body:
    return given if given["object"] == COUPON else objects.fetch(state, COUPON, given["promotion"]["coupon"])


def retrieve_coupon(call: Call, coupon_id: str) -> Body:
    return objects.fetch(call.state, COUPON, coupon_id)


def retrieve_code(call: Call, code_id: str) -> Body:
    return objects.fetch(call.state, CODE, code_id)


def list_coupons(call: Call) -> Body:
    return objects.page(call.state, COUPON, call.parameters, url="/v1/coupons")


def list_codes(call: Call) -> Body:
    given = call.parameters
    also: tuple[str, list[Any]] = ("1", [])
    if given.get("coupon"):
        also = ("json_extract(body, '$.promotion.coupon') = ?", [given["coupon"]])
    equal = {name: given.get(name) for name in ("code", "active", "customer")}
    return objects.page(call.state, CODE, given, url="/v1/promotion_codes", equal=equal, also=also)


def _active(state: State, code: str) -> list[Body]:
    found = objects.every(state, CODE, active=1)
    return [body for body in found if body["code"].lower() == code.strip().lower()]


COUPON_FIELDS = {
    "amount_off": integer(1),
    "currency": currency_code(),
    "duration": text("once", "forever", "repeating"),
    "duration_in_months": integer(1, 60),
    "id": text(longest=100),
    "max_redemptions": integer(1),
    "metadata": metadata(),
    "name": text(longest=40),
    "percent_off": decimal_number(),
    "redeem_by": integer(0),
}
CODE_FIELDS = {
    "active": boolean(),
    "code": text(longest=500),
    "customer": text(),
    "expires_at": integer(0),
    "max_redemptions": integer(1),
    "metadata": metadata(),
    "promotion": group({"type": text("coupon", required=True), "coupon": text()}, required=True),
}
LIST_CODES = {**PAGING, "active": boolean(), "code": text(), "coupon": text(), "customer": text()}
ENDPOINTS = (
    Endpoint("POST", "/v1/coupons", create_coupon, COUPON_FIELDS),
    Endpoint("GET", "/v1/coupons", list_coupons, PAGING),
    Endpoint("GET", "/v1/coupons/<id>", retrieve_coupon),
    Endpoint("POST", "/v1/promotion_codes", create_code, CODE_FIELDS),
    Endpoint("GET", "/v1/promotion_codes", list_codes, LIST_CODES),
    Endpoint("GET", "/v1/promotion_codes/<id>", retrieve_code),
    Endpoint("POST", "/v1/promotion_codes/<id>", update_code, {"active": boolean(), "metadata": metadata()}),
)
