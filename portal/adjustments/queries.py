"""Reads of adjustments: what the rows of one say, what is left of a payment, what a page lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_handle_finance, may_see_shares
from portal.adjustments.models import (
    Adjustment,
    AdjustmentConsent,
    AdjustmentDecision,
    AdjustmentEnd,
    AdjustmentLimit,
    AdjustmentPart,
    ClawBack,
    ClawBackStep,
)
from portal.adjustments.rules import saga
from portal.adjustments.rules.asking import REFUND
from portal.adjustments.rules.saga import Facts, Step
from portal.billing.models import Invoice
from portal.billing.reductions.models import LineReduction
from portal.billing.taxed import tax_minor_of
from portal.errors import NotAllowed, NotFound
from portal.ledger.models import JournalTransaction
from portal.payments.models import CashReceipt, Chargeback, ChargebackStep, Intent
from portal.payments.rules import CANCELLED, FAILED, LOST, OPENED, SUCCEEDED, WON

PAID_ELSEWHERE = "refund_paid_elsewhere"


def adjustment_seen(session: Session, actor: Actor, adjustment_id: int) -> Adjustment:
    """An adjustment of the actor's manufacturer, invoice or share. *Raises*: NotFound."""
    found = session.get(Adjustment, adjustment_id)
    own = actor.organisation_id
    if found is None or own not in (found.manufacturer_id, found.payer_id, found.consent_of):
        raise NotFound
    if not actor.has(Role.FINANCE, Role.BUYER, Role.ADMINISTRATOR, Role.SERVICE_MANAGER, Role.SUPPORT_LEAD):
        raise NotFound
    return found


@dataclass(frozen=True)
class Subject:
    """What an adjustment or chargeback is about: an invoice, or what was paid ahead at checkout.

    The name is empty for who may see that something went back, but not of what: a party whose share fell.
    """

    name: str
    invoice: Invoice | None
    livemode: bool


def subject_of(session: Session, invoice_id: int | None, receipt_id: int | None) -> Subject:
    """What people call an invoice, or what a payment ahead was for, as far as the session sees it."""
    if invoice_id is not None:
        invoice = session.get(Invoice, invoice_id)
        if invoice is None:
            return Subject("", None, livemode=False)
        return Subject(invoice.name, invoice, session.get_one(Intent, invoice.intent_id).livemode)
    receipt = session.get(CashReceipt, receipt_id) if receipt_id is not None else None
    checkout = session.get(Intent, receipt.intent_id) if receipt is not None and receipt.intent_id is not None else None
    if receipt is None or checkout is None:
        return Subject("", None, livemode=False)
    return Subject(str(checkout.request["name"]), None, receipt.livemode)


def decision_of(session: Session, adjustment_id: int) -> AdjustmentDecision | None:
    """What somebody else of finance said."""
    wanted = select(AdjustmentDecision).where(AdjustmentDecision.adjustment_id == adjustment_id)
    return session.scalars(wanted).one_or_none()


def consent_of(session: Session, adjustment_id: int) -> AdjustmentConsent | None:
    """What the integrator said whose share would fall."""
    wanted = select(AdjustmentConsent).where(AdjustmentConsent.adjustment_id == adjustment_id)
    return session.scalars(wanted).one_or_none()


def end_of(session: Session, adjustment_id: int) -> AdjustmentEnd | None:
    """How an adjustment ended; the latest word where the bank sent the money back afterwards."""
    wanted = select(AdjustmentEnd).where(AdjustmentEnd.adjustment_id == adjustment_id)
    return session.scalars(wanted.order_by(AdjustmentEnd.id.desc()).limit(1)).one_or_none()


def paying_intent(session: Session, adjustment: Adjustment) -> Intent | None:
    """The refund or credit note at Stripe, however it stands."""
    wanted = select(Intent).where(*pays(adjustment))
    found = session.scalars(wanted.order_by(Intent.created_at.desc()).limit(1)).one_or_none()
    if found is not None:
        session.refresh(found)
    return found


