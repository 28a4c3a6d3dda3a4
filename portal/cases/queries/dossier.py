"""One case as the actor may read it: found by name, with its timeline, custody, clocks, resolution and challenges.

A stranger's case and an unknown name read the same. The small tables of a case come in one statement, so that the page
costs the same however much has happened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, and_, any_, bindparam, func, select, union_all
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.cases import clocks, rules
from portal.cases.clocks import ClockLine, History
from portal.cases.models import (
    CaseClock,
    CaseEvent,
    CaseKnownIssue,
    CaseLink,
    CasePause,
    CaseReference,
    Challenge,
    ChallengeDecision,
    ChallengeProposal,
    ChallengeStep,
    ClockClosing,
    CustodyAcceptance,
    CustodyOffer,
    KnownIssue,
    Note,
    PauseEnd,
    PromiseRemedy,
    Resolution,
    ResolutionAnswer,
    SeverityChallenge,
    SeverityDecision,
    SupportCase,
)
from portal.cases.queries.scope import OWN, case_scope
from portal.cases.situation import situation_of
from portal.contracts.models import DocumentVersion
from portal.contracts.queries import policy_known_as
from portal.db import PLANNED_ONCE
from portal.directory.models import Organisation
from portal.entitlement.models import (
    Authorization,
    AuthorizationBalance,
    AuthorizationRefusal,
    AuthorizationRequest,
    CoverageDecision,
    Emergency,
    EmergencyRefusal,
    GrantDraw,
    GrantReservation,
    ReservationRelease,
)
from portal.entitlement.withdrawals.models import AuthorizationWithdrawal
from portal.errors import NotFound
from portal.rows import Facts, Together, read_together, together

_NAME = re.compile(r"([A-Z][A-Z0-9]{1,7})-([1-9][0-9]{0,14})")


@dataclass(frozen=True)
class ChallengeView:
    """A challenge with its ladder, what was proposed, and how it ended."""

    challenge: Challenge
    steps: tuple[ChallengeStep, ...]
    proposals: tuple[ChallengeProposal, ...]
    decision: ChallengeDecision | None


@dataclass(frozen=True)
class Dossier:
    """Everything about a case that the actor may read, beside its header and timeline.

    *Shape*: ``linked`` are names of cases by id, ``names`` those of the three companies; ``rows`` what was read, for
    those who know what money and time of it mean.
    """

    history: History
    clocks: tuple[ClockLine, ...]
    offers: tuple[CustodyOffer, ...]
    pauses: tuple[tuple[CasePause, PauseEnd | None], ...]
    resolutions: tuple[Resolution, ...]
    answers: tuple[ResolutionAnswer, ...]
    challenges: tuple[ChallengeView, ...]
    references: Mapping[int, str]
    linked: Mapping[int, str]
    known_issues: tuple[KnownIssue, ...]
    names: Mapping[int, str]
    verbs: tuple[rules.Verb, ...]
    question: Note | None
    rows: Facts


def case_by_name(session: Session, actor: Actor, name: str) -> SupportCase:
    """The case of that name. *Raises*: NotFound, for a stranger's case as for none."""
    match = _NAME.fullmatch(name.strip().upper())
    if match is None:
        raise NotFound()
    named = {"code": match[1], "number": int(match[2]), "organisation_id": actor.organisation_id}
    statement = _named(actor.side)
    if actor.site_ids is not None:
        statement = statement.where(SupportCase.site_id.in_(actor.site_ids))
    found: SupportCase | None = session.scalars(statement, named).one_or_none()
    if found is None:
        raise NotFound()
    return found


@cache
def _named(side: Side) -> Select[SupportCase, str]:
    """The case of a name, of one of its companies; every page of a case asks, so it is worded once."""
    return (
        select(SupportCase, func.set_config(*PLANNED_ONCE, True))
        .join(Organisation, Organisation.id == SupportCase.manufacturer_id)
        .where(
            Organisation.code == bindparam("code"),
            SupportCase.number == bindparam("number"),
            OWN[side] == bindparam("organisation_id"),
        )
        .execution_options(populate_existing=True)
    )


