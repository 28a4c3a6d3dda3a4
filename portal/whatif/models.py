"""The table of what was asked and what came out: one row a question, its progress and its result."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class WhatIf(Base):
    """A draft over a past period of a partnership, asked by one company and read by it alone.

    A text that is empty means the signed documents; ``policy_words`` and ``agreement_words`` say which text it was.
    """

    __tablename__ = "what_if"
    __table_args__ = (
        Index("ix_what_if_organisation_id", "organisation_id", "id"),
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
        CheckConstraint("until_at > from_at", name="order"),
        CheckConstraint("agreement_toml = '' OR integrator_id IS NOT NULL", name="agreement_names_integrator"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    policy_toml: Mapped[str]
    policy_words: Mapped[str]
    agreement_toml: Mapped[str]
    agreement_words: Mapped[str]
    state: Mapped[str]
    cases_done: Mapped[int]
    cases_total: Mapped[int]
    problem: Mapped[str]
    result: Mapped[Json | None]
    asked_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
