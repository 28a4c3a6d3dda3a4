"""What a sold pack earns beside its use, stored with the parties' shares of it and posted.

It is payable at once, but for the commission of a sale by invoice: that is accrued, and payable as the invoice is paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from portal.billing.gross import post_gross
from portal.billing.packs.models import PackEarning, PackSale, PackShare
from portal.billing.packs.rules import PACK_PAIRS, earning_legs
from portal.billing.rules.gross import sold_as
from portal.billing.rules.postings import CASH
from portal.contracts.blocks import Revenue
from portal.entitlement.queries import Terms
from portal.ledger.actions import post
from portal.ledger.rules import Document

EARNED = "pack_earned"
AT_ONCE = "at_once"


@dataclass(frozen=True)
class Part:
    """What one party, by the document's word for it, has of an earning, and the sentences that say why."""

    party: str
    revenue_kind: str
    amount_minor: int
    weight_bp: int
    sentences: tuple[str, ...]


def earn(
    session: Session,
    sale: PackSale,
    *,
    kind: str,
    amount_minor: int,
    shares: Sequence[Part],
    parties: Mapping[str, int],
    terms: Terms,
    explanation: Mapping[str, Any],
    now: datetime,
    livemode: bool = False,
    seconds: int = 0,
    incidents: int = 0,
    funding: str = AT_ONCE,
) -> PackEarning:
    """Store and post that a sale earned so much; the shares sum to it. ``terms`` are those it was sold under."""
    last: int = session.scalar(select(func.max(PackEarning.seq)).where(PackEarning.pack_sale_id == sale.id)) or 0
    earning = PackEarning(
        pack_sale_id=sale.id,
        manufacturer_id=sale.manufacturer_id,
        integrator_id=sale.integrator_id,
        seq=last + 1,
        kind=kind,
        seconds=seconds,
        incidents=incidents,
        currency=sale.currency,
        amount_minor=amount_minor,
        agreement_version_id=sale.agreement_version_id,
        explanation=dict(explanation),
        earned_at=now,
    )
    session.add(earning)
    session.flush()
    is_gross = Revenue.PACK_USE in terms.gross_kinds
    rows = [
        {**_row(earning, share, parties[share.party], is_gross=is_gross), "funding": funding}
        for share in shares
        if share.amount_minor
    ]
    stored = session.execute(
        insert(PackShare).values(rows).returning(PackShare.id, PackShare.party_id, PackShare.amount_minor)
    ).all()
    parts = [(row.party_id, row.amount_minor, Document("pack_share", str(row.id))) for row in stored]
    post(
        session,
        manufacturer_id=sale.manufacturer_id,
        currency=sale.currency,
        kind=EARNED,
        document=Document("pack_earning", str(earning.id)),
        legs=earning_legs(sale.customer_id, parts, with_cash=funding == CASH),
        allowed_pairs=PACK_PAIRS,
        occurred_at=now,
        now=now,
        livemode=livemode,
        origin_period_id=sale.period_id,
    )
    if is_gross:
        _post_gross(session, sale, earning, parts, livemode=livemode)
    return earning


def _post_gross(
    session: Session,
    sale: PackSale,
    earning: PackEarning,
    parts: Sequence[tuple[int, int, Document]],
    *,
    livemode: bool,
) -> None:
    """What selling a pack earns, and what expires of it, is sold as what its use is: one price, one seller."""
    post_gross(
        session,
        Document("pack_earning", str(earning.id)),
        [(minor, document) for _, minor, document in parts],
        manufacturer_id=sale.manufacturer_id,
        currency=sale.currency,
        occurred_at=earning.earned_at,
        now=earning.earned_at,
        livemode=livemode,
        origin_period_id=sale.period_id,
    )


def _row(earning: PackEarning, share: Part, party_id: int, *, is_gross: bool) -> dict[str, Any]:
    return {
        "pack_earning_id": earning.id,
        "pack_sale_id": earning.pack_sale_id,
        "manufacturer_id": earning.manufacturer_id,
        "integrator_id": earning.integrator_id,
        "party_id": party_id,
        "party_role": share.party,
        "revenue_kind": share.revenue_kind,
        "weight_bp": share.weight_bp,
        "currency": earning.currency,
        "amount_minor": share.amount_minor,
        "explanation": {"sentences": list(share.sentences), **sold_as(is_gross=is_gross)},
        "recorded_at": earning.earned_at,
    }
