"""Tables of the tax on invoices: facts, once Stripe has reckoned it; and where payers are, the latest counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class InvoiceTax(Base):
    """What Stripe reckoned on an invoice beyond its net, when it was numbered; nothing where it says why."""

    __tablename__ = "invoice_tax"
    __table_args__ = (UniqueConstraint("invoice_id"), CheckConstraint("tax_minor >= 0", name="tax"))

    id: Mapped[Id]
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    tax_minor: Mapped[int]
    reasons: Mapped[list[str]] = mapped_column(JSONB)
    recorded_at: Mapped[datetime]


class InvoiceItemTax(Base):
    """The part of it that is on one line; the parts sum to the whole."""

    __tablename__ = "invoice_item_tax"
    __table_args__ = (
        UniqueConstraint("invoice_item_id"),
        Index("ix_invoice_item_tax_invoice_id", "invoice_id"),
        CheckConstraint("tax_minor > 0", name="tax"),
    )

    id: Mapped[Id]
    invoice_item_id: Mapped[int] = mapped_column(ForeignKey("invoice_item.id"))
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    tax_minor: Mapped[int]
    recorded_at: Mapped[datetime]


class PayerAddress(Base):
    """Where a payer is for a manufacturer's invoices, as Stripe reckons tax by it; either of the two may say it."""

    __tablename__ = "payer_address"
    __table_args__ = (
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        CheckConstraint("country <> 'US' OR postal_code ~ '^[0-9]{5}(-[0-9]{4})?$'", name="us_code"),
        CheckConstraint("country <> 'CA' OR postal_code <> '' OR state <> ''", name="province"),
        Index("ix_payer_address_payer_id", "payer_id", "manufacturer_id", "id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    line1: Mapped[str]
    postal_code: Mapped[str]
    city: Mapped[str]
    state: Mapped[str]
    country: Mapped[str]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]
