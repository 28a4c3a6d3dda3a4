"""Tables of organisations, sites, systems, who services what, and training.

Directory rows may change (audited). ``visible_to`` lists the organisations that may know of a row; triggers on service
relationships and systems keep it, so that row security compares columns only.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class Organisation(Base):
    """A manufacturer, integrator or customer; exactly one is the operator."""

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint("side IN ('manufacturer', 'integrator', 'customer')", name="side"),
        CheckConstraint("code ~ '^[A-Z][A-Z0-9]{1,7}$'", name="code"),
        UniqueConstraint("code"),
        Index("uq_organisation_operator", "is_operator", unique=True, postgresql_where=text("is_operator")),
    )

    id: Mapped[Id]
    side: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    is_operator: Mapped[bool] = mapped_column(default=False, server_default="false")
    zone: Mapped[str]
    country: Mapped[str]
    currency: Mapped[str]
    support_phone: Mapped[str] = mapped_column(default="", server_default="")
    accounts_payable_email: Mapped[str] = mapped_column(default="", server_default="")
    visible_to: Mapped[list[int]] = mapped_column(default=list, server_default="{}")
    created_at: Mapped[datetime]


class Site(Base):
    """A customer's place."""

    __tablename__ = "site"
    __table_args__ = (Index("ix_site_customer_id", "customer_id"),)

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str]
    address: Mapped[str] = mapped_column(default="", server_default="")
    zone: Mapped[str]
    visible_to: Mapped[list[int]] = mapped_column(default=list, server_default="{}")
    created_at: Mapped[datetime]


class ProductLine(Base):
    """A manufacturer's product line: what certificates, checklists and service relationships are about."""

    __tablename__ = "product_line"
    __table_args__ = (UniqueConstraint("manufacturer_id", "code"),)

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    code: Mapped[str]
    name: Mapped[str]


class System(Base):
    """An installed product of one manufacturer at a site; further sites it serves stand in system_site."""

    __tablename__ = "system"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "serial"),
        Index("ix_system_site_id", "site_id"),
        Index("ix_system_customer_id", "customer_id"),
        CheckConstraint("warranty_ends_on >= warranty_starts_on", name="warranty_order"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    product_line_id: Mapped[int] = mapped_column(ForeignKey("product_line.id"))
    serial: Mapped[str]
    name: Mapped[str]
    installed_on: Mapped[date | None]
    warranty_starts_on: Mapped[date | None]
    warranty_ends_on: Mapped[date | None]
    day_one_on: Mapped[date | None]
    transition_ends_on: Mapped[date | None]
    visible_to: Mapped[list[int]] = mapped_column(default=list, server_default="{}")
    created_at: Mapped[datetime]


class SystemSite(Base):
    """One more site that a system serves."""

    __tablename__ = "system_site"

    system_id: Mapped[int] = mapped_column(ForeignKey("system.id"), primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))


class ServiceRelationship(Base):
    """Who services which product line at a site, from when to when; changed only by the customer's letter."""

    __tablename__ = "service_relationship"
    __table_args__ = (
        ExcludeConstraint(
            ("site_id", "="),
            ("product_line_id", "="),
            (text("daterange(from_on, to_on)"), "&&"),
            name="ex_service_relationship_one_integrator",
            using="gist",
        ),
        CheckConstraint("to_on IS NULL OR to_on > from_on", name="order"),
        Index("ix_service_relationship_integrator_id", "integrator_id"),
        Index("ix_service_relationship_customer_id", "customer_id"),
    )

    id: Mapped[Id]
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    product_line_id: Mapped[int] = mapped_column(ForeignKey("product_line.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    from_on: Mapped[date]
    to_on: Mapped[date | None]
    letter_reference: Mapped[str]
    created_at: Mapped[datetime]


class TechnicalHistory(Base):
    """What a new integrator is handed at a change: the case's technical facts, without prices or internal notes."""

    __tablename__ = "technical_history"
    __table_args__ = (
        Index("ix_technical_history_system_id", "system_id"),
        UniqueConstraint("integrator_id", "case_id"),
    )

    id: Mapped[Id]
    system_id: Mapped[int] = mapped_column(ForeignKey("system.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    case_id: Mapped[int]
    case_name: Mapped[str]
    opened_on: Mapped[date]
    resolved_on: Mapped[date | None]
    symptom: Mapped[str]
    cause: Mapped[str]
    work_done: Mapped[str]
    handed_over_at: Mapped[datetime]


class PunchItem(Base):
    """An open closeout item, owned by service; it never moves Day 1 nor bills the customer."""

    __tablename__ = "punch_item"
    __table_args__ = (Index("ix_punch_item_system_id", "system_id"),)

    id: Mapped[Id]
    system_id: Mapped[int] = mapped_column(ForeignKey("system.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    description: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Certificate(Base):
    """A person's training for a product line; valid on days in [issued_on, expires_on)."""

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "number"),
        Index("ix_certificate_person_id", "person_id"),
        CheckConstraint("expires_on > issued_on", name="order"),
    )

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    product_line_id: Mapped[int] = mapped_column(ForeignKey("product_line.id"))
    number: Mapped[str]
    issued_on: Mapped[date]
    expires_on: Mapped[date]


class NumberCounter(Base):
    """The last number given per manufacturer and kind; read and raised by the definer function next_number."""

    __tablename__ = "number_counter"

    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    last_number: Mapped[int]


class DeploymentFact(Base):
    """One value that belongs to the deployment as a whole, such as the day the demo data was made for."""

    __tablename__ = "deployment_fact"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Json]
