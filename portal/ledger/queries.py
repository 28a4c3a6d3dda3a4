"""Reads of the ledger: trial balance, postings of an account, what parties have coming, what is wrong in the books.

Functions with an actor serve pages and are scoped to the actor's own manufacturer; the others serve jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import RowMapping, TextClause, func, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import NotAllowed, NotFound
from portal.ledger.chain import broken_blocks
from portal.ledger.models import Account, JournalTransaction, Period
from portal.ledger.rules import Purpose


@dataclass(frozen=True)
class AccountBalance:
    """An account in a period: what it brought along, what moved, what it holds. Debit positive."""

    account_id: int
    code: str
    purpose: str
    kind: str
    party_id: int | None
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


_TRIAL_BALANCE = text(
    """
    SELECT account.id AS account_id, account.code, account.purpose, account.kind, account.party_id, account.currency,
           coalesce(sum(posting.amount_minor) FILTER (WHERE period.starts_at < wanted.starts_at), 0)::bigint
               AS opening_minor,
           coalesce(sum(posting.amount_minor)
               FILTER (WHERE period.id = wanted.id AND posting.amount_minor > 0), 0)::bigint AS debit_minor,
           coalesce(-sum(posting.amount_minor)
               FILTER (WHERE period.id = wanted.id AND posting.amount_minor < 0), 0)::bigint AS credit_minor,
           coalesce(sum(posting.amount_minor), 0)::bigint AS closing_minor
    FROM period wanted
    JOIN account ON account.manufacturer_id = wanted.manufacturer_id AND account.currency = :currency
    JOIN posting ON posting.account_id = account.id
    JOIN period ON period.id = posting.period_id AND period.starts_at <= wanted.starts_at
    WHERE wanted.id = :period_id
    GROUP BY account.id, wanted.id
    ORDER BY account.code
    """
)


def trial_balance(session: Session, actor: Actor, *, currency: str, period_id: int) -> list[AccountBalance]:
    """The accounts of the actor's manufacturer at the end of a period; the closing balances sum to zero.

    *Raises*: NotAllowed without the finance role, NotFound for another manufacturer's period.
    """
    _check(actor)
    period = session.get(Period, period_id)
    if period is None or period.manufacturer_id != actor.organisation_id:
        raise NotFound
    return period_balances(session, currency=currency, period_id=period_id)


def period_balances(session: Session, *, currency: str, period_id: int) -> list[AccountBalance]:
    """The same for jobs: every account with its balances at the end of a period."""
    rows = session.execute(_TRIAL_BALANCE, {"currency": currency, "period_id": period_id}).mappings()
    return [AccountBalance(**row) for row in rows]


def periods(session: Session, actor: Actor) -> list[Period]:
    """The actor's manufacturer's periods, the latest first."""
    _check(actor)
    rows = session.query(Period).filter_by(manufacturer_id=actor.organisation_id)
    return rows.order_by(Period.starts_at.desc()).all()


def period_at(session: Session, manufacturer_id: int, at: datetime) -> Period | None:
    """The period of a manufacturer that an instant falls into, if its books had begun."""
    return (
        session.query(Period)
        .filter(Period.manufacturer_id == manufacturer_id, Period.starts_at <= at, Period.ends_at > at)
        .one_or_none()
    )


def open_period(session: Session, manufacturer_id: int) -> int | None:
    """The period that is posted into now; none before a manufacturer's books have begun."""
    statement = select(Period.id).where(Period.manufacturer_id == manufacturer_id, Period.state == "open")
    return session.scalars(statement).one_or_none()


def currencies(session: Session, actor: Actor) -> list[str]:
    """The currencies the actor's manufacturer keeps books in."""
    _check(actor)
    rows = session.query(Account.currency).filter_by(manufacturer_id=actor.organisation_id).distinct()
    return sorted(row.currency for row in rows)


@dataclass(frozen=True)
class PostedLeg:
    """One leg as listed under its account."""

    posting_id: int
    transaction_id: int
    kind: str
    description: str
    period_label: str
    party_id: int | None
    amount_minor: int
    currency: str
    document_type: str
    document_id: str
    occurred_at: datetime
    recorded_at: datetime


