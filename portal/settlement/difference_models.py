"""What two of the four books do not say alike, who looks after it and how it ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class ReconciliationDifference(Base):
    """Two of the four books do not say the same of one thing: somebody's work until it ends."""

    __tablename__ = "reconciliation_difference"
    __table_args__ = (
        CheckConstraint("expected_minor <> found_minor", name="differs"),
        Index("ix_reconciliation_difference_manufacturer_id", "manufacturer_id", "id"),
        Index("ix_reconciliation_difference_subject", "kind", "subject"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    currency: Mapped[str]
    expected_minor: Mapped[int]
    found_minor: Mapped[int]
    happened_at: Mapped[datetime]
    found_at: Mapped[datetime]


class DifferenceOwner(Base):
    """Who looks after a difference from now on; the latest counts."""

    __tablename__ = "difference_owner"
    __table_args__ = (Index("ix_difference_owner_difference_id", "difference_id", "id"),)

    id: Mapped[Id]
    difference_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_difference.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    owned_at: Mapped[datetime]


class DifferenceEnd(Base):
    """How a difference ended: it was gone, it was booked, or finance lives with it and says why."""

    __tablename__ = "difference_end"
    __table_args__ = (
        UniqueConstraint("difference_id"),
        CheckConstraint("outcome IN ('gone', 'booked', 'accepted')", name="outcome"),
        CheckConstraint("(outcome = 'gone') = (ended_by IS NULL)", name="person"),
    )

    id: Mapped[Id]
    difference_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_difference.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    explanation: Mapped[str]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]
