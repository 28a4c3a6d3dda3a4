"""How billing's facts are posted: legs per share, and the pairs of accounts that billing may post.

A share funded by cash accrues with the item and becomes payable as cash arrives; a share of included time is payable at
once, out of what the plan was sold for; a collecting integrator keeps its own part and owes the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from portal.billing.rules.gross import GROSS_PAIRS, gross_legs
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, pairs, without_zeros

CASH, USE, SET_OFF = "cash", "use", "set_off"

# Kinds of transactions: an item's own, what its collector keeps, its included time, what was decided later; cash.
BILLED, KEPT, USED, DECIDED, USE_DECIDED = "bill_item", "set_off", "included_use", "shares_decided", "use_decided"
APPLIED, CARRIED = "cash_applied", "cash_moved"
MOVED = (APPLIED, CARRIED)

_STAGES = (Purpose.ACCRUED, Purpose.PAYABLE, Purpose.UNDETERMINED_ACCRUED, Purpose.UNDETERMINED)

ACCRUAL_PAIRS = (
    pairs(
        (Purpose.UNBILLED, Purpose.ACCRUED),
        (Purpose.UNBILLED, Purpose.UNDETERMINED_ACCRUED),
        (Purpose.DEFERRED, Purpose.PAYABLE),
        (Purpose.DEFERRED, Purpose.UNDETERMINED),
    )
    | GROSS_PAIRS
)
# From one stage of a share to another; a decision and a correction also move between parties of one stage.
FUNDING_PAIRS = pairs(*((one, other) for one in _STAGES for other in _STAGES)) | GROSS_PAIRS
INVOICE_PAIRS = pairs((Purpose.RECEIVABLE, Purpose.UNBILLED), (Purpose.RECEIVABLE, Purpose.ROUNDED_UP))
CASH_PAIRS = pairs(
    (Purpose.STRIPE, Purpose.RECEIVABLE), (Purpose.BANK, Purpose.RECEIVABLE), (Purpose.FEES, Purpose.STRIPE)
)


@dataclass(frozen=True)
class ShareAmount:
    """A share row, or a part of it: no party means undetermined; gross where its kind is sold as principal."""

    share_id: int
    party_id: int | None
    funding: str
    amount_minor: int
    is_gross: bool = False

    @property
    def document(self) -> Document:
        """What its legs come from."""
        return Document("share", str(self.share_id))


def accrual_legs(debtor_id: int, shares: Iterable[ShareAmount]) -> list[Leg]:
    """The debtor owes what the item costs; every party's part accrues."""
    legs = [_accrued(share, share.amount_minor) for share in shares if share.funding != USE]
    return without_zeros([debit(Purpose.UNBILLED, -sum(leg.amount_minor for leg in legs), debtor_id), *legs])


def set_off_legs(debtor_id: int, shares: Iterable[ShareAmount]) -> list[Leg]:
    """A collector that is a party keeps its own part of what it collects."""
    legs = [
        debit(Purpose.ACCRUED, share.amount_minor, share.party_id, share.document)
        for share in shares
        if share.funding == SET_OFF
    ]
    return without_zeros([*legs, credit(Purpose.UNBILLED, sum(leg.amount_minor for leg in legs), debtor_id)])


def use_legs(customer_id: int, shares: Iterable[ShareAmount]) -> list[Leg]:
    """Included time is used: its worth leaves what the plan was sold for and is payable."""
    legs = [_due(share, share.amount_minor) for share in shares if share.funding == USE]
    return without_zeros([debit(Purpose.DEFERRED, -sum(leg.amount_minor for leg in legs), customer_id), *legs])


def revenue_legs(shares: Iterable[ShareAmount]) -> list[Leg]:
    """What is sold as principal, whole, and the shares of it as its cost."""
    return gross_legs((share.amount_minor, share.document) for share in shares if share.is_gross)


def funding_legs(parts: Sequence[ShareAmount]) -> list[Leg]:
    """Cash makes parts of shares payable; an amount below zero takes them back."""
    return without_zeros(
        leg for part in parts for leg in (_accrued(part, -part.amount_minor), _due(part, part.amount_minor))
    )


def decision_legs(shares: Iterable[ShareAmount], *, of_use: bool) -> list[Leg]:
    """The undetermined share's reversal and the parties' shares that stand in for it."""
    stage = _due if of_use else _accrued
    return without_zeros(stage(share, share.amount_minor) for share in shares if (share.funding == USE) == of_use)


def _accrued(share: ShareAmount, amount_minor: int) -> Leg:
    if share.party_id is None:
        return credit(Purpose.UNDETERMINED_ACCRUED, amount_minor, None, share.document)
    return credit(Purpose.ACCRUED, amount_minor, share.party_id, share.document)


def _due(share: ShareAmount, amount_minor: int) -> Leg:
    if share.party_id is None:
        return credit(Purpose.UNDETERMINED, amount_minor, None, share.document)
    return credit(Purpose.PAYABLE, amount_minor, share.party_id, share.document)
