"""The verbs of worked time: start, switch and stop the timer; enter, correct, reverse and approve an entry.

A person's timer is one small row; when it stops, the row becomes an entry. Two entries of one person never overlap: the
database refuses the second, and the sentence names the first. A correction reverses and adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import TextClause, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases.models import SupportCase
from portal.cases.queries import waits_for
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.metering import queries, rules
from portal.metering.models import RunningTimer, TimeApproval, TimeEntry, TimeOccupancy, TimeReversal
from portal.rows import add_or_refuse, as_json, given_columns, know

# By the worker's own clock, else its company's.
_ZONE = """coalesce(wanted.zone, (SELECT nullif(zone, '') FROM person WHERE person.id = wanted.person_id),
    (SELECT zone FROM organisation WHERE organisation.id = wanted.organisation_id), '')"""
AS_OF_LEAVING = "stopped as of the end of the membership"


@dataclass(frozen=True)
class Work:
    """What somebody says they did, in which way; the note is read by whoever pays.

    ``role`` and ``skill`` are words of the case's policy, where its prices ask for them.
    """

    mode: str
    task_class: str
    note: str
    role: str = ""
    skill: str = ""


def start_timer(
    session: Session, actor: Actor, case: SupportCase | None, *, mode: str, task_class: str, now: datetime
) -> RunningTimer:
    """Start the actor's timer, on a case or before the call has one; a second click finds the running one.

    *Raises*: NotAllowed; Conflict when the timer runs on something else; RuleBroken while work has to wait.
    """
    _must_log_time(actor, case)
    _may_begin(session, case, now)
    if mode not in rules.MODES or task_class not in rules.TASK_CLASSES:
        raise Invalid("Choose how you work and what kind of work it is.")
    started_at = rules.whole_second(now)
    session.execute(
        insert(RunningTimer)
        .values(
            person_id=actor.person_id,
            organisation_id=actor.organisation_id,
            case_id=case.id if case else None,
            started_at=started_at,
            seen_at=started_at,
            mode=mode,
            task_class=task_class,
            note="",
        )
        .on_conflict_do_nothing(index_elements=["person_id"])
    )
    timer = _timer_of(session, actor)
    if timer is None or timer.case_id != (case.id if case else None):
        raise Conflict("Your timer runs on something else. Stop it or switch it first.")
    if case is not None and timer.started_at == started_at:
        enqueue(session, "billable_begins", case_id=case.id)
    return timer


def note_timer(session: Session, actor: Actor, note: str, now: datetime) -> RunningTimer:
    """Keep what was typed beside the running timer, and that the person was seen working."""
    timer = _running(session, actor)
    timer.note, timer.seen_at = note[: rules.LONGEST_NOTE], now
    session.flush()
    return timer


def attach_timer(session: Session, actor: Actor, case: SupportCase, now: datetime) -> RunningTimer:
    """Give the timer that ran without a case its case, once the call is saved. *Raises*: Conflict, NotFound."""
    _must_log_time(actor, case)
    timer = _running(session, actor)
    if timer.case_id not in (None, case.id):
        raise Conflict("Your timer already runs on another case.")
    timer.case_id, timer.seen_at = case.id, now
    session.flush()
    return timer


def stop_timer(
    session: Session, actor: Actor, work: Work, *, now: datetime, ended_at: datetime | None = None
) -> TimeEntry:
    """Stop the timer and log its time, up to now or, when it was forgotten, up to an earlier instant.

    *Raises*: NotFound when nothing runs; Conflict when it has no case yet; Invalid at the field.
    """
    timer = _running(session, actor)
    if timer.case_id is None:
        raise Conflict("This timer has no case yet. Save the call first, or discard the timer.")
    case = _case_of(session, timer.case_id)
    until = rules.whole_second(ended_at or now)
    rules.check_work(timer.started_at, until, mode=work.mode, task_class=work.task_class, note=work.note, now=now)
    session.delete(timer)
    session.flush()
    return _log(session, actor, case, work, started_at=timer.started_at, ended_at=until, source="timer", now=now)


def switch_timer(
    session: Session, actor: Actor, work: Work, to_case: SupportCase, *, now: datetime
) -> tuple[TimeEntry, RunningTimer]:
    """Log the running timer's time and start it on another case in the same second."""
    logged = stop_timer(session, actor, work, now=now)
    return logged, start_timer(session, actor, to_case, mode=work.mode, task_class=work.task_class, now=now)


def discard_timer(session: Session, actor: Actor) -> None:
    """Drop the running timer without logging time; nothing running is no error."""
    session.execute(
        delete(RunningTimer).where(
            RunningTimer.person_id == actor.person_id, RunningTimer.organisation_id == actor.organisation_id
        )
    )


