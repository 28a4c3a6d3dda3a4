"""Sales tax as Stripe Tax adds it: one invented rate for everybody who is not exempt. Prices are without tax.

The control API may give rates by the payer's country and the line's tax code; the closest one holds. An invoice is
taxed line by line, and only where its payer's address says enough.
Source: docs.stripe.com/tax/customer-locations, docs.stripe.com/tax/invoicing, docs.stripe.com/api/invoices (2026-11).
"""

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from portal.standin.objects import Body
from portal.standin.refusals import Refusal, refused
from portal.standin.state import State

RATE_BP = 825
LOCATION_INVALID = "customer_tax_location_invalid"
_RATES = "tax_rates"
SWITCH_OFF: Body = {"enabled": False, "liability": None, "provider": None, "status": None}
SWITCH_ON: Body = {"enabled": True, "liability": {"type": "self"}, "provider": "stripe", "status": "complete"}


def tax_on(amount: int, customer: Body | None, switch: dict[str, Any] | None) -> int:
    """Minor units, half a unit away from zero; nothing without the switch, or for somebody who is exempt."""
    if not (switch or {}).get("enabled") or (customer or {}).get("tax_exempt") in ("exempt", "reverse"):
        return 0
    return int((Decimal(amount * RATE_BP) / 10_000).to_integral_value(ROUND_HALF_UP))


def set_rates(state: State, rates: list[Body]) -> list[Body]:
    """From now on lines are taxed by these rows of country, tax_code (each may be missing) and rate_bp."""
    state.set_setting(_RATES, rates)
    return rates


def rate_bp(state: State, country: str, tax_code: str | None) -> int:
    """The rate of the row that names the most of what a line has."""
    fitting = [
        row
        for row in state.setting(_RATES, [])
        if row.get("country") in (None, country) and row.get("tax_code") in (None, tax_code)
    ]
    best = max(fitting, key=lambda row: (bool(row.get("tax_code")), bool(row.get("country"))), default=None)
    return int(best["rate_bp"]) if best else RATE_BP


def is_located(customer: Body) -> bool:
    """Whether an address says enough: of the US five digits, of Canada a province or code, else the country."""
    address = customer.get("address") or {}
    code = str(address.get("postal_code") or "")
    if address.get("country") == "US":
        return re.match(r"[0-9]{5}", code) is not None
    if address.get("country") == "CA":
        return bool(code or address.get("state"))
    return bool(address.get("country"))


def not_located() -> Refusal:
    """What an invoice is refused with that cannot be taxed."""
    message = "The customer's location isn't recognized. Set a valid address in order to automatically calculate tax."
    return refused(message, code=LOCATION_INVALID)


def line_taxes(state: State, customer: Body, item: Body) -> list[Body]:
    """The tax on a line of an invoice; a row of nothing says why none is due."""
    exempt = {"exempt": "customer_exempt", "reverse": "reverse_charge"}.get(customer.get("tax_exempt") or "none")
    country = str((customer.get("address") or {}).get("country") or "")
    bp = 0 if exempt else rate_bp(state, country, item.get("tax_code"))
    tax = int((Decimal(item["amount"] * bp) / 10_000).to_integral_value(ROUND_HALF_UP))
    reason = exempt or ("standard_rated" if bp else "product_exempt")
    return [_tax_row(tax, int(item["amount"]), reason)]


def sum_of_lines(lines: Iterable[Body]) -> int:
    """What the lines of an invoice are taxed together."""
    return sum(int(tax["amount"]) for line in lines for tax in line["taxes"])


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
    return [_tax_row(tax, taxable, "standard_rated")] if tax else []


def _tax_row(tax: int, taxable: int, reason: str) -> Body:
    return {
        "amount": tax,
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": "txr_standin"},
        "taxability_reason": reason,
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }
