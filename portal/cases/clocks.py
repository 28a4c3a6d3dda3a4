"""A case's clocks as stored, read by the rules: what is due, what is used, how a clock ended.

Due times are never stored as truth: they are counted from custody, pauses and the calendar of the signed version that
made the promise. The header keeps the earliest one so that lists can be sorted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.calendars import Calendar, Period
from portal.cases import rules
from portal.cases.models import (
    CaseClock,
    CasePause,
    ClockClosing,
    CustodyAcceptance,
    PauseEnd,
    PromiseRemedy,
    SupportCase,
)
from portal.cases.remedies import owed_for
from portal.contracts.blocks import Company
from portal.contracts.calendar_blocks import NOWHERE, Places, WhoseZone
from portal.contracts.models import DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.promises import Moments, begins_at, due_of, promise_words
from portal.contracts.queries import WITHOUT_TEXT, policies_of, policy_of
from portal.contracts.rules import calendar_block, calendar_label, calendar_named
from portal.contracts.targets import Clock, Target
from portal.directory.models import Organisation, Site
from portal.entitlement.queries import Terms
from portal.identity.models import Person
from portal.jobs import enqueue

# A promise is broken by the first second after it is due.
_BROKEN_AFTER = timedelta(seconds=1)


@dataclass(frozen=True)
class Wait:
    """One pause of a case, up to now where it ``lasts``, with the policy's code of its reason."""

    reason_code: str | None
    period: Period
    lasts: bool


@dataclass(frozen=True)
class History:
    """Who held the case when, and when it waited."""

    custody: tuple[rules.Segment, ...]
    waits: tuple[Wait, ...]
    acceptances: tuple[CustodyAcceptance, ...]

    @property
    def paused(self) -> bool:
        """Whether a pause lasts."""
        return any(wait.lasts for wait in self.waits)


@dataclass(frozen=True)
class ClockLine:
    """A clock with its reading and, where it has ended, how; ``target`` is the document's row, where it is kept."""

    clock: CaseClock
    reading: rules.ClockReading
    closing: ClockClosing | None
    target: Target | None = None
    calendar_label: str = ""
    notes: tuple[str, ...] = ()

    @property
    def promise(self) -> str:
        """How long it is, in the document's words; nothing where that is its seconds."""
        return promise_words(self.target) if self.target is not None and self.target.minutes is None else ""


def history(session: Session, case: SupportCase, now: datetime) -> History:
    """Custody and pauses of a case, up to now."""
    accepted = session.scalars(
        select(CustodyAcceptance).where(CustodyAcceptance.case_id == case.id).order_by(CustodyAcceptance.seq)
    ).all()
    paused = session.execute(
        select(CasePause.reason_code, CasePause.from_at, PauseEnd.ended_at)
        .outerjoin(PauseEnd, PauseEnd.pause_id == CasePause.id)
        .where(CasePause.case_id == case.id)
        .order_by(CasePause.from_at)
    ).all()
    return history_of(case, accepted, [(row[0], row[1], row[2]) for row in paused], now)


def history_of(
    case: SupportCase,
    accepted: Sequence[CustodyAcceptance],
    paused: Iterable[tuple[str | None, datetime, datetime | None]],
    now: datetime,
) -> History:
    """The same from rows that were read already."""
    stretches = rules.segments(
        [
            rules.Acceptance(
                row.seq,
                Company.MANUFACTURER if row.company_id == case.manufacturer_id else Company.INTEGRATOR,
                row.from_at,
                row.channel,
            )
            for row in accepted
        ]
    )
    waits = tuple(Wait(code, Period(start, max(start, end or now)), end is None) for code, start, end in paused)
    return History(stretches, waits, tuple(accepted))


def running_clocks(session: Session, case_id: int) -> Sequence[CaseClock]:
    """The clocks of a case that have not ended."""
    return session.scalars(
        select(CaseClock)
        .outerjoin(ClockClosing, ClockClosing.clock_id == CaseClock.id)
        .where(CaseClock.case_id == case_id, ClockClosing.id.is_(None))
        .order_by(CaseClock.id)
    ).all()


def read(
    clock: CaseClock, past: History, policy: Policy, *, now: datetime, stopped_at: datetime | None = None
) -> rules.ClockReading:
    """A clock at ``now``, in the calendar of the version that promised it: ``policy``."""
    return rules.read_clock(facts_of(clock, past, policy, stopped_at=stopped_at), now)


def line_of(
    clock: CaseClock, past: History, policy: Policy, *, now: datetime, closing: ClockClosing | None
) -> ClockLine:
    """A stored clock as a page shows it."""
    facts = facts_of(clock, past, policy, stopped_at=closing.closed_at if closing is not None else None)
    reading = rules.read_clock(facts, now)
    label = calendar_label(policy, clock.calendar_code)
    return ClockLine(clock, reading, closing, target_of_clock(clock), label, rules.notes_of(facts, reading))


