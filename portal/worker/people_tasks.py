"""Tasks about people of organisations that have nobody yet who could act."""

from __future__ import annotations

from datetime import datetime

from portal.db import transaction
from portal.identity import people
from portal.worker.registry import Edges, task


@task("invite_first_administrator", own_transactions=True)
def invite_first_administrator(
    edges: Edges, now: datetime, *, organisation_id: int, email: str, name: str, invited_by: int
) -> None:
    with transaction(edges.engine) as session:
        people.invite_first_administrator(
            session,
            organisation_id,
            email=email,
            name=name,
            invited_by=invited_by,
            secret=edges.settings.secret_key,
            now=now,
        )
