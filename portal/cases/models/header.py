"""The case header, its events, references and links."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from portal.contracts.circumstances import Circumstances
from portal.contracts.targets import Channel
from portal.db import Base, CaseScoped, Id, Json, case_foreign_key

AUDIENCE_CHECK = "audience IN ('own', 'companies', 'customer')"


class SupportCase(Base):
    """The case header: who, what, current state, holder and due time; ``seq`` is the number of its last event."""

    __tablename__ = "support_case"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "number"),
        UniqueConstraint("id", "manufacturer_id", "integrator_id", "customer_id"),
        CheckConstraint("severity BETWEEN 1 AND 4", name="severity"),
        CheckConstraint("holder_side IN ('manufacturer', 'integrator')", name="holder_side"),
        CheckConstraint("state IN ('open', 'offered', 'waiting', 'resolved', 'closed')", name="state"),
        CheckConstraint("support_level BETWEEN 1 AND 3", name="support_level"),
        CheckConstraint("channel IN ('portal', 'phone', 'email', 'chat')", name="channel"),
        CheckConstraint(r"distance ~ '^([0-9]{1,6}([.][0-9]{1,4})?)?$'", name="distance"),
        Index(
            "ix_support_case_factory_queue",
            "manufacturer_id",
            "entitlement_rank",
            "severity",
            "due_at",
            "id",
            postgresql_where=text("state IN ('open', 'offered', 'waiting')"),
        ),
        Index(
            "ix_support_case_integrator_open",
            "integrator_id",
            "due_at",
            "id",
            postgresql_where=text("state <> 'closed'"),
        ),
        Index("ix_support_case_customer", "customer_id", "id"),
        Index("ix_support_case_manufacturer", "manufacturer_id", "id"),
        Index("ix_support_case_integrator", "integrator_id", "id"),
        Index("ix_support_case_assignee", "assignee_id", "due_at", postgresql_where=text("state <> 'closed'")),
        Index("ix_support_case_system", "system_id", "id"),
        Index("uq_support_case_source", "manufacturer_id", "source", "source_key", unique=True),
        # Without fastupdate=off every search would also walk the pending list of recent inserts.
        Index(
            "ix_support_case_search", "search_document", postgresql_using="gin", postgresql_with={"fastupdate": "off"}
        ),
        Index("ix_support_case_reopen_until", "reopen_until", postgresql_where=text("state = 'resolved'")),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[int]
    name: Mapped[str]
    system_id: Mapped[int] = mapped_column(ForeignKey("system.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    product_line_id: Mapped[int] = mapped_column(ForeignKey("product_line.id"))
    system_serial: Mapped[str]
    system_name: Mapped[str]
    title: Mapped[str]
    symptom: Mapped[str]
    intake: Mapped[Json]
    severity: Mapped[int]
    task_class: Mapped[str]
    # What prices, cover or promises depend on, as it was when the case was opened; empty where nothing asks for it.
    customer_class: Mapped[str] = mapped_column(default="", server_default="")
    requested: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    distance: Mapped[str] = mapped_column(default="", server_default="")
    support_level: Mapped[int | None]
    channel: Mapped[str] = mapped_column(default="portal", server_default="portal")
    region: Mapped[str] = mapped_column(default="", server_default="")
    site_zone: Mapped[str] = mapped_column(default="", server_default="")
    on_site_waiting: Mapped[bool] = mapped_column(default=False, server_default="false")
    is_fyi: Mapped[bool] = mapped_column(default=False, server_default="false")
    state: Mapped[str]
    seq: Mapped[int]
    holder_side: Mapped[str]
    holder_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    assignee_name: Mapped[str] = mapped_column(default="", server_default="")
    offered_to_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    entitlement_rank: Mapped[int]
    plan_code: Mapped[str | None]
    due_at: Mapped[datetime | None]
    due_kind: Mapped[str | None]
    opened_at: Mapped[datetime]
    opened_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    opened_by_name: Mapped[str]
    opener_side: Mapped[str]
    changed_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    reopen_until: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(default="portal", server_default="portal")
    source_key: Mapped[str | None]
    search_document: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed(
            "to_tsvector('simple', name || ' ' || system_serial || ' ' || system_name || ' ' || title || ' ' || symptom"
            " || ' ' || coalesce(source_key, ''))",
            persisted=True,
        ),
        deferred=True,
    )

    @property
    def circumstances(self) -> Circumstances:
        """What was said of the case because prices, cover or promises depend on it."""
        channel = Channel(self.channel)
        return Circumstances(self.customer_class, tuple(self.requested), self.distance, self.support_level, channel)


class CaseEvent(CaseScoped, Base):
    """One transition or happening, numbered without gaps within its case: the timeline's index."""

    __tablename__ = "case_event"
    __table_args__ = (
        UniqueConstraint("case_id", "seq"),
        CheckConstraint(AUDIENCE_CHECK, name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    seq: Mapped[int]
    kind: Mapped[str]
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    details: Mapped[Json]


class CaseReference(CaseScoped, Base):
    """A company's own number for the case; the latest row of a company counts."""

    __tablename__ = "case_reference"
    __table_args__ = (
        Index("ix_case_reference_case_id", "case_id"),
        Index("ix_case_reference_reference", text("lower(reference)")),
        case_foreign_key(),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reference: Mapped[str]
    given_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    given_at: Mapped[datetime]


class CaseLink(Base):
    """Two cases belong together: sister cases at one site, or a follow-up of a closed case."""

    __tablename__ = "case_link"
    __table_args__ = (
        UniqueConstraint("from_case_id", "to_case_id", "kind"),
        CheckConstraint("kind IN ('sister', 'follow_up')", name="kind"),
        CheckConstraint("from_case_id <> to_case_id", name="distinct"),
    )

    id: Mapped[Id]
    from_case_id: Mapped[int] = mapped_column(ForeignKey("support_case.id"))
    to_case_id: Mapped[int] = mapped_column(ForeignKey("support_case.id"))
    kind: Mapped[str]
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    linked_at: Mapped[datetime]


class KnownIssue(Base):
    """A manufacturer's known issue with its cause and advice."""

    __tablename__ = "known_issue"
    __table_args__ = (UniqueConstraint("manufacturer_id", "number"),)

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    product_line_id: Mapped[int] = mapped_column(ForeignKey("product_line.id"))
    number: Mapped[int]
    title: Mapped[str]
    advice: Mapped[str]
    cause: Mapped[str]
    opened_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class CaseKnownIssue(CaseScoped, Base):
    """A case is an instance of a known issue; cases of one issue do not see each other."""

    __tablename__ = "case_known_issue"
    __table_args__ = (
        UniqueConstraint("case_id", "known_issue_id"),
        ForeignKeyConstraint(["known_issue_id"], ["known_issue.id"]),
        case_foreign_key(),
    )

    id: Mapped[Id]
    known_issue_id: Mapped[int]
    linked_at: Mapped[datetime]


class CaseClosing(CaseScoped, Base):
    """The case is closed for good after this event; a later return opens a linked case."""

    __tablename__ = "case_closing"
    __table_args__ = (UniqueConstraint("case_id"), case_foreign_key())

    id: Mapped[Id]
    seq: Mapped[int]
    basis: Mapped[str]
    closed_at: Mapped[datetime]
