"""Tables of second factors, of sign-ins half done, of address changes and of looking on as somebody else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, UuidId


class CodeGenerator(Base):
    """An authenticator app's secret, sealed; ``confirmed_at`` NULL while it is being set up, and then still shown."""

    __tablename__ = "code_generator"
    __table_args__ = (
        Index(
            "uq_code_generator_confirmed", "person_id", unique=True, postgresql_where=text("confirmed_at IS NOT NULL")
        ),
        Index("uq_code_generator_setting_up", "person_id", unique=True, postgresql_where=text("confirmed_at IS NULL")),
    )

    id: Mapped[UuidId]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    sealed_secret: Mapped[bytes]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_used_step: Mapped[int] = mapped_column(default=0, server_default="0")


class Passkey(Base):
    """A passkey's public key; the private one never leaves the person's device."""

    __tablename__ = "passkey"
    __table_args__ = (UniqueConstraint("credential_id"), Index("ix_passkey_person_id", "person_id"))

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    credential_id: Mapped[bytes]
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    transports: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    is_backed_up: Mapped[bool]
    name: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """A code that replaces a lost factor once."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("person_id", "code_sha256"),)

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    code_sha256: Mapped[bytes]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SpentChallenge(Base):
    """A passkey challenge that was answered; it stays until it could not be answered any more anyway."""

    __tablename__ = "spent_challenge"

    challenge_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class PendingSignIn(Base):
    """A browser that has proven the first factor only; it is no session."""

    __tablename__ = "pending_sign_in"
    __table_args__ = (UniqueConstraint("token_sha256"), Index("ix_pending_sign_in_person_id", "person_id"))

    id: Mapped[UuidId]
    token_sha256: Mapped[bytes]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    membership_id: Mapped[int] = mapped_column(ForeignKey("membership.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class FactorPolicy(Base):
    """Of which roles an organisation asks a second factor."""

    __tablename__ = "factor_policy"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    required_of: Mapped[list[str]]
    changed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    changed_at: Mapped[datetime]


class KnownDevice(Base):
    """A browser that a person has signed in with, known by a cookie of its own; the row holds its hash."""

    __tablename__ = "known_device"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, autoincrement=False)
    device_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]


class AddressChange(Base):
    """A person wants to sign in with another address; it counts once the link mailed there is used."""

    __tablename__ = "address_change"
    __table_args__ = (Index("ix_address_change_person_id", "person_id"),)

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    old_email: Mapped[str]
    new_email: Mapped[str]
    asked_at: Mapped[datetime]


class Impersonation(Base):
    """An administrator asks to look on as a person of the organisation."""

    __tablename__ = "impersonation"
    __table_args__ = (
        CheckConstraint("asked_by <> person_id", name="another_person"),
        Index("ix_impersonation_organisation_id", "organisation_id"),
        Index("ix_impersonation_person_id", "person_id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str]
    asked_at: Mapped[datetime]


class ImpersonationAnswer(Base):
    """The person's own yes or no; a yes holds until ``until_at``."""

    __tablename__ = "impersonation_answer"

    impersonation_id: Mapped[int] = mapped_column(ForeignKey("impersonation.id"), primary_key=True, autoincrement=False)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    is_yes: Mapped[bool]
    answered_at: Mapped[datetime]
    until_at: Mapped[datetime]


class ImpersonationEnd(Base):
    """Looking on was ended before its time, by the person or by the administrator."""

    __tablename__ = "impersonation_end"

    impersonation_id: Mapped[int] = mapped_column(ForeignKey("impersonation.id"), primary_key=True, autoincrement=False)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    ended_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]
