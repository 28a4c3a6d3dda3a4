"""Tasks about a change of servicing integrator: the technical history goes to whoever services the systems now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.cases import actions as cases
from portal.worker.registry import task


@task("hand_over_history")
def hand_over_history(session: Session, now: datetime, *, relationship_id: int) -> None:
    cases.hand_over_history(session, relationship_id, now=now)


@task("hand_over_later_cases", every="50 2 * * *")
def hand_over_later_cases(session: Session, now: datetime) -> None:
    cases.hand_over_later_cases(session, now=now)
