"""Numbering an invoice: one that is taxed only when Stripe can place its payer, with what it reckoned."""

from __future__ import annotations

from typing import Any

from portal.payments.gateway import Gateway
from portal.payments.outcomes import Call, Result
from portal.payments.provider import InvoiceState, Refused, Unknown
from portal.payments.rules import ADDRESS_CODE
from portal.payments.taxing.rules import by_position

# docs.stripe.com/api/invoices/object#invoice_object-automatic_tax-status, 2026-11.
_NOT_PLACED, _FAILED = "requires_location_inputs", "failed"


def number(gateway: Gateway, call: Call) -> Result:
    """Number the draft. *Raises*: Refused while its payer cannot be placed; Unknown while Stripe cannot reckon."""
    invoice_id = call.done["invoice"]
    if "tax" in call.request:
        status = gateway.retrieve_invoice(invoice_id).tax_status
        if status == _NOT_PLACED:
            raise Refused("Stripe cannot place the payer, so that it reckons no tax.", ADDRESS_CODE)
        if status == _FAILED:
            raise Unknown("Stripe could not reckon the tax of this invoice; it is asked again.")
    return numbered(gateway, call, gateway.finalize_invoice(invoice_id, call.key))


def numbered(gateway: Gateway, call: Call, made: InvoiceState) -> Result:
    """What a numbered invoice says, with its tax. *Raises*: Unknown where its sums are not those that were sent."""
    facts: dict[str, Any] = {"hosted_url": made.hosted_url}
    if "tax" not in call.request:
        return Result(made.id, facts)
    lines = gateway.taxes_of_lines(made.id)
    taxes = by_position([(line.position, line.tax_minor) for line in lines])
    asked = sum(int(item["price_data"]["unit_amount"]) for item in call.request["items"])
    if sum(taxes.values()) != made.tax_minor or made.total_minor != asked + made.tax_minor:
        raise Unknown("What Stripe asks is not what was sent and its tax; somebody has to look at the invoice there.")
    reasons = [made.tax_disabled] if made.tax_disabled else sorted({each for line in lines for each in line.reasons})
    tax = {"lines": {str(place): minor for place, minor in taxes.items() if minor}, "reasons": reasons}
    return Result(made.id, {**facts, "tax": tax})
