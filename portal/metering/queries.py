"""Reads of worked time, always scoped by the actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side
from portal.cases.models import SupportCase
from portal.errors import NotFound
from portal.metering.models import (
    FittedPart,
    PartConfirmation,
    PartReversal,
    RunningTimer,
    TimeApproval,
    TimeEntry,
    TimeReversal,
)
from portal.rows import Facts
from portal.sql import Sql

PAGE = 50


@dataclass(frozen=True)
class EntryState:
    """An entry with what became of it; live means not reversed."""

    entry: TimeEntry
    approved_at: datetime | None
    reversal: TimeReversal | None

    @property
    def is_live(self) -> bool:
        """Whether the entry still counts."""
        return self.reversal is None

    @property
    def is_approved(self) -> bool:
        """Whether somebody else said it is right."""
        return self.approved_at is not None


@dataclass(frozen=True)
class RunningWork:
    """The actor's running timer with the name of its case, if it has one yet."""

    timer: RunningTimer
    case_name: str | None
    case_title: str | None


_RUNNING = (
    select(RunningTimer, SupportCase.name, SupportCase.title)
    .outerjoin(SupportCase, SupportCase.id == RunningTimer.case_id)
    .where(
        RunningTimer.person_id == bindparam("person_id"), RunningTimer.organisation_id == bindparam("organisation_id")
    )
)
# Asked by every page of somebody who logs time, for whom the transaction reads.
_OWN_TIMER = Sql(
    select(RunningTimer.started_at, SupportCase.name)
    .outerjoin(SupportCase, SupportCase.id == RunningTimer.case_id)
    .where(RunningTimer.person_id == func.portal_person(), RunningTimer.organisation_id == func.portal_organisation()),
    often=True,
)


def running_work(session: Session, actor: Actor) -> RunningWork | None:
    """What the actor's timer runs on; None when nothing runs."""
    whose = {"person_id": actor.person_id, "organisation_id": actor.organisation_id}
    row = session.execute(_RUNNING, whose).one_or_none()
    return RunningWork(row[0], row[1], row[2]) if row is not None else None


def own_timer(session: Session) -> tuple[datetime, str | None] | None:
    """Since when the timer runs of whom the session reads for, and on which case; None when nothing runs."""
    session.flush()
    rows = _OWN_TIMER.rows(session, {})
    return (rows[0][0], rows[0][1]) if rows else None


def entry(session: Session, actor: Actor, entry_id: int) -> EntryState:
    """One entry of the actor's company. *Raises*: NotFound."""
    found = _states(
        session, _entries().where(TimeEntry.id == entry_id, TimeEntry.organisation_id == actor.organisation_id)
    )
    if not found:
        raise NotFound()
    return found[0]


def entries_of_case(session: Session, actor: Actor, case_id: int) -> Sequence[EntryState]:
    """Every entry of a case that the actor may read, in order of work, reversed ones included."""
    statement = _entries().where(TimeEntry.case_id == case_id)
    if actor.side is Side.CUSTOMER:
        statement = statement.where(TimeEntry.audience == Audience.CUSTOMER)
    return _states(session, statement.order_by(TimeEntry.started_at, TimeEntry.id))


def entry_states(actor: Actor, rows: Facts) -> Sequence[EntryState]:
    """The same from rows of a case that were read together with others."""
    approved = {row.entry_id: row.approved_at for row in rows[TimeApproval]}
    reversed_by = {row.entry_id: row for row in rows[TimeReversal]}
    shown = [row for row in rows[TimeEntry] if actor.side is not Side.CUSTOMER or row.audience == Audience.CUSTOMER]
    return [
        EntryState(row, approved.get(row.id), reversed_by.get(row.id))
        for row in sorted(shown, key=lambda row: (row.started_at, row.id))
    ]


def timesheet(
    session: Session, actor: Actor, *, worker_id: int, from_at: datetime, until_at: datetime
) -> Sequence[EntryState]:
    """A worker's entries that start in [from_at, until_at), in order; only of the actor's own company."""
    statement = _entries().where(
        TimeEntry.organisation_id == actor.organisation_id,
        TimeEntry.person_id == worker_id,
        TimeEntry.started_at >= from_at,
        TimeEntry.started_at < until_at,
    )
    return _states(session, statement.order_by(TimeEntry.started_at, TimeEntry.id))


