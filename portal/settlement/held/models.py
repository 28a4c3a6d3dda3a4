"""Tables of what is held: the line of what is still there, and the transfers of what waited for an account."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class StillHeld(Base):
    """A held disposition that has not left whole: the database puts it in line, and lets none out that holds something.

    So what is looked through is what is there, and not everything that was ever held.
    """

    __tablename__ = "still_held"

    disposition_id: Mapped[int] = mapped_column(ForeignKey("disposition.id"), primary_key=True, autoincrement=False)
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))


class HeldTransfer(Base):
    """What an approval held for want of an account, transferred under the same approval once the account was there."""

    __tablename__ = "held_transfer"
    __table_args__ = (
        UniqueConstraint("disposition_id"),
        UniqueConstraint("intent_id"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    id: Mapped[Id]
    disposition_id: Mapped[int] = mapped_column(ForeignKey("disposition.id"))
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    intent_id: Mapped[UUID] = mapped_column(ForeignKey("intent.id"))
    planned_at: Mapped[datetime]
