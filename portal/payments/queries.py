"""Reads of payments: what is under way, what waits, whether a party may be paid, and whether Stripe's books agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.orm import Session, aliased

from portal.access import Actor, may_handle_finance
from portal.directory.models import DeploymentFact
from portal.errors import NotAllowed, NotFound
from portal.payments.charging.rules import Sent
from portal.payments.models import (
    BalanceMovement,
    CashReceipt,
    ConnectedAccount,
    Intent,
    IntentAttempt,
    PaymentRecord,
    ProviderCustomer,
    ProviderEvent,
    ProviderEventOutcome,
    ProviderSubscription,
    SubscriptionBill,
    SubscriptionSeen,
)
from portal.payments.payers.models import ProviderCustomerEnd
from portal.payments.provider import ACTIVE
from portal.payments.rules import PLANNED, SUCCEEDED, UNFINISHED, WAITS_FOR_BALANCE

PORTAL_CONFIGURATION_FACT = "stripe_portal_configuration"


@dataclass(frozen=True)
class InvoiceFacts:
    """What payments needs of an invoice, its total with tax; the row belongs to billing, which stands above."""

    id: int
    manufacturer_id: int
    payer_id: int
    currency: str
    total_minor: int
    intent_id: UUID
    name: str


_TOTAL = "total_minor + coalesce((SELECT tax_minor FROM invoice_tax WHERE invoice_id = invoice.id), 0)"
_INVOICE = f"SELECT id, manufacturer_id, payer_id, currency, {_TOTAL}, intent_id, name FROM invoice WHERE "


def invoice_of_intent(session: Session, intent_id: UUID) -> InvoiceFacts | None:
    """The invoice an intent issues."""
    found = session.execute(text(_INVOICE + "intent_id = :id"), {"id": intent_id}).one_or_none()
    return InvoiceFacts(*found) if found else None


def invoice_facts(session: Session, invoice_id: int) -> InvoiceFacts:
    """*Raises*: NotFound when there is none the session may see."""
    found = session.execute(text(_INVOICE + "id = :id"), {"id": invoice_id}).one_or_none()
    if found is None:
        raise NotFound
    return InvoiceFacts(*found)


def payable_state(session: Session, organisation_id: int) -> str:
    """The capability state of an organisation's connected account, ``none`` without an account.

    It says no more than that, so a manufacturer may ask it of the parties it pays.
    """
    found: str | None = session.scalar(text("SELECT transfers_state_of(:id)"), {"id": organisation_id})
    return found or "none"


def may_be_paid(session: Session, organisation_id: int) -> bool:
    """Whether a transfer to the organisation would be taken, as far as we know."""
    return payable_state(session, organisation_id) == ACTIVE


def own_account(session: Session, actor: Actor) -> ConnectedAccount | None:
    """The connected account of the actor's organisation."""
    return session.get(ConnectedAccount, actor.organisation_id)


def intent_seen(session: Session, actor: Actor, intent_id: UUID) -> Intent:
    """An intent of the actor's organisation or manufacturer. *Raises*: NotAllowed, NotFound."""
    if not may_handle_finance(actor):
        raise NotAllowed("Payments are for finance.")
    found = session.get(Intent, intent_id)
    if found is None or actor.organisation_id not in (found.manufacturer_id, found.organisation_id):
        raise NotFound
    return found


def attempts(session: Session, intent_id: UUID) -> Sequence[IntentAttempt]:
    """The calls made for an intent, in order."""
    return session.scalars(
        select(IntentAttempt).where(IntentAttempt.intent_id == intent_id).order_by(IntentAttempt.id)
    ).all()


def first_sent_at(session: Session, key: str) -> datetime | None:
    """When a key was first sent."""
    sent = select(IntentAttempt.attempted_at).where(
        IntentAttempt.idempotency_key == key, IntentAttempt.outcome == "sent"
    )
    found: datetime | None = session.scalar(sent.order_by(IntentAttempt.attempted_at).limit(1))
    return found


def sent_between(session: Session, key: str) -> Sent | None:
    """When a key was first and last sent; None where it never was."""
    at = IntentAttempt.attempted_at
    of_key = (IntentAttempt.idempotency_key == key, IntentAttempt.outcome == "sent")
    first_at, last_at = session.execute(select(func.min(at), func.max(at)).where(*of_key)).one()
    return None if first_at is None else Sent(first_at, last_at)


