"""Pages of cases: the factory's queue, mine, the integrator's, the customer's, and search.

A page is found in its index first and dressed with names after; the next page starts after the last row's key. Counts
stop at a cap. The words of partial indexes are written out: a bound value would hide the index from the planner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Result, Select, and_, bindparam, func, literal_column, or_, select, text
from sqlalchemy.orm import Session, aliased

from portal.access import Actor, Side
from portal.cases.models import (
    Challenge,
    ChallengeDecision,
    ChallengeStep,
    Resolution,
    ResolutionAnswer,
    SupportCase,
)
from portal.cases.queries.scope import case_scope
from portal.directory.models import Organisation, Site

PAGE = 50
# A count says "99+" beyond this.
CAP = 99
LONGEST_SEARCH = 200

_IN_QUEUE: ColumnElement[bool] = literal_column("support_case.state IN ('open', 'offered', 'waiting')")
_NOT_CLOSED: ColumnElement[bool] = literal_column("support_case.state <> 'closed'")


class CaseRow(NamedTuple):
    """One line of a list; a tuple, because a page makes fifty of them."""

    id: int
    name: str
    title: str
    severity: int
    task_class: str
    state: str
    seq: int
    holder_side: str
    assignee_id: int | None
    assignee_name: str
    offered_to_id: int | None
    entitlement_rank: int
    plan_code: str | None
    due_at: datetime | None
    due_kind: str | None
    on_site_waiting: bool
    is_fyi: bool
    system_name: str
    system_serial: str
    site_id: int
    product_line_id: int
    manufacturer_id: int
    integrator_id: int
    customer_id: int
    opened_at: datetime
    opened_by_name: str
    changed_at: datetime
    resolved_at: datetime | None
    reopen_until: datetime | None
    closed_at: datetime | None
    site_name: str | None
    customer_name: str | None
    integrator_name: str | None


_COLUMNS = tuple(getattr(SupportCase, name) for name in CaseRow._fields[:-3])
_CUSTOMER, _INTEGRATOR = aliased(Organisation), aliased(Organisation)
_DRESSED: Select[Any] = (
    select(*_COLUMNS, Site.name, _CUSTOMER.name, _INTEGRATOR.name)
    .outerjoin(Site, Site.id == SupportCase.site_id)
    .outerjoin(_CUSTOMER, _CUSTOMER.id == SupportCase.customer_id)
    .outerjoin(_INTEGRATOR, _INTEGRATOR.id == SupportCase.integrator_id)
)


@dataclass(frozen=True)
class ListFilter:
    """What a list is narrowed to; everything where left out.

    *Shape*: ``state`` is a header state, or "with_us", "with_them", "to_us" (offered to the actor's company), "mine",
    "unassigned", or "closed" where a list shows closed cases at all.
    """

    state: str | None = None
    severity: int | None = None
    product_line_id: int | None = None
    site_id: int | None = None
    customer_id: int | None = None
    integrator_id: int | None = None
    is_fyi: bool | None = None
    due_before: datetime | None = None


@dataclass(frozen=True)
class OpenChallenge:
    """An undecided challenge: whose case, what is disputed, which stage it is at and until when."""

    challenge: Challenge
    case_name: str
    case_title: str
    rung: str | None
    due_at: datetime | None


def factory_queue(
    session: Session,
    actor: Actor,
    filters: ListFilter | None = None,
    *,
    after: tuple[int, int, datetime | None, int] | None = None,
    limit: int = PAGE + 1,
) -> list[CaseRow]:
    """The manufacturer's open cases in entitlement order: rank, severity, due time (none last), age."""
    if after is None and filters in (None, ListFilter()) and actor.site_ids is None:
        return _rows_of(session.execute(_top_of_queue(limit), {"maker_id": actor.organisation_id}))
    statement = select(SupportCase.id).where(case_scope(actor), _IN_QUEUE, *_narrowed(actor, filters))
    if after is not None:
        statement = statement.where(_after_in_queue(after))
    return _page(session, _in_order_of_queue(statement, limit), _QUEUE_ORDER)


_QUEUE_ORDER = ("entitlement_rank", "severity", "due_at", "id")


@cache
def _top_of_queue(limit: int) -> Select[Any]:
    """The first page of all of it, which is asked for most: worded once."""
    statement = select(SupportCase.id).where(SupportCase.manufacturer_id == bindparam("maker_id"), _IN_QUEUE)
    return _dressed(_in_order_of_queue(statement, limit), _QUEUE_ORDER)


def _in_order_of_queue(statement: Select[int], limit: int) -> Select[int]:
    order = (SupportCase.entitlement_rank, SupportCase.severity, SupportCase.due_at, SupportCase.id)
    return statement.order_by(*order).limit(_written_out(limit))


def longest_unchanged(session: Session, actor: Actor, filters: ListFilter, *, limit: int = PAGE + 1) -> list[CaseRow]:
    """The actor's open cases by how long nothing has happened to them, the longest first."""
    statement = select(SupportCase.id).where(case_scope(actor), _IN_QUEUE, *_narrowed(actor, filters))
    order = (SupportCase.changed_at, SupportCase.id)
    return _page(session, statement.order_by(*order).limit(_written_out(limit)), ("changed_at", "id"))


def queue_key(row: CaseRow) -> tuple[int, int, datetime | None, int]:
    """Where the next page of the queue begins."""
    return row.entitlement_rank, row.severity, row.due_at, row.id


def my_cases(
    session: Session, actor: Actor, *, after: tuple[datetime | None, int] | None = None, limit: int = PAGE + 1
) -> list[CaseRow]:
    """The cases that are with this person, by due time."""
    statement = select(SupportCase.id).where(case_scope(actor), SupportCase.assignee_id == actor.person_id, _NOT_CLOSED)
    return _by_due(session, statement, after, limit)


def integrator_cases(
    session: Session,
    actor: Actor,
    filters: ListFilter | None = None,
    *,
    after: tuple[datetime | None, int] | None = None,
    limit: int = PAGE + 1,
) -> list[CaseRow]:
    """The integrator's open cases by due time; with ``state="closed"`` its closed ones, newest first."""
    statement = select(SupportCase.id).where(case_scope(actor), *_narrowed(actor, filters))
    if filters is not None and filters.state == "closed":
        return _newest(session, statement, after, limit)
    return _by_due(session, statement.where(_NOT_CLOSED), after, limit)


def customer_cases(
    session: Session,
    actor: Actor,
    filters: ListFilter | None = None,
    *,
    after: tuple[datetime | None, int] | None = None,
    limit: int = PAGE + 1,
) -> list[CaseRow]:
    """The customer's cases, newest first."""
    return _newest(session, select(SupportCase.id).where(case_scope(actor), *_narrowed(actor, filters)), after, limit)


def list_key(row: CaseRow) -> tuple[datetime | None, int]:
    """Where the next page of a list other than the queue begins."""
    return row.due_at, row.id


def search(
    session: Session, actor: Actor, words: str, *, before_id: int | None = None, limit: int = PAGE + 1
) -> list[CaseRow]:
    """The actor's cases that hold all the words in name, serial, system, title or symptom; newest first."""
    wanted = words.strip()[:LONGEST_SEARCH]
    if not wanted:
        return []
    found = session.scalars(
        text("SELECT case_id FROM search_cases(:words, :before_id, :size)"),
        {"words": wanted, "before_id": before_id, "size": limit},
    ).all()
    if not found:
        return []
    statement = select(SupportCase.id).where(SupportCase.id.in_(found), case_scope(actor))
    return _page(session, statement, ("-id",))


def queue_counts(session: Session, actor: Actor, *, now: datetime) -> dict[str, int]:
    """How many cases wait for something, each counted up to the cap and one more: in one statement."""
    soon = now + timedelta(hours=4)
    wanted: dict[str, ColumnElement[bool]] = {
        "open": _IN_QUEUE,
        "to_us": and_(_IN_QUEUE, SupportCase.offered_to_id == actor.organisation_id),
        "mine": and_(_IN_QUEUE, SupportCase.assignee_id == actor.person_id),
        "system_down": and_(_IN_QUEUE, SupportCase.severity == 1),
        "due_soon": and_(_IN_QUEUE, SupportCase.due_at <= soon),
        "late": and_(_IN_QUEUE, SupportCase.due_at <= now),
        "on_site": and_(_IN_QUEUE, SupportCase.on_site_waiting),
    }
    counted = [
        select(func.count())
        .select_from(select(SupportCase.id).where(case_scope(actor), claim).limit(CAP + 1).subquery())
        .scalar_subquery()
        .label(name)
        for name, claim in wanted.items()
    ]
    row = session.execute(select(*counted)).one()
    return {name: int(getattr(row, name)) for name in wanted}


def open_challenges(session: Session, actor: Actor, *, limit: int = PAGE) -> list[OpenChallenge]:
    """Challenges of the actor's cases that nobody has decided, the first due first; the companies' managers'."""
    if actor.side is Side.CUSTOMER:
        return []
    last_step = (
        select(ChallengeStep.challenge_id, func.max(ChallengeStep.id).label("step_id"))
        .group_by(ChallengeStep.challenge_id)
        .subquery()
    )
    rows = session.execute(
        select(Challenge, SupportCase.name, SupportCase.title, ChallengeStep.rung, ChallengeStep.due_at)
        .join(SupportCase, SupportCase.id == Challenge.case_id)
        .outerjoin(ChallengeDecision, ChallengeDecision.challenge_id == Challenge.id)
        .outerjoin(last_step, last_step.c.challenge_id == Challenge.id)
        .outerjoin(ChallengeStep, ChallengeStep.id == last_step.c.step_id)
        .where(case_scope(actor), ChallengeDecision.id.is_(None))
        .order_by(ChallengeStep.due_at, Challenge.id)
        .limit(limit)
    )
    return [OpenChallenge(*row) for row in rows]


def unanswered_resolutions(session: Session, actor: Actor, *, limit: int = PAGE + 1) -> list[CaseRow]:
    """Resolved cases whose resolution waits for the actor's own company to confirm or challenge, oldest first."""
    last = (
        select(Resolution.id, Resolution.company_id)
        .where(Resolution.case_id == SupportCase.id)
        .order_by(Resolution.seq.desc())
        .limit(1)
        .lateral()
    )
    # What was confirmed by silence and taken back waits again.
    said = (
        select(ResolutionAnswer.basis)
        .where(ResolutionAnswer.resolution_id == last.c.id)
        .order_by(ResolutionAnswer.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    challenged = select(Challenge.id).where(Challenge.resolution_id == last.c.id)
    statement = (
        select(SupportCase.id)
        .join(last, literal_column("true"))
        .where(
            case_scope(actor),
            literal_column("support_case.state = 'resolved'"),
            last.c.company_id != actor.organisation_id,
            func.coalesce(said, "undone") == "undone",
            ~challenged.exists(),
        )
        .order_by(SupportCase.resolved_at, SupportCase.id)
        .limit(limit)
    )
    return _page(session, statement, ("resolved_at", "id"))


def _narrowed(actor: Actor, filters: ListFilter | None) -> list[ColumnElement[bool]]:
    if filters is None:
        return []
    claims = [
        column == value
        for column, value in (
            (SupportCase.severity, filters.severity),
            (SupportCase.product_line_id, filters.product_line_id),
            (SupportCase.site_id, filters.site_id),
            (SupportCase.customer_id, filters.customer_id),
            (SupportCase.integrator_id, filters.integrator_id),
            (SupportCase.is_fyi, filters.is_fyi),
        )
        if value is not None
    ]
    if filters.due_before is not None:
        claims.append(SupportCase.due_at < filters.due_before)
    if filters.state is not None:
        claims.append(_state_claim(actor, filters.state))
    return claims


def _state_claim(actor: Actor, state: str) -> ColumnElement[bool]:
    own = SupportCase.holder_id == actor.organisation_id
    named = {
        "with_us": own,
        "with_them": ~own,
        "to_us": SupportCase.offered_to_id == actor.organisation_id,
        "mine": SupportCase.assignee_id == actor.person_id,
        "unassigned": SupportCase.assignee_id.is_(None),
    }
    return named.get(state, SupportCase.state == state)


def _after_in_queue(after: tuple[int, int, datetime | None, int]) -> ColumnElement[bool]:
    rank, severity, due_at, case_id = after
    later = and_(SupportCase.entitlement_rank == rank, SupportCase.severity == severity, _later_due(due_at, case_id))
    return and_(
        # Said for the index: it starts at this rank.
        SupportCase.entitlement_rank >= rank,
        or_(
            SupportCase.entitlement_rank > rank,
            and_(SupportCase.entitlement_rank == rank, SupportCase.severity > severity),
            later,
        ),
    )


def _later_due(due_at: datetime | None, case_id: int) -> ColumnElement[bool]:
    """After this due time in an order where none comes last."""
    if due_at is None:
        return and_(SupportCase.due_at.is_(None), SupportCase.id > case_id)
    return or_(
        SupportCase.due_at > due_at,
        SupportCase.due_at.is_(None),
        and_(SupportCase.due_at == due_at, SupportCase.id > case_id),
    )


def _by_due(
    session: Session, statement: Select[int], after: tuple[datetime | None, int] | None, limit: int
) -> list[CaseRow]:
    if after is not None:
        statement = statement.where(_later_due(*after))
    return _page(
        session, statement.order_by(SupportCase.due_at, SupportCase.id).limit(_written_out(limit)), ("due_at", "id")
    )


def _newest(
    session: Session, statement: Select[int], after: tuple[datetime | None, int] | None, limit: int
) -> list[CaseRow]:
    if after is not None:
        statement = statement.where(SupportCase.id < after[1])
    return _page(session, statement.order_by(SupportCase.id.desc()).limit(_written_out(limit)), ("-id",))


def _written_out(limit: int) -> ColumnElement[int]:
    """The length of a page, written out: of a bound one the planner knows nothing and plans each time anew."""
    return literal_column(str(int(limit)), Integer)


def _page(session: Session, statement: Select[int], order: Sequence[str]) -> list[CaseRow]:
    return _rows_of(session.execute(_dressed(statement, order)))


def _dressed(statement: Select[int], order: Sequence[str]) -> Select[Any]:
    """The page's ids found in their index, then its rows with the names of their sites and companies."""
    page = statement.subquery("page")
    columns = [(SupportCase.__table__.c[name.removeprefix("-")], name.startswith("-")) for name in order]
    return _DRESSED.join(page, page.c.id == SupportCase.id).order_by(
        *(column.desc() if descending else column for column, descending in columns)
    )


def _rows_of(found: Result[Any]) -> list[CaseRow]:
    return [CaseRow._make(row) for row in found]
