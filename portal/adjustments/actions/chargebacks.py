"""Chargebacks: shares held when the bank takes a payment, released when it gives it back, taken when it does not.

Invariants: each step of a chargeback is followed by its own posting, once; the events may come in any order, because
what has to be done is decided by all that is known.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.adjustments import queries
from portal.adjustments.actions import recovering, taking
from portal.adjustments.actions.taking import Cause
from portal.adjustments.ahead import paid_for
from portal.adjustments.dividing import CHARGEBACKS, Taking, bearer_of
from portal.adjustments.lines import named_bearer
from portal.adjustments.models import AdjustmentPart
from portal.adjustments.taxed import charged_lines, left_minor
from portal.billing.queries import taken_of_payment
from portal.directory.models import Organisation
from portal.errors import Conflict, Invalid, NotFound
from portal.jobs import enqueue
from portal.ledger.actions import post
from portal.ledger.models import JournalTransaction
from portal.ledger.rules import Document, Leg, Pairs, Purpose, credit, debit, pairs
from portal.payments.going_back import end_warning
from portal.payments.models import CashReceipt, Chargeback, ChargebackStep, FraudWarning, FraudWarningEnd
from portal.payments.rules import FOLLOW_PURCHASE, LOST, OPENED, WON

CHARGEBACK = "chargeback"
FEES_BORNE_BY = "chargeback_fees_borne_by"
TAKEN_FROM_HELD, FEE_BORNE = "chargeback_lost", "chargeback_fee_borne"
CHARGEBACK_PAIRS: Pairs = pairs(
    (Purpose.HELD, Purpose.DISPUTED), (Purpose.PAYABLE, Purpose.DISPUTED), (Purpose.PAYABLE, Purpose.FEES)
)
LONGEST_EXPLANATION = 2_000


def advance_chargeback(session: Session, chargeback_id: int, *, now: datetime) -> None:
    """Do what a chargeback's steps ask for and has not been done. *Raises*: NotFound."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"chargeback:{chargeback_id}"}
    )
    chargeback = session.get(Chargeback, chargeback_id)
    if chargeback is None:
        raise NotFound
    steps = set(session.scalars(select(ChargebackStep.kind).where(ChargebackStep.chargeback_id == chargeback.id)))
    if OPENED not in steps:
        return
    cause = cause_of(session, chargeback)
    if not taking.is_taken(session, cause) and not _is_posted(session, TAKEN_FROM_HELD, cause.document):
        if cause.taking.amount_minor:
            taking.take(session, cause, now=now)
        enqueue(session, "notify_chargeback", chargeback_id=chargeback.id)
    _charge_fee(session, chargeback, cause, now)
    if WON in steps:
        taking.give_back(session, cause, now=now)
    elif LOST in steps:
        _lose(session, chargeback, cause, now)


def sweep(session: Session) -> int:
    """Enqueue again chargebacks whose job was lost: opened and nothing held, or ended and not followed; how many."""
    lost = session.scalars(_LOST).all()
    for chargeback_id in lost:
        enqueue(session, "advance_chargeback", chargeback_id=chargeback_id)
    return len(lost)


_LOST = text(
    """
    SELECT chargeback.id FROM chargeback
    JOIN chargeback_step step ON step.chargeback_id = chargeback.id
    WHERE NOT EXISTS (
        SELECT FROM journal_transaction journal
        WHERE journal.document_type = 'chargeback' AND journal.document_id = chargeback.id::text
          AND journal.kind = CASE step.kind WHEN 'opened' THEN 'shares_taken_back' WHEN 'won' THEN 'shares_given_back'
                                  WHEN 'lost' THEN 'chargeback_lost' END)
      AND step.kind IN ('opened', 'won', 'lost')
      AND NOT EXISTS (SELECT FROM procrastinate_jobs job WHERE job.task_name = 'advance_chargeback'
                      AND job.status IN ('todo', 'doing') AND job.args ->> 'chargeback_id' = chargeback.id::text)
    ORDER BY chargeback.id LIMIT 500
    """
)


def cause_of(session: Session, chargeback: Chargeback) -> Cause:
    """What a chargeback holds, from whom, and what the books call it."""
    about = queries.subject_of(session, chargeback.invoice_id, chargeback.receipt_id)
    receipt = session.get_one(CashReceipt, chargeback.receipt_id)
    left = _left_minor(session, chargeback, receipt)
    return Cause(
        type=CHARGEBACK,
        id=chargeback.id,
        taking=Taking(
            manufacturer_id=chargeback.manufacturer_id,
            invoice_id=chargeback.invoice_id,
            invoice_item_id=None,
            amount_minor=min(chargeback.amount_minor, left),
            word=CHARGEBACKS,
            paid_at=receipt.received_at,
            receipt_id=receipt.id,
            goes_beyond=True,
        ),
        payer_id=chargeback.payer_id,
        currency=chargeback.currency,
        into=Purpose.HELD,
        description=f"Chargeback on {about.name}",
        reason=chargeback.reason,
        livemode=chargeback.livemode,
    )


def _left_minor(session: Session, chargeback: Chargeback, receipt: CashReceipt) -> int:
    """What is left of the lines that were paid, or of what was paid ahead."""
    if chargeback.invoice_id is None:
        return receipt.amount_minor - taken_of_payment(session, receipt.id).amount_minor
    return left_minor(session, chargeback.invoice_id)


