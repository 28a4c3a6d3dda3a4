"""The only writer of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit.models import AuditEntry


@dataclass(frozen=True)
class Program:
    """A program that an organisation let act for it: its directory or its provider, under the name it was given."""

    organisation_id: int
    name: str


def record(
    session: Session,
    actor: Actor | Program,
    act: str,
    object_type: str,
    object_id: object,
    *,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Keep that the actor did ``act`` to the object; ``details`` holds what changed, never a secret."""
    by_program = {"program": actor.name} if isinstance(actor, Program) else {}
    entry = AuditEntry(
        at=now,
        organisation_id=actor.organisation_id,
        # A mailed link may act for somebody who has no account yet.
        person_id=actor.person_id or None if isinstance(actor, Actor) else None,
        act=act,
        object_type=object_type,
        object_id=str(object_id),
        details={**by_program, **(details or {})},
    )
    session.add(entry)
    return entry
