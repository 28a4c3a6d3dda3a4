"""Resolution, the other company's answer, and the ladder of a challenge."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, Json, case_foreign_key


class Resolution(CaseScoped, Base):
    """Cause, last corrective action and who resolved it, with the weights of the signed table."""

    __tablename__ = "resolution"
    __table_args__ = (
        UniqueConstraint("case_id", "seq"),
        UniqueConstraint("id", "case_id"),
        CheckConstraint("resolved_by IN ('integrator', 'manufacturer', 'jointly', 'none')", name="resolved_by"),
        CheckConstraint("integrator_bp + manufacturer_bp IN (0, 10000)", name="weights"),
        CheckConstraint("integrator_bp >= 0 AND manufacturer_bp >= 0", name="weights_not_negative"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    seq: Mapped[int]
    cause: Mapped[str]
    last_action: Mapped[str]
    resolved_by: Mapped[str]
    integrator_bp: Mapped[int]
    manufacturer_bp: Mapped[int]
    off_table_reason: Mapped[str] = mapped_column(default="", server_default="")
    summary: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    resolved_at: Mapped[datetime]


class ResolutionAnswer(CaseScoped, Base):
    """The other company confirms, by word or by deemed confirmation (which can be undone until hard close)."""

    __tablename__ = "resolution_answer"
    __table_args__ = (
        Index("ix_resolution_answer_case_id", "case_id"),
        Index("ix_resolution_answer_resolution_id", "resolution_id"),
        CheckConstraint("basis IN ('confirmed', 'deemed', 'undone', 'import')", name="basis"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    resolution_id: Mapped[int] = mapped_column(ForeignKey("resolution.id"))
    basis: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    answered_at: Mapped[datetime]


class Challenge(CaseScoped, Base):
    """A company (of the split, cause or class) or the payer (of cause or class) disputes a resolution."""

    __tablename__ = "challenge"
    __table_args__ = (
        Index("ix_challenge_case_id", "case_id"),
        CheckConstraint("subject IN ('cause', 'split', 'task_class')", name="subject"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    resolution_id: Mapped[int] = mapped_column(ForeignKey("resolution.id"))
    subject: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    reason: Mapped[str]
    proposal: Mapped[Json]
    raised_at: Mapped[datetime]


class ChallengeStep(CaseScoped, Base):
    """The ladder: managers, then the neutral, then the fallback split by job; each rung has its date."""

    __tablename__ = "challenge_step"
    __table_args__ = (
        Index("ix_challenge_step_case_id", "case_id"),
        UniqueConstraint("challenge_id", "rung"),
        CheckConstraint("rung IN ('managers', 'neutral', 'fallback')", name="rung"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    challenge_id: Mapped[int] = mapped_column(ForeignKey("challenge.id"))
    rung: Mapped[str]
    started_at: Mapped[datetime]
    due_at: Mapped[datetime]


class ChallengeProposal(CaseScoped, Base):
    """One manager's proposed outcome; equal standing proposals of both companies decide the challenge."""

    __tablename__ = "challenge_proposal"
    __table_args__ = (
        Index("ix_challenge_proposal_case_id", "case_id"),
        Index("ix_challenge_proposal_challenge_id", "challenge_id"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    challenge_id: Mapped[int] = mapped_column(ForeignKey("challenge.id"))
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    outcome: Mapped[Json]
    proposed_at: Mapped[datetime]


class ChallengeDecision(CaseScoped, Base):
    """The end of a challenge: agreed by both managers, said by the neutral, withdrawn, or the fallback split."""

    __tablename__ = "challenge_decision"
    __table_args__ = (
        Index("ix_challenge_decision_case_id", "case_id"),
        UniqueConstraint("challenge_id"),
        CheckConstraint("basis IN ('agreed', 'neutral', 'fallback', 'withdrawn')", name="basis"),
        CheckConstraint("integrator_bp + manufacturer_bp IN (0, 10000)", name="weights"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    challenge_id: Mapped[int] = mapped_column(ForeignKey("challenge.id"))
    basis: Mapped[str]
    cause: Mapped[str]
    task_class: Mapped[str]
    integrator_bp: Mapped[int]
    manufacturer_bp: Mapped[int]
    explanation: Mapped[str]
    decided_at: Mapped[datetime]
