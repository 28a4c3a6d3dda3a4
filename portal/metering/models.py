"""Tables of worked time: a running timer per person, entries, their approval and reversal; and of parts fitted.

Entries and parts are facts. Overlap is refused on a small mutable table whose row the reversal of an entry deletes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, case_foreign_key


class RunningTimer(Base):
    """A person's one running timer; it may run without a case until the call is saved."""

    __tablename__ = "running_timer"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("support_case.id"))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    mode: Mapped[str]
    task_class: Mapped[str]
    note: Mapped[str] = mapped_column(default="", server_default="")


class TimeEntry(CaseScoped, Base):
    """An interval of work on a case with a note the payer can read; a correction is a reversal and a new entry."""

    __tablename__ = "time_entry"
    __table_args__ = (
        Index("ix_time_entry_case_id", "case_id", "started_at"),
        Index("ix_time_entry_person_id", "person_id", "started_at"),
        UniqueConstraint("root_id", "revision"),
        UniqueConstraint("id", "person_id"),
        CheckConstraint("ended_at > started_at", name="order"),
        CheckConstraint("length(btrim(note)) > 0", name="note"),
        CheckConstraint("mode IN ('remote', 'phone', 'on_site', 'travel')", name="mode"),
        CheckConstraint("task_class IN ('support', 'how_to', 'commissioning')", name="task_class"),
        CheckConstraint("source IN ('timer', 'manual', 'import')", name="source"),
        CheckConstraint("length(role) <= 40 AND length(skill) <= 40", name="words"),
        CheckConstraint("audience IN ('own', 'companies', 'customer')", name="audience"),
        CheckConstraint("organisation_id IN (manufacturer_id, integrator_id)", name="never_the_customer"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str] = mapped_column(default="customer", server_default="customer")
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    seconds: Mapped[int] = mapped_column(
        Computed("floor(extract(epoch FROM ended_at - started_at))::bigint", persisted=True)
    )
    mode: Mapped[str]
    task_class: Mapped[str]
    role: Mapped[str] = mapped_column(default="", server_default="")
    skill: Mapped[str] = mapped_column(default="", server_default="")
    # The worker's clock on the wall at the time of the work; empty where nobody knows it, as of imported work.
    zone: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str]
    source: Mapped[str]
    flag: Mapped[str] = mapped_column(default="", server_default="")
    root_id: Mapped[int | None] = mapped_column(ForeignKey("time_entry.id"))
    revision: Mapped[int] = mapped_column(default=0, server_default="0")
    recorded_at: Mapped[datetime]


class TimeOccupancy(Base):
    """The instants a person has already sold; two entries of one person cannot share any."""

    __tablename__ = "time_occupancy"
    __table_args__ = (
        ExcludeConstraint(("person_id", "="), ("during", "&&"), name="ex_time_occupancy_no_overlap", using="gist"),
        Index("ix_time_occupancy_organisation_id", "organisation_id"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("time_entry.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)


class TimeApproval(CaseScoped, Base):
    """Somebody other than the worker says the entry is right."""

    __tablename__ = "time_approval"
    __table_args__ = (
        UniqueConstraint("entry_id"),
        ForeignKeyConstraint(["entry_id", "worker_id"], ["time_entry.id", "time_entry.person_id"]),
        CheckConstraint("approved_by <> worker_id", name="by_another"),
        Index("ix_time_approval_case_id", "case_id"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    entry_id: Mapped[int]
    worker_id: Mapped[int]
    approved_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    approved_at: Mapped[datetime]


class TimeReversal(CaseScoped, Base):
    """An entry taken back, with the reason; the corrected entry carries its root and next revision."""

    __tablename__ = "time_reversal"
    __table_args__ = (
        UniqueConstraint("entry_id"),
        Index("ix_time_reversal_case_id", "case_id"),
        CheckConstraint("length(btrim(reason)) > 0", name="reason"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    entry_id: Mapped[int] = mapped_column(ForeignKey("time_entry.id"))
    reason: Mapped[str]
    reversed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    reversed_at: Mapped[datetime]


class FittedPart(CaseScoped, Base):
    """A part that was fitted on a case, at its list price; a mistake is taken back and recorded anew.

    ``on_customer`` is what whoever recorded it says; the policy's table of parts may say otherwise. One that
    ``needs_second`` is billed once somebody else has confirmed it.
    """

    __tablename__ = "fitted_part"
    __table_args__ = (
        Index("ix_fitted_part_case_id", "case_id"),
        UniqueConstraint("id", "recorded_by"),
        CheckConstraint("length(btrim(part)) > 0", name="part"),
        CheckConstraint("price_minor > 0", name="price"),
        CheckConstraint("disposition IN ('returned', 'kept', 'scrapped', 'lost')", name="disposition"),
        CheckConstraint("organisation_id IN (manufacturer_id, integrator_id)", name="never_the_customer"),
        CheckConstraint("supplier_id IN (manufacturer_id, integrator_id)", name="supplier"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    supplier_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    part: Mapped[str]
    serial: Mapped[str]
    rma: Mapped[str]
    disposition: Mapped[str]
    on_customer: Mapped[bool]
    currency: Mapped[str]
    price_minor: Mapped[int]
    needs_second: Mapped[bool] = mapped_column(server_default="false")
    fitted_at: Mapped[datetime]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_name: Mapped[str]
    recorded_at: Mapped[datetime]


class PartConfirmation(CaseScoped, Base):
    """Somebody other than who recorded a part says it is right."""

    __tablename__ = "part_confirmation"
    __table_args__ = (
        UniqueConstraint("part_id"),
        ForeignKeyConstraint(["part_id", "recorded_by"], ["fitted_part.id", "fitted_part.recorded_by"]),
        CheckConstraint("confirmed_by <> recorded_by", name="by_another"),
        Index("ix_part_confirmation_case_id", "case_id"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    part_id: Mapped[int]
    recorded_by: Mapped[int]
    confirmed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    confirmed_name: Mapped[str]
    confirmed_at: Mapped[datetime]


class PartReversal(CaseScoped, Base):
    """A part that was recorded by mistake, taken back with the reason."""

    __tablename__ = "part_reversal"
    __table_args__ = (
        UniqueConstraint("part_id"),
        Index("ix_part_reversal_case_id", "case_id"),
        CheckConstraint("length(btrim(reason)) > 0", name="reason"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    part_id: Mapped[int] = mapped_column(ForeignKey("fitted_part.id"))
    reason: Mapped[str]
    reversed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    reversed_at: Mapped[datetime]
