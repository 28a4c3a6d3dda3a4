"""Custody, clocks and pauses: insert-only facts from which responsibility and due times are computed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, Json, case_foreign_key


class CustodyOffer(CaseScoped, Base):
    """One company asks the other to take the case; custody moves only by an acceptance."""

    __tablename__ = "custody_offer"
    __table_args__ = (UniqueConstraint("case_id", "seq"), case_foreign_key())

    id: Mapped[Id]
    seq: Mapped[int]
    from_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    to_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    has_new_information: Mapped[bool] = mapped_column(default=True, server_default="true")
    offered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    offered_at: Mapped[datetime]


class CustodyDecline(CaseScoped, Base):
    """The asked company says no, with a reason; the case stays where it is."""

    __tablename__ = "custody_decline"
    __table_args__ = (UniqueConstraint("offer_id"), case_foreign_key())

    id: Mapped[Id]
    offer_id: Mapped[int] = mapped_column(ForeignKey("custody_offer.id"))
    reason: Mapped[str]
    declined_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    declined_at: Mapped[datetime]


class CustodyAcceptance(CaseScoped, Base):
    """From ``from_at`` on this company holds the case until the next acceptance: one holder at each instant."""

    __tablename__ = "custody_acceptance"
    __table_args__ = (
        UniqueConstraint("case_id", "seq"),
        UniqueConstraint("offer_id"),
        CheckConstraint("channel IN ('opening', 'page', 'link', 'phone', 'reply', 'import')", name="channel"),
        CheckConstraint("company_id IN (manufacturer_id, integrator_id)", name="never_the_customer"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    seq: Mapped[int]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    from_at: Mapped[datetime]
    channel: Mapped[str]
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("custody_offer.id"))
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    accepted_name: Mapped[str]
    recorded_at: Mapped[datetime]


class CaseClock(CaseScoped, Base):
    """A promise with a target; due time and used time are computed from it, custody, pauses and calendar.

    ``promise`` is the document's row as it was, ``zone`` whose clock on the wall counts where the calendar leaves it
    open; both are missing on rows older than promises in business days.
    """

    __tablename__ = "case_clock"
    __table_args__ = (
        Index("ix_case_clock_case_id", "case_id"),
        CheckConstraint("target_seconds >= 0", name="target"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    calendar_code: Mapped[str]
    target_seconds: Mapped[int]
    started_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    zone: Mapped[str | None]
    promise: Mapped[Json | None]


class ClockClosing(CaseScoped, Base):
    """How a clock ended: met, missed (met late) or void (replaced by another)."""

    __tablename__ = "clock_closing"
    __table_args__ = (
        Index("ix_clock_closing_case_id", "case_id"),
        UniqueConstraint("clock_id"),
        CheckConstraint("outcome IN ('met', 'missed', 'void')", name="outcome"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    clock_id: Mapped[int] = mapped_column(ForeignKey("case_clock.id"))
    outcome: Mapped[str]
    used_seconds: Mapped[int]
    closed_at: Mapped[datetime]


class CasePause(CaseScoped, Base):
    """The case waits for something outside both companies; its clocks stand still."""

    __tablename__ = "case_pause"
    __table_args__ = (Index("ix_case_pause_case_id", "case_id"), case_foreign_key())

    id: Mapped[Id]
    reason: Mapped[str]
    reason_code: Mapped[str | None]
    from_at: Mapped[datetime]
    paused_by: Mapped[int] = mapped_column(ForeignKey("person.id"))


class PauseEnd(CaseScoped, Base):
    """The end of a pause."""

    __tablename__ = "pause_end"
    __table_args__ = (Index("ix_pause_end_case_id", "case_id"), UniqueConstraint("pause_id"), case_foreign_key())

    id: Mapped[Id]
    pause_id: Mapped[int] = mapped_column(ForeignKey("case_pause.id"))
    ended_at: Mapped[datetime]