def pays(adjustment: Adjustment) -> tuple[ColumnElement[bool], ...]:
    """The conditions that an intent is an adjustment's refund or credit note."""
    return (
        Intent.document_type == "adjustment",
        Intent.document_id == str(adjustment.id),
        Intent.kind.in_(("refund", "credit_note")),
    )


def saga_facts(session: Session, adjustment: Adjustment) -> Facts:
    """What the rows of an adjustment say has been done."""
    decision, consent = decision_of(session, adjustment.id), consent_of(session, adjustment.id)
    end = end_of(session, adjustment.id)
    reductions = set(
        session.scalars(
            select(LineReduction.is_return).where(
                LineReduction.cause_type == "adjustment", LineReduction.cause_id == adjustment.id
            )
        )
    )
    return Facts(
        is_refund=adjustment.kind == REFUND,
        order=adjustment.payout_order,
        decision=(decision.outcome if decision else None) if adjustment.needs_second else "yes",
        consent=(consent.outcome if consent else None) if adjustment.consent_of is not None else "yes",
        taken=False in reductions,
        given_back=True in reductions,
        reversing=any(not steps for _, steps in claw_backs(session, "adjustment", adjustment.id)),
        paying=_paying(session, adjustment),
        blocked=adjustment.receipt_id is not None and open_chargeback(session, adjustment.receipt_id) is not None,
        end=end.outcome if end else None,
    )


def _paying(session: Session, adjustment: Adjustment) -> str:
    intent = paying_intent(session, adjustment)
    if intent is None:
        done = select(JournalTransaction.id).where(
            JournalTransaction.kind == PAID_ELSEWHERE,
            JournalTransaction.document_type == "adjustment",
            JournalTransaction.document_id == str(adjustment.id),
        )
        return "none" if session.scalar(done) is None else "paid"
    if intent.state in (FAILED, CANCELLED):
        return "refused"
    if intent.state != SUCCEEDED:
        return "under_way"
    if intent.kind == "credit_note":
        return "paid"
    status = str(intent.progress.get("status"))
    return {"succeeded": "paid", "failed": "refused", "canceled": "refused"}.get(status, "under_way")


def why_ended(session: Session, adjustment: Adjustment, intent: Intent | None) -> str:
    """The sentence that tells the payer and finance why it ended."""
    for answer in (decision_of(session, adjustment.id), consent_of(session, adjustment.id)):
        if answer is not None and answer.outcome == "no":
            return answer.explanation
    if intent is not None and intent.failure:
        return intent.failure
    if intent is not None and intent.progress.get("reason"):
        return "The payer's bank sent the money back: " + str(intent.progress["reason"]).replace("_", " ") + "."
    return ""


def claw_backs(session: Session, cause_type: str, cause_id: int) -> list[tuple[ClawBack, Sequence[ClawBackStep]]]:
    """What parties have to return because of something, and what became of it."""
    rows = session.scalars(
        select(ClawBack).where(ClawBack.cause_type == cause_type, ClawBack.cause_id == cause_id).order_by(ClawBack.id)
    ).all()
    steps = session.scalars(
        select(ClawBackStep).where(ClawBackStep.claw_back_id.in_([row.id for row in rows])).order_by(ClawBackStep.id)
    ).all()
    return [(row, [step for step in steps if step.claw_back_id == row.id]) for row in rows]


def open_chargeback(session: Session, receipt_id: int) -> Chargeback | None:
    """The chargeback that holds a payment now."""
    steps = select(ChargebackStep.kind).where(ChargebackStep.chargeback_id == Chargeback.id)
    return session.scalars(
        select(Chargeback)
        .where(
            Chargeback.receipt_id == receipt_id,
            steps.where(ChargebackStep.kind == OPENED).exists(),
            ~steps.where(ChargebackStep.kind.in_((WON, LOST))).exists(),
        )
        .limit(1)
    ).one_or_none()


