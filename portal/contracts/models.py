"""Tables of signed documents and of what customers chose.

A version's text never changes; a signature is a row; a version comes into force by a row that exists only when all
have signed. A plan choice ends where the next one for the site begins.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class Document(Base):
    """A policy (manufacturer towards customers) or an agreement (manufacturer with one integrator)."""

    __tablename__ = "document"
    __table_args__ = (
        CheckConstraint("kind IN ('policy', 'agreement')", name="kind"),
        CheckConstraint("(kind = 'agreement') = (integrator_id IS NOT NULL)", name="agreement_names_integrator"),
        Index("uq_document_policy", "manufacturer_id", unique=True, postgresql_where=text("kind = 'policy'")),
        Index(
            "uq_document_agreement",
            "manufacturer_id",
            "integrator_id",
            unique=True,
            postgresql_where=text("kind = 'agreement'"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    title: Mapped[str]
    created_at: Mapped[datetime]


class DocumentDraft(Base):
    """The text somebody is writing; one per document and organisation, replaced as it is edited."""

    __tablename__ = "document_draft"

    document_id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    body_toml: Mapped[str]
    edited_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    edited_at: Mapped[datetime]


class DocumentVersion(Base):
    """A fixed text offered for signature: TOML as written, canonical JSON, its SHA-256 in hex."""

    __tablename__ = "document_version"
    __table_args__ = (
        UniqueConstraint("document_id", "number"),
        UniqueConstraint("id", "document_id"),
        CheckConstraint("sha256 = encode(sha256(convert_to(canonical_json, 'UTF8')), 'hex')", name="hash"),
    )

    id: Mapped[Id]
    document_id: Mapped[int] = mapped_column(ForeignKey("document.id"))
    kind: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[int]
    effective_from: Mapped[datetime]
    body_toml: Mapped[str]
    canonical_json: Mapped[str]
    sha256: Mapped[str]
    proposed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    proposed_at: Mapped[datetime]


class DocumentSignature(Base):
    """One company's yes to exactly this hash."""

    __tablename__ = "document_signature"
    __table_args__ = (UniqueConstraint("version_id", "organisation_id"),)

    id: Mapped[Id]
    version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    sha256: Mapped[str]
    signed_at: Mapped[datetime]


class DocumentInForce(Base):
    """A version that everybody signed is in force from its instant until the next one's."""

    __tablename__ = "document_in_force"
    __table_args__ = (UniqueConstraint("document_id", "effective_from"), UniqueConstraint("version_id"))

    id: Mapped[Id]
    document_id: Mapped[int] = mapped_column(ForeignKey("document.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    kind: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    effective_from: Mapped[datetime]
    recorded_at: Mapped[datetime]


class PlanChoice(Base):
    """A customer accepts a policy version by hash and chooses a plan for a site, from an instant on."""

    __tablename__ = "plan_choice"
    __table_args__ = (
        UniqueConstraint("site_id", "manufacturer_id", "from_at"),
        Index("ix_plan_choice_customer_id", "customer_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    seller_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    sha256: Mapped[str]
    plan_code: Mapped[str]
    from_at: Mapped[datetime]
    accepted_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    accepted_at: Mapped[datetime]
    terms: Mapped[Json]
