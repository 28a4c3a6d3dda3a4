"""Whether an invoice for services asks for tax, and what its payer is to Stripe then: pure.

Only what the invoice's issuer supplies is taxed on it: to a customer, or to a company that sells on what it owes here.
Where another company is the seller of record the customer's tax is that company's to charge. The net that a party owes
by a statement carries the tax of the statement's own documents, and is never taxed again.
*Source*: docs.stripe.com/api/customers/object#customer_object-tax_exempt (none, exempt, reverse), 2026-11.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from portal.taxes.rules.treatment import REVERSE_CHARGE, REVERSE_CHARGE_WORDS

NONE, EXEMPT, REVERSE = "none", "exempt", "reverse"
# Why Stripe reckoned nothing, in its words (docs.stripe.com/api/invoices/line_item, 2026-11) and in ours.
_REASONS = {
    "customer_exempt": "The payer is exempt.",
    "reverse_charge": REVERSE_CHARGE_WORDS + ".",
    "not_collecting": "The seller is not registered where the payer is.",
    "not_subject_to_tax": "This is not subject to tax where the payer is.",
    "not_supported": "Stripe reckons no tax where the payer is.",
    "product_exempt": "What is charged is exempt.",
    "zero_rated": "What is charged is taxed at nothing.",
    "finalization_requires_location_inputs": "Stripe could not place the payer.",
}


def status_of_payer(
    *, seller_id: int, issuer_ids: Collection[int], payer_id: int, certified: bool, treatment: str
) -> str | None:
    """What the payer of an invoice is to Stripe: none (nothing special), exempt or reverse; None asks for no tax.

    ``issuer_ids`` are the manufacturer and the operator; ``treatment`` is how the supply between the two companies is
    taxed, empty where one of them has not said who it is.
    """
    if seller_id not in {*issuer_ids, payer_id}:
        return None
    if certified:
        return EXEMPT
    return REVERSE if treatment == REVERSE_CHARGE else NONE


def words_for(tax_minor: int, reasons: Sequence[str]) -> tuple[str, ...]:
    """What an invoice says of a tax of nothing; nothing where there is some."""
    if tax_minor:
        return ()
    return tuple(dict.fromkeys(_REASONS.get(reason, "Stripe reckoned no tax.") for reason in reasons))
