"""The one table of mail: a delivery per recipient, whose state moves from queued to sent or failed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class Delivery(Base):
    """A mail to one recipient: which template about which object; rendered when sent, retried until it goes."""

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'failed')", name="state"),
        Index("ix_delivery_organisation_id", "organisation_id", "id"),
        Index("ix_delivery_object", "object_type", "object_id"),
        Index("ix_delivery_queued", "queued_at", postgresql_where=text("state = 'queued'")),
        UniqueConstraint("once_key"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    email: Mapped[str]
    template: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    facts: Mapped[Json]
    once_key: Mapped[str | None]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    last_failure: Mapped[str] = mapped_column(default="", server_default="")
    message_id: Mapped[str] = mapped_column(default="", server_default="")
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
