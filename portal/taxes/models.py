"""Tables of what organisations say of themselves for tax; facts, of which the latest counts."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class FinanceDetail(Base):
    """An organisation as an invoice names it; the latest counts."""

    __tablename__ = "finance_detail"
    __table_args__ = (
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        CheckConstraint("legal_name <> '' AND address <> ''", name="named"),
        CheckConstraint("phone ~ '^([+]?[0-9(][0-9 ().-]{4,})?$'", name="phone"),
        Index("ix_finance_detail_organisation_id", "organisation_id", "id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    legal_name: Mapped[str]
    address: Mapped[str]
    country: Mapped[str]
    is_small_business: Mapped[bool]
    phone: Mapped[str] = mapped_column(server_default="")
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]


class TaxRegistration(Base):
    """A registration for tax in a country; ``valid_to`` is the first day on which it does not hold."""

    __tablename__ = "tax_registration"
    __table_args__ = (
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="order"),
        Index("ix_tax_registration_organisation_id", "organisation_id", "id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    country: Mapped[str]
    number: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]


class TaxRegistrationEnd(Base):
    """A registration's end before the day it was first said to end."""

    __tablename__ = "tax_registration_end"
    __table_args__ = (UniqueConstraint("registration_id"),)

    id: Mapped[Id]
    registration_id: Mapped[int] = mapped_column(ForeignKey("tax_registration.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    ends_on: Mapped[date]
    ended_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class TaxpayerForm(Base):
    """A certification of who the taxpayer is; the number is sealed, the latest counts."""

    __tablename__ = "taxpayer_form"
    __table_args__ = (
        CheckConstraint("form IN ('W-9', 'W-8BEN-E')", name="form"),
        CheckConstraint("number_type IN ('EIN', 'SSN', 'foreign')", name="number_type"),
        CheckConstraint("length(last_four) = 4", name="last_four"),
        Index("ix_taxpayer_form_organisation_id", "organisation_id", "id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    form: Mapped[str]
    classification: Mapped[str]
    certified_name: Mapped[str]
    number_type: Mapped[str]
    number_sealed: Mapped[bytes]
    last_four: Mapped[str]
    certified_on: Mapped[date]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]


class FilingRequest(Base):
    """Somebody of the payer's finance wants the file of a year's forms, with the numbers that are sealed."""

    __tablename__ = "filing_request"
    __table_args__ = (
        UniqueConstraint("id", "asked_by"),
        Index("ix_filing_request_manufacturer_id", "manufacturer_id", "year"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    year: Mapped[int] = mapped_column(Integer)
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]


class FilingApproval(Base):
    """Somebody else of the same finance allows it, for a day."""

    __tablename__ = "filing_approval"
    __table_args__ = (
        UniqueConstraint("request_id"),
        ForeignKeyConstraint(["request_id", "asked_by"], ["filing_request.id", "filing_request.asked_by"]),
        CheckConstraint("approved_by <> asked_by", name="four_eyes"),
    )

    id: Mapped[Id]
    request_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    asked_by: Mapped[int]
    approved_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    approved_at: Mapped[datetime]


class TaxExemption(Base):
    """A payer's certificate that no sales tax is due from it, for a jurisdiction, until a day."""

    __tablename__ = "tax_exemption"
    __table_args__ = (
        UniqueConstraint("organisation_id", "jurisdiction", "number"),
        CheckConstraint("expires_on > valid_from", name="order"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    jurisdiction: Mapped[str]
    number: Mapped[str]
    valid_from: Mapped[date]
    expires_on: Mapped[date]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]


class TaxExemptionEnd(Base):
    """A certificate taken back before its day."""

    __tablename__ = "tax_exemption_end"
    __table_args__ = (UniqueConstraint("exemption_id"),)

    id: Mapped[Id]
    exemption_id: Mapped[int] = mapped_column(ForeignKey("tax_exemption.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    ended_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]
