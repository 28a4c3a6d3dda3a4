"""The commission of a pack sold by invoice becomes payable as the invoice is paid, as shares of work do.

What ought to be payable is computed from what is paid of the pack's line in all, and what is missing is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from portal.billing.packs.models import PackCash, PackSale, PackShare
from portal.billing.packs.rules import commission_of
from portal.billing.rules.cash import pack_sale_of
from portal.billing.rules.postings import CASH
from portal.ledger.rules import Document, Leg, Purpose, credit, without_zeros


@dataclass(frozen=True)
class Commission:
    """A commission that cash makes payable, and what of it cash has so far."""

    share: PackShare
    price_minor: int
    applied_minor: int

    def change_at(self, paid_minor: int) -> int:
        """What becomes payable when so much of the price is paid in all; below zero what is taken back."""
        return commission_of(paid_minor, self.price_minor, self.share.amount_minor) - self.applied_minor


def commissions_on(session: Session, lines: Iterable[int]) -> Mapping[int, Commission]:
    """The commissions of the packs among the lines of invoices, by the line."""
    by_sale = {sale_id: line for line in lines if (sale_id := pack_sale_of(line)) is not None}
    if not by_sale:
        return {}
    applied = (
        select(func.coalesce(func.sum(PackCash.amount_minor), 0))
        .where(PackCash.pack_share_id == PackShare.id)
        .correlate(PackShare)
        .scalar_subquery()
    )
    rows = session.execute(
        select(PackShare, PackSale.amount_minor, applied)
        .join(PackSale, PackSale.id == PackShare.pack_sale_id)
        .where(PackSale.id.in_(by_sale), PackShare.funding == CASH)
        .order_by(PackShare.id)
    ).tuples()
    return {by_sale[share.pack_sale_id]: Commission(share, price, int(minor)) for share, price, minor in rows}


def store_commissions(
    session: Session, earned: Sequence[tuple[PackShare, int]], *, receipt_id: int, now: datetime
) -> None:
    """Keep what a receipt made payable of each commission."""
    names = ("manufacturer_id", "integrator_id", "party_id", "currency")
    session.execute(
        insert(PackCash),
        [
            {name: getattr(share, name) for name in names}
            | {"receipt_id": receipt_id, "pack_share_id": share.id, "amount_minor": change, "applied_at": now}
            for share, change in earned
        ],
    )


def commission_legs(earned: Sequence[tuple[PackShare, int]]) -> list[Leg]:
    """Cash makes parts of commissions payable; an amount below zero takes them back."""
    return without_zeros(
        leg
        for share, minor in earned
        for leg in (
            credit(Purpose.ACCRUED, -minor, share.party_id, Document("pack_share", str(share.id))),
            credit(Purpose.PAYABLE, minor, share.party_id, Document("pack_share", str(share.id))),
        )
    )
