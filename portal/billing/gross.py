"""Posts revenue that is sold as principal: whole, with the shares as its cost, where the signed document says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from portal.billing.rules.gross import GROSS, GROSS_PAIRS, gross_legs
from portal.ledger.actions import post
from portal.ledger.rules import Document


def post_gross(
    session: Session,
    document: Document,
    parts: Sequence[tuple[int, Document]],
    *,
    kind: str = GROSS,
    manufacturer_id: int,
    currency: str,
    occurred_at: datetime,
    now: datetime,
    livemode: bool = False,
    origin_period_id: int | None = None,
) -> None:
    """Post what an earning comes to as gross revenue; ``parts`` are its shares. Nothing where there is nothing."""
    legs = gross_legs(parts)
    if legs:
        post(
            session,
            manufacturer_id=manufacturer_id,
            currency=currency,
            kind=kind,
            document=document,
            legs=legs,
            allowed_pairs=GROSS_PAIRS,
            occurred_at=occurred_at,
            now=now,
            livemode=livemode,
            origin_period_id=origin_period_id,
        )