def facts_of(clock: CaseClock, past: History, policy: Policy, *, stopped_at: datetime | None) -> rules.ClockFacts:
    """A stored clock as the rules read it: with its calendar, and with the pauses that stop it."""
    kind, target = Clock(clock.kind), target_of_clock(clock)
    heard = [wait for wait in past.waits if rules.stopping(kind, target, policy.pause_reasons, wait.reason_code)]
    return rules.ClockFacts(
        clock=kind,
        calendar=calendar_of(policy, clock),
        target_seconds=clock.target_seconds,
        started_at=clock.started_at,
        stopped_at=stopped_at,
        custody=past.custody,
        pauses=tuple(wait.period for wait in heard),
        paused=any(wait.lasts for wait in heard),
        answer_pauses=True,
        without_date=target is not None and target.next_release,
    )


def proof_of_clock(
    session: Session, case: SupportCase, clock: CaseClock, *, now: datetime, stopped_at: datetime | None
) -> dict[str, Any]:
    """Why a stored clock's deadline is what it is, with everything it is counted from."""
    version = session.get_one(DocumentVersion, clock.version_id, options=WITHOUT_TEXT)
    policy = policy_of(version)
    target = target_of_clock(clock)
    about = {
        "case": case.name,
        "policy": policy.title,
        "policy_version": version.number,
        "policy_sha256": version.sha256,
        "calendar": clock.calendar_code,
        "calendar_label": calendar_label(policy, clock.calendar_code),
        "promise": promise_words(target) if target is not None else None,
    }
    facts = facts_of(clock, history(session, case, now), policy, stopped_at=stopped_at)
    return rules.proof_of(facts, now, about)


def target_of_clock(clock: CaseClock) -> Target | None:
    """The document's row that a stored clock was made from; None on old rows."""
    return Target.model_validate_json(json.dumps(clock.promise)) if clock.promise is not None else None


def calendar_of(policy: Policy, clock: CaseClock) -> Calendar:
    """The calendar in which a stored clock counts."""
    calendar = calendar_named(policy, clock.calendar_code)
    return replace(calendar, zone=clock.zone) if clock.zone is not None else calendar


def start_clocks(
    session: Session, case: SupportCase, specs: Iterable[rules.ClockSpec], terms: Terms, *, moments: Moments
) -> None:
    """Open clocks of the factory's promises; those whose moment has not come are left for later."""
    session.add_all(new_clocks(session, case, specs, terms, moments=moments))


def new_clocks(
    session: Session, case: SupportCase, specs: Iterable[rules.ClockSpec], terms: Terms, *, moments: Moments
) -> list[CaseClock]:
    """The rows of the clocks whose moment has come."""
    found, made = list(specs), []
    places = places_of(session, case, terms.policy, [spec.calendar for spec in found])
    for spec in found:
        block = calendar_block(terms.policy, spec.calendar, places.region)
        calendar = block.opened_in(terms.policy.zone, places)
        begins = moments.arrived_at if spec.target is None else begins_at(spec.target, calendar, moments)
        if begins is None:
            continue
        due = None if spec.target is None else due_of(spec.target, calendar, begins)
        made.append(
            CaseClock(
                case_id=case.id,
                manufacturer_id=case.manufacturer_id,
                integrator_id=case.integrator_id,
                customer_id=case.customer_id,
                kind=spec.clock.value,
                company_id=case.manufacturer_id,
                version_id=terms.policy_version_id,
                calendar_code=block.code,
                target_seconds=spec.target_seconds if due is None else due.seconds,
                started_at=begins,
                due_at=None,
                zone=calendar.zone if block.whose_zone is not WhoseZone.FIXED else None,
                promise=spec.target.model_dump(mode="json") if spec.target is not None else None,
            )
        )
    return made


def places_of(session: Session, case: SupportCase, policy: Policy, codes: Iterable[str]) -> Places:
    """Where the case is, as far as the calendars of these codes ask: the customer's country and the clocks there."""
    wanted = set(codes)
    blocks = [block for block in policy.calendars if block.code in wanted]
    blocks += [calendar_block(policy, row.calendar) for block in blocks for row in block.by_region]
    if not any(block.by_region or block.whose_zone is not WhoseZone.FIXED for block in blocks):
        return NOWHERE
    site_zone, country = session.execute(
        select(Site.zone, Organisation.country)
        .join(Organisation, Organisation.id == Site.customer_id)
        .where(Site.id == case.site_id)
    ).one()
    engineer = session.get(Person, case.assignee_id) if case.assignee_id is not None else None
    return Places(country.lower(), site_zone, engineer.zone if engineer is not None else None)


