"""One case as the actor may read it: found by name, with its timeline, custody, clocks, resolution and challenges.

A stranger's case and an unknown name read the same. The small tables of a case come in one statement, so that the page
costs the same however much has happened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, func, literal, select, union_all
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.cases import clocks, rules
from portal.cases.clocks import ClockLine, History
from portal.cases.models import (
    CaseClock,
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
    Note,
    PauseEnd,
    Resolution,
    ResolutionAnswer,
    SupportCase,
)
from portal.cases.queries.scope import case_scope
from portal.cases.situation import situation_of
from portal.db import UtcDateTime
from portal.directory.models import Organisation
from portal.errors import NotFound

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
    """Everything about a case that the actor may read, beside its header and timeline."""

    history: History
    clocks: tuple[ClockLine, ...]
    offers: tuple[CustodyOffer, ...]
    pauses: tuple[tuple[CasePause, PauseEnd | None], ...]
    resolutions: tuple[Resolution, ...]
    answers: tuple[ResolutionAnswer, ...]
    challenges: tuple[ChallengeView, ...]
    references: Mapping[int, str]
    links: tuple[CaseLink, ...]
    known_issue_ids: tuple[int, ...]
    verbs: tuple[rules.Verb, ...]
    question: Note | None


def case_by_name(session: Session, actor: Actor, name: str) -> SupportCase:
    """The case of that name. *Raises*: NotFound, for a stranger's case as for none."""
    match = _NAME.fullmatch(name.strip().upper())
    if match is None:
        raise NotFound()
    found = session.scalars(
        select(SupportCase)
        .join(Organisation, Organisation.id == SupportCase.manufacturer_id)
        .where(Organisation.code == match[1], SupportCase.number == int(match[2]), case_scope(actor))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found


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
    rows = _bundle(session, case.id, _PARTS)
    ends = {end.pause_id: end for end in rows[PauseEnd]}
    pauses = tuple((pause, ends.get(pause.id)) for pause in rows[CasePause])
    spans = [(pause.reason_code, pause.from_at, end.ended_at if end else None) for pause, end in pauses]
    past = clocks.history_of(case, rows[CustodyAcceptance], spans, now)
    lines = _clock_lines(session, rows[CaseClock], rows[ClockClosing], past, now)
    questions = [note for note in rows[Note] if _reads(actor, note)]
    return Dossier(
        history=past,
        clocks=lines,
        offers=tuple(rows[CustodyOffer]) if actor.side is not Side.CUSTOMER else (),
        pauses=pauses,
        resolutions=tuple(rows[Resolution]) if actor.side is not Side.CUSTOMER else (),
        answers=tuple(rows[ResolutionAnswer]) if actor.side is not Side.CUSTOMER else (),
        challenges=_challenges(actor, rows),
        references={row.organisation_id: row.reference for row in rows[CaseReference]},
        links=_links(session, case.id),
        known_issue_ids=tuple(row.known_issue_id for row in rows[CaseKnownIssue]),
        verbs=rules.possible_verbs(_situation(case, rows, now), actor),
        question=questions[-1] if case.state == "waiting" and questions else None,
    )


def custody_segments(session: Session, case: SupportCase, *, now: datetime) -> tuple[rules.Segment, ...]:
    """Who held the case when."""
    return clocks.history(session, case, now).custody


def clock_lines(session: Session, case: SupportCase, *, now: datetime) -> tuple[ClockLine, ...]:
    """Every clock of a case with due and used time."""
    rows = _bundle(session, case.id, (CaseClock, ClockClosing))
    return _clock_lines(session, rows[CaseClock], rows[ClockClosing], clocks.history(session, case, now), now)


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
    rows = _bundle(session, case.id, (Challenge, ChallengeStep, ChallengeProposal, ChallengeDecision))
    for view in _challenges(actor, rows):
        if view.challenge.id == challenge_id:
            return case, view
    raise NotFound()


_PARTS: tuple[Any, ...] = (
    CustodyAcceptance,
    CustodyOffer,
    CasePause,
    PauseEnd,
    CaseClock,
    ClockClosing,
    Resolution,
    ResolutionAnswer,
    Challenge,
    ChallengeStep,
    ChallengeProposal,
    ChallengeDecision,
    CaseReference,
    CaseKnownIssue,
    Note,
)


def _bundle(session: Session, case_id: int, models: Sequence[Any]) -> dict[Any, list[Any]]:
    """The rows of several tables of one case in one statement, in order of id; of notes, the questions only."""
    selects = []
    for model in models:
        table = model.__table__
        wanted = select(literal(table.name).label("part"), func.to_jsonb(table.table_valued()).label("row"))
        wanted = wanted.select_from(table).where(table.c.case_id == case_id)
        if model is Note:
            wanted = wanted.where(table.c.kind == "question")
        selects.append(wanted)
    by_table = {model.__table__.name: model for model in models}
    rows: dict[Any, list[Any]] = {model: [] for model in models}
    statement = union_all(*selects)
    for part, row in session.execute(statement):
        rows[by_table[part]].append(_row_of(by_table[part], row))
    for found in rows.values():
        found.sort(key=lambda row: row.id)
    return rows


def _row_of(model: Any, values: Mapping[str, Any]) -> Any:
    """A row read as JSON, as an object that no session keeps."""
    read = {}
    for column in model.__table__.columns:
        value = values[column.name]
        if isinstance(value, str) and isinstance(column.type, UtcDateTime):
            value = datetime.fromisoformat(value)
        elif isinstance(value, str) and isinstance(column.type, Uuid):
            value = UUID(value)
        read[column.name] = value
    return model(**read)


def _links(session: Session, case_id: int) -> tuple[CaseLink, ...]:
    rows = session.scalars(
        select(CaseLink)
        .where((CaseLink.from_case_id == case_id) | (CaseLink.to_case_id == case_id))
        .order_by(CaseLink.id)
    )
    return tuple(rows)


def _clock_lines(
    session: Session,
    rows: Sequence[CaseClock],
    closings: Sequence[ClockClosing],
    past: History,
    now: datetime,
) -> tuple[ClockLine, ...]:
    ended = {closing.clock_id: closing for closing in closings}
    # Held while the lines are read: a session forgets what nobody holds, and would ask again for every clock.
    versions = clocks.versions_of(session, rows)
    lines = tuple(clocks.line_of(session, clock, past, now=now, closing=ended.get(clock.id)) for clock in rows)
    del versions
    return lines


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
