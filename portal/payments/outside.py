"""Refunds and credit notes that somebody made at Stripe itself: kept as work until finance adopts or explains them.

Nothing is booked here: what left the balance stands in the reconciliation until then. Invariant: a change is kept once,
by its id at Stripe; one that was asked for here names its intent and never comes this way.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.directory.models import Organisation
from portal.jobs import enqueue
from portal.ledger.rules import Document
from portal.payments import outcomes, queries, rules
from portal.payments.gateway import Gateway
from portal.payments.models import CashReceipt, Intent, OutsideChange
from portal.payments.provider import Busy, CreditNoteState, RefundState
from portal.rows import insert_once

NOT_OURS, KEPT = "ignored: not ours", "made at Stripe: finance is asked"
REFUND, CREDIT_NOTE = "refund", "credit_note"
_OVER = ("failed", "canceled")


def receipt_of(session: Session, charge_id: str, told_at: datetime, now: datetime) -> CashReceipt | None:
    """The cash of a charge. *Raises*: Busy while its payment may still be on the way to us."""
    found = session.scalars(select(CashReceipt).where(CashReceipt.provider_object_id == charge_id)).one_or_none()
    if found is None and now - told_at < rules.MOVEMENT_PATIENCE:
        raise Busy("The payment that this is about is still being written down.")
    return found


def keep_refund(session: Session, state: RefundState, now: datetime) -> str:
    """Keep a refund that nobody asked for here; of a payment we do not know it is the operator's to explain.

    *Raises*: Busy while its payment, or the answer that made it, may still be on the way to us.
    """
    if rules.is_uuid(state.intent_id) or state.status in _OVER:
        return NOT_OURS
    receipt = receipt_of(session, state.charge_id, state.made_at, now)
    owner_id = receipt.manufacturer_id if receipt is not None else _operator(session)
    if owner_id is None:
        return NOT_OURS
    change = OutsideChange(
        provider_object_id=state.id,
        kind=REFUND,
        manufacturer_id=owner_id,
        receipt_id=receipt.id if receipt is not None else None,
        invoice_id=receipt.invoice_id if receipt is not None else None,
        currency=state.currency,
        amount_minor=state.amount_minor,
        about=state.charge_id,
        livemode=state.livemode,
        made_at=state.made_at,
        recorded_at=now,
    )
    return _keep(session, change)


def refresh_credit_note(engine: Engine, gateway: Gateway, note_id: str, now: datetime) -> str:
    """Fetch a credit note: one of an invoice of ours that nobody asked for here is somebody's work."""
    state = gateway.retrieve_credit_note(note_id)
    with transaction(engine) as session:
        if rules.is_uuid(state.intent_id) and session.get(Intent, UUID(state.intent_id)) is not None:
            return "credit note of ours"
        known = queries.intent_by_object(session, note_id)
        return "credit note adopted" if known is not None else _keep_note(session, state, now)


def _keep_note(session: Session, state: CreditNoteState, now: datetime) -> str:
    """What was credited after a payment comes back by a refund of its own."""
    intent = queries.intent_by_object(session, state.invoice_id)
    invoice = queries.invoice_of_intent(session, intent.id) if intent is not None else None
    if invoice is None or state.before_payment_minor <= 0:
        if invoice is None and now - state.made_at < rules.MOVEMENT_PATIENCE and rules.is_uuid(state.intent_id):
            raise Busy("The invoice that this is about is still being written down.")
        return NOT_OURS
    change = OutsideChange(
        provider_object_id=state.id,
        kind=CREDIT_NOTE,
        manufacturer_id=invoice.manufacturer_id,
        invoice_id=invoice.id,
        currency=state.currency,
        amount_minor=state.before_payment_minor,
        about=state.memo or state.invoice_id,
        livemode=state.livemode,
        made_at=state.made_at,
        recorded_at=now,
    )
    return _keep(session, change)


def _keep(session: Session, change: OutsideChange) -> str:
    made = insert_once(session, change, unique=["provider_object_id"])
    if made is not None:
        enqueue(session, "notify_outside_change", change_id=made.id)
    return KEPT


def _operator(session: Session) -> int | None:
    return session.scalar(select(Organisation.id).where(Organisation.is_operator))


def adopt(session: Session, change: OutsideChange, document: Document, *, payer_id: int, description: str,
          now: datetime) -> Intent:  # fmt: skip
    """An intent for what was made at Stripe, as if it had been asked for here: nothing is sent, the rest follows.

    A refund's movements are booked when it is looked at, which is enqueued.
    """
    known = queries.intent_by_object(session, change.provider_object_id)
    if known is not None:
        return known
    intent = Intent(
        id=uuid4(),
        kind=change.kind,
        manufacturer_id=change.manufacturer_id,
        organisation_id=payer_id,
        document_type=document.type,
        document_id=document.id,
        currency=change.currency,
        amount_minor=change.amount_minor,
        request={"adopted": change.provider_object_id, "description": description},
        progress={"object": change.provider_object_id},
        state=rules.SUCCEEDED,
        provider_object_id=change.provider_object_id,
        livemode=change.livemode,
        created_at=change.made_at,
        sent_at=change.made_at,
        finished_at=now,
    )
    session.add(intent)
    session.flush()
    if change.kind == REFUND:
        enqueue(session, "look_at_refund", refund_id=change.provider_object_id)
    else:
        enqueue(session, "follow_up_intent", intent_id=intent.id)
    return intent


def look_at_refund(engine: Engine, gateway: Gateway, refund_id: str, now: datetime) -> None:
    """Fetch an adopted refund: what it moved is booked, and its adjustment goes on."""
    state = gateway.retrieve_refund(refund_id)
    with transaction(engine) as session:
        intent = queries.intent_by_object(session, refund_id)
        if intent is not None:
            locked = session.get_one(Intent, intent.id, with_for_update=True, populate_existing=True)
            outcomes.keep_refund_state(session, locked, state, now)
