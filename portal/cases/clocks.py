"""A case's clocks as stored, read by the rules: what is due, what is used, how a clock ended.

Due times are never stored as truth: they are counted from custody, pauses and the calendar of the signed version that
made the promise. The header keeps the earliest one so that lists can be sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from portal.calendars import Period
from portal.cases import rules
from portal.cases.models import CaseClock, CasePause, ClockClosing, CustodyAcceptance, PauseEnd, SupportCase
from portal.contracts.blocks import Company
from portal.contracts.models import DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.queries import policy_of
from portal.contracts.rules import calendar_named
from portal.contracts.terms import Clock
from portal.entitlement.queries import Terms

# The texts are long and parsed once for each hash: they are loaded when a hash is new.
_WITHOUT_TEXT = (defer(DocumentVersion.body_toml), defer(DocumentVersion.canonical_json))


@dataclass(frozen=True)
class History:
    """Who held the case when, and when it was paused; ``paused`` where a pause lasts."""

    custody: tuple[rules.Segment, ...]
    pauses: tuple[Period, ...]
    paused: bool
    acceptances: tuple[CustodyAcceptance, ...]


@dataclass(frozen=True)
class ClockLine:
    """A clock with its reading and, where it has ended, how."""

    clock: CaseClock
    reading: rules.ClockReading
    closing: ClockClosing | None


def history(session: Session, case: SupportCase, now: datetime) -> History:
    """Custody and pauses of a case, up to now."""
    accepted = session.scalars(
        select(CustodyAcceptance).where(CustodyAcceptance.case_id == case.id).order_by(CustodyAcceptance.seq)
    ).all()
    paused = session.execute(
        select(CasePause.from_at, PauseEnd.ended_at)
        .outerjoin(PauseEnd, PauseEnd.pause_id == CasePause.id)
        .where(CasePause.case_id == case.id)
        .order_by(CasePause.from_at)
    ).all()
    return history_of(case, accepted, [(row[0], row[1]) for row in paused], now)


def history_of(
    case: SupportCase,
    accepted: Sequence[CustodyAcceptance],
    paused: Iterable[tuple[datetime, datetime | None]],
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
    spans = list(paused)
    return History(
        stretches,
        tuple(Period(start, max(start, end or now)) for start, end in spans),
        any(end is None for _, end in spans),
        tuple(accepted),
    )


def running_clocks(session: Session, case_id: int) -> Sequence[CaseClock]:
    """The clocks of a case that have not ended."""
    return session.scalars(
        select(CaseClock)
        .outerjoin(ClockClosing, ClockClosing.clock_id == CaseClock.id)
        .where(CaseClock.case_id == case_id, ClockClosing.id.is_(None))
        .order_by(CaseClock.id)
    ).all()


def read(
    session: Session, clock: CaseClock, past: History, *, now: datetime, stopped_at: datetime | None = None
) -> rules.ClockReading:
    """A clock at ``now``, in the calendar of the version that promised it."""
    policy = _policy(session, clock.version_id)
    return rules.read_clock(
        rules.ClockFacts(
            clock=Clock(clock.kind),
            calendar=calendar_named(policy, clock.calendar_code),
            target_seconds=clock.target_seconds,
            started_at=clock.started_at,
            stopped_at=stopped_at,
            custody=past.custody,
            pauses=past.pauses,
            paused=past.paused,
        ),
        now,
    )


def versions_of(session: Session, clocks: Sequence[CaseClock]) -> Sequence[DocumentVersion]:
    """The signed versions that made the promises, read at once; hold them while the clocks are read."""
    wanted = {clock.version_id for clock in clocks}
    if not wanted:
        return ()
    return session.scalars(select(DocumentVersion).where(DocumentVersion.id.in_(wanted)).options(*_WITHOUT_TEXT)).all()


def start_clocks(
    session: Session,
    case: SupportCase,
    specs: Iterable[rules.ClockSpec],
    terms: Terms,
    *,
    started_at: datetime,
) -> None:
    """Open clocks of the factory's promises."""
    session.add_all(
        CaseClock(
            case_id=case.id,
            manufacturer_id=case.manufacturer_id,
            integrator_id=case.integrator_id,
            customer_id=case.customer_id,
            kind=spec.clock.value,
            company_id=case.manufacturer_id,
            version_id=terms.policy_version_id,
            calendar_code=spec.calendar,
            target_seconds=spec.target_seconds,
            started_at=started_at,
            due_at=None,
        )
        for spec in specs
    )


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
    for clock in ended:
        reading = read(session, clock, past, now=now, stopped_at=now)
        outcome = "void" if void else "missed" if reading.state is rules.ClockState.MISSED else "met"
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


def set_due(session: Session, case: SupportCase, past: History, *, now: datetime) -> None:
    """Keep the earliest due time of the running clocks on the header."""
    dues = [
        (reading.due_at, clock.kind)
        for clock in running_clocks(session, case.id)
        if (reading := read(session, clock, past, now=now)).due_at is not None
    ]
    case.due_at, case.due_kind = min(dues, default=(None, None))
    session.flush()


def spec_of(clock: CaseClock) -> rules.ClockSpec:
    """The promise of a stored clock."""
    return rules.ClockSpec(Clock(clock.kind), clock.target_seconds, clock.calendar_code)


def _policy(session: Session, version_id: int) -> Policy:
    version = session.get_one(
        DocumentVersion,
        version_id,
        options=_WITHOUT_TEXT,
    )
    return policy_of(version)
