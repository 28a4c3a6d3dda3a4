"""Promises between the first answer and the resolution: kept by an act of their own, watched before they break.

A workaround, or somebody on site, ends its clock by being said, with words that the customer reads. Watching is a job
that runs when something is due to be said: a warning, a broken promise, or that the management is to be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience
from portal.cases import clocks, rules
from portal.cases.actions.core import hold, record
from portal.cases.actions.movement import respond
from portal.cases.actions.notes import NewNote, say
from portal.cases.models import CaseClock, CaseEvent, ClockClosing, Note, SupportCase
from portal.contracts.targets import Clock
from portal.errors import Invalid

# The acts that keep a promise, and the event each writes.
KEPT_BY_WORD = {
    Clock.WORKAROUND: "workaround_given",
    Clock.ON_SITE: "arrived_on_site",
    Clock.DELIVERY: "part_delivered",
}
SWEEP_AT_MOST = 500


def keep_promise(
    session: Session, actor: Actor, case: SupportCase, *, clock: Clock, words: str, seq: int, now: datetime
) -> Note:
    """Say that the customer can work again by a workaround, that somebody of the factory is there, or a part.

    Its clock ends as kept or missed; the case goes on. *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.KEEP_PROMISE)
    if clock not in KEPT_BY_WORD:
        raise Invalid("Choose what was done.", {"clock": "Choose a workaround, arrival on site or a delivery."})
    note = say(session, held, KEPT_BY_WORD[clock], "note", NewNote(words, Audience.CUSTOMER))
    past = clocks.history(session, held.case, now)
    clocks.stop_clocks(session, held.case, [clock], past, now=now)
    respond(session, held)
    clocks.set_due(session, held.case, past, now=now)
    return note


def watch_case(session: Session, case_id: int, *, now: datetime) -> list[str]:
    """The job: say what is due to be said about a case's promises, each thing once; the kinds of events written."""
    held = hold(session, None, case_id, now=now)
    if held.case.state not in ("open", "offered", "waiting"):
        return []
    past = clocks.history(session, held.case, now)
    told = _told(session, case_id)
    written = []
    running = clocks.running_clocks(session, case_id)
    policies = clocks.policies_for(session, running)
    for clock in running:
        notice = _notice(clock, clocks.read(clock, past, policies[clock.version_id], now=now), now)
        if notice is None or (notice.kind, clock.id) in told:
            continue
        details = {"clock_id": clock.id, "clock": clock.kind, "due_at": notice.due_at.isoformat()}
        record(session, held, notice.kind, audience=notice.audience, details=details)
        if notice.kind == "management_told":
            clocks.stop_clocks(session, held.case, [Clock.MANAGEMENT], past, now=max(clock.started_at, notice.due_at))
        written.append(notice.kind)
    clocks.set_due(session, held.case, past, now=now)
    return written


def cases_to_watch(session: Session, *, now: datetime, limit: int = SWEEP_AT_MOST) -> Sequence[int]:
    """The sweep: open cases of which something about a watched promise may be due, though its job was lost."""
    could_be_due = CaseClock.started_at + func.make_interval(0, 0, 0, 0, 0, 0, CaseClock.target_seconds) <= now
    watched = or_(CaseClock.kind == Clock.MANAGEMENT.value, CaseClock.promise["warn_minutes"].as_integer().is_not(None))
    missed = exists().where(
        CaseEvent.case_id == CaseClock.case_id,
        CaseEvent.kind == "promise_missed",
        CaseEvent.details["clock_id"].as_integer() == CaseClock.id,
    )
    return session.scalars(
        select(CaseClock.case_id)
        .join(SupportCase, SupportCase.id == CaseClock.case_id)
        .outerjoin(ClockClosing, ClockClosing.clock_id == CaseClock.id)
        .where(SupportCase.state.in_(("open", "offered", "waiting")), ClockClosing.id.is_(None), could_be_due, watched)
        .where(~missed)
        .distinct()
        .limit(limit)
    ).all()


@dataclass(frozen=True)
class _Notice:
    kind: str
    audience: str
    due_at: datetime


def _notice(clock: CaseClock, reading: rules.ClockReading, now: datetime) -> _Notice | None:
    """What is to be said about a watched clock now; nothing about one that stands or has no date."""
    if reading.due_at is None or not clocks.is_watched(clock):
        return None
    if clock.kind == Clock.MANAGEMENT:
        return _Notice("management_told", "companies", reading.due_at) if reading.due_at <= now else None
    if reading.state is rules.ClockState.MISSED:
        return _Notice("promise_missed", "companies", reading.due_at)
    if now >= clocks.warned_at(clock, reading.due_at):
        # What may go wrong is the factory's own affair until it has gone wrong.
        return _Notice("promise_at_risk", "own", reading.due_at)
    return None


def _told(session: Session, case_id: int) -> set[tuple[str, int]]:
    rows = session.execute(
        select(CaseEvent.kind, CaseEvent.details).where(
            CaseEvent.case_id == case_id,
            CaseEvent.kind.in_(("promise_at_risk", "promise_missed", "management_told")),
        )
    )
    return {(kind, int(details["clock_id"])) for kind, details in rows}
