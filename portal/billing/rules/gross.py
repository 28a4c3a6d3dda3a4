"""The second posting template: what is sold as principal stands in the books with its whole amount. Pure.

As agent (the first template) a sale is what the parties have coming, and revenue only what one of them keeps. As
principal the same shares are the cost of a revenue that is shown whole. Both leave the same net: the pair sums to zero,
beside legs that are the same for both.
"""

from __future__ import annotations

from collections.abc import Iterable

from portal.contracts.blocks import ActsAs
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, pairs, without_zeros

# Kinds of transactions: what an item, an earning or a supplement earns whole; and who has it, decided later.
GROSS, GROSS_DECIDED = "gross_revenue", "gross_decided"

GROSS_PAIRS = pairs((Purpose.COST_OF_SHARE, Purpose.GROSS), (Purpose.COST_OF_SHARE, Purpose.COST_OF_SHARE))


def sold_as(*, is_gross: bool) -> dict[str, str]:
    """What a share keeps of it beside its sentences: nothing where it is sold as agent."""
    return {"sold_as": ActsAs.PRINCIPAL.value} if is_gross else {}


def gross_legs(parts: Iterable[tuple[int, Document]]) -> list[Leg]:
    """The whole as revenue, and each share of it as its cost; amounts below zero take both back."""
    costs = without_zeros(debit(Purpose.COST_OF_SHARE, minor, None, document) for minor, document in parts)
    return without_zeros([*costs, credit(Purpose.GROSS, sum(leg.amount_minor for leg in costs))])
