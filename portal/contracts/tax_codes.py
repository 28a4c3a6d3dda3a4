"""The tax class of what is sold, by Stripe's product tax codes: what the tax on a bill's part is reckoned by."""

from __future__ import annotations

from portal.contracts.blocks import Block, Mode, TaxCode
from portal.contracts.packs import Pack
from portal.contracts.terms import Plan

# What of a bill has a class of its own, as invoices call it.
SUPPORT, TRAVEL, PARTS = "support", "travel", "parts"
# A line of a bill for a part, as rating names it.
_MATERIAL = "material"


class TaxCodes(Block):
    """The tax classes of what is billed; plans and packs may name their own."""

    default: TaxCode | None = None
    """What has no other; the class that the Stripe account names where left out."""
    support: TaxCode | None = None
    """Time of work, and what is charged beside it."""
    travel: TaxCode | None = None
    """Time of travel."""
    parts: TaxCode | None = None
    """Parts that are fitted."""


def class_of_line(kind: str, mode: str) -> str:
    """Which class a line of a bill is of, by its kind and the mode of its work."""
    if kind == _MATERIAL:
        return PARTS
    return TRAVEL if mode == Mode.TRAVEL else SUPPORT


def code_of(codes: TaxCodes | None, named: str) -> str:
    """The code of support, travel or parts; empty where the account's own holds."""
    if codes is None:
        return ""
    return getattr(codes, named) or codes.default or ""


def code_of_sold(codes: TaxCodes | None, sold: Plan | Pack | None) -> str:
    """The code of a plan or pack; empty where the account's own holds."""
    own = sold.tax_code if sold is not None else None
    return own or (codes.default if codes is not None else None) or ""
