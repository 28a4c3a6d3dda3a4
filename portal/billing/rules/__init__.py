"""Pure decisions of billing: what holds an item, which item bills what, how it is posted, what cash makes payable."""

from portal.billing.rules.blockers import BLOCKS, Blocker, BlockingFacts, blockers_of
from portal.billing.rules.cash import InvoiceCash, ShareCash, cut_funding, leaf_targets
from portal.billing.rules.items import (
    ItemPart,
    authorization_left,
    draw_changes,
    drawn_by,
    included_seconds,
    lines_of,
    parts_by_payer,
    worth_minor,
)
from portal.billing.rules.postings import (
    ACCRUAL_PAIRS,
    CASH_PAIRS,
    FUNDING_PAIRS,
    INVOICE_PAIRS,
    ShareAmount,
    accrual_legs,
    decision_legs,
    funding_legs,
    set_off_legs,
    use_legs,
)

__all__ = [
    "ACCRUAL_PAIRS",
    "BLOCKS",
    "CASH_PAIRS",
    "FUNDING_PAIRS",
    "INVOICE_PAIRS",
    "Blocker",
    "BlockingFacts",
    "InvoiceCash",
    "ItemPart",
    "ShareAmount",
    "ShareCash",
    "accrual_legs",
    "authorization_left",
    "blockers_of",
    "cut_funding",
    "decision_legs",
    "draw_changes",
    "drawn_by",
    "funding_legs",
    "included_seconds",
    "leaf_targets",
    "lines_of",
    "parts_by_payer",
    "set_off_legs",
    "use_legs",
    "worth_minor",
]
