"""A payer asks about a line of its bill; the manufacturer's finance or support lead answers within its days."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.billing.actions.rows import case_columns
from portal.billing.models import BillItem, BillLine, LineQuery, LineQueryAnswer
from portal.billing.reading import readable
from portal.calendars import add_days
from portal.contracts.models import DocumentVersion
from portal.contracts.queries import policy_of
from portal.contracts.rules import calendar_named
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue

ANSWER_BUSINESS_DAYS = 5
LONGEST = 2_000


def ask(session: Session, actor: Actor, bill_line_id: int, question: str, *, now: datetime) -> LineQuery:
    """Ask about a line that the actor's organisation pays for. *Raises*: NotFound, NotAllowed, Invalid, Conflict."""
    row = session.execute(
        select(BillLine, BillItem)
        .join(BillItem, BillItem.id == BillLine.bill_item_id)
        .where(BillLine.id == bill_line_id, readable(actor, BillItem))
    ).one_or_none()
    if row is None:
        raise NotFound()
    line, item = row
    if item.payer_id != actor.organisation_id or not actor.has(Role.BUYER, Role.FINANCE, Role.SERVICE_MANAGER):
        raise NotAllowed("Questions about a bill are asked by those who pay it.")
    words = _checked(question, "question", "Say what you want to know.")
    open_query = select(LineQuery.id).where(
        LineQuery.bill_line_id == line.id, ~exists().where(LineQueryAnswer.query_id == LineQuery.id)
    )
    if session.scalars(open_query.limit(1)).one_or_none() is not None:
        raise Conflict("This line is being asked about already.")
    policy = policy_of(session.get_one(DocumentVersion, item.policy_version_id))
    calendar = calendar_named(policy, policy.house_terms.confirmation.manufacturer_calendar)
    query = LineQuery(
        **case_columns(item.case_id, item),
        bill_line_id=line.id,
        question=words,
        asked_by=actor.person_id,
        asked_at=now,
        answer_by=add_days(calendar, now, ANSWER_BUSINESS_DAYS),
    )
    session.add(query)
    session.flush()
    enqueue(session, "notify_line_query", query_id=query.id)
    return query


def answer(session: Session, actor: Actor, query_id: int, words: str, *, now: datetime) -> LineQueryAnswer:
    """Answer a question, which ends it. *Raises*: NotFound, NotAllowed, Invalid, Conflict."""
    query = session.scalars(
        select(LineQuery).where(LineQuery.id == query_id, LineQuery.manufacturer_id == actor.organisation_id)
    ).one_or_none()
    if query is None:
        raise NotFound()
    if actor.side is not Side.MANUFACTURER or not actor.has(Role.FINANCE, Role.SUPPORT_LEAD):
        raise NotAllowed("Questions about bills are answered by finance or the support lead.")
    if (
        session.scalars(select(LineQueryAnswer.id).where(LineQueryAnswer.query_id == query.id)).one_or_none()
        is not None
    ):
        raise Conflict("This question has its answer already.")
    given = LineQueryAnswer(
        **{name: getattr(query, name) for name in ("case_id", "manufacturer_id", "integrator_id", "customer_id")},
        query_id=query.id,
        answer=_checked(words, "answer", "Write the answer."),
        answered_by=actor.person_id,
        answered_at=now,
    )
    session.add(given)
    session.flush()
    enqueue(session, "notify_line_answer", query_id=query.id)
    return given


def _checked(words: str, field: str, missing: str) -> str:
    words = words.strip()
    if not words:
        raise Invalid(missing, {field: missing})
    if len(words) > LONGEST:
        sentence = f"At most {LONGEST} characters."
        raise Invalid(sentence, {field: sentence})
    return words
