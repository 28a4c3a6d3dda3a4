"""Who bears what a promotion code took off a price, where the agreement names somebody: pure.

The others have what they would have of the price without the code; the bearer's share is lowered by the discount, never
below nothing. What the bearer's share does not reach lowers the others' in proportion to theirs (Webster), so that the
shares sum to what was paid, to the last minor unit.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal.contracts.agreement import Agreement
from portal.contracts.agreement_checks import SELLER, SHARES
from portal.contracts.blocks import WHOLE_BP
from portal.money import Money, allocate_cumulative


def discount_bearer(agreement: Agreement | None, seller: str) -> str | None:
    """The party that bears discounts, by the documents' word; None where each party bears them by its share."""
    named = agreement.selling.discounts_borne_by if agreement is not None else SHARES
    if named == SHARES:
        return None
    return seller if named == SELLER else named


def without_discount(
    shares: Sequence[tuple[str, int]], discount_minor: int, *, bearer: str, currency: str
) -> tuple[tuple[int, str], ...]:
    """Each share of a price as it is once the discount is taken off it, and the sentence that says why.

    *Shape*: one per share, in order; none below zero; they sum to the price less the discount.
    *Raises*: RuleBroken for a discount of more than the price.
    """
    price = sum(minor for _, minor in shares)
    had = next((minor for party, minor in shares if party == bearer), 0)
    borne = min(had, discount_minor)
    others = [0 if party == bearer else minor for party, minor in shares]
    beyond = allocate_cumulative(discount_minor - borne, others) if any(others) else (0,) * len(others)
    found = []
    for (party, minor), taken in zip(shares, beyond, strict=True):
        off, why = (borne, ", which it bears") if party == bearer else (taken, f" that the {bearer} could not bear")
        said = f"of {Money(price, currency)}, the price without the code"
        if off:
            said += f", less {Money(off, currency)} of the discount{why}"
        found.append((minor - off, said))
    return tuple(found)


def discount_between(discount_minor: int, price_minor: int, before_minor: int, after_minor: int) -> int:
    """What of a discount belongs to the step of a price from one amount reached to the next; never below zero.

    *Shape*: the steps of the whole price add up to the discount, whatever they are. ``price_minor`` is what was paid.
    """
    if not discount_minor or price_minor <= 0:
        return 0

    def reached(minor: int) -> int:
        within = min(max(minor, 0), price_minor)
        return allocate_cumulative(discount_minor, [within, price_minor - within])[0]

    return max(reached(after_minor) - reached(before_minor), 0)


def commission_with_discount(
    agreement: Agreement | None, price_minor: int, discount_minor: int, *, seller: str
) -> tuple[int, int]:
    """What a seller earns at the sale itself of what was paid, and what of the discount is left for later shares.

    Where somebody bears the discount, the commission is that of the price without it: lowered first where the seller is
    who bears it, and otherwise at most what was paid.
    """
    bp = agreement.selling.commission_bp if agreement is not None else 0
    bearer = discount_bearer(agreement, seller)
    if bearer is None:
        return _part(price_minor, bp), discount_minor
    whole = _part(price_minor + discount_minor, bp)
    minor = max(whole - discount_minor, 0) if bearer == seller else min(whole, price_minor)
    return minor, discount_minor - (whole - minor)


def _part(price_minor: int, bp: int) -> int:
    return allocate_cumulative(price_minor, [bp, WHOLE_BP - bp])[0] if bp else 0
