"""Money that goes back to payers: planning refunds, credit notes and evidence, and what Stripe tells of them.

An event is a hint here as everywhere: the refund, dispute or warning is fetched as it is now. Invariants: a movement of
Stripe's balance is posted once, by its own id; a chargeback's steps are kept once each and never in a wrong order,
because what has not been told yet is kept with what has.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.jobs import enqueue
from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit, without_zeros
from portal.payments import outcomes, outside, queries, rules
from portal.payments.actions import plan
from portal.payments.exchanges import booking
from portal.payments.exchanges.legs import Exchanged
from portal.payments.gateway import Gateway
from portal.payments.models import (
    CashReceipt,
    Chargeback,
    ChargebackStep,
    FraudWarning,
    FraudWarningEnd,
    Intent,
)
from portal.payments.outside import NOT_OURS
from portal.payments.provider import DisputeState, Movement, RefundState, WarningState


def plan_refund(
    session: Session, receipt: CashReceipt, *, amount_minor: int, document: Document, description: str, now: datetime
) -> Intent:
    """Plan part or all of a charge back to its payer, and enqueue its call."""
    intent_id = uuid4()
    refund = rules.refund_request(
        intent_id=str(intent_id), charge_id=str(receipt.provider_object_id), amount_minor=amount_minor
    )
    return plan(
        session,
        intent_id,
        kind="refund",
        manufacturer_id=receipt.manufacturer_id,
        organisation_id=receipt.payer_id,
        document=document,
        currency=receipt.currency,
        amount_minor=amount_minor,
        request={"refund": refund, "description": description},
        livemode=receipt.livemode,
        now=now,
    )


def plan_credit_note(
    session: Session, invoice_intent: Intent, *, amount_minor: int, document: Document, memo: str, now: datetime
) -> Intent:
    """Plan a credit note on an open invoice, and enqueue its call."""
    intent_id = uuid4()
    note = rules.credit_note_request(intent_id=str(intent_id), amount_minor=amount_minor, memo=memo)
    return plan(
        session,
        intent_id,
        kind="credit_note",
        manufacturer_id=invoice_intent.manufacturer_id,
        organisation_id=invoice_intent.organisation_id,
        document=document,
        currency=invoice_intent.currency,
        amount_minor=amount_minor,
        request={"credit_note": note, "invoice_intent": str(invoice_intent.id)},
        livemode=invoice_intent.livemode,
        now=now,
    )


def plan_evidence(
    session: Session, chargeback: Chargeback, *, evidence_id: int, evidence: dict[str, Any], now: datetime
) -> Intent:
    """Plan handing a stored document and its words to the payer's bank, and enqueue its calls."""
    return plan(
        session,
        uuid4(),
        kind="evidence",
        manufacturer_id=chargeback.manufacturer_id,
        organisation_id=chargeback.payer_id,
        document=Document("chargeback_evidence", str(evidence_id)),
        currency=chargeback.currency,
        amount_minor=0,
        request={
            "dispute": chargeback.provider_object_id,
            "file_name": f"evidence-{evidence_id}.pdf",
            "evidence": evidence,
        },
        livemode=chargeback.livemode,
        now=now,
    )


def refresh_refund(engine: Engine, gateway: Gateway, refund_id: str, now: datetime) -> str:
    """Fetch a refund: what moved is booked, and who asked for it goes on."""
    state = gateway.retrieve_refund(refund_id)
    with transaction(engine) as session:
        intent = _refund_intent(session, state)
        if intent is None:
            return outside.keep_refund(session, state, now)
        outcomes.keep_refund_state(session, intent, state, now)
    return f"refund {state.status}"


def _refund_intent(session: Session, state: RefundState) -> Intent | None:
    """The intent of a refund, locked: the one that asked for it here, or that adopted what was made at Stripe."""
    intent_id = UUID(state.intent_id) if rules.is_uuid(state.intent_id) else None
    if intent_id is None:
        adopted = queries.intent_by_object(session, state.id)
        intent_id = adopted.id if adopted is not None else None
    if intent_id is None:
        return None
    intent = session.get(Intent, intent_id, with_for_update=True, populate_existing=True)
    return intent if intent is not None and intent.kind == "refund" else None


def refresh_dispute(engine: Engine, gateway: Gateway, dispute_id: str, now: datetime) -> str:
    """Fetch a dispute: keep what happened to it, book what it moved, and have its shares held, released or taken."""
    state = gateway.retrieve_dispute(dispute_id)
    with transaction(engine) as session:
        receipt = outside.receipt_of(session, state.charge_id, state.opened_at, now)
        if receipt is None:
            return NOT_OURS
        chargeback = _keep_chargeback(session, receipt, state, now)
        for movement in state.movements:
            _book_movement(session, chargeback, receipt, movement, now)
        new = _keep_steps(session, chargeback, state.status, now)
        if new:
            enqueue(session, "advance_chargeback", chargeback_id=chargeback.id)
    return f"chargeback {state.status}"