def refundable_minor(session: Session, receipt: CashReceipt) -> int:
    """What of a payment can still go back: less what was asked for and not refused, less what its bank has taken."""
    gone = select(AdjustmentEnd.adjustment_id).where(AdjustmentEnd.outcome.in_((saga.FAILED, saga.DECLINED)))
    asked = session.scalar(
        select(func.coalesce(func.sum(Adjustment.amount_minor), 0)).where(
            Adjustment.receipt_id == receipt.id, Adjustment.id.not_in(gone)
        )
    )
    steps = select(ChargebackStep.id).where(ChargebackStep.chargeback_id == Chargeback.id)
    disputed = session.scalar(
        select(func.coalesce(func.sum(Chargeback.amount_minor), 0)).where(
            Chargeback.receipt_id == receipt.id,
            steps.where(ChargebackStep.kind == OPENED).exists(),
            ~steps.where(ChargebackStep.kind == WON).exists(),
        )
    )
    return receipt.amount_minor - int(asked or 0) - int(disputed or 0)


def returned_minor(session: Session, receipt_ids: Sequence[int]) -> int:
    """What of payments is gone for good: refunded, or lost to their payer's bank."""
    ended = select(AdjustmentEnd.id).where(AdjustmentEnd.adjustment_id == Adjustment.id)
    refunded = session.scalar(
        select(func.coalesce(func.sum(Adjustment.amount_minor), 0)).where(
            Adjustment.receipt_id.in_(receipt_ids),
            ended.where(AdjustmentEnd.outcome == saga.DONE).exists(),
            ~ended.where(AdjustmentEnd.outcome == saga.FAILED).exists(),
        )
    )
    lost = select(ChargebackStep.id).where(ChargebackStep.chargeback_id == Chargeback.id, ChargebackStep.kind == LOST)
    taken = session.scalar(
        select(func.coalesce(func.sum(Chargeback.amount_minor), 0)).where(
            Chargeback.receipt_id.in_(receipt_ids), lost.exists()
        )
    )
    return int(refunded or 0) + int(taken or 0)


def creditable_minor(session: Session, invoice: Invoice) -> int:
    """What an invoice can still cost less: what is open, less credits on their way."""
    owed = open_minor(session, invoice)
    ended = select(AdjustmentEnd.adjustment_id)
    waiting = session.scalar(
        select(func.coalesce(func.sum(Adjustment.amount_minor), 0)).where(
            Adjustment.invoice_id == invoice.id, Adjustment.kind != REFUND, Adjustment.id.not_in(ended)
        )
    )
    return owed - int(waiting or 0)


def open_minor(session: Session, invoice: Invoice) -> int:
    """What is owed on an invoice."""
    paid = session.scalar(
        select(func.coalesce(func.sum(CashReceipt.amount_minor), 0)).where(CashReceipt.invoice_id == invoice.id)
    )
    lowered = session.scalar(
        select(func.coalesce(func.sum(LineReduction.amount_minor), 0)).where(
            LineReduction.invoice_id == invoice.id, LineReduction.lowers_net
        )
    )
    return invoice.total_minor + tax_minor_of(session, invoice.id) - int(paid or 0) - int(lowered or 0)


def limits(session: Session, manufacturer_id: int, currency: str) -> dict[Role, int]:
    """Up to how much one person of each role may adjust alone."""
    rows = session.execute(
        select(AdjustmentLimit.role, AdjustmentLimit.amount_minor)
        .where(AdjustmentLimit.manufacturer_id == manufacturer_id, AdjustmentLimit.currency == currency)
        .order_by(AdjustmentLimit.id)
    ).tuples()
    return {Role(role): minor for role, minor in rows}


@dataclass(frozen=True)
class Listed:
    """An adjustment as listed, with what it is about and what it waits for."""

    adjustment: Adjustment
    about: str
    step: Step
    end: AdjustmentEnd | None


