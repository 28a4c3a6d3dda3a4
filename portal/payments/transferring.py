"""What a transfer books when it was made, and when it was taken back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments import rules
from portal.payments.models import Intent

# The document of a reversal that takes a party's share of a refund or chargeback back at once.
CLAW_BACK = "claw_back"


def book_transfer(session: Session, intent: Intent, now: datetime) -> None:
    """The money has left the balance for its party."""
    document = Document("intent", str(intent.id))
    post(
        session,
        manufacturer_id=intent.manufacturer_id,
        currency=intent.currency,
        kind="transfer_sent",
        document=document,
        legs=[
            debit(Purpose.IN_TRANSFER, intent.amount_minor, intent.organisation_id),
            credit(Purpose.STRIPE, intent.amount_minor),
        ],
        allowed_pairs=rules.PAYMENT_PAIRS,
        occurred_at=now,
        now=now,
        description=str(intent.request["description"]),
        livemode=intent.livemode,
    )


def book_reversal(session: Session, intent: Intent, now: datetime) -> None:
    """The money is back: what the party owed under way, or of what it has coming, is settled."""
    settles = Purpose.PAYABLE if intent.document_type == CLAW_BACK else Purpose.IN_TRANSFER
    claw_back = Document(CLAW_BACK, intent.document_id) if intent.document_type == CLAW_BACK else None
    post(
        session,
        manufacturer_id=intent.manufacturer_id,
        currency=intent.currency,
        kind="transfer_reversed",
        document=Document("intent", str(intent.id)),
        legs=[
            debit(Purpose.STRIPE, intent.amount_minor),
            credit(settles, intent.amount_minor, intent.organisation_id, claw_back),
        ],
        allowed_pairs=rules.PAYMENT_PAIRS,
        occurred_at=now,
        now=now,
        description=str(intent.request["description"]),
        livemode=intent.livemode,
    )
