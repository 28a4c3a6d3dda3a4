"""What finance looks at while a month is settled: how far a close has come, contests, the lines to open, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.directory.queries import organisation
from portal.errors import NotFound
from portal.ledger.models import Period
from portal.ledger.queries import BookProblem
from portal.settlement import queries
from portal.settlement.books import all_problems
from portal.settlement.lines import PARTS_NOW, TRANSFERRED_PARTS
from portal.settlement.models import Contest, ContestDecision, Statement, StatementLine
from portal.settlement.selfbilling.books import TAX_NEEDS_ALL_BOOKS

MOST_CONTESTS = 200


@dataclass(frozen=True)
class CloseProgress:
    """How far the close of a period has come: cuts still unbilled, what was frozen, chained, made and not sent yet."""

    unbilled_cuts: int
    transactions: int
    chained: int
    statements: int
    invoices: int
    unsent: int


_PROGRESS = text(
    f"""
    SELECT (SELECT count(*) FROM billing_cut cut WHERE cut.manufacturer_id = :own
                AND NOT EXISTS (SELECT FROM bill_item item WHERE item.cut_id = cut.id)),
           (SELECT count(*) FROM journal_transaction WHERE period_id = :period_id),
           (SELECT coalesce(sum(transaction_count), 0)::bigint FROM chain_block WHERE period_id = :period_id),
           (SELECT count(*) FROM statement WHERE period_id = :period_id
                AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)),
           (SELECT count(*) FROM invoice WHERE period_id = :period_id),
           (SELECT count(*) FROM {TRANSFERRED_PARTS} part JOIN statement ON statement.id = part.statement_id
            JOIN intent ON intent.id = part.intent_id
            WHERE statement.period_id = :period_id AND intent.state <> 'succeeded')
    """
)


def close_progress(session: Session, actor: Actor, period_id: int) -> CloseProgress:
    """How far a period of the actor's manufacturer has come. *Raises*: NotAllowed, NotFound."""
    period = queries.period_seen(session, actor, period_id)
    return CloseProgress(*session.execute(_PROGRESS, {"own": actor.organisation_id, "period_id": period.id}).one())


@dataclass(frozen=True)
class Settled:
    """A period's approved amount and what became of it, by currency: the identity a reader checks."""

    currency: str
    approved_minor: int
    by_kind: dict[str, int]


def settled_amounts(session: Session, actor: Actor, period_id: int) -> list[Settled]:
    """Approved = transferred + retained + invoiced + held + carried, per currency."""
    period = queries.period_seen(session, actor, period_id)
    rows: Sequence[Any] = session.execute(
        text(
            f"""
            SELECT approval.currency, approval.id, approval.amount_minor, part.kind, part.amount_minor AS part_minor
            FROM statement_approval approval JOIN statement ON statement.id = approval.statement_id
            LEFT JOIN {PARTS_NOW} part ON part.approval_id = approval.id
            WHERE statement.period_id = :period_id ORDER BY approval.currency, approval.id, part.kind
            """
        ),
        {"period_id": period.id},
    ).all()
    approved: dict[str, dict[int, int]] = {}
    kinds: dict[str, dict[str, int]] = {}
    for row in rows:
        approved.setdefault(row.currency, {})[row.id] = row.amount_minor
        sums = kinds.setdefault(row.currency, {})
        if row.kind is not None:
            sums[row.kind] = sums.get(row.kind, 0) + row.part_minor
    return [Settled(currency, sum(amounts.values()), kinds[currency]) for currency, amounts in approved.items()]


@dataclass(frozen=True)
class ListedStatement:
    """A statement as listed: with its period's name and how far it has come."""

    statement: Statement
    period_label: str
    stage: str


def listed_statements(
    session: Session, actor: Actor, *, now: datetime, before_id: int | None = None, most: int = 50
) -> list[ListedStatement]:
    """The statements the actor sees, the latest first. *Raises*: NotAllowed."""
    found = queries.statements(session, actor, before_id=before_id, most=most)
    labels = period_labels(session, {one.period_id for one in found})
    return [ListedStatement(one, labels[one.period_id], queries.stage_of(session, one, now)) for one in found]


def period_labels(session: Session, period_ids: set[int]) -> dict[int, str]:
    """The names of periods."""
    rows = session.execute(select(Period.id, Period.label).where(Period.id.in_(period_ids)))
    return {row.id: row.label for row in rows}


@dataclass(frozen=True)
class LineToOpen:
    """A line that an approver looks at before approving, and why this one."""

    because: str
    line: StatementLine


_TO_OPEN = text(
    """
    (SELECT 'The largest amount' AS because, id FROM statement_line WHERE statement_id = :id
     ORDER BY abs(amount_minor) DESC, id LIMIT 1)
    UNION ALL
    (SELECT 'The newest', id FROM statement_line WHERE statement_id = :id ORDER BY occurred_at DESC, id DESC LIMIT 1)
    UNION ALL
    (SELECT 'Who resolved it departs from the signed table', line.id FROM statement_line line
     JOIN share ON share.id = line.share_id
     JOIN bill_item item ON item.id = share.bill_item_id
     JOIN resolution ON resolution.id = item.resolution_id AND resolution.off_table_reason <> ''
     WHERE line.statement_id = :id ORDER BY abs(line.amount_minor) DESC, line.id LIMIT 3)
    UNION ALL
    (SELECT 'Posted by hand, not by a share or an earlier statement', id FROM statement_line
     WHERE statement_id = :id AND kind = 'other' ORDER BY abs(amount_minor) DESC, id LIMIT 3)
    """
)


