"""Products and their prices, once or by the month or year, as far as invoice items and checkout name them."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

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


def create_product(call: Call) -> Body:
    given = call.parameters
    if given.get("id") and objects.find(call.state, "product", given["id"]) is not None:
        raise refused("Product already exists.", code="resource_already_exists", param="id")
    body: Body = {
        "id": given.get("id") or objects.new_id("prod", 14),
        "object": "product",
        "active": given.get("active") is not False,
        "created": call.state.now(),
        "default_price": None,
        "description": given.get("description"),
        "images": [],
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "name": given["name"],
        "tax_code": given.get("tax_code"),
        "type": "service",
        "updated": call.state.now(),
    }
    objects.insert(call.state, body)
    events.record(call, "product.created", body)
    return body


def update_product(call: Call, product_id: str) -> Body:
    body = objects.fetch(call.state, "product", product_id)
    given = call.parameters
    changed = {name: given[name] for name in ("active", "description", "name") if given.get(name) is not None}
    body |= {**changed, "metadata": merged_metadata(body["metadata"], given.get("metadata"))}
    body["updated"] = call.state.now()
    objects.save(call.state, body)
    events.record(call, "product.updated", body)
    return body


def create_price(call: Call) -> Body:
    given = call.parameters
    objects.fetch(call.state, "product", given["product"], param="product")
    body = price_object(call, given, given["product"])
    objects.insert(call.state, body)
    events.record(call, "price.created", body)
    return body


def inline_price(call: Call, given: Body) -> Body:
    """The price that a request states instead of naming one: Stripe makes it, and no list sells it."""
    product_id = given.get("product")
    if not product_id:
        product = given.get("product_data") or {}
        product_id = create_product(replace(call, parameters={**product, "active": False}))["id"]
    objects.fetch(call.state, "product", product_id, param="price_data[product]")
    return objects.insert(call.state, {**price_object(call, given, product_id), "active": False})


def price_object(call: Call, given: Body, product_id: str) -> Body:
    unit = unit_amount(given)
    recurring = given.get("recurring")
    return {
        "id": objects.new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": call.state.now(),
        "currency": given["currency"],
        "livemode": False,
        "lookup_key": given.get("lookup_key"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "nickname": given.get("nickname"),
        "product": product_id,
        "recurring": recurring_object(recurring) if recurring else None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": int(unit) if unit == unit.to_integral_value() else None,
        "unit_amount_decimal": str(unit),
    }


def recurring_object(given: Body) -> Body:
    count = given.get("interval_count") or 1
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def unit_amount(given: Body) -> Decimal:
    """The price of one, from either of its two parameters. Raises: Refusal unless it is exactly one."""
    given_ways = [given[name] for name in ("unit_amount", "unit_amount_decimal") if given.get(name) is not None]
    if len(given_ways) != 1:
        raise bad_parameter("Pass exactly one of unit_amount and unit_amount_decimal.", "unit_amount")
    return Decimal(given_ways[0])


def times(unit: Decimal, quantity: Decimal) -> int:
    """Minor units, half a unit away from zero."""
    return int((unit * quantity).to_integral_value(ROUND_HALF_UP))


def retrieve_product(call: Call, product_id: str) -> Body:
    return objects.fetch(call.state, "product", product_id)


def retrieve_price(call: Call, price_id: str) -> Body:
    return objects.fetch(call.state, "price", price_id)


def list_products(call: Call) -> Body:
    return objects.page(call.state, "product", call.parameters, url="/v1/products")


def list_prices(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("product", "currency")}
    return objects.page(call.state, "price", call.parameters, url="/v1/prices", equal=equal)


PRODUCT = {
    "id": text(),
    "name": text(required=True),
    "description": text(),
    "active": boolean(),
    "metadata": metadata(),
    "tax_code": text(),
}
PRODUCT_UPDATE = {"name": text(), "description": text(), "active": boolean(), "metadata": metadata()}
RECURRING = group({"interval": text("month", "year", required=True), "interval_count": integer(1, 12)})
# A price stated where it is used.
PRICE_DATA = group(
    {
        "currency": currency_code(required=True),
        "product": text(),
        "product_data": group(
            {"name": text(required=True), "description": text(), "metadata": metadata(), "tax_code": text()}
        ),
        "recurring": RECURRING,
        "tax_behavior": text("exclusive", "inclusive", "unspecified"),
        "unit_amount": integer(0),
        "unit_amount_decimal": decimal_number(),
    }
)
PRICE = {
    "currency": currency_code(required=True),
    "lookup_key": text(),
    "metadata": metadata(),
    "nickname": text(),
    "product": text(required=True),
    "recurring": RECURRING,
    "unit_amount": integer(0),
    "unit_amount_decimal": decimal_number(),
}
ENDPOINTS = (
    Endpoint("POST", "/v1/products", create_product, PRODUCT),
    Endpoint("GET", "/v1/products", list_products, PAGING),
    Endpoint("GET", "/v1/products/<id>", retrieve_product),
    Endpoint("POST", "/v1/products/<id>", update_product, PRODUCT_UPDATE),
    Endpoint("POST", "/v1/prices", create_price, PRICE),
    Endpoint("GET", "/v1/prices", list_prices, {**PAGING, "product": text(), "currency": currency_code()}),
    Endpoint("GET", "/v1/prices/<id>", retrieve_price),
)
