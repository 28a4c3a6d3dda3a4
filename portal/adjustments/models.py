"""Tables of what goes back to payers: who asked and agreed, who loses what, what parties owe, and evidence."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class Adjustment(Base):
    """Somebody of the manufacturer wants a payer to get money back, or to owe less; ``reason`` is for the payer.

    ``receipt_id`` names the payment that goes back, all there is of one that was paid ahead at checkout; ``bearer`` is
    ``signed`` where the agreements say who loses it; ``beyond`` is why more goes back than what nobody has used.
    ``outside_change_id`` names what was made at Stripe itself, where the books take that in by two people's word.
    """

    __tablename__ = "adjustment"
    __table_args__ = (
        UniqueConstraint("id", "asked_by"),
        UniqueConstraint("form_key"),
        Index("ix_adjustment_invoice_id", "invoice_id"),
        Index("ix_adjustment_manufacturer_id", "manufacturer_id", "id"),
        CheckConstraint("kind IN ('refund', 'credit', 'waiver', 'goodwill', 'write_down', 'remedy')", name="kind"),
        CheckConstraint("bearer IN ('signed', 'manufacturer', 'integrator')", name="bearer"),
        CheckConstraint("(kind = 'refund') = (receipt_id IS NOT NULL)", name="refund_names_payment"),
        CheckConstraint("invoice_id IS NOT NULL OR receipt_id IS NOT NULL", name="about"),
        CheckConstraint("payout_order IN ('reversal_first', 'refund_first')", name="payout_order"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("outside_change_id IS NULL OR needs_second", name="adoption_takes_two"),
        Index("ix_adjustment_outside_change_id", "outside_change_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    invoice_item_id: Mapped[int | None] = mapped_column(ForeignKey("invoice_item.id"))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("cash_receipt.id"))
    kind: Mapped[str]
    bearer: Mapped[str]
    bearer_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    consent_of: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    payout_order: Mapped[str]
    needs_second: Mapped[bool]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    beyond: Mapped[str] = mapped_column(default="", server_default="")
    reference: Mapped[str] = mapped_column(default="", server_default="")
    outside_change_id: Mapped[int | None] = mapped_column(ForeignKey("outside_change.id"))
    form_key: Mapped[UUID | None]
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]


class AdjustmentDecision(Base):
    """Somebody else of the manufacturer's finance says yes or no."""

    __tablename__ = "adjustment_decision"
    __table_args__ = (
        UniqueConstraint("adjustment_id"),
        ForeignKeyConstraint(["adjustment_id", "asked_by"], ["adjustment.id", "adjustment.asked_by"]),
        CheckConstraint("decided_by <> asked_by", name="four_eyes"),
        CheckConstraint("outcome IN ('yes', 'no')", name="outcome"),
    )

    id: Mapped[Id]
    adjustment_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    asked_by: Mapped[int]
    outcome: Mapped[str]
    explanation: Mapped[str]
    decided_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime]


