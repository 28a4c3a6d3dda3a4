"""What a person is told by mail about their own sign-in: each piece of news is an entry of the audit log and a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal import jobs
from portal.access import Actor
from portal.audit import actions as audit


def record_and_tell(
    session: Session,
    actor: Actor | audit.Program,
    act: str,
    *,
    now: datetime,
    details: Mapping[str, Any] | None = None,
    person_id: int | None = None,
) -> None:
    """Keep that the actor did ``act`` to somebody's sign-in, by default their own, and have the worker mail it there.

    *Shape*: ``portal.notifications.security_letters`` has words for each ``act``; ``details`` goes into them.
    """
    about = person_id or (actor.person_id if isinstance(actor, Actor) else None)
    entry = audit.record(session, actor, act, "person", about, now=now, details=details)
    session.flush()
    jobs.enqueue(session, "notify_security", entry_id=entry.id)
