"""The invoice that a change of a subscription would make at once, as ``create_preview`` shows it; nothing is stored."""

from portal.standin import invoices, objects, taxes
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import Body
from portal.standin.parameters import group, integer, many, text
from portal.standin.prorating import changed_price, pricing, prorations
from portal.standin.subscription_states import KIND
from portal.standin.subscriptions import ITEM, PRORATION, name_of


def preview_invoice(call: Call) -> Body:
    given = call.parameters
    body = objects.fetch(call.state, KIND, given["subscription"], param="subscription")
    wanted = given.get("subscription_details") or {}
    at = wanted.get("proration_date") or call.state.now()
    item = body["items"]["data"][0]
    if wanted.get("items"):
        price = changed_price(call, item, wanted["items"][0])
        lines = prorations(call, item, price, wanted["items"][0].get("quantity") or item["quantity"], at)
    else:
        amount = int(item["price"]["unit_amount"]) * item["quantity"]
        lines = [{"amount": amount, "description": name_of(call, item), "pricing_of": item["price"]}]
    subtotal = sum(line["amount"] for line in lines)
    customer = objects.fetch(call.state, "customer", body["customer"])
    tax = taxes.tax_on(max(subtotal, 0), customer, body["automatic_tax"])
    details = {"subscription": body["id"], "metadata": body["metadata"], "subscription_proration_date": at}
    return {
        "id": objects.new_id("upcoming_in"),
        "object": invoices.KIND,
        "amount_due": max(subtotal + tax, 0),
        "automatic_tax": body["automatic_tax"],
        "currency": body["currency"],
        "customer": body["customer"],
        "lines": objects.list_object([_line(body, line) for line in lines], "/v1/invoices/upcoming/lines"),
        "livemode": False,
        "metadata": {},
        "parent": {"type": "subscription_details", "subscription_details": details, "quote_details": None},
        "status": "draft",
        **taxes.sums({"_tax": tax}, subtotal),
    }


def _line(body: Body, line: Body) -> Body:
    shown = {name: value for name, value in line.items() if name not in ("pricing_of", "proration")}
    owner = {"subscription": body["id"], "subscription_item": body["items"]["data"][0]["id"]}
    parent = {**owner, "proration": bool(line.get("proration")), "proration_details": None, "invoice_item": None}
    return {
        "id": objects.new_id("il_tmp"),
        "object": "line_item",
        "currency": body["currency"],
        **shown,
        "pricing": pricing(line["pricing_of"], line["amount"]),
        "parent": {
            "type": "subscription_item_details", "subscription_item_details": parent, "invoice_item_details": None,
        },
    }  # fmt: skip


DETAILS = group({"items": many(ITEM, most=1), "proration_behavior": PRORATION, "proration_date": integer(0)})
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/invoices/create_preview",
        preview_invoice,
        {"customer": text(), "subscription": text(required=True), "subscription_details": DETAILS},
    ),
)