_ACCOUNT_POSTINGS = text(
    """
    SELECT posting.id AS posting_id, posting.transaction_id, journal.kind, journal.description,
           period.label AS period_label, posting.party_id, posting.amount_minor, posting.currency,
           posting.document_type, posting.document_id, journal.occurred_at, journal.recorded_at
    FROM posting
    JOIN journal_transaction journal ON journal.id = posting.transaction_id
    JOIN period ON period.id = posting.period_id
    WHERE posting.account_id = :account_id AND posting.manufacturer_id = :manufacturer_id AND posting.id > :after_id
    ORDER BY posting.id
    LIMIT :most
    """
)


def account_postings(
    session: Session, actor: Actor, account_id: int, *, after_id: int = 0, most: int = 50
) -> list[PostedLeg]:
    """The legs of an account in the order posted, after ``after_id``. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    account = session.get(Account, account_id)
    if account is None or account.manufacturer_id != actor.organisation_id:
        raise NotFound
    values = {"account_id": account_id, "manufacturer_id": actor.organisation_id, "after_id": after_id, "most": most}
    return [PostedLeg(**row) for row in session.execute(_ACCOUNT_POSTINGS, values).mappings()]


def transaction_legs(session: Session, actor: Actor, transaction_id: int) -> Sequence[RowMapping]:
    """The legs of one transaction with their accounts. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    rows = (
        session.execute(
            text(
                "SELECT posting.id, posting.account_id, account.code, account.purpose, posting.party_id,"
                " posting.amount_minor, posting.currency, posting.document_type, posting.document_id"
                " FROM posting JOIN account ON account.id = posting.account_id"
                " WHERE posting.transaction_id = :id AND posting.manufacturer_id = :manufacturer_id"
                " ORDER BY posting.id"
            ),
            {"id": transaction_id, "manufacturer_id": actor.organisation_id},
        )
        .mappings()
        .all()
    )
    if not rows:
        raise NotFound
    return rows


def account(session: Session, actor: Actor, account_id: int) -> Account:
    """An account of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    found = session.get(Account, account_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def journal_transaction(session: Session, actor: Actor, transaction_id: int) -> JournalTransaction:
    """A transaction of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    found = session.get(JournalTransaction, transaction_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def transactions_of(
    session: Session, actor: Actor, document_type: str, document_ids: Collection[str]
) -> dict[str, int]:
    """The first journal transaction that each document made; none for those who may not read the ledger."""
    if not may_read_ledger(actor):
        return {}
    rows = session.execute(
        select(JournalTransaction.document_id, func.min(JournalTransaction.id))
        .where(
            JournalTransaction.manufacturer_id == actor.organisation_id,
            JournalTransaction.document_type == document_type,
            JournalTransaction.document_id.in_(document_ids),
        )
        .group_by(JournalTransaction.document_id)
    )
    return {row[0]: row[1] for row in rows}


def reversal_of(session: Session, transaction_id: int) -> int | None:
    """The transaction that takes another one back."""
    return session.scalar(select(JournalTransaction.id).where(JournalTransaction.reverses_id == transaction_id))


def held_by(session: Session, account_id: int) -> int:
    """What an account holds now, debit positive."""
    held: int = session.scalar(
        text("SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE account_id = :id"), {"id": account_id}
    )
    return held


def may_read_ledger(actor: Actor) -> bool:
    """The ledger is for the manufacturer's finance."""
    return actor.side is Side.MANUFACTURER and may_handle_finance(actor)


def _check(actor: Actor) -> None:
    if not may_read_ledger(actor):
        raise NotAllowed("The ledger is for the manufacturer's finance.")


def party_balance(session: Session, *, manufacturer_id: int, currency: str, party_id: int, purpose: Purpose) -> int:
    """What a party's account of a purpose holds, as the party sees it: positive when it has something coming."""
    held: int = session.scalar(
        text(
            "SELECT coalesce(-sum(posting.amount_minor), 0)::bigint FROM account"
            " JOIN posting ON posting.account_id = account.id"
            " WHERE account.manufacturer_id = :manufacturer_id AND account.currency = :currency"
            " AND account.party_id = :party_id AND account.purpose = :purpose"
        ),
        {"manufacturer_id": manufacturer_id, "currency": currency, "party_id": party_id, "purpose": str(purpose)},
    )
    return held


def balances(session: Session, *, manufacturer_id: int, currency: str) -> dict[tuple[str, int | None], int]:
    """Every account's balance, debit positive, by purpose and party."""
    rows = session.execute(
        text(
            "SELECT account.purpose, account.party_id, sum(posting.amount_minor)::bigint AS held FROM account"
            " JOIN posting ON posting.account_id = account.id"
            " WHERE account.manufacturer_id = :manufacturer_id AND account.currency = :currency"
            " GROUP BY account.id ORDER BY account.code"
        ),
        {"manufacturer_id": manufacturer_id, "currency": currency},
    )
    return {(row.purpose, row.party_id): row.held for row in rows if row.held}


@dataclass(frozen=True)
class BookProblem:
    """Something that does not hold in the books: which check, about what, and how."""

    check: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.detail}"