def adjustments(
    session: Session,
    actor: Actor,
    *,
    invoice_id: int | None = None,
    receipt_id: int | None = None,
    before_id: int | None = None,
    most: int = 50,
) -> list[Listed]:
    """The adjustments the actor's organisation asked for, pays less by, or is asked about; the latest first."""
    own = actor.organisation_id
    wanted = (
        select(Adjustment, func.coalesce(Invoice.name, Intent.request["name"].astext))
        .outerjoin(Invoice, Invoice.id == Adjustment.invoice_id)
        .outerjoin(CashReceipt, CashReceipt.id == Adjustment.receipt_id)
        .outerjoin(Intent, Intent.id == CashReceipt.intent_id)
        .where(or_(Adjustment.manufacturer_id == own, Adjustment.payer_id == own, Adjustment.consent_of == own))
    )
    if invoice_id is not None:
        wanted = wanted.where(Adjustment.invoice_id == invoice_id)
    if receipt_id is not None:
        wanted = wanted.where(Adjustment.receipt_id == receipt_id)
    if before_id is not None:
        wanted = wanted.where(Adjustment.id < before_id)
    rows = session.execute(wanted.order_by(Adjustment.id.desc()).limit(most)).tuples().all()
    return [
        Listed(row, name or "", saga.next_step(saga_facts(session, row)), end_of(session, row.id)) for row, name in rows
    ]


@dataclass(frozen=True)
class PartyLoss:
    """What a party lost by something, by party and currency."""

    party_id: int | None
    amount_minor: int
    stage: str


def losses(session: Session, actor: Actor, cause_type: str, cause_id: int) -> list[PartyLoss]:
    """What each party the actor may see lost. *Raises*: NotAllowed for people who see no shares."""
    if not may_see_shares(actor):
        raise NotAllowed("Shares are for managers and finance of the companies.")
    wanted = (
        select(AdjustmentPart.party_id, func.sum(AdjustmentPart.amount_minor), AdjustmentPart.stage)
        .where(AdjustmentPart.cause_type == cause_type, AdjustmentPart.cause_id == cause_id)
        .group_by(AdjustmentPart.party_id, AdjustmentPart.stage)
        .order_by(AdjustmentPart.party_id, AdjustmentPart.stage)
    )
    if actor.side is not Side.MANUFACTURER:
        wanted = wanted.where(AdjustmentPart.party_id == actor.organisation_id)
    return [PartyLoss(party, int(minor), stage) for party, minor, stage in session.execute(wanted).tuples()]


@dataclass(frozen=True)
class OwnLoss:
    """What an adjustment or chargeback took from one organisation, with the reason."""

    cause_type: str
    cause_id: int
    reason: str
    currency: str
    amount_minor: int
    recorded_at: datetime


def own_losses(session: Session, actor: Actor, *, most: int = 50) -> list[OwnLoss]:
    """What refunds, adjustments and chargebacks took from the actor's own organisation, the latest first."""
    if not may_see_shares(actor):
        raise NotAllowed("Shares are for managers and finance of the companies.")
    part = AdjustmentPart
    rows = session.execute(
        select(
            part.cause_type, part.cause_id, part.reason, part.currency, func.sum(part.amount_minor),
            func.max(part.recorded_at),
        )
        .where(part.party_id == actor.organisation_id)
        .group_by(part.cause_type, part.cause_id, part.reason, part.currency)
        .order_by(func.max(part.id).desc())
        .limit(most)
    ).tuples()  # fmt: skip
    return [OwnLoss(*row[:4], int(row[4]), row[5]) for row in rows]


_UNFINISHED = text(
    """
    SELECT adjustment.id FROM adjustment
    WHERE NOT EXISTS (SELECT FROM adjustment_end ended WHERE ended.adjustment_id = adjustment.id)
      AND (NOT adjustment.needs_second
           OR EXISTS (SELECT FROM adjustment_decision said WHERE said.adjustment_id = adjustment.id))
      AND (adjustment.consent_of IS NULL
           OR EXISTS (SELECT FROM adjustment_consent said WHERE said.adjustment_id = adjustment.id))
      AND NOT EXISTS (SELECT FROM procrastinate_jobs job WHERE job.task_name = 'advance_adjustment'
                      AND job.status IN ('todo', 'doing') AND job.args ->> 'adjustment_id' = adjustment.id::text)
    ORDER BY adjustment.id LIMIT 500
    """
)


def unfinished(session: Session) -> Sequence[int]:
    """Adjustments that may go on: nobody is asked any more, and they have not ended."""
    return session.scalars(_UNFINISHED).all()


def check_finance(actor: Actor) -> None:
    """*Raises*: NotAllowed for anybody but the manufacturer's finance."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("This is for the manufacturer's finance.")