def case_by_id(session: Session, actor: Actor, case_id: int) -> SupportCase:
    """The case of that id. *Raises*: NotFound, for a stranger's case as for none."""
    found = session.scalars(
        select(SupportCase)
        .where(SupportCase.id == case_id, case_scope(actor))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found


def dossier(session: Session, actor: Actor, case: SupportCase, *, now: datetime) -> Dossier:
    """What the case page shows beside header and timeline; one statement, and one for a signed text not yet read."""
    rows = read_together(session, _DOSSIER, _of(case))
    ends = {end.pause_id: end for end in rows[PauseEnd]}
    pauses = tuple((pause, ends.get(pause.id)) for pause in rows[CasePause])
    spans = [(pause.reason_code, pause.from_at, end.ended_at if end else None) for pause, end in pauses]
    past = clocks.history_of(case, rows[CustodyAcceptance], spans, now)
    questions = [note for note in rows[Note] if _reads(actor, note)]
    is_company = actor.side is not Side.CUSTOMER
    return Dossier(
        history=past,
        clocks=_clock_lines(session, rows, past, now),
        offers=tuple(rows[CustodyOffer]) if is_company else (),
        pauses=pauses,
        resolutions=tuple(rows[Resolution]) if is_company else (),
        answers=tuple(rows[ResolutionAnswer]) if is_company else (),
        challenges=_challenges(actor, rows),
        references={row.organisation_id: row.reference for row in rows[CaseReference]},
        linked={row.id: row.name for row in rows[SupportCase]},
        known_issues=tuple(sorted(rows[KnownIssue], key=lambda issue: issue.number)),
        names={row.id: row.name for row in rows[Organisation]},
        verbs=rules.possible_verbs(_situation(case, rows, now), actor),
        question=questions[-1] if case.state == "waiting" and questions else None,
        rows=rows,
    )


def custody_segments(session: Session, case: SupportCase, *, now: datetime) -> tuple[rules.Segment, ...]:
    """Who held the case when."""
    return clocks.history(session, case, now).custody


def clock_lines(session: Session, case: SupportCase, *, now: datetime) -> tuple[ClockLine, ...]:
    """Every clock of a case with due and used time."""
    rows = read_together(session, _CLOCKS, _of(case))
    return _clock_lines(session, rows, clocks.history(session, case, now), now)


def deadline_proof(
    session: Session, actor: Actor, case: SupportCase, clock_id: int, *, now: datetime
) -> dict[str, Any]:
    """Why a clock's deadline is what it is. *Raises*: NotFound for a clock of another case."""
    found = session.execute(
        select(CaseClock, ClockClosing.closed_at)
        .outerjoin(ClockClosing, ClockClosing.clock_id == CaseClock.id)
        .where(CaseClock.id == clock_id, CaseClock.case_id == case_by_id(session, actor, case.id).id)
    ).one_or_none()
    if found is None:
        raise NotFound()
    clock, closed_at = found
    return clocks.proof_of_clock(session, case, clock, now=now, stopped_at=closed_at)


def resolutions_of(session: Session, actor: Actor, case: SupportCase) -> Sequence[Resolution]:
    """The resolutions of a case, oldest first; the companies' only, for they carry the weights."""
    if actor.side is Side.CUSTOMER:
        return ()
    mine = Resolution.case_id == case.id
    return session.scalars(select(Resolution).where(mine).order_by(Resolution.seq)).all()


def challenge_view(session: Session, actor: Actor, challenge_id: int) -> tuple[SupportCase, ChallengeView]:
    """A challenge with its case. *Raises*: NotFound."""
    raised = session.get(Challenge, challenge_id)
    if raised is None:
        raise NotFound()
    case = case_by_id(session, actor, raised.case_id)
    rows = read_together(session, _CHALLENGES, _of(case))
    for view in _challenges(actor, rows):
        if view.challenge.id == challenge_id:
            return case, view
    raise NotFound()


_CASE: ColumnElement[int] = bindparam("case_id", type_=BigInteger)
_PROMISED = DocumentVersion.id.in_(select(CaseClock.version_id).where(CaseClock.case_id == _CASE))


def _of_case(*models: Any) -> dict[Any, ColumnElement[bool]]:
    return {model: model.case_id == _CASE for model in models}


def _linked() -> ColumnElement[bool]:
    """The other case of each link; a case of another maker's in the same building is one too."""
    there = select(CaseLink.to_case_id).where(CaseLink.from_case_id == _CASE)
    back = select(CaseLink.from_case_id).where(CaseLink.to_case_id == _CASE)
    return SupportCase.id.in_(union_all(there, back))


_CLOCKS = together(_of_case(CaseClock, ClockClosing) | {DocumentVersion: _PROMISED}, document_version=("id", "sha256"))
_CHALLENGES = together(_of_case(Challenge, ChallengeStep, ChallengeProposal, ChallengeDecision))
_DOSSIER: Together = together(
    {
        **_of_case(CustodyAcceptance, CustodyOffer, CasePause, PauseEnd, CaseClock, ClockClosing),
        **_of_case(Resolution, ResolutionAnswer, CaseReference),
        **_of_case(Challenge, ChallengeStep, ChallengeProposal, ChallengeDecision),
        **_of_case(PromiseRemedy, SeverityChallenge, SeverityDecision),
        # Billing's preview and the page read these; row security says how much of them.
        **_of_case(CoverageDecision, AuthorizationRequest, AuthorizationRefusal, Emergency, EmergencyRefusal),
        **_of_case(AuthorizationWithdrawal),
        **_of_case(Authorization, AuthorizationBalance, GrantReservation, ReservationRelease, GrantDraw),
        Note: and_(Note.case_id == _CASE, Note.kind == "question"),
        CaseEvent: and_(CaseEvent.case_id == _CASE, CaseEvent.kind == "severity_changed"),
        KnownIssue: and_(
            KnownIssue.manufacturer_id == bindparam("manufacturer_id"),
            KnownIssue.id.in_(select(CaseKnownIssue.known_issue_id).where(CaseKnownIssue.case_id == _CASE)),
        ),
        SupportCase: _linked(),
        DocumentVersion: _PROMISED,
        Organisation: Organisation.id == any_(bindparam("company_ids", type_=ARRAY(BigInteger))),
    },
    support_case=("id", "name"),
    document_version=("id", "sha256"),
    organisation=("id", "name"),
)


def _of(case: SupportCase) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "manufacturer_id": case.manufacturer_id,
        "company_ids": [case.manufacturer_id, case.integrator_id, case.customer_id],
    }


