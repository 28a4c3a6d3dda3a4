"""What a broken promise gives back, and a reclassification that the other side disputes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, case_foreign_key


class PromiseRemedy(CaseScoped, Base):
    """What a broken promise of the plan gives back by the signed policy: a credit, or a longer paid term."""

    __tablename__ = "promise_remedy"
    __table_args__ = (
        UniqueConstraint("clock_id"),
        Index("ix_promise_remedy_case_id", "case_id"),
        CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="currency"),
        CheckConstraint("(amount_minor IS NULL) <> (extra_days IS NULL)", name="one_kind"),
        CheckConstraint("amount_minor >= 0 AND late_seconds > 0", name="amounts"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    clock_id: Mapped[int] = mapped_column(ForeignKey("case_clock.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    plan_code: Mapped[str]
    late_seconds: Mapped[int]
    amount_minor: Mapped[int | None]
    currency: Mapped[str | None]
    extra_days: Mapped[int | None]
    owed_at: Mapped[datetime]


class RemedyReversal(CaseScoped, Base):
    """A promise that gave something back is found kept: by the severity that was decided, it was not broken."""

    __tablename__ = "remedy_reversal"
    __table_args__ = (
        UniqueConstraint("remedy_id"),
        Index("ix_remedy_reversal_case_id", "case_id"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    remedy_id: Mapped[int] = mapped_column(ForeignKey("promise_remedy.id"))
    reason: Mapped[str]
    reversed_at: Mapped[datetime]


class SeverityChallenge(CaseScoped, Base):
    """The other side disputes a severity that the factory set; ``seq`` is the event that set it."""

    __tablename__ = "severity_challenge"
    __table_args__ = (
        UniqueConstraint("case_id", "seq"),
        CheckConstraint("before BETWEEN 1 AND 4 AND after BETWEEN 1 AND 4", name="severities"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    seq: Mapped[int]
    before: Mapped[int]
    after: Mapped[int]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    reason: Mapped[str]
    raised_at: Mapped[datetime]
    answer_by: Mapped[datetime]


class SeverityDecision(CaseScoped, Base):
    """How it ended: by the factory's word, by its silence, or by the signed rule where it does not give in."""

    __tablename__ = "severity_decision"
    __table_args__ = (
        UniqueConstraint("severity_challenge_id"),
        Index("ix_severity_decision_case_id", "case_id"),
        CheckConstraint("basis IN ('agreed', 'silence', 'rule')", name="basis"),
        CheckConstraint("severity BETWEEN 1 AND 4", name="severity"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    severity_challenge_id: Mapped[int] = mapped_column(ForeignKey("severity_challenge.id"))
    basis: Mapped[str]
    severity: Mapped[int]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    reason: Mapped[str]
    decided_at: Mapped[datetime]
