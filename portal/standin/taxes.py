"""Sales tax as Stripe Tax adds it: one invented rate for everybody who is not exempt. Prices are without tax."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from portal.standin.objects import Body

RATE_BP = 825
SWITCH_OFF: Body = {"enabled": False, "liability": None, "provider": None, "status": None}
SWITCH_ON: Body = {"enabled": True, "liability": {"type": "self"}, "provider": "stripe", "status": "complete"}


def tax_on(amount: int, customer: Body | None, switch: dict[str, Any] | None) -> int:
    """Minor units, half a unit away from zero; nothing without the switch, or for somebody who is exempt."""
    if not (switch or {}).get("enabled") or (customer or {}).get("tax_exempt") in ("exempt", "reverse"):
        return 0
    return int((Decimal(amount * RATE_BP) / 10_000).to_integral_value(ROUND_HALF_UP))


def shown_switch(switch: dict[str, Any] | None) -> Body:
    return dict(SWITCH_ON if (switch or {}).get("enabled") else SWITCH_OFF)


def sums(body: Body, subtotal: int) -> Body:
    """What an invoice comes to, by the discount and tax that it was made with."""
    discount, tax = body.get("_discount", 0), body.get("_tax", 0)
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": subtotal - discount + tax,
        "total_excluding_tax": subtotal - discount,
        "total_taxes": total_taxes(tax, subtotal - discount),
    }


def total_taxes(tax: int, taxable: int) -> list[Body]:
    if not tax:
        return []
    return [
        {
            "amount": tax,
            "tax_behavior": "exclusive",
            "tax_rate_details": {"tax_rate": "txr_standin"},
            "taxability_reason": "standard_rated",
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        }
    ]
