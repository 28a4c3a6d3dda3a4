"""The shares of a plan left early become payable as the invoice of its rest is paid, as shares of work do.

What ought to be payable is computed from what is paid of the line in all, and what is missing is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from portal.billing.left_early.models import PlanCash
from portal.billing.models import PlanShare
from portal.billing.rules.cash import parts_paid, plan_sale_of
from portal.billing.rules.postings import CASH
from portal.ledger.rules import Document, Leg, Purpose, credit, without_zeros


@dataclass(frozen=True)
class Rest:
    """The shares of what a term's rest owed, and what of each cash has made payable."""

    shares: tuple[tuple[PlanShare, int], ...]

    @property
    def price_minor(self) -> int:
        """What they come to."""
        return sum(share.amount_minor for share, _ in self.shares)

    def changes_at(self, paid_minor: int) -> list[tuple[PlanShare, int]]:
        """What becomes payable of each when so much is paid in all; below zero what is taken back."""
        reached = parts_paid(paid_minor, [(share.party_id, share.amount_minor) for share, _ in self.shares])
        changes = zip(self.shares, reached, strict=True)
        return [(share, minor - applied) for (share, applied), minor in changes if minor != applied]


def rests_on(session: Session, lines: Iterable[int]) -> Mapping[int, Rest]:
    """What plans left early owed among the lines of invoices, by the line."""
    by_sale = {sale_id: line for line in lines if (sale_id := plan_sale_of(line)) is not None}
    if not by_sale:
        return {}
    applied = (
        select(func.coalesce(func.sum(PlanCash.amount_minor), 0))
        .where(PlanCash.plan_share_id == PlanShare.id)
        .correlate(PlanShare)
        .scalar_subquery()
    )
    rows = session.execute(
        select(PlanShare, applied)
        .where(PlanShare.plan_sale_id.in_(by_sale), PlanShare.funding == CASH)
        .order_by(PlanShare.id)
    ).tuples()
    found: dict[int, list[tuple[PlanShare, int]]] = {}
    for share, minor in rows:
        found.setdefault(by_sale[share.plan_sale_id], []).append((share, int(minor)))
    return {line: Rest(tuple(shares)) for line, shares in found.items()}


def store_rests(session: Session, paid: Sequence[tuple[PlanShare, int]], *, receipt_id: int, now: datetime) -> None:
    """Keep what a receipt made payable of each share."""
    names = ("manufacturer_id", "integrator_id", "party_id", "currency")
    rows = [
        {name: getattr(share, name) for name in names}
        | {"receipt_id": receipt_id, "plan_share_id": share.id, "amount_minor": change, "applied_at": now}
        for share, change in paid
    ]
    if rows:
        session.execute(insert(PlanCash), rows)


def rest_legs(paid: Sequence[tuple[PlanShare, int]]) -> list[Leg]:
    """Cash makes parts of the shares payable; an amount below zero takes them back."""
    return without_zeros(
        leg
        for share, minor in paid
        for leg in (
            credit(Purpose.ACCRUED, -minor, share.party_id, Document("plan_share", str(share.id))),
            credit(Purpose.PAYABLE, minor, share.party_id, Document("plan_share", str(share.id))),
        )
    )