def refresh_warning(engine: Engine, gateway: Gateway, warning_id: str, now: datetime) -> str:
    """Fetch an early fraud warning: a new one is somebody's work until it is answered."""
    state = gateway.retrieve_warning(warning_id)
    with transaction(engine) as session:
        receipt = outside.receipt_of(session, state.charge_id, state.warned_at, now)
        if receipt is None:
            return NOT_OURS
        warning_row = _keep_warning(session, receipt, state, now)
        if not state.is_open:
            end_warning(session, warning_row, outcome="answered", explanation="It was refunded or disputed.", now=now)
    return "fraud warning kept"


def end_warning(
    session: Session,
    warning_row: FraudWarning,
    *,
    outcome: str,
    explanation: str,
    now: datetime,
    person_id: int | None = None,
) -> bool:
    """End a warning, once; whether it had not ended before."""
    made = session.scalar(
        insert(FraudWarningEnd)
        .values(
            warning_id=warning_row.id,
            manufacturer_id=warning_row.manufacturer_id,
            outcome=outcome,
            explanation=explanation,
            ended_by=person_id,
            ended_at=now,
        )
        .on_conflict_do_nothing()
        .returning(FraudWarningEnd.id)
    )
    return made is not None


def _keep_chargeback(session: Session, receipt: CashReceipt, state: DisputeState, now: datetime) -> Chargeback:
    session.execute(
        insert(Chargeback)
        .values(
            provider_object_id=state.id,
            manufacturer_id=receipt.manufacturer_id,
            payer_id=receipt.payer_id,
            invoice_id=receipt.invoice_id,
            receipt_id=receipt.id,
            currency=state.currency,
            amount_minor=state.amount_minor,
            reason=state.reason,
            livemode=receipt.livemode,
            opened_at=state.opened_at,
            answer_by=state.answer_by,
            recorded_at=now,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(Chargeback).where(Chargeback.provider_object_id == state.id)).one()


def _keep_steps(session: Session, chargeback: Chargeback, status: str, now: datetime) -> int:
    rows = [
        {
            "chargeback_id": chargeback.id,
            "manufacturer_id": chargeback.manufacturer_id,
            "kind": kind,
            "recorded_at": now,
        }
        for kind in rules.dispute_steps(status)
    ]
    if not rows:
        return 0
    made = session.scalars(
        insert(ChargebackStep).values(rows).on_conflict_do_nothing().returning(ChargebackStep.id)
    ).all()
    return len(made)


def _book_movement(
    session: Session, chargeback: Chargeback, receipt: CashReceipt, movement: Movement, now: datetime
) -> None:
    """What the bank took with Stripe's fee, or gave back: amount and fee are told apart."""
    about = Document("chargeback", str(chargeback.id))
    says = "Taken by the payer's bank" if movement.amount_minor < 0 else "Given back by the payer's bank"
    if movement.currency != chargeback.currency:
        exchanged = _exchanged(chargeback, movement)
        written = booking.About(
            booking.CHARGEBACK_MOVED,
            Document("balance_movement", movement.id),
            says,
            movement.occurred_at,
            fee_from=about,
        )
        against = [debit(Purpose.DISPUTED, -exchanged.amount_minor, chargeback.payer_id, about)]
        booking.book_exchange(session, receipt, exchanged, written, against=against, now=now)
        return
    post(
        session,
        manufacturer_id=chargeback.manufacturer_id,
        currency=movement.currency,
        kind=booking.CHARGEBACK_MOVED,
        document=Document("balance_movement", movement.id),
        legs=without_zeros(
            [
                debit(Purpose.DISPUTED, -movement.amount_minor, chargeback.payer_id, about),
                debit(Purpose.FEES, movement.fee_minor, None, about),
                credit(Purpose.STRIPE, -movement.net_minor),
            ]
        ),
        allowed_pairs=rules.PAYMENT_PAIRS,
        occurred_at=movement.occurred_at,
        now=now,
        description=says,
        livemode=chargeback.livemode,
    )


def _exchanged(chargeback: Chargeback, movement: Movement) -> Exchanged:
    """The whole of a chargeback moves at once, out or in."""
    sign = -1 if movement.amount_minor < 0 else 1
    return Exchanged(
        movement_id=movement.id,
        currency=chargeback.currency,
        amount_minor=sign * chargeback.amount_minor,
        settled_currency=movement.currency,
        settled_minor=movement.amount_minor,
        fee_minor=movement.fee_minor,
        rate=movement.rate or Fraction(abs(movement.amount_minor), chargeback.amount_minor),
    )


def _keep_warning(session: Session, receipt: CashReceipt, state: WarningState, now: datetime) -> FraudWarning:
    session.execute(
        insert(FraudWarning)
        .values(
            provider_object_id=state.id,
            manufacturer_id=receipt.manufacturer_id,
            invoice_id=receipt.invoice_id,
            receipt_id=receipt.id,
            kind=state.kind,
            livemode=receipt.livemode,
            warned_at=state.warned_at,
            recorded_at=now,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(FraudWarning).where(FraudWarning.provider_object_id == state.id)).one()