def awaiting_approval(session: Session, actor: Actor, limit: int = PAGE) -> Sequence[TimeEntry]:
    """Live entries of the actor's company that nobody has approved, oldest first; the actor's own left out."""
    return session.scalars(
        select(TimeEntry)
        .where(
            TimeEntry.organisation_id == actor.organisation_id,
            TimeEntry.person_id != actor.person_id,
            _not_reversed(),
            ~exists().where(TimeApproval.entry_id == TimeEntry.id),
        )
        .order_by(TimeEntry.started_at, TimeEntry.id)
        .limit(limit)
    ).all()


def parts_to_confirm(session: Session, actor: Actor, limit: int = PAGE) -> Sequence[FittedPart]:
    """Parts that the actor's company recorded and that wait for a second person; the actor's own left out."""
    return session.scalars(
        select(FittedPart)
        .where(
            FittedPart.organisation_id == actor.organisation_id,
            FittedPart.recorded_by != actor.person_id,
            FittedPart.needs_second,
            ~exists().where(PartConfirmation.part_id == FittedPart.id),
            ~exists().where(PartReversal.part_id == FittedPart.id),
        )
        .order_by(FittedPart.fitted_at, FittedPart.id)
        .limit(limit)
    ).all()


def unconfirmed_parts(rows: Facts) -> Sequence[FittedPart]:
    """The parts among rows of a case that stand and wait for a second person."""
    done = {row.part_id for row in (*rows[PartConfirmation], *rows[PartReversal])}
    return [row for row in rows[FittedPart] if row.needs_second and row.id not in done]


def approved_entries(session: Session, case_id: int) -> Sequence[TimeEntry]:
    """The live, approved entries of a case in order of work: what billing rates."""
    return session.scalars(
        select(TimeEntry)
        .join(TimeApproval, TimeApproval.entry_id == TimeEntry.id)
        .where(TimeEntry.case_id == case_id, _not_reversed())
        .order_by(TimeEntry.started_at, TimeEntry.id)
    ).all()


def has_unapproved(session: Session, case_id: int) -> bool:
    """Whether live work on the case still waits for approval."""
    waiting = exists().where(
        TimeEntry.case_id == case_id, _not_reversed(), ~exists().where(TimeApproval.entry_id == TimeEntry.id)
    )
    return bool(session.scalar(select(waiting)))


def runs_on(session: Session, case_id: int) -> bool:
    """Whether anybody's timer runs on the case."""
    return bool(session.scalar(select(exists().where(RunningTimer.case_id == case_id))))


def _entries() -> Select[TimeEntry, datetime, TimeReversal]:
    return (
        select(TimeEntry, TimeApproval.approved_at, TimeReversal)
        .outerjoin(TimeApproval, TimeApproval.entry_id == TimeEntry.id)
        .outerjoin(TimeReversal, TimeReversal.entry_id == TimeEntry.id)
    )


def _states(session: Session, statement: Select[TimeEntry, datetime, TimeReversal]) -> Sequence[EntryState]:
    return [EntryState(*row) for row in session.execute(statement)]


def _not_reversed() -> ColumnElement[bool]:
    return ~exists().where(TimeReversal.entry_id == TimeEntry.id)


def case_to_work_on(session: Session, actor: Actor, name: str) -> SupportCase:
    """A case of the actor's company by its name, for logging work. *Raises*: NotFound."""
    own = SupportCase.manufacturer_id if actor.side is Side.MANUFACTURER else SupportCase.integrator_id
    statement = select(SupportCase).where(SupportCase.name == name.strip().upper(), own == actor.organisation_id)
    if actor.side is Side.CUSTOMER:
        raise NotFound()
    if actor.site_ids is not None:
        statement = statement.where(SupportCase.site_id.in_(actor.site_ids))
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound()
    return found


def case_names(session: Session, case_ids: Sequence[int]) -> dict[int, str]:
    """The names of cases by id."""
    rows = session.execute(select(SupportCase.id, SupportCase.name).where(SupportCase.id.in_(set(case_ids))))
    return {row.id: row.name for row in rows}
