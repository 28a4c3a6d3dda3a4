"""Tables of sign-in through a provider.

A client secret and a kept ID token are sealed with a key derived from the deployment's secret; state, the browser's
mark and codes are kept as hashes or not at all. Nonce and PKCE verifier are derived, so no table holds them.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json, UuidId


class IdentityProvider(Base):
    """An organisation's own provider; discovery and keys are the last ones it answered with."""

    __tablename__ = "identity_provider"
    __table_args__ = (
        UniqueConstraint("organisation_id"),
        CheckConstraint(
            "NOT is_required OR (is_enabled AND tried_at IS NOT NULL AND break_glass_person_id IS NOT NULL)",
            name="required_when_tried",
        ),
    )

    id: Mapped[UuidId]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    issuer: Mapped[str]
    client_id: Mapped[str]
    client_secret_sealed: Mapped[bytes | None]
    roles_claim: Mapped[str] = mapped_column(default="", server_default="")
    must_show_factor: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    acr_values: Mapped[str] = mapped_column(default="", server_default="")
    is_enabled: Mapped[bool]
    is_required: Mapped[bool]
    break_glass_person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    tried_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    changed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    discovery: Mapped[Json | None]
    discovery_at: Mapped[datetime | None]
    jwks: Mapped[Json | None]
    jwks_at: Mapped[datetime | None]
    keys_asked_at: Mapped[datetime | None]
    trouble: Mapped[str] = mapped_column(default="", server_default="")
    trouble_at: Mapped[datetime | None]


class MailDomain(Base):
    """A mail domain an organisation claims; addresses in it are sent to the provider once it is confirmed."""

    __tablename__ = "mail_domain"
    __table_args__ = (
        UniqueConstraint("organisation_id", "domain"),
        Index("uq_mail_domain_confirmed", "domain", unique=True, postgresql_where=text("confirmed_at IS NOT NULL")),
        CheckConstraint("domain = lower(domain) AND domain ~ '^[^@[:space:]]+[.][^@[:space:]]+$'", name="domain"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    domain: Mapped[str]
    claimed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    claimed_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class RoleMapping(Base):
    """What a value of the provider's roles claim, or a group of the directory, makes its people here."""

    __tablename__ = "role_mapping"
    __table_args__ = (Index("uq_role_mapping_value", "organisation_id", text("lower(value)"), unique=True),)

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    value: Mapped[str]
    role: Mapped[str]


class ProviderIdentity(Base):
    """An account at a provider and the person here whom it was confirmed to be."""

    __tablename__ = "provider_identity"
    __table_args__ = (
        Index(
            "uq_provider_identity_subject",
            "organisation_id",
            "issuer",
            "subject",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "uq_provider_identity_person",
            "organisation_id",
            "issuer",
            "person_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    issuer: Mapped[str]
    subject: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    confirmed_by: Mapped[str]
    linked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ProviderFlow(Base):
    """One way to the provider and back, in one browser, once; then what was answered until it is confirmed."""

    __tablename__ = "provider_flow"
    __table_args__ = (
        UniqueConstraint("state_sha256"),
        CheckConstraint("purpose IN ('sign_in', 'link', 'invitation', 'test', 'step_up')", name="purpose"),
        CheckConstraint("kept_sealed IS NULL OR purpose = 'step_up'", name="kept_for_step_up"),
        CheckConstraint("purpose = 'sign_in' OR person_id IS NOT NULL OR link_id IS NOT NULL", name="for_somebody"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
    )

    id: Mapped[UuidId]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id"))
    issuer: Mapped[str]
    purpose: Mapped[str]
    state_sha256: Mapped[bytes]
    browser_sha256: Mapped[bytes]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    link_id: Mapped[UUID | None] = mapped_column(ForeignKey("mailed_link.id"))
    wanted: Mapped[str]
    kept_sealed: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    answered: Mapped[Json | None]
    answered_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ProviderSession(Base):
    """That a session was opened on a provider's word, and by which name the provider will end it."""

    __tablename__ = "provider_session"
    __table_args__ = (Index("ix_provider_session_sid", "organisation_id", "sid"),)

    web_session_id: Mapped[UUID] = mapped_column(ForeignKey("web_session.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    identity_id: Mapped[int] = mapped_column(ForeignKey("provider_identity.id"))
    sid: Mapped[str | None]
    id_token_sealed: Mapped[bytes]


class ProviderLogout(Base):
    """A logout token that was acted on; the same one again is known by its ``jti``."""

    __tablename__ = "provider_logout"
    __table_args__ = (UniqueConstraint("organisation_id", "jti"),)

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    jti: Mapped[str]
    at: Mapped[datetime]
