"""Cases by what a page knows already: the systems lately worked on, the cases of a system, those of some ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases.models import SupportCase
from portal.cases.queries.scope import case_scope
from portal.directory.models import System
from portal.directory.queries import systems_of

# How far back "lately" looks, in cases; an index hands them out newest first.
_LATELY_CASES = 200
_SYSTEMS = 5


def recent_systems(session: Session, actor: Actor, on: date, limit: int = _SYSTEMS) -> Sequence[System]:
    """The systems of the company's latest cases that the actor may still act on, latest first."""
    lately = (
        select(SupportCase.id, SupportCase.system_id)
        .where(case_scope(actor))
        .order_by(SupportCase.id.desc())
        .limit(_LATELY_CASES)
        .subquery()
    )
    latest = select(lately.c.system_id, func.max(lately.c.id).label("case_id")).group_by(lately.c.system_id).subquery()
    statement = systems_of(actor, on).join(latest, latest.c.system_id == System.id)
    return session.scalars(statement.order_by(latest.c.case_id.desc()).limit(limit)).all()


def cases_of_system(session: Session, actor: Actor, system_id: int, limit: int = 20) -> Sequence[SupportCase]:
    """The actor's cases about a system, newest first."""
    mine = (case_scope(actor), SupportCase.system_id == system_id)
    return session.scalars(select(SupportCase).where(*mine).order_by(SupportCase.id.desc()).limit(limit)).all()


def cases_by_id(session: Session, actor: Actor, ids: Collection[int]) -> dict[int, SupportCase]:
    """Those of the cases that are the actor's, by id."""
    mine = (case_scope(actor), SupportCase.id.in_(set(ids)))
    return {case.id: case for case in session.scalars(select(SupportCase).where(*mine))} if ids else {}