def lines_to_open(session: Session, actor: Actor, statement_id: int) -> list[LineToOpen]:
    """The largest, newest, manual and overridden lines of a statement, each once. *Raises*: NotAllowed, NotFound."""
    statement = queries.statement_seen(session, actor, statement_id)
    reasons: dict[int, str] = {}
    for because, line_id in session.execute(_TO_OPEN, {"id": statement.id}):
        reasons.setdefault(line_id, because)
    lines = session.scalars(select(StatementLine).where(StatementLine.id.in_(reasons))).all()
    by_id = {line.id: line for line in lines}
    return [LineToOpen(because, by_id[line_id]) for line_id, because in reasons.items()]


@dataclass(frozen=True)
class RaisedContest:
    """A contest with its line, its statement, and how it ended if it did."""

    contest: Contest
    line: StatementLine
    statement: Statement
    decision: ContestDecision | None


def contests(
    session: Session, actor: Actor, *, undecided: bool = False, most: int = MOST_CONTESTS
) -> list[RaisedContest]:
    """The contests the actor sees, undecided ones first, the oldest of those first. *Raises*: NotAllowed."""
    queries.check_reader(actor)
    own = actor.organisation_id
    wanted = _contests().where((Contest.manufacturer_id == own) | (Contest.party_id == own))
    if undecided:
        wanted = wanted.where(ContestDecision.id.is_(None))
    rows = session.execute(wanted.order_by(ContestDecision.id.desc().nulls_first(), Contest.id).limit(most))
    return [RaisedContest(*row) for row in rows]


def contest(session: Session, actor: Actor, contest_id: int) -> RaisedContest:
    """One contest. *Raises*: NotAllowed, NotFound."""
    seen = queries.contest_seen(session, actor, contest_id)
    return RaisedContest(*session.execute(_contests().where(Contest.id == seen.id)).one())


def _contests() -> Select[Contest, StatementLine, Statement, ContestDecision]:
    return (
        select(Contest, StatementLine, Statement, ContestDecision)
        .join(StatementLine, StatementLine.id == Contest.statement_line_id)
        .join(Statement, Statement.id == Contest.statement_id)
        .outerjoin(ContestDecision, ContestDecision.contest_id == Contest.id)
        .where(queries.stands())
    )


def transaction_behind(session: Session, line: StatementLine) -> int | None:
    """The journal transaction of a line's posting, for those who see it."""
    found = session.scalar(text("SELECT transaction_id FROM posting WHERE id = :id"), {"id": line.posting_id})
    return int(found) if found is not None else None


def to_review(session: Session, actor: Actor, *, now: datetime) -> Sequence[Statement]:
    """Statements that the actor's organisation may still contest and has not accepted, the most urgent first."""
    if actor.side is Side.CUSTOMER or not may_handle_finance(actor):
        return []
    return session.scalars(
        select(Statement)
        .where(
            Statement.party_id == actor.organisation_id,
            Statement.manufacturer_id != actor.organisation_id,
            Statement.review_until > now,
            queries.stands(),
            text("NOT EXISTS (SELECT FROM statement_acceptance taken WHERE taken.statement_id = statement.id)"),
            text("NOT EXISTS (SELECT FROM statement_approval given WHERE given.statement_id = statement.id)"),
        )
        .order_by(Statement.review_until, Statement.id)
    ).all()


def period_at_hand(session: Session, actor: Actor) -> Period | None:
    """The period of the actor's manufacturer that finance works on now: the oldest that is not closed for good.

    *Raises*: NotFound for anybody else.
    """
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotFound
    return session.scalars(
        select(Period)
        .where(Period.manufacturer_id == actor.organisation_id, Period.state != "hard_closed")
        .order_by(Period.starts_at)
        .limit(1)
    ).one_or_none()


# A company that is paid or invoiced out of another's books sees its own side of them only: these would compare halves.
NEEDS_ALL_BOOKS = frozenset(
    {
        "a party's shares equal its postings",
        "what is payable equals cash applied and use",
        "unbilled is what was billed and not invoiced",
        "what is deferred was sold and not used or earned",
        "a plan's shares sum to what it earned and are payable",
        "a pack's shares sum to what it earned and are payable",
        "a supplement's shares sum to what is owed and are payable",
        "invoices and receipts are posted",
        "every disposition is posted",
        "money in transfer is in unfinished transfers",
        "cash is booked",
        "a payment that settled elsewhere has its exchange",
    }
    | TAX_NEEDS_ALL_BOOKS
)


@dataclass(frozen=True)
class OwnBooks:
    """What is wrong in the actor's own books; ``is_whole`` unless checks had to be left to the operator's command."""

    problems: list[BookProblem]
    is_whole: bool


def own_books(session: Session, actor: Actor) -> OwnBooks:
    """The checks as far as the actor's manufacturer sees the rows. *Raises*: NotFound for anybody else."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotFound
    own_code = organisation(session, actor.organisation_id).code
    is_party_elsewhere = session.scalar(
        text("SELECT EXISTS (SELECT FROM account WHERE manufacturer_id <> :own)"), {"own": actor.organisation_id}
    )
    left_out = NEEDS_ALL_BOOKS if is_party_elsewhere else frozenset()
    problems = [
        problem
        for problem in all_problems(session)
        if problem.check not in left_out and (problem.check != "one period is open" or problem.subject == own_code)
    ]
    return OwnBooks(problems, not left_out)
