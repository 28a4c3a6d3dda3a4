"""Tables of self-billing: the agreement and the party's yes, the documents, the tax that went with a payment."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class SelfBillingAgreement(Base):
    """A manufacturer offers to issue a party's invoices; ``expires_on`` is the first day on which it does not hold."""

    __tablename__ = "self_billing_agreement"
    __table_args__ = (
        UniqueConstraint("id", "text_sha256"),
        CheckConstraint("expires_on > starts_on", name="order"),
        CheckConstraint("manufacturer_id <> party_id", name="two"),
        Index("ix_self_billing_agreement_parties", "manufacturer_id", "party_id", "id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    body: Mapped[str]
    text_sha256: Mapped[str]
    starts_on: Mapped[date]
    expires_on: Mapped[date]
    offered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    offered_at: Mapped[datetime]


class SelfBillingAcceptance(Base):
    """The party's yes to exactly one text."""

    __tablename__ = "self_billing_acceptance"
    __table_args__ = (
        UniqueConstraint("agreement_id"),
        ForeignKeyConstraint(
            ["agreement_id", "text_sha256"], ["self_billing_agreement.id", "self_billing_agreement.text_sha256"]
        ),
    )

    id: Mapped[Id]
    agreement_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    text_sha256: Mapped[str]
    accepted_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    accepted_name: Mapped[str]
    accepted_at: Mapped[datetime]


class SelfBillingEnd(Base):
    """Either company ends an agreement before its expiry, or withdraws or declines what is only offered."""

    __tablename__ = "self_billing_end"
    __table_args__ = (UniqueConstraint("agreement_id"),)

    id: Mapped[Id]
    agreement_id: Mapped[int] = mapped_column(ForeignKey("self_billing_agreement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    ends_on: Mapped[date]
    ended_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class PartyInvoice(Base):
    """The number of the party's own invoice for a statement; the latest counts until the statement is approved."""

    __tablename__ = "party_invoice"
    __table_args__ = (
        CheckConstraint("number <> ''", name="number"),
        Index("ix_party_invoice_statement_id", "statement_id", "id"),
    )

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[str]
    dated_on: Mapped[date]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]


class SelfBilledDocument(Base):
    """An invoice or credit note that the payer issued for the party: ``content`` is all that it says."""

    __tablename__ = "self_billed_document"
    __table_args__ = (
        UniqueConstraint("statement_id"),
        UniqueConstraint("approval_id"),
        UniqueConstraint("manufacturer_id", "kind", "number"),
        CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        CheckConstraint("gross_minor = net_minor + tax_minor", name="gross"),
        CheckConstraint("CASE kind WHEN 'invoice' THEN net_minor > 0 ELSE net_minor < 0 END", name="sign"),
        CheckConstraint(
            "(kind = 'invoice' AND NOT content ? 'corrects') OR"
            " (kind = 'credit_note' AND jsonb_array_length(content -> 'corrects') > 0)",
            name="corrects",
        ),
        Index("ix_self_billed_document_party_id", "party_id", "id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    approval_id: Mapped[int] = mapped_column(ForeignKey("statement_approval.id"))
    agreement_id: Mapped[int] = mapped_column(ForeignKey("self_billing_agreement.id"))
    kind: Mapped[str]
    number: Mapped[int]
    name: Mapped[str]
    currency: Mapped[str]
    net_minor: Mapped[int]
    tax_minor: Mapped[int]
    gross_minor: Mapped[int]
    content: Mapped[Json]
    content_sha256: Mapped[str]
    issued_on: Mapped[date]
    issued_at: Mapped[datetime]


class DispositionTax(Base):
    """The tax that went with a part of an approved amount: into the same transfer, or onto the same invoice."""

    __tablename__ = "disposition_tax"
    __table_args__ = (
        UniqueConstraint("disposition_id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
        Index("ix_disposition_tax_statement_id", "statement_id"),
    )

    id: Mapped[Id]
    disposition_id: Mapped[int] = mapped_column(ForeignKey("disposition.id"))
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    recorded_at: Mapped[datetime]
