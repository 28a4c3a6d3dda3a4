"""What a refund moved at Stripe, remembered with its intent and booked."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments import rules
from portal.payments.exchanges import booking
from portal.payments.exchanges.legs import Exchanged
from portal.payments.models import CashReceipt, Intent, OutsideChange
from portal.payments.provider import RefundState

# What moved, which way it went, and what the books call it.
_MOVED = (
    ("movement", "exchanged", 1, booking.REFUND_SENT),
    ("returned_movement", "returned_exchanged", -1, booking.REFUND_RETURNED),
)


def refund_facts(state: RefundState) -> dict[str, Any]:
    """What is remembered of a refund beside its id."""
    return {
        "status": state.status,
        "reason": state.failure,
        "movement": state.movement_id,
        "returned_movement": state.returned_movement_id,
        **({"exchanged": _kept(state.exchanged)} if state.exchanged else {}),
        **({"returned_exchanged": _kept(state.returned_exchanged)} if state.returned_exchanged else {}),
    }


def book_refund(session: Session, intent: Intent, now: datetime) -> None:
    """What has left the balance for a payer, and what came back of it; each once."""
    for name, exchanged_name, sign, kind in _MOVED:
        movement_id = intent.progress.get(name)
        if not movement_id:
            continue
        owed = debit(Purpose.REFUNDS, sign * intent.amount_minor, intent.organisation_id)
        document = Document("balance_movement", movement_id)
        if exchanged_name in intent.progress:
            about = booking.About(kind, document, str(intent.request["description"]), now)
            exchanged = _told(intent.progress[exchanged_name])
            booking.book_exchange(session, _receipt_of(session, intent), exchanged, about, against=[owed], now=now)
            continue
        post(
            session,
            manufacturer_id=intent.manufacturer_id,
            currency=intent.currency,
            kind=kind,
            document=document,
            legs=[owed, credit(Purpose.STRIPE, sign * intent.amount_minor)],
            allowed_pairs=rules.PAYMENT_PAIRS,
            occurred_at=now,
            now=now,
            description=str(intent.request["description"]),
            livemode=intent.livemode,
        )


def _receipt_of(session: Session, intent: Intent) -> CashReceipt:
    """The payment that goes back: the one that was asked for here, or that of a refund made at Stripe and adopted."""
    wanted = select(CashReceipt)
    if "adopted" in intent.request:
        wanted = wanted.join(OutsideChange, OutsideChange.receipt_id == CashReceipt.id).where(
            OutsideChange.provider_object_id == intent.request["adopted"]
        )
    else:
        wanted = wanted.where(CashReceipt.provider_object_id == intent.request["refund"]["charge"])
    return session.scalars(wanted).one()


def _kept(exchanged: Exchanged) -> dict[str, Any]:
    return {**vars(exchanged), "rate": [exchanged.rate.numerator, exchanged.rate.denominator]}


def _told(kept: dict[str, Any]) -> Exchanged:
    return Exchanged(**{**kept, "rate": Fraction(*kept["rate"])})