def stop_clocks(
    session: Session,
    case: SupportCase,
    kinds: Iterable[Clock],
    past: History,
    *,
    now: datetime,
    void: bool = False,
) -> list[CaseClock]:
    """End the running clocks of some kinds: met or missed, or void where another promise replaces them."""
    wanted = {kind.value for kind in kinds}
    ended = [clock for clock in running_clocks(session, case.id) if clock.kind in wanted]
    policies = policies_for(session, ended)
    for clock in ended:
        reading = read(clock, past, policies[clock.version_id], now=now, stopped_at=now)
        outcome = "void" if void else "missed" if reading.state is rules.ClockState.MISSED else "met"
        if outcome == "missed" and is_promised(clock):
            late = reading.used_seconds - clock.target_seconds
            _owe(session, owed_for(case, clock, policies[clock.version_id], late_seconds=late, now=now))
        session.add(
            ClockClosing(
                case_id=case.id,
                manufacturer_id=case.manufacturer_id,
                integrator_id=case.integrator_id,
                customer_id=case.customer_id,
                clock_id=clock.id,
                outcome=outcome,
                used_seconds=reading.used_seconds,
                closed_at=now,
            )
        )
    session.flush()
    return ended


def _owe(session: Session, owed: PromiseRemedy | None) -> None:
    """Keep what a broken promise gives back; a job settles it."""
    if owed is not None:
        session.add(owed)
        session.flush()
        enqueue(session, "settle_remedy", remedy_id=owed.id)


@dataclass(frozen=True)
class Due:
    """What is due first of a case's promises, and when a watched one has to be looked at."""

    at: datetime | None
    kind: str | None
    look_at: datetime | None


def replaced_clocks(session: Session, case_id: int) -> dict[rules.ClockSpec, datetime]:
    """The promises of a case that another one replaced, with when each began."""
    rows = session.scalars(
        select(CaseClock)
        .join(ClockClosing, ClockClosing.clock_id == CaseClock.id)
        .where(CaseClock.case_id == case_id, ClockClosing.outcome == "void")
        .order_by(CaseClock.id)
    )
    return {spec_of(clock): clock.started_at for clock in rows}


def set_due(session: Session, case: SupportCase, past: History, *, now: datetime) -> None:
    """Keep the earliest due time of the promises on the header, and have the watched ones looked at in time."""
    running = running_clocks(session, case.id)
    found = due_first(running, past, policies_for(session, running), now)
    case.due_at, case.due_kind = found.at, found.kind
    session.flush()
    if found.look_at is not None:
        enqueue(session, "watch_case", run_at=found.look_at, case_id=case.id)


def due_first(running: Iterable[CaseClock], past: History, policies: Mapping[int, Policy], now: datetime) -> Due:
    """What running clocks come to; ``policies`` by the versions that made the promises."""
    read_now = [(clock, read(clock, past, policies[clock.version_id], now=now).due_at) for clock in running]
    dues = [(due_at, clock.kind) for clock, due_at in read_now if due_at is not None and is_promised(clock)]
    moments = [
        moment
        for clock, due_at in read_now
        if due_at is not None and is_watched(clock)
        for moment in (warned_at(clock, due_at), due_at + _BROKEN_AFTER)
        if moment > now
    ]
    at, kind = min(dues, default=(None, None))
    return Due(at, kind, min(moments, default=None))


def is_watched(clock: CaseClock) -> bool:
    """Whether somebody is told before a promise breaks, or by when the management is told."""
    warns = clock.promise is not None and clock.promise.get("warn_minutes") is not None
    return warns or clock.kind == Clock.MANAGEMENT


def warned_at(clock: CaseClock, due_at: datetime) -> datetime:
    """When those who work on it are warned; at the due time where nothing says earlier."""
    minutes = (clock.promise or {}).get("warn_minutes") or 0
    return due_at - timedelta(minutes=int(minutes))


def is_promised(clock: CaseClock) -> bool:
    """Whether missing it breaks a promise: an aim does not, nor a timer that tells the management."""
    best_effort = clock.promise is not None and bool(clock.promise.get("best_effort"))
    return clock.kind != Clock.MANAGEMENT and not best_effort


def calendar_read(session: Session, clock: CaseClock) -> Calendar:
    """The calendar of a stored clock, from the version that promised it."""
    return calendar_of(policies_for(session, [clock])[clock.version_id], clock)


def spec_of(clock: CaseClock) -> rules.ClockSpec:
    """The promise of a stored clock."""
    target = target_of_clock(clock)
    if target is not None:
        return rules.spec_of(target)
    return rules.ClockSpec(Clock(clock.kind), clock.target_seconds, clock.calendar_code)


def policies_for(session: Session, clocks: Iterable[CaseClock]) -> dict[int, Policy]:
    """The signed versions that made the promises, by their ids."""
    return policies_of(session, {clock.version_id for clock in clocks})
