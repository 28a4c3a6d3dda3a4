"""Reads of the audit log, for administrators of the organisation it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit.models import AuditEntry

EXPORTED = 50_000


def exported(session: Session, actor: Actor, since_id: int) -> Sequence[AuditEntry]:
    """The acts of the actor's organisation after ``since_id``, oldest first, as many as one file holds."""
    statement = select(AuditEntry).where(AuditEntry.organisation_id == actor.organisation_id, AuditEntry.id > since_id)
    return session.scalars(statement.order_by(AuditEntry.id).limit(EXPORTED)).all()


def entries(session: Session, actor: Actor, before_id: int | None, limit: int) -> Sequence[AuditEntry]:
    """The acts of the actor's organisation, latest first, older than ``before_id``."""
    statement = select(AuditEntry).where(AuditEntry.organisation_id == actor.organisation_id)
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    return session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)).all()