def evidence_content(session: Session, evidence_id: str) -> bytes:
    """The document that an evidence intent hands over; the row belongs to adjustments, which stands above."""
    found: bytes = session.execute(
        text("SELECT content FROM chargeback_evidence WHERE id = :id"), {"id": int(evidence_id)}
    ).scalar_one()
    return found


def intent_by_object(session: Session, object_id: str, *, lock: bool = False) -> Intent | None:
    """The one intent behind an object at Stripe."""
    wanted = select(Intent).where(Intent.provider_object_id == object_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return session.scalars(wanted).one_or_none()


def waiting_transfers(session: Session) -> Sequence[Intent]:
    """Transfers and reversals not yet sent, the oldest first."""
    kinds = ("transfer", "transfer_reversal")
    return session.scalars(
        select(Intent).where(Intent.kind.in_(kinds), Intent.state == PLANNED).order_by(Intent.created_at, Intent.id)
    ).all()


def reversible_transfer(
    session: Session, *, manufacturer_id: int, party_id: int, currency: str, amount_minor: int
) -> Intent | None:
    """The latest transfer to a party of which so much, or more, was not taken back yet."""
    back = aliased(Intent)
    taken = (
        select(func.coalesce(func.sum(back.amount_minor), 0))
        .where(
            back.kind == "transfer_reversal",
            back.state.not_in(("failed", "cancelled")),
            back.request["transfer_intent"].astext == cast(Intent.id, Text),
        )
        .correlate(Intent)
        .scalar_subquery()
    )
    wanted = select(Intent).where(
        Intent.kind == "transfer",
        Intent.state == SUCCEEDED,
        Intent.manufacturer_id == manufacturer_id,
        Intent.organisation_id == party_id,
        Intent.currency == currency,
        Intent.amount_minor - taken >= amount_minor,
    )
    return session.scalars(wanted.order_by(Intent.finished_at.desc(), Intent.id).limit(1)).one_or_none()


def lacking_minor(session: Session, manufacturer_id: int, currency: str) -> int | None:
    """How much the balance lacked for all waiting transfers when it was last asked; None while none waits for it."""
    wanted = select(Intent).where(
        Intent.manufacturer_id == manufacturer_id,
        Intent.currency == currency,
        Intent.kind == "transfer",
        Intent.state == PLANNED,
        Intent.progress["waiting"].astext == WAITS_FOR_BALANCE,
    )
    waiting = session.scalars(wanted.order_by(Intent.created_at, Intent.id)).all()
    asked = next((each for each in waiting if "lacks_minor" in each.progress), None)
    if asked is None:
        return None
    available_minor: int = asked.amount_minor - asked.progress["lacks_minor"]
    return sum(each.amount_minor for each in waiting) - available_minor


# A job that waits or runs will do it; another one would only be one more that fails while Stripe is down.
_NO_JOB = (
    "NOT EXISTS (SELECT FROM procrastinate_jobs job WHERE job.task_name = '{name}'"
    " AND job.status IN ('todo', 'doing') AND job.args ->> '{key}' = {value}::text)"
)


def unfinished_intents(session: Session, before: datetime) -> Sequence[UUID]:
    """Intents that should have ended by now, transfers that wait for money or an account apart."""
    return session.scalars(
        select(Intent.id)
        .where(Intent.state.in_(UNFINISHED), Intent.created_at < before, ~Intent.progress.has_key("waiting"))
        .where(text(_NO_JOB.format(name="perform_intent", key="intent_id", value="intent.id")))
        .order_by(Intent.created_at, Intent.id)
        .limit(500)
    ).all()


def unhandled_events(session: Session, before: datetime) -> Sequence[str]:
    """Events stored before ``before`` of which nothing has become."""
    return session.scalars(
        select(ProviderEvent.id)
        .outerjoin(ProviderEventOutcome, ProviderEventOutcome.event_id == ProviderEvent.id)
        .where(ProviderEventOutcome.event_id.is_(None), ProviderEvent.received_at < before)
        .where(text(_NO_JOB.format(name="handle_provider_event", key="event_id", value="provider_event.id")))
        .order_by(ProviderEvent.received_at, ProviderEvent.id)
        .limit(500)
    ).all()


def has_waiting_events(session: Session) -> bool:
    """Whether an event is stored of which nothing has become yet."""
    handled = select(ProviderEventOutcome.event_id).where(ProviderEventOutcome.event_id == ProviderEvent.id)
    return bool(session.scalar(select(select(ProviderEvent.id).where(~handled.exists()).exists())))


def unbooked_receipts(session: Session) -> Sequence[int]:
    """Cash receipts without their journal transaction."""
    return session.scalars(
        text(
            "SELECT receipt.id FROM cash_receipt receipt WHERE NOT EXISTS (SELECT FROM journal_transaction journal"
            " WHERE journal.kind = 'cash_received' AND journal.document_type = 'cash_receipt'"
            " AND journal.document_id = receipt.id::text) AND "
            + _NO_JOB.format(name="book_cash", key="receipt_id", value="receipt.id")
            + " ORDER BY receipt.id LIMIT 500"
        )
    ).all()


def payments_to_confirm(session: Session, actor: Actor) -> Sequence[PaymentRecord]:
    """Recorded payments of the actor's manufacturer that nobody confirmed yet, the oldest first."""
    if not may_handle_finance(actor):
        raise NotAllowed("Payments are for finance.")
    return session.scalars(
        select(PaymentRecord)
        .where(
            PaymentRecord.manufacturer_id == actor.organisation_id,
            text("NOT EXISTS (SELECT FROM cash_receipt WHERE cash_receipt.record_id = payment_record.id)"),
        )
        .order_by(PaymentRecord.id)
    ).all()


def customer_of(session: Session, *, manufacturer_id: int, payer_id: int) -> ProviderCustomer | None:
    """A payer as Stripe knows it for a manufacturer; None as well where Stripe no longer does."""
    lost = select(ProviderCustomerEnd.customer_id)
    mine = (ProviderCustomer.manufacturer_id == manufacturer_id, ProviderCustomer.payer_id == payer_id)
    return session.scalars(select(ProviderCustomer).where(*mine, ProviderCustomer.id.not_in(lost))).one_or_none()


def portal_configuration(session: Session) -> str | None:
    """What payers may do at Stripe's customer portal, by its id there; None until it is made."""
    kept = session.get(DeploymentFact, PORTAL_CONFIGURATION_FACT)
    return str(kept.value["id"]) if kept is not None else None


def subscription_of(session: Session, intent_id: UUID) -> ProviderSubscription | None:
    """The subscription that a checkout began."""
    return session.scalars(
        select(ProviderSubscription).where(ProviderSubscription.intent_id == intent_id)
    ).one_or_none()


def changes_of(session: Session, subscription: ProviderSubscription) -> int:
    """How many changes of a subscription were planned."""
    planned = select(func.count()).where(
        Intent.kind == "subscription_change",
        Intent.request["subscription"].astext == subscription.provider_subscription_id,
    )
    return session.scalar(planned) or 0


def last_seen(session: Session, subscription_id: int) -> SubscriptionSeen | None:
    """How a subscription stood at the last look."""
    return session.scalars(
        select(SubscriptionSeen)
        .where(SubscriptionSeen.subscription_id == subscription_id)
        .order_by(SubscriptionSeen.seq.desc())
        .limit(1)
    ).one_or_none()


def bills_of(session: Session, subscription_id: int) -> Sequence[SubscriptionBill]:
    """What a subscription asked for, in order of the time it is for."""
    wanted = select(SubscriptionBill).where(SubscriptionBill.subscription_id == subscription_id)
    return session.scalars(wanted.order_by(SubscriptionBill.covers_from, SubscriptionBill.id)).all()


def prepayments_of(session: Session, intent_id: UUID) -> Sequence[CashReceipt]:
    """What was paid by a checkout and the subscription it began."""
    wanted = select(CashReceipt).where(CashReceipt.intent_id == intent_id)
    return session.scalars(wanted.order_by(CashReceipt.id)).all()


def receipts_of(session: Session, invoice_id: int) -> Sequence[CashReceipt]:
    """The cash that came in for an invoice, as far as the session sees it."""
    wanted = select(CashReceipt).where(CashReceipt.invoice_id == invoice_id)
    return session.scalars(wanted.order_by(CashReceipt.id)).all()


def invoice_at_provider(session: Session, intent_id: UUID) -> str | None:
    """What Stripe calls the invoice of an intent, once it is sent."""
    intent = session.get(Intent, intent_id)
    return intent.provider_object_id if intent is not None and intent.state == SUCCEEDED else None


@dataclass(frozen=True)
class TieOut:
    """Stripe's balance by its own transactions, and by our books; the difference has to be explained."""

    currency: str
    stripe_minor: int
    books_minor: int

    @property
    def difference_minor(self) -> int:
        """Zero when the books agree."""
        return self.stripe_minor - self.books_minor


_TIE_OUT = text(
    """
    SELECT currency, sum(stripe)::bigint, sum(books)::bigint FROM (
        SELECT currency, net_minor AS stripe, 0 AS books FROM balance_movement
        UNION ALL
        SELECT posting.currency, 0, posting.amount_minor FROM posting
        JOIN account ON account.id = posting.account_id AND account.purpose = 'stripe_clearing'
    ) both_sides GROUP BY currency ORDER BY currency
    """
)

_OWN_TIE_OUT = text(
    """
    SELECT currency, sum(stripe)::bigint, sum(books)::bigint FROM (
        SELECT currency, net_minor AS stripe, 0 AS books FROM balance_movement WHERE manufacturer_id = :own
        UNION ALL
        SELECT posting.currency, 0, posting.amount_minor FROM posting
        JOIN account ON account.id = posting.account_id AND account.purpose = 'stripe_clearing'
        WHERE posting.manufacturer_id = :own
    ) both_sides GROUP BY currency ORDER BY currency
    """
)

_UNMATCHED = text(
    """
    SELECT movement.provider_id FROM balance_movement movement
    WHERE NOT EXISTS (
        SELECT FROM cash_receipt receipt JOIN journal_transaction journal
            ON journal.kind = 'cash_received' AND journal.document_type = 'cash_receipt'
           AND journal.document_id = receipt.id::text
        LEFT JOIN exchange ON exchange.receipt_id = receipt.id AND exchange.kind = 'cash_received'
        WHERE receipt.provider_object_id = movement.source_object_id
          AND (coalesce(exchange.settled_minor, receipt.amount_minor), receipt.fee_minor)
              = (movement.amount_minor, movement.fee_minor)
          AND coalesce(exchange.settled_currency, receipt.currency) = movement.currency)
      AND NOT EXISTS (
        SELECT FROM intent JOIN journal_transaction journal
            ON journal.kind = 'transfer_sent' AND journal.document_type = 'intent'
           AND journal.document_id = intent.id::text
        WHERE intent.provider_object_id = movement.source_object_id AND intent.amount_minor = -movement.net_minor)
      AND NOT EXISTS (
        SELECT FROM intent JOIN journal_transaction journal
            ON journal.kind = 'transfer_reversed' AND journal.document_type = 'intent'
           AND journal.document_id = intent.id::text
        WHERE intent.provider_object_id = movement.source_object_id AND intent.amount_minor = movement.net_minor)
      AND NOT EXISTS (
        SELECT FROM journal_transaction journal
        WHERE journal.document_type = 'balance_movement' AND journal.document_id = movement.provider_id)
    ORDER BY movement.occurred_at, movement.provider_id
    """
)


def tie_out(session: Session) -> list[TieOut]:
    """Stripe's balance against the clearing accounts of all ledgers, by currency; for jobs, which see all rows."""
    return [TieOut(*row) for row in session.execute(_TIE_OUT)]


def own_tie_out(session: Session, actor: Actor) -> list[TieOut]:
    """The same for the movements and the ledger of the actor's own manufacturer. *Raises*: NotAllowed."""
    if not may_handle_finance(actor):
        raise NotAllowed("Payments are for finance.")
    return [TieOut(*row) for row in session.execute(_OWN_TIE_OUT, {"own": actor.organisation_id})]


def unmatched_movements(session: Session) -> list[BalanceMovement]:
    """Movements without their journal transaction, the oldest first: each is somebody's work."""
    ids = session.scalars(_UNMATCHED).all()
    rows = session.scalars(select(BalanceMovement).where(BalanceMovement.provider_id.in_(ids))).all()
    by_id = {row.provider_id: row for row in rows}
    return [by_id[found] for found in ids]
