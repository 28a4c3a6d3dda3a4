"""What cash made payable of the shares of a plan that was left within its minimum term."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class PlanCash(Base):
    """Cash of a receipt makes part of a plan's share payable, as a cash application does of a share; their sum counts.

    No more of a share is payable than there is of it: the database refuses the row that would make it so.
    """

    __tablename__ = "plan_cash"
    __table_args__ = (
        Index("ix_plan_cash_receipt_id", "receipt_id"),
        Index("ix_plan_cash_plan_share_id", "plan_share_id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    receipt_id: Mapped[int] = mapped_column(ForeignKey("cash_receipt.id"))
    plan_share_id: Mapped[int] = mapped_column(ForeignKey("plan_share.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    applied_at: Mapped[datetime]
