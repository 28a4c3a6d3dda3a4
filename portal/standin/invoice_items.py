"""Invoice items, pending on the customer or on a draft invoice, and the line items an invoice shows for them."""

from collections.abc import Sequence
from decimal import Decimal

from portal.standin import catalogue, events, objects
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

KIND = "invoiceitem"
NOT_A_DRAFT = "This invoice is no longer editable"


def create_item(call: Call) -> Body:
    given = call.parameters
    customer_id, currency = _owner(call)
    unit, currency, price_id = _unit(call, currency)
    quantity = given.get("quantity_decimal") or Decimal(1 if given.get("quantity") is None else given["quantity"])
    amount = given["amount"] if given.get("amount") is not None else catalogue.times(unit, quantity)
    now = call.state.now()
    period = given.get("period") or {"start": now, "end": now}
    body: Body = {
        "id": objects.new_id("ii"),
        "object": KIND,
        "amount": amount,
        "currency": currency,
        "customer": customer_id,
        "date": now,
        "description": given.get("description") or _product(given).get("name"),
        "discountable": given.get("discountable") is not False and amount >= 0,
        "discounts": [],
        "invoice": given.get("invoice"),
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "net_amount": amount,
        "parent": None,
        "period": period,
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price_id, "product": None},
            "unit_amount_decimal": str(amount if given.get("amount") is not None else unit),
        },
        "proration": False,
        "quantity": int(quantity),
        "quantity_decimal": str(quantity),
        "tax_behavior": given.get("tax_behavior") or (given.get("price_data") or {}).get("tax_behavior"),
        "tax_code": given.get("tax_code") or _product(given).get("tax_code"),
        "tax_rates": [],
        "test_clock": None,
        "_line": objects.new_id("il"),
    }
    _check_taxable(call.state, body)
    objects.insert(call.state, body)
    events.record(call, "invoiceitem.created", body)
    return body


def _product(given: Body) -> Body:
    found: Body = (given.get("price_data") or {}).get("product_data") or {}
    return found


def _check_taxable(state: State, item: Body) -> None:
    """docs.stripe.com/api/invoices/create: automatic tax takes no negative amounts and no unspecified behaviour."""
    invoice = objects.find(state, "invoice", item["invoice"]) if item["invoice"] else None
    if not ((invoice or {}).get("automatic_tax") or {}).get("enabled") or item.get("proration"):
        return
    if item["amount"] < 0:
        raise refused("You cannot add an invoice item with a negative amount to an invoice with automatic tax.")
    if item["tax_behavior"] not in ("exclusive", "inclusive"):
        raise refused("In order to use automatic tax, `tax_behavior` must be set on every line.")


