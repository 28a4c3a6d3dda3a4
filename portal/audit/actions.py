"""The only writer of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit.models import AuditEntry


def record(
    session: Session,
    actor: Actor,
    act: str,
    object_type: str,
    object_id: object,
    *,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Keep that the actor did ``act`` to the object; ``details`` holds what changed, never a secret."""
    entry = AuditEntry(
        at=now,
        organisation_id=actor.organisation_id,
        # A mailed link may act for somebody who has no account yet.
        person_id=actor.person_id or None,
        act=act,
        object_type=object_type,
        object_id=str(object_id),
        details=dict(details or {}),
    )
    session.add(entry)
    return entry
