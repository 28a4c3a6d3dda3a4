"""Carrying an adjustment out, step by step; every step may be the last before a crash and the first after it.

Invariants: one process at a time carries out an adjustment; what it does next is decided from its rows alone.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.adjustments import queries
from portal.adjustments.actions import recovering, taking
from portal.adjustments.actions.taking import Cause
from portal.adjustments.dividing import Taking
from portal.adjustments.models import Adjustment, AdjustmentEnd, ClawBack, OutsideChangeEnd
from portal.adjustments.rules import saga
from portal.adjustments.rules.asking import KINDS, REFUND
from portal.adjustments.rules.saga import Step
from portal.billing.models import Invoice
from portal.errors import NotFound, RuleBroken
from portal.jobs import enqueue
from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments import outside
from portal.payments.cash import OUT_OF_BAND
from portal.payments.going_back import plan_credit_note, plan_refund
from portal.payments.models import CashReceipt, Intent, OutsideChange
from portal.payments.rules import CANCELLED, FAILED, FOLLOW_PURCHASE, PAYMENT_PAIRS
from portal.payments.transferring import CLAW_BACK

ADJUSTMENT = "adjustment"
ADOPTED = "adopted"
# Far more than there are steps.
_MOST_STEPS = 12
_ENDS = {Step.END_DONE: saga.DONE, Step.END_FAILED: saga.FAILED, Step.END_DECLINED: saga.DECLINED}


def advance(session: Session, adjustment_id: int, *, now: datetime) -> Step:
    """Do what follows now, as far as it goes; what it waits for, or nothing when it has ended. *Raises*: NotFound."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"adjustment:{adjustment_id}"})
    adjustment = session.get(Adjustment, adjustment_id)
    if adjustment is None:
        raise NotFound
    # Nobody has a refused payment tried again while its shares are given back.
    session.execute(select(Intent.id).where(*queries.pays(adjustment)).with_for_update())
    for _ in range(_MOST_STEPS):
        step = saga.next_step(queries.saga_facts(session, adjustment))
        if step in saga.WAITS or step is Step.NOTHING:
            return step
        _do(session, adjustment, step, now)
        session.flush()
    raise RuleBroken("This has more steps than it can have.")


def follow_up(session: Session, intent_id: UUID, *, now: datetime) -> None:
    """An intent of an adjustment, a claw-back or evidence has ended or changed: whoever waits for it goes on."""
    intent = session.get(Intent, intent_id)
    if intent is None:
        raise NotFound
    if intent.document_type == ADJUSTMENT:
        advance(session, int(intent.document_id), now=now)
    elif intent.document_type == CLAW_BACK:
        claw_back = session.get_one(ClawBack, int(intent.document_id))
        recovering.settle_reversal(session, claw_back, now=now)
        if claw_back.cause_type == ADJUSTMENT:
            advance(session, claw_back.cause_id, now=now)


def cause_of(session: Session, adjustment: Adjustment) -> Cause:
    """What an adjustment takes, from whom, and what the books call it."""
    about = queries.subject_of(session, adjustment.invoice_id, adjustment.receipt_id)
    receipt = session.get(CashReceipt, adjustment.receipt_id) if adjustment.receipt_id else None
    is_refund = adjustment.kind == REFUND
    return Cause(
        type=ADJUSTMENT,
        id=adjustment.id,
        taking=Taking(
            manufacturer_id=adjustment.manufacturer_id,
            invoice_id=adjustment.invoice_id,
            invoice_item_id=adjustment.invoice_item_id,
            amount_minor=adjustment.amount_minor,
            bearer_id=adjustment.bearer_id,
            paid_at=receipt.received_at if receipt else None,
            receipt_id=adjustment.receipt_id,
            goes_beyond=bool(adjustment.beyond),
        ),
        payer_id=adjustment.payer_id,
        currency=adjustment.currency,
        into=Purpose.REFUNDS if is_refund else Purpose.RECEIVABLE,
        description=f"{KINDS[adjustment.kind].label} on {about.name}: {adjustment.reason}",
        reason=adjustment.reason,
        livemode=about.livemode,
    )


def sweep(session: Session) -> int:
    """Enqueue again adjustments whose job was lost; how many."""
    lost = queries.unfinished(session)
    for adjustment_id in lost:
        enqueue(session, "advance_adjustment", adjustment_id=adjustment_id)
    return len(lost)


