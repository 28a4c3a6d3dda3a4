"""Gross revenue of what goes back: shares of a kind sold as principal are a cost, and lose what their parties lose."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.adjustments.rules.sharing import Part
from portal.billing.gross import post_gross
from portal.billing.models import Share
from portal.ledger.rules import Document

GROSS_TAKEN, GROSS_GIVEN_BACK, GROSS_REDIVIDED = "gross_taken_back", "gross_given_back", "gross_redivided"


def take_gross(
    session: Session,
    document: Document,
    parts: Iterable[Part],
    *,
    kind: str,
    manufacturer_id: int,
    currency: str,
    now: datetime,
    livemode: bool,
) -> None:
    """Take what shares lose off the cost they are and off the revenue beside; nothing where they are sold as agent."""
    lost: dict[int, int] = {}
    for part in parts:
        if part.key:
            lost[part.key] = lost.get(part.key, 0) + part.amount_minor
    if not lost:
        return
    gross = session.scalars(
        select(Share.id).where(Share.id.in_(lost), Share.explanation.has_key("sold_as")).order_by(Share.id)
    )
    post_gross(
        session,
        document,
        [(-lost[share_id], Document("share", str(share_id))) for share_id in gross],
        kind=kind,
        manufacturer_id=manufacturer_id,
        currency=currency,
        occurred_at=now,
        now=now,
        livemode=livemode,
    )
