"""What shares have lost, divided anew when it becomes known whose they are.

A refund may come while nobody knows who resolved a case: the undetermined share loses its part then, and those who
stand in for it take that loss over when they are known. Invariant: nothing is lost or gained by it; again adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from portal.adjustments.actions.taking import ACCRUED, PAYABLE, TAKING_PAIRS, account_of
from portal.adjustments.dividing import share_stakes
from portal.adjustments.gross import GROSS_REDIVIDED, take_gross
from portal.adjustments.models import AdjustmentPart
from portal.adjustments.rules.sharing import Part, parts_of_line
from portal.billing.models import BillItem, Invoice, InvoiceItem
from portal.ledger.actions import post
from portal.ledger.rules import Document, debit
from portal.payments.models import Intent

REDIVIDED = "redivided"
KIND = "lost_shares_redivided"


def redivide(session: Session, case_id: int, *, now: datetime) -> int:
    """Move what a case's shares have lost to those that stand now; of how many lines."""
    lost = select(AdjustmentPart.id).where(
        AdjustmentPart.invoice_item_id == InvoiceItem.id, AdjustmentPart.share_id.is_not(None)
    )
    rows = session.execute(
        select(InvoiceItem, BillItem)
        .join(BillItem, BillItem.id == InvoiceItem.bill_item_id)
        .where(BillItem.case_id == case_id, InvoiceItem.amount_minor > 0, lost.exists())
        .order_by(InvoiceItem.id)
    ).all()
    return sum(_redivide_line(session, row.InvoiceItem, row.BillItem, now) for row in rows)


def _redivide_line(session: Session, item: InvoiceItem, billed: BillItem, now: datetime) -> bool:
    stakes = share_stakes(session, item, billed)
    taken, whole = (sum(getattr(stake, name) for stake in stakes) for name in ("taken_minor", "weight_minor"))
    # Work that was billed anew for less than went back: what it lost stays where it was.
    parts = parts_of_line(stakes, 0) if taken <= whole else ()
    if not parts:
        return False
    stages = set(session.scalars(select(AdjustmentPart.stage).where(AdjustmentPart.invoice_item_id == item.id)))
    stage = ACCRUED if stages == {ACCRUED} else PAYABLE
    newest = max(part.key or 0 for part in parts)
    invoice = session.get_one(Invoice, item.invoice_id)
    livemode = session.get_one(Intent, invoice.intent_id).livemode
    session.execute(insert(AdjustmentPart), _rows(invoice, item, parts, stage=stage, newest=newest, now=now))
    post(
        session,
        manufacturer_id=invoice.manufacturer_id,
        currency=invoice.currency,
        kind=KIND,
        document=Document("share", str(newest)),
        legs=[
            debit(account_of(stage, part.party_id), part.amount_minor, part.party_id, Document("share", str(part.key)))
            for part in parts
        ],
        allowed_pairs=TAKING_PAIRS,
        occurred_at=now,
        now=now,
        description=_words(invoice),
        livemode=livemode,
        origin_period_id=invoice.period_id,
    )
    take_gross(
        session,
        Document("share", str(newest)),
        parts,
        kind=GROSS_REDIVIDED,
        manufacturer_id=invoice.manufacturer_id,
        currency=invoice.currency,
        now=now,
        livemode=livemode,
    )
    return True


def _rows(
    invoice: Invoice, item: InvoiceItem, parts: Sequence[Part], *, stage: str, newest: int, now: datetime
) -> list[dict[str, object]]:
    return [
        {
            "cause_type": REDIVIDED,
            "cause_id": newest,
            "manufacturer_id": invoice.manufacturer_id,
            "party_id": part.party_id,
            "invoice_item_id": item.id,
            "share_id": part.key,
            "stage": stage,
            "currency": invoice.currency,
            "amount_minor": part.amount_minor,
            "reason": _words(invoice),
            "recorded_at": now,
        }
        for part in parts
    ]


def _words(invoice: Invoice) -> str:
    return f"Divided anew: what went back on {invoice.name}"