# Each lists what breaks a rule as (subject, detail); no row means that it holds.
_LEDGER_CHECKS = {
    "transactions sum to zero": """
        SELECT 'journal transaction ' || journal.id, 'sums to ' || coalesce(sum(posting.amount_minor), 0)
        FROM journal_transaction journal LEFT JOIN posting ON posting.transaction_id = journal.id
        GROUP BY journal.id HAVING coalesce(sum(posting.amount_minor), 0) <> 0 OR count(posting.id) < 2
    """,
    "rounding stays zero": """
        SELECT account.code || ' ' || account.currency, 'holds ' || sum(posting.amount_minor)
        FROM account JOIN posting ON posting.account_id = account.id
        WHERE account.purpose = 'rounding' GROUP BY account.id HAVING sum(posting.amount_minor) <> 0
    """,
    "one period is open": """
        SELECT organisation.code, 'has no open period'
        FROM period JOIN organisation ON organisation.id = period.manufacturer_id
        GROUP BY organisation.id HAVING count(*) FILTER (WHERE period.state = 'open') <> 1
    """,
    "closed periods are chained": """
        SELECT 'period ' || period.id || ' ' || period.label,
               count(journal.id) || ' transactions, chained ' || coalesce(max(chained.transactions), 0)
        FROM period
        LEFT JOIN journal_transaction journal ON journal.period_id = period.id
        LEFT JOIN (SELECT period_id, sum(transaction_count) AS transactions FROM chain_block GROUP BY period_id) chained
            ON chained.period_id = period.id
        WHERE period.state IN ('soft_closed', 'hard_closed')
        GROUP BY period.id HAVING count(journal.id) <> coalesce(max(chained.transactions), 0)
    """,
    "reversals are exact": """
        SELECT 'journal transaction ' || taken.id, 'is not the opposite of ' || taken.reverses_id
        FROM journal_transaction taken
        WHERE taken.reverses_id IS NOT NULL AND EXISTS (
            SELECT FROM posting WHERE posting.transaction_id IN (taken.id, taken.reverses_id)
            GROUP BY posting.account_id HAVING sum(posting.amount_minor) <> 0)
    """,
}


def ledger_problems(session: Session) -> list[BookProblem]:
    """What is wrong in the ledger itself: sums, rounding, periods, reversals, chain."""
    found = problems_of(session, _LEDGER_CHECKS)
    for block in broken_blocks(session):
        found.append(BookProblem("chain", f"manufacturer {block.manufacturer_id} block {block.position}", block.what))
    return found


def problems_of(session: Session, checks: Mapping[str, str]) -> list[BookProblem]:
    """The rows that each check's statement finds, as problems, all asked for at once."""
    names = list(checks)
    found = sorted(tuple(row) for row in session.execute(_together(tuple(checks.values()))))
    return [BookProblem(names[place], str(subject), str(detail)) for place, subject, detail in found]


@cache
def _together(statements: tuple[str, ...]) -> TextClause:
    return text(
        " UNION ALL ".join(
            f"SELECT {place}, one.subject::text, one.detail::text FROM ({statement}) one (subject, detail)"
            for place, statement in enumerate(statements)
        )
    )