def _do(session: Session, adjustment: Adjustment, step: Step, now: datetime) -> None:
    if step in _ENDS:
        _end(session, adjustment, _ENDS[step], now)
        return
    cause = cause_of(session, adjustment)
    if step is Step.TAKE_SHARES:
        try:
            with session.begin_nested():
                losses = taking.take(session, cause, now=now)
                if cause.into is Purpose.REFUNDS:
                    for claw_back in taking.open_claw_backs(session, cause, losses, now=now):
                        recovering.owe_without_transfer(session, claw_back, now=now)
        except RuleBroken as broken:
            if queries.paying_intent(session, adjustment) is not None:
                raise
            _end(session, adjustment, saga.FAILED, now, explanation=broken.sentence)
    elif step is Step.PAY:
        _pay(session, adjustment, cause, now)
    elif step is Step.GIVE_BACK:
        taking.give_back(session, cause, now=now)


def _pay(session: Session, adjustment: Adjustment, cause: Cause, now: datetime) -> None:
    document = Document(ADJUSTMENT, str(adjustment.id))
    if adjustment.outside_change_id is not None:
        _take_in(session, adjustment, document, now)
        return
    if adjustment.receipt_id is None:
        invoice = session.get_one(Invoice, adjustment.invoice_id)
        intent = session.get_one(Intent, invoice.intent_id)
        memo = adjustment.reason
        plan_credit_note(session, intent, amount_minor=adjustment.amount_minor, document=document, memo=memo, now=now)
        return
    receipt = session.get_one(CashReceipt, adjustment.receipt_id)
    if receipt.source == OUT_OF_BAND:
        _pay_elsewhere(session, adjustment, cause, now)
        return
    plan_refund(
        session,
        receipt,
        amount_minor=adjustment.amount_minor,
        document=document,
        description=cause.description,
        now=now,
    )


def _take_in(session: Session, adjustment: Adjustment, document: Document, now: datetime) -> None:
    """What was made at Stripe itself is what two people said it is: nothing is sent, and its change is ended."""
    change = session.get_one(OutsideChange, adjustment.outside_change_id)
    about = queries.subject_of(session, adjustment.invoice_id, adjustment.receipt_id)
    outside.adopt(
        session,
        change,
        document,
        payer_id=adjustment.payer_id,
        description=f"Made at Stripe, on {about.name}: {adjustment.reason}",
        now=now,
    )
    decision = queries.decision_of(session, adjustment.id)
    if decision is None:
        raise RuleBroken("What was made at Stripe is adopted by two people.")
    session.execute(
        insert(OutsideChangeEnd)
        .values(
            change_id=change.id,
            manufacturer_id=change.manufacturer_id,
            outcome=ADOPTED,
            adjustment_id=adjustment.id,
            explanation=adjustment.reason,
            ended_by=decision.decided_by,
            ended_at=now,
        )
        .on_conflict_do_nothing()
    )


def _pay_elsewhere(session: Session, adjustment: Adjustment, cause: Cause, now: datetime) -> None:
    """What did not come through Stripe goes back through the bank, on two people's word."""
    post(
        session,
        manufacturer_id=adjustment.manufacturer_id,
        currency=adjustment.currency,
        kind=queries.PAID_ELSEWHERE,
        document=cause.document,
        legs=[
            debit(Purpose.REFUNDS, adjustment.amount_minor, adjustment.payer_id),
            credit(Purpose.BANK, adjustment.amount_minor),
        ],
        allowed_pairs=PAYMENT_PAIRS,
        occurred_at=now,
        now=now,
        description=f"{cause.description} ({adjustment.reference})",
        person_id=adjustment.asked_by,
        livemode=cause.livemode,
    )


def _end(session: Session, adjustment: Adjustment, outcome: str, now: datetime, *, explanation: str = "") -> None:
    intent = queries.paying_intent(session, adjustment)
    if outcome == saga.FAILED and intent is not None and intent.state == FAILED:
        # Nobody tries it again: its shares are with their parties.
        intent.state = CANCELLED
    session.execute(
        insert(AdjustmentEnd)
        .values(
            adjustment_id=adjustment.id,
            manufacturer_id=adjustment.manufacturer_id,
            payer_id=adjustment.payer_id,
            outcome=outcome,
            explanation=explanation or queries.why_ended(session, adjustment, intent),
            ended_at=now,
        )
        .on_conflict_do_nothing()
    )
    enqueue(session, "notify_adjustment_ended", adjustment_id=adjustment.id)
    receipt = session.get(CashReceipt, adjustment.receipt_id) if adjustment.receipt_id is not None else None
    if receipt is not None and receipt.intent_id is not None:
        enqueue(session, FOLLOW_PURCHASE, intent_id=receipt.intent_id)
