"""Tables of coverage decisions, hours left and authorizations.

A grant's hours live in one counter row that the database keeps at or above zero; reservations, releases and draws are
facts. An authorization is a fact; what is left of it is a counter row beside it.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, Json, case_foreign_key


class CoverageDecision(CaseScoped, Base):
    """Coverage and price as shown before the act: the facts it was made from and the decision, both as data."""

    __tablename__ = "coverage_decision"
    __table_args__ = (
        Index("ix_coverage_decision_case_id", "case_id", "id"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    plan_choice_id: Mapped[int | None] = mapped_column(ForeignKey("plan_choice.id"))
    facts: Mapped[Json]
    decision: Mapped[Json]
    decided_at: Mapped[datetime]


class UsageGrant(Base):
    """Minutes or incidents bought, or minutes included, valid from ``starts_at`` to ``expires_at`` as they were given.

    A pack keeps the ``terms`` it was sold under, and the ``source`` that brought it: the same source grants once. NULL
    ``expires_at`` is for ever; until when a grant holds now stands in its balance.
    """

    __tablename__ = "usage_grant"
    __table_args__ = (
        UniqueConstraint("plan_choice_id", "starts_at"),
        UniqueConstraint("manufacturer_id", "source"),
        Index("ix_usage_grant_customer_id", "customer_id"),
        Index("ix_usage_grant_site_id", "site_id", "manufacturer_id", "expires_at"),
        CheckConstraint("granted_seconds >= 0 AND granted_incidents >= 0", name="not_negative"),
        CheckConstraint("(granted_seconds > 0) <> (granted_incidents > 0)", name="granted"),
        CheckConstraint("expires_at > starts_at", name="order"),
        CheckConstraint("kind IN ('included', 'pack')", name="kind"),
        CheckConstraint("(kind = 'included') = (plan_choice_id IS NOT NULL)", name="plan"),
        CheckConstraint("kind = 'included' OR num_nulls(pack_code, terms, policy_version_id, source) = 0", name="pack"),
        CheckConstraint("kind = 'pack' OR (expires_at IS NOT NULL AND granted_seconds > 0)", name="included"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    plan_choice_id: Mapped[int | None] = mapped_column(ForeignKey("plan_choice.id"))
    policy_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    pack_code: Mapped[str | None]
    terms: Mapped[Json | None]
    source: Mapped[str | None]
    granted_seconds: Mapped[int]
    granted_incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    starts_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    granted_at: Mapped[datetime]


class GrantBalance(Base):
    """What is free and what is reserved of a grant, and until when it holds now (NULL: for ever).

    Changed only in the transaction that allocates; every change of ``ends_at`` has its ``grant_extension``.
    """

    __tablename__ = "grant_balance"
    __table_args__ = (
        CheckConstraint("free_seconds >= 0", name="free_not_negative"),
        CheckConstraint("reserved_seconds >= 0", name="reserved_not_negative"),
        CheckConstraint("free_incidents >= 0", name="free_incidents_not_negative"),
        CheckConstraint("reserved_incidents >= 0", name="reserved_incidents_not_negative"),
    )

    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"), primary_key=True)
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    free_seconds: Mapped[int]
    reserved_seconds: Mapped[int]
    free_incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    reserved_incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    ends_at: Mapped[datetime | None]


class GrantExtension(Base):
    """A grant ends at another instant than it was given for.

    Minutes roll over, or end with a plan that was changed at once; a pack is kept by buying another.
    """

    __tablename__ = "grant_extension"
    __table_args__ = (
        UniqueConstraint("grant_id", "ends_at"),
        CheckConstraint("reason IN ('rolled_over', 'topped_up', 'changed')", name="reason"),
    )

    id: Mapped[Id]
    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    ends_at: Mapped[datetime | None]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]


class GrantExpiry(Base):
    """What of a grant nobody can use from ``expired_at`` on; below zero where earlier work took it after all."""

    __tablename__ = "grant_expiry"
    __table_args__ = (
        Index("ix_grant_expiry_grant_id", "grant_id"),
        CheckConstraint("(seconds <> 0) <> (incidents <> 0)", name="one_unit"),
    )

    id: Mapped[Id]
    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seconds: Mapped[int]
    incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    expired_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class TopUpNotice(Base):
    """A site's packs of one kind went below the minutes at which the customer is told to top up, or came back above."""

    __tablename__ = "top_up_notice"
    __table_args__ = (Index("ix_top_up_notice_site_id", "site_id", "manufacturer_id", "pack_code", "id"),)

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    pack_code: Mapped[str]
    is_below: Mapped[bool]
    left_seconds: Mapped[int]
    threshold_seconds: Mapped[int]
    crossed_at: Mapped[datetime]


