"""The end of a case: a row written by job when the reopen window ends, or at once when the customer says that it works.

A closing never waits for a challenge of the split. It asks for its billing cut in the same transaction.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, literal_column, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases import rules
from portal.cases.actions.core import Held, hold, parties, record
from portal.cases.models import CaseClosing, CaseEvent, SupportCase
from portal.errors import Conflict
from portal.jobs import enqueue

# So many cases are closed in one transaction of the sweep; the rest by the next.
SWEEP = 200
# Written out, because a bound value would hide the partial index from the planner.
_IS_RESOLVED: ColumnElement[bool] = literal_column("support_case.state = 'resolved'")


def confirm_fixed(session: Session, actor: Actor, case: SupportCase, *, seq: int, now: datetime) -> None:
    """The customer's contact says that it works: the case closes at once, by job.

    *Raises*: NotFound, Stale, Conflict, NotAllowed.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CONFIRM_FIXED)
    if fixed_confirmed(session, held.case) is not None:
        raise Conflict("You have said so already: the case is being closed.")
    record(session, held, "fixed_confirmed")
    enqueue(session, "close_case", case_id=held.case.id)


def close_case(session: Session, case_id: int, *, now: datetime) -> CaseClosing | None:
    """The job: close a resolved case whose window has ended or whose customer said that it works; None otherwise.

    Again is harmless. *Raises*: NotFound.
    """
    held = hold(session, None, case_id, now=now)
    case = held.case
    if case.state != "resolved" or case.resolved_at is None or case.reopen_until is None:
        return None
    by_customer = fixed_confirmed(session, case) is not None
    if now < case.reopen_until and not by_customer:
        return None
    return _close(session, held, "customer" if by_customer else "window")


def close_due(session: Session, *, now: datetime, limit: int = SWEEP) -> int:
    """The sweep: close every case whose reopen window has ended; how many, at most ``limit``."""
    due = session.scalars(
        select(SupportCase.id)
        .where(_IS_RESOLVED, SupportCase.reopen_until <= now)
        .order_by(SupportCase.reopen_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return sum(close_case(session, case_id, now=now) is not None for case_id in due)


def fixed_confirmed(session: Session, case: SupportCase) -> CaseEvent | None:
    """The customer's word, since the last resolution, that it works."""
    return session.scalars(
        select(CaseEvent)
        .where(
            CaseEvent.case_id == case.id,
            CaseEvent.kind == "fixed_confirmed",
            CaseEvent.occurred_at >= case.resolved_at,
        )
        .limit(1)
    ).one_or_none()


def _close(session: Session, held: Held, basis: str) -> CaseClosing:
    changes = {"state": "closed", "closed_at": held.now, "reopen_until": None, "due_at": None, "due_kind": None}
    event = record(session, held, "closed", details={"basis": basis}, changes=changes)
    closing = CaseClosing(**parties(held.case), seq=event.seq, basis=basis, closed_at=held.now)
    session.add(closing)
    session.flush()
    enqueue(session, "bill_cut", case_id=held.case.id)
    return closing
