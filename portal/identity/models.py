"""Tables of people, memberships, sessions and mailed links.

Tokens are stored as SHA-256 only. Look-ups before anybody is signed in go through definer functions that return ids.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

import portal.identity.factors.models  # noqa: F401  the tables of second factors belong to these
from portal.db import Base, Id, UuidId


class Person(Base):
    """Somebody who may act; ``visible_to`` lists the organisations the person is or was a member of."""

    __tablename__ = "person"
    __table_args__ = (Index("uq_person_email", text("lower(email)"), unique=True),)

    id: Mapped[Id]
    email: Mapped[str]
    display_name: Mapped[str]
    phone: Mapped[str] = mapped_column(default="", server_default="")
    # Empty where the person never chose one: then its company's holds.
    zone: Mapped[str] = mapped_column(default="", server_default="")
    locale: Mapped[str] = mapped_column(default="en", server_default="en")
    visible_to: Mapped[list[int]] = mapped_column(default=list, server_default="{}")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Credential(Base):
    """A person's password hash (argon2id); apart from person so that no listing can carry it."""

    __tablename__ = "credential"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    password_hash: Mapped[str]
    set_at: Mapped[datetime]


class Membership(Base):
    """A person acting for an organisation; ``site_ids`` NULL means all its sites."""

    __tablename__ = "membership"
    __table_args__ = (
        Index(
            "uq_membership_current",
            "person_id",
            "organisation_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_membership_organisation_id", "organisation_id"),
        CheckConstraint("cardinality(roles) > 0", name="has_roles"),
    )

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    roles: Mapped[list[str]]
    site_ids: Mapped[list[int] | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class WebSession(Base):
    """A signed-in browser; the cookie holds the token, the row its hash."""

    __tablename__ = "web_session"
    __table_args__ = (
        UniqueConstraint("token_sha256"),
        Index("ix_web_session_person_id", "person_id"),
        Index("ix_web_session_membership_id", "membership_id"),
    )

    id: Mapped[UuidId]
    token_sha256: Mapped[bytes]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    membership_id: Mapped[int] = mapped_column(ForeignKey("membership.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    user_agent: Mapped[str] = mapped_column(default="", server_default="")
    address: Mapped[str] = mapped_column(default="", server_default="")
    # The last proof of who sits there, for acts that need one of the last minutes; NULL is none since the sign-in.
    proven_by: Mapped[str] = mapped_column(default="password", server_default="password")
    proven_at: Mapped[datetime | None]
    impersonation_id: Mapped[int | None] = mapped_column(ForeignKey("impersonation.id"))


class MailedLink(Base):
    """A link that allows one act on one object and version; using or voiding it inserts a row beside it."""

    __tablename__ = "mailed_link"
    __table_args__ = (
        UniqueConstraint("token_sha256"),
        Index("ix_mailed_link_object", "object_type", "object_id"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
    )

    id: Mapped[UuidId]
    token_sha256: Mapped[bytes]
    act: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    object_version: Mapped[int]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    email: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class MailedLinkUse(Base):
    """The one consumption of a link."""

    __tablename__ = "mailed_link_use"

    link_id: Mapped[UUID] = mapped_column(ForeignKey("mailed_link.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    used_at: Mapped[datetime]


class MailedLinkVoid(Base):
    """A link taken back before its use."""

    __tablename__ = "mailed_link_void"

    link_id: Mapped[UUID] = mapped_column(ForeignKey("mailed_link.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    voided_at: Mapped[datetime]
    reason: Mapped[str]


class Invitation(Base):
    """An organisation asks an address to join with these roles; accepted through its mailed link."""

    __tablename__ = "invitation"
    __table_args__ = (Index("ix_invitation_organisation_id", "organisation_id"),)

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    email: Mapped[str]
    display_name: Mapped[str]
    roles: Mapped[list[str]]
    site_ids: Mapped[list[int] | None]
    invited_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    invited_at: Mapped[datetime]
    link_id: Mapped[UUID] = mapped_column(ForeignKey("mailed_link.id"))


class Throttle(Base):
    """Attempts in the current window per hashed key; shared by all web hosts."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_started_at: Mapped[datetime]
    attempts: Mapped[int]