def _lose(session: Session, chargeback: Chargeback, cause: Cause, now: datetime) -> None:
    """What was held has left for good; what was paid out before is taken back or owed."""
    if _is_posted(session, TAKEN_FROM_HELD, cause.document):
        return
    held: dict[int, int] = {}
    lost: dict[int | None, int] = {}
    for row in session.scalars(
        select(AdjustmentPart).where(AdjustmentPart.cause_type == CHARGEBACK, AdjustmentPart.cause_id == chargeback.id)
    ):
        party = row.party_id or chargeback.manufacturer_id
        held[party] = held.get(party, 0) + row.amount_minor
        lost[row.party_id] = lost.get(row.party_id, 0) + row.amount_minor
    # More than is left of the invoice's lines is nobody's share: the manufacturer's.
    rest = chargeback.amount_minor - sum(held.values())
    legs = [debit(Purpose.HELD, minor, party) for party, minor in sorted(held.items()) if minor]
    if rest:
        legs.append(debit(Purpose.PAYABLE, rest, chargeback.manufacturer_id))
    legs.append(credit(Purpose.DISPUTED, chargeback.amount_minor, chargeback.payer_id))
    _post(session, chargeback, TAKEN_FROM_HELD, legs, says=cause.description, now=now)
    for claw_back in taking.open_claw_backs(session, cause, lost, now=now):
        recovering.owe_without_transfer(session, claw_back, now=now)
    receipt = session.get_one(CashReceipt, chargeback.receipt_id)
    if receipt.intent_id is not None:
        enqueue(session, FOLLOW_PURCHASE, intent_id=receipt.intent_id)


def _charge_fee(session: Session, chargeback: Chargeback, cause: Cause, now: datetime) -> None:
    """Stripe's fee is the operator's expense already; where another party bears it, it is taken from that party."""
    if _is_posted(session, FEE_BORNE, cause.document):
        return
    fee, currency = _fee(session, chargeback)
    bearer_id = _fee_bearer(session, chargeback)
    operator_id = session.scalar(select(Organisation.id).where(Organisation.is_operator))
    if not fee or bearer_id in (None, operator_id):
        return
    legs = [debit(Purpose.PAYABLE, fee, bearer_id), credit(Purpose.FEES, fee)]
    says = f"Stripe's fee: {cause.description}"
    _post(session, chargeback, FEE_BORNE, legs, says=says, now=now, currency=currency)


def _fee_bearer(session: Session, chargeback: Chargeback) -> int | None:
    """Who bears the fee by the agreement behind what was paid; nobody but the operator where nothing was sold."""
    if chargeback.invoice_id is not None:
        lines = charged_lines(session, chargeback.invoice_id)
        return bearer_of(session, lines[0].item, FEES_BORNE_BY) if lines else None
    sold = paid_for(session, session.get_one(CashReceipt, chargeback.receipt_id)).sales
    return named_bearer(session, sold[0], FEES_BORNE_BY) if sold else None


_FEE = text(
    """
    SELECT coalesce(sum(posting.amount_minor), 0)::bigint, posting.currency
    FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'fees'
    JOIN journal_transaction journal ON journal.id = posting.transaction_id
        AND journal.kind IN ('chargeback_moved', 'chargeback_moved_settled')
    WHERE posting.document_type = 'chargeback' AND posting.document_id = :id
    GROUP BY posting.currency
    """
)


def _fee(session: Session, chargeback: Chargeback) -> tuple[int, str]:
    """What Stripe took for the chargeback beside its amount, in the currency in which the payment settled."""
    found = session.execute(_FEE, {"id": str(chargeback.id)}).one_or_none()
    return (found[0], found[1]) if found else (0, chargeback.currency)


def _is_posted(session: Session, kind: str, document: Document) -> bool:
    wanted = select(JournalTransaction.id).where(
        JournalTransaction.kind == kind,
        JournalTransaction.document_type == document.type,
        JournalTransaction.document_id == document.id,
    )
    return session.scalar(wanted) is not None


def _post(
    session: Session,
    chargeback: Chargeback,
    kind: str,
    legs: list[Leg],
    *,
    says: str,
    now: datetime,
    currency: str = "",
) -> None:
    post(
        session,
        manufacturer_id=chargeback.manufacturer_id,
        currency=currency or chargeback.currency,
        kind=kind,
        document=Document(CHARGEBACK, str(chargeback.id)),
        legs=legs,
        allowed_pairs=CHARGEBACK_PAIRS,
        occurred_at=now,
        now=now,
        description=says,
        livemode=chargeback.livemode,
    )


def keep_payment(session: Session, actor: Actor, warning_id: int, *, explanation: str, now: datetime) -> None:
    """Finance leaves a payment as it is though its card's issuer suspects fraud, and says why.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict when it is answered already.
    """
    warning = warning_seen(session, actor, warning_id)
    if not 1 <= len(explanation.strip()) <= LONGEST_EXPLANATION:
        raise Invalid("Say why.", {"explanation": f"1 to {LONGEST_EXPLANATION} characters."})
    ended = end_warning(
        session, warning, outcome="kept", explanation=explanation.strip(), person_id=actor.person_id, now=now
    )
    if not ended:
        raise Conflict("This warning is answered already.")


def warning_seen(session: Session, actor: Actor, warning_id: int) -> FraudWarning:
    """A fraud warning of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    queries.check_finance(actor)
    warning = session.get(FraudWarning, warning_id)
    if warning is None or warning.manufacturer_id != actor.organisation_id:
        raise NotFound
    return warning


def open_warnings(session: Session, actor: Actor) -> list[FraudWarning]:
    """Early fraud warnings that nobody has answered, the oldest first. *Raises*: NotAllowed."""
    queries.check_finance(actor)
    ended = select(FraudWarningEnd.id).where(FraudWarningEnd.warning_id == FraudWarning.id)
    return list(
        session.scalars(
            select(FraudWarning)
            .where(FraudWarning.manufacturer_id == actor.organisation_id, ~ended.exists())
            .order_by(FraudWarning.id)
        )
    )