def _clock_lines(session: Session, rows: Facts, past: History, now: datetime) -> tuple[ClockLine, ...]:
    ended = {closing.clock_id: closing for closing in rows[ClockClosing]}
    policies = {row.id: policy_known_as(session, row.id, row.sha256) for row in rows[DocumentVersion]}
    return tuple(
        clocks.line_of(clock, past, policies[clock.version_id], now=now, closing=ended.get(clock.id))
        for clock in rows[CaseClock]
    )


def _challenges(actor: Actor, rows: Mapping[Any, Sequence[Any]]) -> tuple[ChallengeView, ...]:
    """The challenges the actor reads: the companies all, a customer its own without the companies' proposals."""
    views = []
    for raised in rows[Challenge]:
        if actor.side is Side.CUSTOMER:
            if raised.company_id == actor.organisation_id:
                views.append(ChallengeView(raised, (), (), None))
            continue
        of_it = [[row for row in rows[part] if row.challenge_id == raised.id] for part in _OF_CHALLENGE]
        views.append(ChallengeView(raised, tuple(of_it[0]), tuple(of_it[1]), of_it[2][0] if of_it[2] else None))
    return tuple(views)


_OF_CHALLENGE: tuple[Any, ...] = (ChallengeStep, ChallengeProposal, ChallengeDecision)


def _situation(case: SupportCase, rows: Mapping[Any, Sequence[Any]], now: datetime) -> rules.Situation:
    last = rows[Resolution][-1] if rows[Resolution] else None
    confirmed = (
        any(row.resolution_id == last.id and row.basis in ("confirmed", "import") for row in rows[ResolutionAnswer])
        if last is not None
        else False
    )
    challenged = (
        any(row.resolution_id == last.id and row.company_id != case.customer_id for row in rows[Challenge])
        if last is not None
        else False
    )
    questions = rows[Note] if case.state == "waiting" else ()
    return situation_of(
        case,
        question_by_id=questions[-1].owner_id if questions else None,
        resolution_by_id=last.company_id if last is not None else None,
        answered=confirmed or challenged,
        now=now,
    )


def _reads(actor: Actor, note: Note) -> bool:
    if note.owner_id == actor.organisation_id or note.audience == "customer":
        return True
    return note.audience == "companies" and actor.side is not Side.CUSTOMER
