"""Tables of provisioning: tokens by hash, and users and groups as the organisation's directory last told them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json, UuidId


class ScimToken(Base):
    """What a directory presents with each call; shown once, kept as a hash."""

    __tablename__ = "scim_token"
    __table_args__ = (
        UniqueConstraint("token_sha256"),
        Index("ix_scim_token_organisation_id", "organisation_id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str]
    token_sha256: Mapped[bytes]
    created_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ScimUser(Base):
    """A user of the directory; ``membership_id`` is the present membership, none while inactive or not yet accepted."""

    __tablename__ = "scim_user"
    __table_args__ = (
        Index("uq_scim_user_user_name", "organisation_id", text("lower(user_name)"), unique=True),
        Index("uq_scim_user_person_id", "organisation_id", "person_id", unique=True),
        Index("ix_scim_user_external_id", "organisation_id", "external_id"),
    )

    id: Mapped[UuidId]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    membership_id: Mapped[int | None] = mapped_column(ForeignKey("membership.id"))
    user_name: Mapped[str]
    external_id: Mapped[str | None]
    attributes: Mapped[Json]
    is_active: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]
    modified_at: Mapped[datetime]


class ScimGroup(Base):
    """A group of the directory; mapped to a role by its name."""

    __tablename__ = "scim_group"
    __table_args__ = (Index("uq_scim_group_display_name", "organisation_id", text("lower(display_name)"), unique=True),)

    id: Mapped[UuidId]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    display_name: Mapped[str]
    external_id: Mapped[str | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    modified_at: Mapped[datetime]


class ScimGroupMember(Base):
    """That a user is in a group."""

    __tablename__ = "scim_group_member"
    __table_args__ = (Index("ix_scim_group_member_user_id", "user_id"),)

    group_id: Mapped[UUID] = mapped_column(ForeignKey("scim_group.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("scim_user.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
