"""Tables of purchase orders: the paper, what is left of it, what cases hold of it, its withdrawal.

An order is a fact; what is free, reserved and drawn of it is a counter row that the database keeps at or above zero and
summing to the order's amount. Each movement of a case's part is a fact.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, case_foreign_key


class PurchaseOrder(Base):
    """A payer's order: number, amount, last day, terms and where its invoices go.

    Entered by the payer itself, or by the manufacturer with the payer's document.
    """

    __tablename__ = "purchase_order"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "payer_id", "number"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("terms_days BETWEEN 0 AND 180", name="terms"),
        CheckConstraint("length(number) BETWEEN 1 AND 60", name="number"),
        CheckConstraint("organisation_id IN (payer_id, manufacturer_id)", name="entered_by_a_party"),
        CheckConstraint("organisation_id = payer_id OR storage_key IS NOT NULL", name="document"),
        CheckConstraint(
            "(storage_key IS NULL) = (sha256 IS NULL) AND (storage_key IS NULL) = (file_name IS NULL)", name="file"
        ),
        Index("ix_purchase_order_payer_id", "payer_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    expires_on: Mapped[date | None]
    terms_days: Mapped[int]
    payable_email: Mapped[str]
    payable_address: Mapped[str]
    storage_key: Mapped[str | None]
    sha256: Mapped[str | None]
    file_name: Mapped[str | None]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    entered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    entered_name: Mapped[str]
    entered_at: Mapped[datetime]


class PurchaseOrderBalance(Base):
    """What is free, reserved and drawn of an order; changed only in the transaction that moves it."""

    __tablename__ = "purchase_order_balance"
    __table_args__ = (
        CheckConstraint("free_minor >= 0 AND reserved_minor >= 0 AND drawn_minor >= 0", name="not_negative"),
        CheckConstraint("free_minor + reserved_minor + drawn_minor = amount_minor", name="sums"),
    )

    purchase_order_id: Mapped[int] = mapped_column(ForeignKey("purchase_order.id"), primary_key=True)
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    amount_minor: Mapped[int]
    free_minor: Mapped[int]
    reserved_minor: Mapped[int]
    drawn_minor: Mapped[int]


class PurchaseOrderWithdrawal(Base):
    """The payer takes an order back: no further case takes anything of it."""

    __tablename__ = "purchase_order_withdrawal"
    __table_args__ = (UniqueConstraint("purchase_order_id"),)

    id: Mapped[Id]
    purchase_order_id: Mapped[int] = mapped_column(ForeignKey("purchase_order.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    withdrawn_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    withdrawn_at: Mapped[datetime]


class PurchaseOrderMovement(CaseScoped, Base):
    """What a case's yes reserves, draws or gives back of its order; the sums of an order are its balance."""

    __tablename__ = "purchase_order_movement"
    __table_args__ = (
        Index("ix_purchase_order_movement_case_id", "case_id"),
        Index("ix_purchase_order_movement_purchase_order_id", "purchase_order_id"),
        CheckConstraint("reserved_minor <> 0 OR drawn_minor <> 0", name="moves"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    purchase_order_id: Mapped[int] = mapped_column(ForeignKey("purchase_order.id"))
    authorization_id: Mapped[int] = mapped_column(ForeignKey("authorization.id"))
    reserved_minor: Mapped[int]
    drawn_minor: Mapped[int]
    moved_at: Mapped[datetime]
