"""What a subscription's open invoice costs less, by a credit note at Stripe: planned, found, and the tax in it.

Invariant: one note stands for a bill; one that Stripe refused, because the invoice was paid meanwhile, does not count.
"""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.ledger.rules import Document
from portal.payments import rules
from portal.payments.actions import plan
from portal.payments.models import Intent, SubscriptionBill


def plan_bill_credit(
    session: Session,
    bill: SubscriptionBill,
    checkout: Intent,
    *,
    amount_minor: int,
    tax_minor: int,
    memo: str,
    now: datetime,
) -> Intent:
    """Plan a credit note on a bill that is open, for an amount and the tax in it, and enqueue its call."""
    intent_id = uuid4()
    request = {
        "credit_note": rules.credit_note_request(intent_id=str(intent_id), amount_minor=amount_minor, memo=memo),
        "invoice": bill.provider_invoice_id,
        "tax_minor": tax_minor,
        "checkout_intent": str(checkout.id),
    }
    return plan(
        session,
        intent_id,
        kind="credit_note",
        manufacturer_id=bill.manufacturer_id,
        organisation_id=bill.payer_id,
        document=_document(bill.id),
        currency=bill.currency,
        amount_minor=amount_minor,
        request=request,
        livemode=checkout.livemode,
        now=now,
    )


def credit_of_bill(session: Session, bill_id: int) -> Intent | None:
    """The last credit note that was asked for on a bill, however it went."""
    about = _document(bill_id)
    asked = select(Intent).where(
        Intent.kind == "credit_note", Intent.document_type == about.type, Intent.document_id == about.id
    )
    return session.scalars(asked.order_by(Intent.created_at.desc(), Intent.id).limit(1)).one_or_none()


def credited_tax_minor(session: Session, bill_id: int | None, unpaid_minor: int) -> int:
    """The tax in what a bill was paid less than it asked for: that of its credit note, where one is for just that."""
    if bill_id is None or unpaid_minor <= 0:
        return 0
    note = credit_of_bill(session, bill_id)
    return int(note.request["tax_minor"]) if note is not None and note.amount_minor == unpaid_minor else 0


def _document(bill_id: int) -> Document:
    return Document(rules.SUBSCRIPTION_BILL, str(bill_id))
