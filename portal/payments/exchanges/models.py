"""The table of exchanges: what links the two transactions of a movement in another currency."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class Exchange(Base):
    """A movement of Stripe's balance in another currency than the payment it is about, and its two transactions.

    Amounts are as they change the balance; ``first_rate_minor`` is what ``settled_minor`` would have been at the rate
    at which the payment came in, so that the rest is a gain or a loss.
    """

    __tablename__ = "exchange"
    __table_args__ = (
        UniqueConstraint("movement_id"),
        UniqueConstraint("transaction_id"),
        UniqueConstraint("settled_transaction_id"),
        Index("ix_exchange_receipt_id", "receipt_id", "id"),
        Index("uq_exchange_payment", "receipt_id", unique=True, postgresql_where=text("kind = 'cash_received'")),
        CheckConstraint("currency <> settled_currency", name="two_currencies"),
        CheckConstraint("transaction_id <> settled_transaction_id", name="two_transactions"),
        CheckConstraint("amount_minor <> 0 AND fee_minor >= 0", name="amounts"),
        CheckConstraint("rate_num > 0 AND rate_den > 0", name="rate"),
        CheckConstraint("kind <> 'cash_received' OR first_rate_minor = settled_minor", name="first_rate"),
        CheckConstraint("kind IN ('cash_received', 'refund_sent', 'refund_returned', 'chargeback_moved')", name="kind"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    receipt_id: Mapped[int] = mapped_column(ForeignKey("cash_receipt.id"))
    kind: Mapped[str]
    movement_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    settled_currency: Mapped[str]
    settled_minor: Mapped[int]
    fee_minor: Mapped[int]
    first_rate_minor: Mapped[int]
    rate_num: Mapped[int]
    rate_den: Mapped[int]
    transaction_id: Mapped[int] = mapped_column(ForeignKey("journal_transaction.id"))
    settled_transaction_id: Mapped[int] = mapped_column(ForeignKey("journal_transaction.id"))
    livemode: Mapped[bool]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
