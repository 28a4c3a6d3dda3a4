"""Tables of supplements: what somebody owes more or less beside the bills, and whose gain or loss that is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, Json, case_foreign_key


class Supplement(CaseScoped, Base):
    """Money of a case that is no bill of work: below zero a credit to its payer, zero where only companies settle."""

    __tablename__ = "supplement"
    __table_args__ = (
        UniqueConstraint("source", "seq"),
        Index("ix_supplement_case_id", "case_id"),
        Index("ix_supplement_period_id", "manufacturer_id", "period_id"),
        CheckConstraint("seq > 0", name="seq"),
        CheckConstraint("kind IN ('remedy', 'labour_credit', 'referral', 'material')", name="kind"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    kind: Mapped[str]
    source: Mapped[str]
    seq: Mapped[int]
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    collector_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seller_of_record_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    description: Mapped[str]
    explanation: Mapped[Json]
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class Claim(CaseScoped, Base):
    """What one company says the other owes it by the agreement: its work, a bonus, a part; worked out when claimed."""

    __tablename__ = "claim"
    __table_args__ = (
        Index("ix_claim_case_id", "case_id"),
        CheckConstraint("kind IN ('labour_credit', 'referral', 'material')", name="kind"),
        CheckConstraint("company_id IN (manufacturer_id, integrator_id)", name="company"),
        CheckConstraint("debtor_id IN (manufacturer_id, integrator_id)", name="debtor"),
        CheckConstraint("amount_minor >= 0 AND trips >= 0", name="not_negative"),
        CheckConstraint("(kind = 'material') = (part <> '' AND disposition <> '')", name="material"),
        CheckConstraint("(kind = 'referral') = (sale <> '' AND technician_name <> '')", name="referral"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    debtor_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    trips: Mapped[int]
    part: Mapped[str]
    serial: Mapped[str]
    rma: Mapped[str]
    disposition: Mapped[str]
    sale: Mapped[str]
    technician_name: Mapped[str]
    currency: Mapped[str]
    price_minor: Mapped[int]
    amount_minor: Mapped[int]
    explanation: Mapped[Json]
    agreement_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    claimed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    claimed_name: Mapped[str]
    claimed_at: Mapped[datetime]


class ClaimAnswer(CaseScoped, Base):
    """The other company says yes or no to a claim, once; only a yes moves money."""

    __tablename__ = "claim_answer"
    __table_args__ = (UniqueConstraint("claim_id"), Index("ix_claim_answer_case_id", "case_id"), case_foreign_key())

    id: Mapped[Id]
    claim_id: Mapped[int] = mapped_column(ForeignKey("claim.id"))
    accepted: Mapped[bool]
    reason: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    answered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    answered_name: Mapped[str]
    answered_at: Mapped[datetime]


class SupplementShare(CaseScoped, Base):
    """What a party gains, or bears below zero, by a supplement; payable at once. They sum to what its payer owes."""

    __tablename__ = "supplement_share"
    __table_args__ = (
        UniqueConstraint("supplement_id", "party_id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    supplement_id: Mapped[int] = mapped_column(ForeignKey("supplement.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    recorded_at: Mapped[datetime]
