"""A change of price within a period, by seconds: the old price's rest is given back, the new price's rest charged.

A price that is paid as often keeps the period; one of another interval begins a period of its own and is charged whole.
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from portal.standin import catalogue, objects
from portal.standin.endpoints import Call
from portal.standin.objects import Body
from portal.standin.refusals import bad_parameter
from portal.standin.terms import months_of, months_on


def changed_price(call: Call, item: Body, wanted: dict[str, Any]) -> Body:
    """The price that a change names or states; the item's own where it does neither."""
    if wanted.get("price") and wanted.get("price_data"):
        raise bad_parameter("Pass only one of price and price_data.", "items[0][price]")
    if wanted.get("price_data"):
        price = catalogue.inline_price(call, wanted["price_data"])
    elif wanted.get("price"):
        price = objects.fetch(call.state, "price", wanted["price"], param="items[0][price]")
    else:
        price = item["price"]
    if not price["recurring"]:
        raise bad_parameter("The price specified is not recurring.", "items[0][price]")
    if price["currency"] != item["price"]["currency"]:
        raise bad_parameter("The price has another currency than the subscription.", "items[0][price]")
    return price


def begins_anew(item: Body, price: Body) -> bool:
    """docs.stripe.com/billing/subscriptions/billing-cycle: another interval resets the anchor to now."""
    return bool(price["recurring"]["interval"] != item["price"]["recurring"]["interval"])


def prorations(call: Call, item: Body, price: Body, quantity: int, at: int) -> list[Body]:
    """Two lines, or none where nothing changes."""
    before = int(item["price"]["unit_amount"]) * item["quantity"]
    after = int(price["unit_amount"]) * quantity
    anew = begins_anew(item, price)
    if before == after and not anew:
        return []
    start, end = item["current_period_start"], item["current_period_end"]
    rest = Decimal(end - min(max(at, start), end)) / Decimal(end - start)
    period = {"start": at, "end": end}
    name = objects.fetch(call.state, "product", price["product"])["name"]
    back = {"amount": -_part(before, rest), "description": "Unused time before the change", "period": period}
    asked = {"amount": _part(after, rest), "description": f"Remaining time on {name}", "period": period}
    if anew:
        now = call.state.now()
        ends = int(months_on(datetime.fromtimestamp(now, UTC), months_of(price["recurring"])).timestamp())
        asked = {"amount": after, "description": name, "period": {"start": now, "end": ends}}
    return [
        {**back, "proration": True, "pricing_of": item["price"]},
        {**asked, "proration": not anew, "pricing_of": price},
    ]


def pricing(price: Body, amount: int) -> Body:
    """How a line names the price that it is for."""
    details = {"price": price["id"], "product": price["product"]}
    return {"type": "price_details", "price_details": details, "unit_amount_decimal": str(amount)}


def _part(amount: int, rest: Decimal) -> int:
    return int((amount * rest).to_integral_value(ROUND_HALF_UP))