def stop_timer_of_leaver(session: Session, *, person_id: int, organisation_id: int, as_of: datetime) -> None:
    """End a leaver's timer as of the moment of leaving; logged and flagged if it has a case and a note can be given."""
    timer = session.scalars(
        select(RunningTimer)
        .where(RunningTimer.person_id == person_id, RunningTimer.organisation_id == organisation_id)
        .with_for_update()
    ).one_or_none()
    if timer is None:
        return
    session.delete(timer)
    session.flush()
    until = rules.whole_second(as_of)
    if timer.case_id is None or until <= timer.started_at:
        return
    case = _case_of(session, timer.case_id)
    name = session.scalar(select(func.max(TimeEntry.person_name)).where(TimeEntry.person_id == person_id)) or "a leaver"
    entry = _entry_row(
        case,
        Work(timer.mode, timer.task_class, timer.note.strip() or f"Work on {case.name}, {AS_OF_LEAVING}"),
        person_id=person_id,
        person_name=name,
        organisation_id=organisation_id,
    )
    entry.started_at, entry.ended_at, entry.source = timer.started_at, until, "timer"
    entry.flag, entry.recorded_at = AS_OF_LEAVING, as_of
    _occupy(session, entry)


def enter_time(
    session: Session,
    actor: Actor,
    case: SupportCase,
    work: Work,
    *,
    started_at: datetime,
    ended_at: datetime,
    now: datetime,
) -> TimeEntry:
    """Log work by its start and end.

    *Raises*: NotAllowed; Invalid at the field, also when it overlaps other work; RuleBroken while work has to wait.
    """
    _must_log_time(actor, case)
    _may_begin(session, case, now)
    started_at, ended_at = rules.whole_second(started_at), rules.whole_second(ended_at)
    rules.check_work(started_at, ended_at, mode=work.mode, task_class=work.task_class, note=work.note, now=now)
    return _log(session, actor, case, work, started_at=started_at, ended_at=ended_at, source="manual", now=now)


def correct_entry(
    session: Session,
    actor: Actor,
    entry_id: int,
    work: Work,
    *,
    started_at: datetime,
    ended_at: datetime,
    reason: str,
    now: datetime,
) -> TimeEntry:
    """Reverse an entry and add the right one under the same root; the worker stays the worker.

    *Raises*: NotFound, NotAllowed; Conflict when it was reversed meanwhile; Invalid at the field.
    """
    started_at, ended_at = rules.whole_second(started_at), rules.whole_second(ended_at)
    rules.check_work(started_at, ended_at, mode=work.mode, task_class=work.task_class, note=work.note, now=now)
    old = reverse_entry(session, actor, entry_id, reason=reason, now=now)
    entry = _entry_row(
        _case_of(session, old.case_id),
        work,
        person_id=old.person_id,
        person_name=old.person_name,
        organisation_id=old.organisation_id,
    )
    entry.started_at, entry.ended_at, entry.source, entry.recorded_at = started_at, ended_at, "manual", now
    entry.root_id, entry.revision, entry.zone = old.root_id or old.id, old.revision + 1, old.zone
    _occupy(session, entry)
    return entry


def reverse_entry(session: Session, actor: Actor, entry_id: int, *, reason: str, now: datetime) -> TimeEntry:
    """Take an entry back, with the reason. *Raises*: NotFound, NotAllowed, Conflict, Invalid."""
    if not reason.strip():
        raise Invalid("A correction needs its reason.", {"reason": "Say why the entry was wrong."})
    state = queries.entry(session, actor, entry_id)
    old = state.entry
    if not rules.may_correct(
        actor, worker_id=old.person_id, company_id=old.organisation_id, is_approved=state.is_approved
    ):
        raise NotAllowed("Approved time is corrected by your lead or manager.")
    taken_back = TimeReversal(
        **_parties(old),
        entry_id=old.id,
        reason=reason.strip(),
        reversed_by=actor.person_id,
        reversed_at=now,
    )
    add_or_refuse(session, taken_back, Conflict("This entry was corrected meanwhile."))
    session.execute(delete(TimeOccupancy).where(TimeOccupancy.entry_id == old.id))
    if state.is_approved:
        enqueue(session, "time_changed", case_id=old.case_id)
    return old


def approve_time(session: Session, actor: Actor, entry_ids: Sequence[int], now: datetime) -> int:
    """Approve entries of the actor's company; how many were new. Approving again is harmless.

    *Raises*: NotFound when one is not the company's; NotAllowed for one's own time; Conflict for a reversed one.
    """
    wanted = sorted(set(entry_ids))
    states = [queries.entry(session, actor, entry_id) for entry_id in wanted]
    for state in states:
        entry = state.entry
        if not rules.may_approve(actor, worker_id=entry.person_id, company_id=entry.organisation_id):
            raise NotAllowed("Time is approved by a lead or manager of the worker's company, never by the worker.")
        if not state.is_live:
            raise Conflict("One of these entries was corrected meanwhile. Look again.")
    fresh = [state.entry for state in states if not state.is_approved]
    if not fresh:
        return 0
    stored = session.execute(
        insert(TimeApproval)
        .values(
            [
                {
                    **_parties(entry),
                    "entry_id": entry.id,
                    "worker_id": entry.person_id,
                    "approved_by": actor.person_id,
                    "approved_at": now,
                }
                for entry in fresh
            ]
        )
        .on_conflict_do_nothing(index_elements=["entry_id"])
        .returning(TimeApproval.case_id)
    ).scalars()
    case_ids = list(stored)
    for case_id in sorted(set(case_ids)):
        enqueue(session, "time_changed", case_id=case_id)
    return len(case_ids)