class AdjustmentConsent(Base):
    """The integrator whose share would fall says yes or no."""

    __tablename__ = "adjustment_consent"
    __table_args__ = (
        UniqueConstraint("adjustment_id"),
        CheckConstraint("outcome IN ('yes', 'no')", name="outcome"),
    )

    id: Mapped[Id]
    adjustment_id: Mapped[int] = mapped_column(ForeignKey("adjustment.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    explanation: Mapped[str]
    answered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    answered_at: Mapped[datetime]


class AdjustmentEnd(Base):
    """How an adjustment ended; what was done may still fail when the payer's bank sends the money back."""

    __tablename__ = "adjustment_end"
    __table_args__ = (
        UniqueConstraint("adjustment_id", "outcome"),
        CheckConstraint("outcome IN ('done', 'failed', 'declined')", name="outcome"),
    )

    id: Mapped[Id]
    adjustment_id: Mapped[int] = mapped_column(ForeignKey("adjustment.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    explanation: Mapped[str]
    ended_at: Mapped[datetime]


class AdjustmentPart(Base):
    """What a party loses by an adjustment or a chargeback, or gets back; no party while nobody knows whose it is.

    ``stage`` is the account it left: what had accrued, what was payable, what was not earned yet, what selling it had
    earned, what was paid ahead and not sold, sales tax, or what the invoice had rounded up. Of what was paid ahead it
    names the payment, and the sale if there was one.
    """

    __tablename__ = "adjustment_part"
    __table_args__ = (
        Index("ix_adjustment_part_cause", "cause_type", "cause_id"),
        Index("ix_adjustment_part_invoice_item_id", "invoice_item_id"),
        Index("ix_adjustment_part_party_id", "party_id", "id"),
        CheckConstraint("cause_type IN ('adjustment', 'chargeback', 'redivided')", name="cause"),
        CheckConstraint(
            "stage IN ('accrued', 'payable', 'deferred', 'commission', 'prepaid', 'tax', 'rounding')", name="stage"
        ),
        CheckConstraint("num_nonnulls(invoice_item_id, receipt_id) = 1", name="of_line_or_payment"),
        Index("ix_adjustment_part_receipt_id", "receipt_id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
    )

    id: Mapped[Id]
    cause_type: Mapped[str]
    cause_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    invoice_item_id: Mapped[int | None] = mapped_column(ForeignKey("invoice_item.id"))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("cash_receipt.id"))
    pack_sale_id: Mapped[int | None] = mapped_column(ForeignKey("pack_sale.id"))
    plan_sale_id: Mapped[int | None] = mapped_column(ForeignKey("plan_sale.id"))
    share_id: Mapped[int | None] = mapped_column(ForeignKey("share.id"))
    stage: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]


class ClawBack(Base):
    """What a party was paid of a share that went back to the payer, and has to return."""

    __tablename__ = "claw_back"
    __table_args__ = (
        UniqueConstraint("cause_type", "cause_id", "party_id"),
        Index("ix_claw_back_party_id", "party_id", "id"),
        CheckConstraint("cause_type IN ('adjustment', 'chargeback')", name="cause"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: Mapped[Id]
    cause_type: Mapped[str]
    cause_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    intent_id: Mapped[UUID | None] = mapped_column(ForeignKey("intent.id"))
    opened_at: Mapped[datetime]


class ClawBackStep(Base):
    """What became of a claw-back: taken out of a transfer, owed, netted from a later statement, written off."""

    __tablename__ = "claw_back_step"
    __table_args__ = (
        UniqueConstraint("claw_back_id", "seq"),
        CheckConstraint("kind IN ('taken', 'owed', 'netted', 'written_off')", name="kind"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: Mapped[Id]
    claw_back_id: Mapped[int] = mapped_column(ForeignKey("claw_back.id"))
    seq: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    recorded_at: Mapped[datetime]


class WriteOff(Base):
    """Somebody of the manufacturer's finance wants to give up what a party still owes; ``bearer`` is who loses it.

    ``operator`` books it as an expense, ``manufacturer`` takes it out of what the manufacturer has coming.
    """

    __tablename__ = "claw_back_write_off"
    __table_args__ = (
        UniqueConstraint("id", "asked_by"),
        Index("ix_claw_back_write_off_claw_back_id", "claw_back_id"),
        CheckConstraint("bearer IN ('operator', 'manufacturer')", name="bearer"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: Mapped[Id]
    claw_back_id: Mapped[int] = mapped_column(ForeignKey("claw_back.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    bearer: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]


class WriteOffDecision(Base):
    """Somebody else of finance says yes or no to giving it up."""

    __tablename__ = "claw_back_write_off_decision"
    __table_args__ = (
        UniqueConstraint("write_off_id"),
        ForeignKeyConstraint(["write_off_id", "asked_by"], ["claw_back_write_off.id", "claw_back_write_off.asked_by"]),
        CheckConstraint("decided_by <> asked_by", name="four_eyes"),
        CheckConstraint("outcome IN ('yes', 'no')", name="outcome"),
    )

    id: Mapped[Id]
    write_off_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    asked_by: Mapped[int]
    outcome: Mapped[str]
    explanation: Mapped[str]
    decided_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime]


class OutsideChangeOwner(Base):
    """Who looks after a refund or credit note that was made at Stripe; the latest counts."""

    __tablename__ = "outside_change_owner"
    __table_args__ = (Index("ix_outside_change_owner_change_id", "change_id"),)

    id: Mapped[Id]
    change_id: Mapped[int] = mapped_column(ForeignKey("outside_change.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    owned_at: Mapped[datetime]


class OutsideChangeEnd(Base):
    """What finance made of it: adopted as an adjustment of ours, or explained."""

    __tablename__ = "outside_change_end"
    __table_args__ = (
        UniqueConstraint("change_id"),
        CheckConstraint("outcome IN ('adopted', 'explained')", name="outcome"),
        CheckConstraint("(outcome = 'adopted') = (adjustment_id IS NOT NULL)", name="adopted_as"),
    )

    id: Mapped[Id]
    change_id: Mapped[int] = mapped_column(ForeignKey("outside_change.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    adjustment_id: Mapped[int | None] = mapped_column(ForeignKey("adjustment.id"))
    explanation: Mapped[str]
    ended_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class AdjustmentLimit(Base):
    """Up to how much the word of one person of a role is enough; the latest counts."""

    __tablename__ = "adjustment_limit"
    __table_args__ = (
        Index("ix_adjustment_limit_manufacturer_id", "manufacturer_id", "role", "currency", "id"),
        CheckConstraint("amount_minor >= 0", name="amount"),
        CheckConstraint("role IN ('finance', 'support_lead')", name="role"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    role: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    set_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    set_at: Mapped[datetime]


class ChargebackEvidence(Base):
    """The document that is handed to the payer's bank, exactly as it was when a person sent it."""

    __tablename__ = "chargeback_evidence"
    __table_args__ = (UniqueConstraint("chargeback_id", "revision"),)

    id: Mapped[Id]
    chargeback_id: Mapped[int] = mapped_column(ForeignKey("chargeback.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    revision: Mapped[int]
    sha256: Mapped[str]
    content: Mapped[bytes]
    submitted_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    submitted_at: Mapped[datetime]
