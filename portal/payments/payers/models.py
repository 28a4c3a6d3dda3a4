"""The table of payers that Stripe no longer has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class ProviderCustomerEnd(Base):
    """A payer that Stripe no longer has: deleted there, learned by an event or by a call that was refused."""

    __tablename__ = "provider_customer_end"
    __table_args__ = (
        UniqueConstraint("customer_id"),
        CheckConstraint("learned_by IN ('event', 'call')", name="learned_by"),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("provider_customer.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    learned_by: Mapped[str]
    ended: Mapped[Json]
    learned_at: Mapped[datetime]