def _log(
    session: Session,
    actor: Actor,
    case: SupportCase,
    work: Work,
    *,
    started_at: datetime,
    ended_at: datetime,
    source: str,
    now: datetime,
) -> TimeEntry:
    entry = _entry_row(
        case,
        work,
        person_id=actor.person_id,
        person_name=actor.display_name,
        organisation_id=actor.organisation_id,
    )
    entry.started_at, entry.ended_at, entry.source, entry.recorded_at = started_at, ended_at, source, now
    _occupy(session, entry)
    return entry


def _entry_row(case: SupportCase, work: Work, *, person_id: int, person_name: str, organisation_id: int) -> TimeEntry:
    return TimeEntry(
        case_id=case.id,
        manufacturer_id=case.manufacturer_id,
        integrator_id=case.integrator_id,
        customer_id=case.customer_id,
        audience=rules.audience_of(work.task_class).value,
        owner_id=organisation_id,
        organisation_id=organisation_id,
        person_id=person_id,
        person_name=person_name,
        mode=work.mode,
        task_class=work.task_class,
        role=work.role,
        skill=work.skill,
        note=work.note.strip(),
    )


def _occupy(session: Session, entry: TimeEntry) -> None:
    """Store the entry with the instants it takes; the database refuses what the person has already sold."""
    session.flush()
    # A correction keeps the zone of what it corrects; all other work has the worker's as it is now.
    given = {"zone": None, **given_columns(entry)}
    stored = session.execute(_enter(tuple(given)), {"entry": as_json(given)}).one_or_none()
    if stored is None:
        sentence = "This overlaps time that is already logged for the same person."
        raise Invalid(sentence, {"started_at": sentence})
    entry.id, entry.zone = stored.id, stored.zone
    know(session, entry)


@cache
def _enter(columns: tuple[str, ...]) -> TextClause:
    """The entry goes in only with the instants it takes: where somebody has sold them already, neither does."""
    names = ", ".join(columns)
    wanted = ", ".join(_ZONE if name == "zone" else f"wanted.{name}" for name in columns)
    return text(f"""
        WITH wanted AS (
            SELECT nextval(pg_get_serial_sequence('time_entry', 'id')) AS entry_id, given.*
            FROM json_populate_record(CAST(NULL AS time_entry), CAST(:entry AS json)) AS given),
        taken AS (
            INSERT INTO time_occupancy (entry_id, organisation_id, person_id, during)
            SELECT entry_id, organisation_id, person_id, tstzrange(started_at, ended_at, '[)') FROM wanted
            ON CONFLICT DO NOTHING
            RETURNING entry_id)
        INSERT INTO time_entry (id, {names}) OVERRIDING SYSTEM VALUE
        SELECT entry_id, {wanted} FROM wanted JOIN taken USING (entry_id)
        RETURNING id, zone
    """)


def _parties(row: TimeEntry) -> dict[str, int]:
    names = ("case_id", "manufacturer_id", "integrator_id", "customer_id")
    return {name: getattr(row, name) for name in names}


def _case_of(session: Session, case_id: int) -> SupportCase:
    case = session.get(SupportCase, case_id)
    if case is None:
        raise NotFound()
    return case


def _running(session: Session, actor: Actor) -> RunningTimer:
    timer = _timer_of(session, actor)
    if timer is None:
        raise NotFound("No timer of yours is running.")
    return timer


def _timer_of(session: Session, actor: Actor) -> RunningTimer | None:
    return session.scalars(
        select(RunningTimer)
        .where(RunningTimer.person_id == actor.person_id, RunningTimer.organisation_id == actor.organisation_id)
        .with_for_update()
    ).one_or_none()


def _may_begin(session: Session, case: SupportCase | None, now: datetime) -> None:
    """Work that is begun already is always logged; other work waits for what the policy wants first."""
    if case is not None and (sentence := waits_for(session, case, now=now)):
        raise RuleBroken(sentence)


def _must_log_time(actor: Actor, case: SupportCase | None) -> None:
    if not rules.may_log_time(actor):
        raise NotAllowed("Time is logged by the service people of the two companies.")
    if case is None:
        return
    if actor.organisation_id not in (case.manufacturer_id, case.integrator_id):
        raise NotFound()
    if case.state == "closed":
        raise Conflict("This case is closed. Open a follow-up case for new work.")
