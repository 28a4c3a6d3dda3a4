"""The table of what lines of invoices, and payments ahead, cost less since they were charged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class LineReduction(Base):
    """A line of an invoice costs its payer less since, or what was paid of it went back; an opposite ends that again.

    ``lowers_net`` where less is owed and nobody pays it in the payer's place; ``deferred_minor`` is what of it was not
    earned yet. What was paid ahead at checkout has no invoice: it names the payment and the sale; without a sale it
    was still the payer's, and ``tax_minor`` is the tax in it.
    """

    __tablename__ = "line_reduction"
    __table_args__ = (
        UniqueConstraint("invoice_item_id", "cause_type", "cause_id", "is_return"),
        Index(
            "uq_line_reduction_payment",
            *("receipt_id", "pack_sale_id", "plan_sale_id", "cause_type", "cause_id", "is_return"),
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("receipt_id IS NOT NULL"),
        ),
        Index("ix_line_reduction_invoice_id", "invoice_id"),
        CheckConstraint("num_nonnulls(invoice_item_id, receipt_id) = 1", name="of_line_or_payment"),
        CheckConstraint("(invoice_id IS NULL) = (invoice_item_id IS NULL)", name="line_of_invoice"),
        CheckConstraint("tax_minor = 0 OR num_nonnulls(pack_sale_id, plan_sale_id) = 0", name="tax_apart"),
        CheckConstraint("abs(tax_minor) <= abs(amount_minor)", name="tax"),
        CheckConstraint("cause_type IN ('adjustment', 'chargeback')", name="cause"),
        CheckConstraint("(amount_minor < 0) = is_return AND amount_minor <> 0", name="sign"),
        CheckConstraint("abs(deferred_minor) <= abs(amount_minor)", name="deferred"),
    )

    id: Mapped[Id]
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    invoice_item_id: Mapped[int | None] = mapped_column(ForeignKey("invoice_item.id"))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("cash_receipt.id"))
    pack_sale_id: Mapped[int | None] = mapped_column(ForeignKey("pack_sale.id"))
    plan_sale_id: Mapped[int | None] = mapped_column(ForeignKey("plan_sale.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    cause_type: Mapped[str]
    cause_id: Mapped[int]
    is_return: Mapped[bool]
    lowers_net: Mapped[bool]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    deferred_minor: Mapped[int]
    tax_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    recorded_at: Mapped[datetime]