class GrantReservation(CaseScoped, Base):
    """Approved work promises itself seconds of a grant, in order of work time, or an incident, until it is billed."""

    __tablename__ = "grant_reservation"
    __table_args__ = (
        Index("ix_grant_reservation_grant_id", "grant_id"),
        Index("ix_grant_reservation_case_id", "case_id"),
        CheckConstraint("seconds >= 0 AND incidents >= 0", name="seconds"),
        CheckConstraint("(seconds > 0) <> (incidents > 0)", name="one_unit"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"))
    worked_from: Mapped[datetime]
    seconds: Mapped[int]
    incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    reserved_at: Mapped[datetime]


class ReservationRelease(CaseScoped, Base):
    """A reservation given back undrawn, when the order of work or a correction moves it."""

    __tablename__ = "reservation_release"
    __table_args__ = (
        Index("ix_reservation_release_case_id", "case_id"),
        UniqueConstraint("reservation_id"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    reservation_id: Mapped[int] = mapped_column(ForeignKey("grant_reservation.id"))
    reason: Mapped[str]
    released_at: Mapped[datetime]


class GrantDraw(CaseScoped, Base):
    """Seconds or incidents of a grant used by a bill item, below zero where given back; ids are the recorded order."""

    __tablename__ = "grant_draw"
    __table_args__ = (
        Index("ix_grant_draw_case_id", "case_id"),
        Index("ix_grant_draw_grant_id", "grant_id"),
        UniqueConstraint("bill_item_id", "grant_id"),
        CheckConstraint("(seconds <> 0) <> (incidents <> 0)", name="seconds"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"))
    bill_item_id: Mapped[int] = mapped_column(ForeignKey("bill_item.id"))
    seconds: Mapped[int]
    incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    drawn_at: Mapped[datetime]


class StandingAuthorization(Base):
    """The payer's yes in advance: what counts as an emergency, how much per incident and month, who is asked."""

    __tablename__ = "standing_authorization"
    __table_args__ = (
        UniqueConstraint("site_id", "manufacturer_id", "from_at"),
        CheckConstraint("nte_incident_minor >= 0 AND nte_month_minor >= 0", name="not_negative"),
        Index("ix_standing_authorization_payer_id", "payer_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    currency: Mapped[str]
    nte_incident_minor: Mapped[int]
    nte_month_minor: Mapped[int]
    severities: Mapped[list[int]]
    grant_seconds_per_case: Mapped[int]
    approver_ids: Mapped[list[int]]
    from_at: Mapped[datetime]
    until_at: Mapped[datetime | None]
    signed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    signed_at: Mapped[datetime]


class StandingMonth(Base):
    """How much of a standing authorization's month is used; CHECK keeps it within the monthly limit."""

    __tablename__ = "standing_month"
    __table_args__ = (CheckConstraint("used_minor >= 0 AND used_minor <= limit_minor", name="within_limit"),)

    standing_authorization_id: Mapped[int] = mapped_column(ForeignKey("standing_authorization.id"), primary_key=True)
    month_on: Mapped[date] = mapped_column(primary_key=True)
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    limit_minor: Mapped[int]
    used_minor: Mapped[int]


class AuthorizationRequest(CaseScoped, Base):
    """The payer is asked for a yes up to an amount, to so much more of its hours left, or both.

    ``audience`` is own to the payer's side and the companies.
    """

    __tablename__ = "authorization_request"
    __table_args__ = (
        Index("ix_authorization_request_case_id", "case_id"),
        Index("ix_authorization_request_payer_id", "payer_id"),
        CheckConstraint("nte_minor >= 0 AND hours_seconds >= 0 AND nte_minor + hours_seconds > 0", name="nte"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    nte_minor: Mapped[int]
    hours_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    price_per_hour_minor: Mapped[int]
    least_cost_minor: Mapped[int]
    reason: Mapped[str]
    is_emergency: Mapped[bool]
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]
    answer_by: Mapped[datetime | None]


class Authorization(CaseScoped, Base):
    """The payer's yes to billable time up to ``nte_minor``: who said it, how, when, to which price.

    ``hours_seconds`` is what the case may use of hours left beyond its plan's limit, from ``covers_from`` on.
    """

    __tablename__ = "authorization"
    __table_args__ = (
        Index("ix_authorization_case_id", "case_id"),
        UniqueConstraint("request_id"),
        UniqueConstraint("emergency_id"),
        CheckConstraint("nte_minor >= 0 AND hours_seconds >= 0 AND nte_minor + hours_seconds > 0", name="nte"),
        CheckConstraint(
            "basis IN ('account', 'link', 'standing', 'spoken', 'ratified', 'import', 'purchase_order')", name="basis"
        ),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    request_id: Mapped[int | None] = mapped_column(ForeignKey("authorization_request.id"))
    standing_authorization_id: Mapped[int | None] = mapped_column(ForeignKey("standing_authorization.id"))
    emergency_id: Mapped[int | None] = mapped_column(ForeignKey("emergency.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    nte_minor: Mapped[int]
    hours_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    price_per_hour_minor: Mapped[int]
    basis: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    spoken: Mapped[Json | None]
    covers_from: Mapped[datetime]
    authorized_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class AuthorizationBalance(CaseScoped, Base):
    """What is left of an authorization; a bill item draws it down, a reversal gives it back."""

    __tablename__ = "authorization_balance"
    __table_args__ = (
        Index("ix_authorization_balance_case_id", "case_id"),
        CheckConstraint("left_minor >= 0", name="not_negative"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    authorization_id: Mapped[int] = mapped_column(ForeignKey("authorization.id"), primary_key=True)
    audience: Mapped[str]
    left_minor: Mapped[int]


class AuthorizationRefusal(CaseScoped, Base):
    """The payer's no."""

    __tablename__ = "authorization_refusal"
    __table_args__ = (
        Index("ix_authorization_refusal_case_id", "case_id"),
        UniqueConstraint("request_id"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    request_id: Mapped[int] = mapped_column(ForeignKey("authorization_request.id"))
    reason: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    refused_at: Mapped[datetime]


class Emergency(CaseScoped, Base):
    """Severity 1 went on at factory risk because nobody answered; billable only if ratified by ``ratify_by``."""

    __tablename__ = "emergency"
    __table_args__ = (
        UniqueConstraint("request_id"),
        Index("ix_emergency_case_id", "case_id"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    request_id: Mapped[int] = mapped_column(ForeignKey("authorization_request.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    began_at: Mapped[datetime]
    ratify_by: Mapped[datetime]


class EmergencyRefusal(CaseScoped, Base):
    """A person refused to ratify; the time stays at factory risk."""

    __tablename__ = "emergency_refusal"
    __table_args__ = (
        Index("ix_emergency_refusal_case_id", "case_id"),
        UniqueConstraint("emergency_id"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    emergency_id: Mapped[int] = mapped_column(ForeignKey("emergency.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    refused_at: Mapped[datetime]
