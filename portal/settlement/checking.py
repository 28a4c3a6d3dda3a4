"""The check of all books, kept: the operator reads in the browser what the command says, with its age.

A page's own session sees only its organisation's rows, so that sums over several companies would be cut: a job makes
the check and stores what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.directory.models import Organisation
from portal.errors import NotAllowed
from portal.jobs import enqueue
from portal.ledger.queries import BookProblem
from portal.payments.queries import TieOut, tie_out
from portal.settlement.books import all_problems
from portal.settlement.models import BooksCheck

# A broken deployment can have millions; the count says how many there are.
MOST_KEPT = 200


@dataclass(frozen=True)
class CheckedBooks:
    """What the latest check found and when; ``problem_count`` of which the first are listed."""

    checked_at: datetime
    problem_count: int
    problems: tuple[BookProblem, ...]
    ties: tuple[TieOut, ...]


@dataclass(frozen=True)
class PeriodFailure:
    """The latest failure of a period's job that has not succeeded since."""

    job_name: str
    sentence: str
    attempt: int
    is_final: bool
    recorded_at: datetime


def check_all_books(session: Session, *, now: datetime) -> BooksCheck | None:
    """Check everything and keep what was found for the operator; none before there is one."""
    operator_id = session.scalar(select(Organisation.id).where(Organisation.is_operator).limit(1))
    if operator_id is None:
        return None
    problems = all_problems(session)
    content = {
        "problems": [[each.check, each.subject, each.detail] for each in problems[:MOST_KEPT]],
        "ties": [[tie.currency, tie.stripe_minor, tie.books_minor] for tie in tie_out(session)],
    }
    made = BooksCheck(organisation_id=operator_id, problem_count=len(problems), content=content, checked_at=now)
    session.add(made)
    session.flush()
    return made


def may_check_all(actor: Actor) -> bool:
    """All books are the operator's finance's to check."""
    return actor.is_operator and actor.side is Side.MANUFACTURER and may_handle_finance(actor)


def request_check(session: Session, actor: Actor) -> None:
    """Have all books checked by job. *Raises*: NotAllowed."""
    if not may_check_all(actor):
        raise NotAllowed("All books are checked by the operator's finance.")
    enqueue(session, "check_all_books")


def latest_check(session: Session, actor: Actor) -> CheckedBooks | None:
    """The latest check of all books; None before the first. *Raises*: NotAllowed."""
    if not may_check_all(actor):
        raise NotAllowed("All books are checked by the operator's finance.")
    found = session.scalars(
        select(BooksCheck)
        .where(BooksCheck.organisation_id == actor.organisation_id)
        .order_by(BooksCheck.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return None
    return CheckedBooks(
        found.checked_at,
        found.problem_count,
        tuple(BookProblem(*row) for row in found.content["problems"]),
        tuple(TieOut(*row) for row in found.content["ties"]),
    )


def period_failure(session: Session, period_id: int) -> PeriodFailure | None:
    """Why the job of a period of the reader's own failed last; None when none did, or it succeeded since."""
    row = session.execute(
        text("SELECT job_name, error, attempt, is_final, recorded_at FROM period_failures(:id)"), {"id": period_id}
    ).one_or_none()
    if row is None:
        return None
    sentence = row.error.partition(": ")[2]
    return PeriodFailure(row.job_name, sentence, row.attempt, row.is_final, row.recorded_at)
