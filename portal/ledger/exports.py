"""A period's journal as a file for an outside program, piece by piece: memory does not grow with the period.

Accounts and entries come from one statement, so from one moment of the database, also while postings go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row as Found
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.errors import Invalid
from portal.ledger.models import Period
from portal.ledger.plaintext import SYNTAXES, Balance, Heading, JournalEntry, JournalLeg, Syntax
from portal.ledger.shapes import Row, Shape, rows

_ROWS_AT_ONCE = 2_000

# Accounts first (section 0), then the period's legs in the order posted (section 1).
_JOURNAL = text(
    """
    WITH held AS (
        SELECT account.id, account.code, account.currency,
               coalesce(sum(posting.amount_minor) FILTER (WHERE period.starts_at < wanted.starts_at), 0)::bigint
                   AS opening_minor,
               sum(posting.amount_minor)::bigint AS closing_minor
        FROM period wanted
        JOIN account ON account.manufacturer_id = wanted.manufacturer_id
        JOIN posting ON posting.account_id = account.id
        JOIN period ON period.id = posting.period_id AND period.starts_at <= wanted.starts_at
        WHERE wanted.id = :period_id
        GROUP BY account.id
    )
    SELECT 0 AS section, held.id AS transaction_id, 0::bigint AS posting_id, held.code, held.currency,
           held.opening_minor AS amount_minor, held.closing_minor, NULL AS kind, NULL AS document, NULL AS leg_document,
           NULL AS description, NULL::timestamptz AS occurred_at, NULL::bigint AS reverses_id
    FROM held
    UNION ALL
    SELECT 1, journal.id, posting.id, account.code, journal.currency, posting.amount_minor, NULL, journal.kind,
           journal.document_type || ':' || journal.document_id, posting.document_type || ':' || posting.document_id,
           journal.description, journal.occurred_at, journal.reverses_id
    FROM journal_transaction journal
    JOIN posting ON posting.transaction_id = journal.id
    JOIN account ON account.id = posting.account_id
    WHERE journal.period_id = :period_id
    ORDER BY section, transaction_id, posting_id
    """
)


def journal_name(session: Session, period: Period, syntax: str) -> str:
    """What the file of a period is called."""
    return f"{_code_of(session, period)}-{period.label}.{_syntax(syntax).ending}"


def journal_text(session: Session, period: Period, syntax: str) -> Iterator[str]:
    """The period's journal for ``beancount`` or ``hledger``. *Raises*: Invalid for another program."""
    told = _syntax(syntax)
    return _pieces(session, period, told)


def _pieces(session: Session, period: Period, told: Syntax) -> Iterator[str]:
    heading = _heading(session, period)
    found = session.execute(_JOURNAL, {"period_id": period.id}, execution_options={"yield_per": _ROWS_AT_ONCE})
    balances: list[Balance] = []
    for transaction_id, part in groupby(found, key=lambda row: row.transaction_id if row.section else None):
        if transaction_id is None:
            balances = sorted((_balance(row) for row in part), key=lambda each: (each.account, each.currency))
            yield from told.begin(heading, balances)
        else:
            yield told.entry(heading, _entry(list(part)))
    if not balances:
        yield from told.begin(heading, balances)
    yield from told.end(heading, balances)


def shaped_name(session: Session, period: Period, shape: str, currency: str) -> str:
    """What the table of a period and currency is called, without its ending."""
    return f"{_code_of(session, period)}-{period.label}-{currency}-{shape}"


def shaped_rows(session: Session, period: Period, shape: Shape, currency: str) -> Iterator[Row]:
    """The period's transactions of a currency as rows that an accounting program imports."""
    found = session.execute(_JOURNAL, {"period_id": period.id}, execution_options={"yield_per": _ROWS_AT_ONCE})
    legs = groupby((row for row in found if row.section), key=lambda row: row.transaction_id)
    yield from rows(shape, _heading(session, period), (_entry(list(part)) for _, part in legs), currency)


def _syntax(name: str) -> Syntax:
    try:
        return SYNTAXES[name]
    except KeyError as error:
        raise Invalid("Journals are written for beancount or hledger.", {"format": "Choose one of the two."}) from error


def _heading(session: Session, period: Period) -> Heading:
    zone = ZoneInfo(period.zone)
    block = session.execute(
        text("SELECT position, sha256 FROM chain_block WHERE period_id = :id ORDER BY position DESC LIMIT 1"),
        {"id": period.id},
    ).one_or_none()
    return Heading(
        manufacturer=_code_of(session, period),
        label=period.label,
        zone=period.zone,
        starts_on=period.starts_at.astimezone(zone).date(),
        ends_on=period.ends_at.astimezone(zone).date(),
        state=period.state,
        chained=f"block {block.position}, sha256 {block.sha256}" if block else "",
    )


def _code_of(session: Session, period: Period) -> str:
    code: str = session.execute(
        text("SELECT code FROM organisation WHERE id = :id"), {"id": period.manufacturer_id}
    ).scalar_one()
    return code


def _balance(row: Found[Any]) -> Balance:
    return Balance(row.code, row.currency, row.amount_minor, row.closing_minor)


def _entry(legs: list[Found[Any]]) -> JournalEntry:
    first = legs[0]
    return JournalEntry(
        id=first.transaction_id,
        currency=first.currency,
        kind=first.kind,
        document=first.document,
        description=first.description,
        occurred_at=first.occurred_at,
        reverses_id=first.reverses_id,
        legs=tuple(JournalLeg(leg.code, leg.amount_minor, leg.leg_document) for leg in legs),
    )
