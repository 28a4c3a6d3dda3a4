"""Tables of everything that talks to Stripe: intents committed before the call, the event inbox, money movements."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json, UuidId

_STANDS = text("state NOT IN ('failed', 'cancelled')")


class ConnectedAccount(Base):
    """An organisation's account at Stripe and what it may receive."""

    __tablename__ = "connected_account"
    __table_args__ = (
        UniqueConstraint("provider_account_id"),
        CheckConstraint(
            "transfers_state IN ('pending', 'active', 'restricted', 'unsupported')", name="transfers_state"
        ),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    provider_account_id: Mapped[str]
    transfers_state: Mapped[str]
    requirements: Mapped[Json]
    livemode: Mapped[bool]
    created_at: Mapped[datetime]
    checked_at: Mapped[datetime]


class ProviderCustomer(Base):
    """A payer as Stripe knows it, per manufacturer; ``number`` counts those that came after one was deleted there."""

    __tablename__ = "provider_customer"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "payer_id", "number"),
        UniqueConstraint("provider_customer_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    provider_customer_id: Mapped[str]
    number: Mapped[int] = mapped_column(default=1, server_default="1")
    livemode: Mapped[bool]
    created_at: Mapped[datetime]


class Intent(Base):
    """One external effect wanted: committed before the call, its key derived from id, step and generation."""

    __tablename__ = "intent"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('account', 'customer', 'invoice', 'transfer', 'transfer_reversal', 'out_of_band', 'refund',"
            " 'credit_note', 'evidence', 'checkout', 'checkout_expiry', 'subscription_change', 'subscription_end',"
            " 'portal_configuration', 'plan_change')",
            name="kind",
        ),
        CheckConstraint("state IN ('planned', 'sent', 'unknown', 'succeeded', 'failed', 'cancelled')", name="state"),
        CheckConstraint("amount_minor >= 0", name="amount"),
        Index("uq_intent_provider_object", "provider_object_id", unique=True),
        Index("uq_intent_document", "kind", "document_type", "document_id", unique=True, postgresql_where=_STANDS),
        Index("ix_intent_unfinished", "created_at", postgresql_where=text("state IN ('planned', 'sent', 'unknown')")),
    )

    id: Mapped[UuidId]
    kind: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    document_type: Mapped[str]
    document_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    request: Mapped[Json]
    progress: Mapped[Json]
    generation: Mapped[int] = mapped_column(default=1, server_default="1")
    state: Mapped[str]
    provider_object_id: Mapped[str | None]
    failure: Mapped[str] = mapped_column(default="", server_default="")
    livemode: Mapped[bool]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class IntentAttempt(Base):
    """One call made for an intent: its step, key and outcome."""

    __tablename__ = "intent_attempt"
    __table_args__ = (Index("ix_intent_attempt_intent_id", "intent_id"),)

    id: Mapped[Id]
    intent_id: Mapped[UUID] = mapped_column(ForeignKey("intent.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    step: Mapped[str]
    idempotency_key: Mapped[str]
    outcome: Mapped[str]
    detail: Mapped[str]
    attempted_at: Mapped[datetime]


class ProviderEvent(Base):
    """An event as delivered or polled, stored once by its id; processed by job."""

    __tablename__ = "provider_event"
    __table_args__ = (CheckConstraint("style IN ('snapshot', 'thin')", name="style"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    style: Mapped[str]
    type: Mapped[str]
    object_id: Mapped[str]
    payload: Mapped[Json]
    livemode: Mapped[bool]
    received_at: Mapped[datetime]


class ProviderEventOutcome(Base):
    """What became of an event: handled, or ignored because it is not ours."""

    __tablename__ = "provider_event_outcome"

    event_id: Mapped[str] = mapped_column(ForeignKey("provider_event.id"), primary_key=True)
    outcome: Mapped[str]
    handled_at: Mapped[datetime]


class BalanceMovement(Base):
    """A balance transaction of the platform account, imported once, matched to one journal transaction.

    The rate is Stripe's, where it is about money of another currency; it can be used from ``available_at`` on.
    """

    __tablename__ = "balance_movement"
    __table_args__ = (
        CheckConstraint("net_minor = amount_minor - fee_minor", name="net"),
        CheckConstraint("(rate_num > 0) = (rate_den > 0)", name="rate"),
        Index("ix_balance_movement_source", "source_object_id"),
    )

    provider_id: Mapped[str] = mapped_column(primary_key=True)
    manufacturer_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    category: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    fee_minor: Mapped[int]
    net_minor: Mapped[int]
    source_object_id: Mapped[str]
    rate_num: Mapped[int | None]
    rate_den: Mapped[int | None]
    livemode: Mapped[bool]
    available_at: Mapped[datetime | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class PaymentRecord(Base):
    """A payment outside Stripe as one person recorded it; cash only when a second person confirms."""

    __tablename__ = "payment_record"
    __table_args__ = (
        UniqueConstraint("invoice_id", "reference"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: Mapped[Id]
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    method: Mapped[str]
    reference: Mapped[str]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class CashReceipt(Base):
    """Cash that arrived, with Stripe's fee: for an invoice, applied to shares by billing, or ahead for a purchase.

    ``intent_id`` is the checkout that was paid, or that began the subscription, and ``bill_id`` what the subscription
    asked for; ``tax_minor`` is part of the amount.
    ``settled_currency`` is named where it is another one: the fee is in it, and an ``Exchange`` says the rest.
    """

    __tablename__ = "cash_receipt"
    __table_args__ = (
        UniqueConstraint("provider_object_id"),
        UniqueConstraint("record_id"),
        Index("ix_cash_receipt_invoice_id", "invoice_id"),
        Index("ix_cash_receipt_intent_id", "intent_id"),
        CheckConstraint("amount_minor > 0 AND fee_minor >= 0", name="amounts"),
        CheckConstraint("tax_minor >= 0 AND tax_minor <= amount_minor", name="tax"),
        CheckConstraint("num_nonnulls(invoice_id, intent_id) = 1", name="one_reason"),
        CheckConstraint("(source = 'stripe') = (provider_object_id IS NOT NULL)", name="stripe_names_object"),
        CheckConstraint("(source = 'out_of_band') = (record_id IS NOT NULL)", name="out_of_band_names_record"),
        CheckConstraint("recorded_by IS NULL OR recorded_by <> confirmed_by", name="two_people"),
        CheckConstraint("settled_currency <> currency", name="settled_currency"),
    )

    id: Mapped[Id]
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    intent_id: Mapped[UUID | None] = mapped_column(ForeignKey("intent.id"))
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("subscription_bill.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    tax_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    fee_minor: Mapped[int]
    settled_currency: Mapped[str | None]
    source: Mapped[str]
    provider_object_id: Mapped[str | None]
    record_id: Mapped[int | None] = mapped_column(ForeignKey("payment_record.id"))
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    livemode: Mapped[bool]
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class Chargeback(Base):
    """A payment that the payer's bank asks about or has taken back; Stripe calls it a dispute."""

    __tablename__ = "chargeback"
    __table_args__ = (
        UniqueConstraint("provider_object_id"),
        Index("ix_chargeback_manufacturer_id", "manufacturer_id", "id"),
        Index("ix_chargeback_receipt_id", "receipt_id"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: Mapped[Id]
    provider_object_id: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    receipt_id: Mapped[int] = mapped_column(ForeignKey("cash_receipt.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    livemode: Mapped[bool]
    opened_at: Mapped[datetime]
    answer_by: Mapped[datetime | None]
    recorded_at: Mapped[datetime]


class ChargebackStep(Base):
    """Something that happened to a chargeback, once: an inquiry, opened, evidence submitted, won, lost, closed."""

    __tablename__ = "chargeback_step"
    __table_args__ = (
        UniqueConstraint("chargeback_id", "kind"),
        CheckConstraint("kind IN ('inquiry', 'opened', 'submitted', 'won', 'lost', 'closed')", name="kind"),
    )

    id: Mapped[Id]
    chargeback_id: Mapped[int] = mapped_column(ForeignKey("chargeback.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    recorded_at: Mapped[datetime]


class FraudWarning(Base):
    """A card's issuer suspects fraud behind a payment before anybody disputes it: somebody's work."""

    __tablename__ = "fraud_warning"
    __table_args__ = (
        UniqueConstraint("provider_object_id"),
        Index("ix_fraud_warning_manufacturer_id", "manufacturer_id", "id"),
    )

    id: Mapped[Id]
    provider_object_id: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    receipt_id: Mapped[int] = mapped_column(ForeignKey("cash_receipt.id"))
    kind: Mapped[str]
    livemode: Mapped[bool]
    warned_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class FraudWarningEnd(Base):
    """How a warning ended: it was refunded or disputed, or a person keeps the payment and says why."""

    __tablename__ = "fraud_warning_end"
    __table_args__ = (
        UniqueConstraint("warning_id"),
        CheckConstraint("outcome IN ('answered', 'kept')", name="outcome"),
        CheckConstraint("(outcome = 'kept') = (ended_by IS NOT NULL)", name="person"),
    )

    id: Mapped[Id]
    warning_id: Mapped[int] = mapped_column(ForeignKey("fraud_warning.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    explanation: Mapped[str]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class OutsideChange(Base):
    """A refund or credit note that somebody made at Stripe itself and not here: work until finance has ended it."""

    __tablename__ = "outside_change"
    __table_args__ = (
        UniqueConstraint("provider_object_id"),
        Index("ix_outside_change_manufacturer_id", "manufacturer_id", "id"),
        CheckConstraint("kind IN ('refund', 'credit_note')", name="kind"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("kind = 'refund' OR invoice_id IS NOT NULL", name="credit_names_invoice"),
    )

    id: Mapped[Id]
    provider_object_id: Mapped[str]
    kind: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("cash_receipt.id"))
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    about: Mapped[str]
    livemode: Mapped[bool]
    made_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class ProviderSubscription(Base):
    """A subscription at Stripe and the checkout that began it."""

    __tablename__ = "provider_subscription"
    __table_args__ = (UniqueConstraint("provider_subscription_id"), UniqueConstraint("intent_id"))

    id: Mapped[Id]
    intent_id: Mapped[UUID] = mapped_column(ForeignKey("intent.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    provider_subscription_id: Mapped[str]
    livemode: Mapped[bool]
    recorded_at: Mapped[datetime]


class SubscriptionSeen(Base):
    """How a subscription stood when it was looked at, kept where that differs from the look before."""

    __tablename__ = "subscription_seen"
    __table_args__ = (
        UniqueConstraint("subscription_id", "seq"),
        CheckConstraint("covers_until > covers_from", name="order"),
    )

    id: Mapped[Id]
    subscription_id: Mapped[int] = mapped_column(ForeignKey("provider_subscription.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seq: Mapped[int]
    status: Mapped[str]
    covers_from: Mapped[datetime]
    covers_until: Mapped[datetime]
    ends_with_period: Mapped[bool]
    seen_at: Mapped[datetime]


class SubscriptionBill(Base):
    """An invoice of a subscription: what it asks for a time, without its tax; whether it is paid says its receipt.

    That of a change at once names the change, and is for the rest of a period: ``credit_minor`` is what it took off for
    what had been paid of that time before.
    """

    __tablename__ = "subscription_bill"
    __table_args__ = (
        UniqueConstraint("provider_invoice_id"),
        Index("ix_subscription_bill_subscription_id", "subscription_id", "covers_from"),
        CheckConstraint("credit_minor >= 0 AND (credit_minor = 0 OR change_intent_id IS NOT NULL)", name="credit"),
        CheckConstraint("amount_minor >= 0 AND tax_minor >= 0", name="amounts"),
        CheckConstraint("covers_until > covers_from", name="order"),
    )

    id: Mapped[Id]
    subscription_id: Mapped[int] = mapped_column(ForeignKey("provider_subscription.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    provider_invoice_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    tax_minor: Mapped[int]
    covers_from: Mapped[datetime]
    covers_until: Mapped[datetime]
    change_intent_id: Mapped[UUID | None] = mapped_column(ForeignKey("intent.id"), unique=True)
    credit_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    recorded_at: Mapped[datetime]
