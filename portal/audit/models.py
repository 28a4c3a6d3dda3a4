"""The audit log's one table, insert-only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class AuditEntry(Base):
    """One administrative act: who did what to which object, when, with the values that changed."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_organisation_id", "organisation_id", "id"),)

    id: Mapped[Id]
    at: Mapped[datetime]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    act: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    details: Mapped[Json]