def update_item(call: Call, item_id: str) -> Body:
    """Description and metadata only: another amount is another item."""
    body = objects.fetch(call.state, KIND, item_id)
    _check_draft(call.state, body["invoice"])
    given = call.parameters
    if "description" in given:
        body["description"] = given["description"]
    if "metadata" in given:
        body["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    return objects.save(call.state, body)


def delete_item(call: Call, item_id: str) -> Body:
    body = objects.fetch(call.state, KIND, item_id)
    _check_draft(call.state, body["invoice"])
    objects.remove(call.state, item_id)
    events.record(call, "invoiceitem.deleted", body)
    return {"id": item_id, "object": KIND, "deleted": True}


def retrieve_item(call: Call, item_id: str) -> Body:
    return objects.fetch(call.state, KIND, item_id)


def list_items(call: Call) -> Body:
    given = call.parameters
    equal = {name: given.get(name) for name in ("customer", "invoice")}
    return objects.page(call.state, KIND, given, url="/v1/invoiceitems", equal=equal)


def pending_items(state: State, customer_id: str, currency: str) -> list[Body]:
    items = objects.every(state, KIND, customer=customer_id, currency=currency)
    return [item for item in items if item["invoice"] is None]


def items_of(state: State, invoice_id: str) -> list[Body]:
    return objects.every(state, KIND, invoice=invoice_id)


def line_of(item: Body, item_taxes: Sequence[Body] = ()) -> Body:
    """The line item an invoice shows for an invoice item."""
    return {
        "id": item["_line"],
        "object": "line_item",
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": item["discountable"],
        "discounts": [],
        "invoice": item["invoice"],
        "livemode": False,
        "metadata": item["metadata"],
        "parent": _parent(item),
        "period": item["period"],
        "pretax_credit_amounts": [],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
        "quantity_decimal": item["quantity_decimal"],
        "subtotal": item["amount"],
        "taxes": list(item_taxes),
    }


def _parent(item: Body) -> Body:
    subscription = item.get("_subscription")
    details = {"invoice_item": item["id"], "proration": item["proration"], "proration_details": None}
    kind = "subscription_item_details" if subscription else "invoice_item_details"
    both: Body = dict.fromkeys(("invoice_item_details", "subscription_item_details"))
    shown = {**details, "subscription": subscription}
    if subscription:
        shown["subscription_item"] = item["_subscription_item"]
    return {"type": kind, **both, kind: shown}


def _owner(call: Call) -> tuple[str, str | None]:
    """The customer, and the currency if the invoice fixes it."""
    given = call.parameters
    if not given.get("invoice"):
        if not given.get("customer"):
            raise bad_parameter("Missing required param: customer.", "customer", code="parameter_missing")
        objects.fetch(call.state, "customer", given["customer"], param="customer")
        return given["customer"], None
    invoice = _check_draft(call.state, given["invoice"])
    if given.get("customer") not in (None, invoice["customer"]):
        raise bad_parameter("The invoice belongs to another customer.", "customer")
    return invoice["customer"], invoice["currency"]


def _check_draft(state: State, invoice_id: str | None) -> Body:
    """The invoice, if there is one. Raises: Refusal unless it is still a draft."""
    if not invoice_id:
        return {}
    invoice = objects.fetch(state, "invoice", invoice_id, param="invoice")
    if invoice["status"] != "draft":
        raise refused(NOT_A_DRAFT, code="invoice_not_editable")
    return invoice


def _unit(call: Call, fixed_currency: str | None) -> tuple[Decimal, str, str | None]:
    """Price of one, currency, and the price object if one is named."""
    given = call.parameters
    price_id = (given.get("pricing") or {}).get("price")
    stated = given.get("price_data")
    ways = [given.get("amount") is not None, given.get("unit_amount_decimal") is not None, bool(price_id), bool(stated)]
    if sum(ways) != 1:
        message = "You must pass exactly one of `amount`, `unit_amount_decimal` and `pricing`."
        raise bad_parameter(message, "amount", code="parameter_missing")
    if given.get("quantity") is not None and given.get("quantity_decimal") is not None:
        raise bad_parameter("Pass only one of `quantity` and `quantity_decimal`.", "quantity")
    if given.get("amount") is not None and (given.get("quantity") or given.get("quantity_decimal")):
        raise bad_parameter("`amount` cannot be combined with a quantity.", "quantity")
    if stated:
        unit, currency = catalogue.unit_amount(stated), stated["currency"]
    elif price_id:
        price = objects.fetch(call.state, "price", price_id, param="pricing[price]")
        unit, currency = Decimal(price["unit_amount_decimal"]), price["currency"]
    else:
        unit, currency = given.get("unit_amount_decimal") or Decimal(0), given.get("currency") or fixed_currency
    if currency is None:
        raise bad_parameter("Missing required param: currency.", "currency", code="parameter_missing")
    if fixed_currency not in (None, currency):
        message = f"The currency of the invoice item ({currency}) does not match that of the invoice ({fixed_currency})"
        raise bad_parameter(message, "currency")
    return unit, currency, price_id


ITEM = {
    "amount": integer(-99_999_999_99),
    "currency": currency_code(),
    "customer": text(),
    "description": text(),
    "discountable": boolean(),
    "invoice": text(),
    "metadata": metadata(),
    "period": group({"start": integer(0, required=True), "end": integer(0, required=True)}),
    "pricing": group({"price": text(required=True)}),
    "quantity": integer(0),
    "price_data": catalogue.PRICE_DATA,
    "quantity_decimal": decimal_number(),
    "tax_behavior": text("exclusive", "inclusive", "unspecified"),
    "tax_code": text(),
    "unit_amount_decimal": decimal_number(),
}
ENDPOINTS = (
    Endpoint("POST", "/v1/invoiceitems", create_item, ITEM),
    Endpoint("GET", "/v1/invoiceitems", list_items, {**PAGING, "customer": text(), "invoice": text()}),
    Endpoint("GET", "/v1/invoiceitems/<id>", retrieve_item),
    Endpoint("POST", "/v1/invoiceitems/<id>", update_item, {"description": text(), "metadata": metadata()}),
    Endpoint("DELETE", "/v1/invoiceitems/<id>", delete_item),
)
