"""Many transactions of one ledger by one statement, for a caller that knows that none of them was posted before.

The same checks as a single posting: legs by their pairs, the open period held, sums by the database's triggers. A
document that was posted before makes the database refuse them all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.errors import PeriodClosed
from portal.ledger.actions import TRIES, add_accounts, lock_open_period
from portal.ledger.rules import Document, Leg, Pairs, Purpose, check_legs
from portal.rows import insert_rows, next_keys
from portal.sql import Sql

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Entry:
    """One transaction to post."""

    kind: str
    document: Document
    legs: Sequence[Leg]
    occurred_at: datetime
    description: str = ""


@dataclass(frozen=True)
class Books:
    """A ledger whose open period is held until the transaction ends: what its rows name.

    ``accounts`` are those of the parties that were asked for; ``closed`` are the periods that take no more postings,
    each with its beginning and end.
    """

    manufacturer_id: int
    currency: str
    period_id: int
    accounts: Mapping[tuple[Purpose, int | None], int]
    closed: Sequence[tuple[int, datetime, datetime]]


# The database keeps the plan of a connection's first checks of a foreign key. Made while a table is almost empty, it
# would go through all of it for each row ever after: what is posted is to find what it refers to by its key.
_HOLD = Sql(
    """
    WITH held AS (
        SELECT id FROM period WHERE manufacturer_id = :manufacturer_id AND state = 'open' FOR SHARE
    )
    SELECT held.id,
           ARRAY(SELECT json_build_array(id, purpose, party_id) FROM account
                 WHERE manufacturer_id = :manufacturer_id AND currency = :currency
                   AND (party_id IS NULL OR party_id = ANY (CAST(:parties AS bigint[])))),
           ARRAY(SELECT json_build_array(id, starts_at, ends_at) FROM period
                 WHERE manufacturer_id = :manufacturer_id AND state <> 'open'),
           set_config('enable_seqscan', 'off', true)
    FROM held
    """
)


def hold_books(session: Session, manufacturer_id: int, currency: str, parties: Collection[int]) -> Books:
    """The ledger for postings of these parties, its open period locked against closing. *Raises*: PeriodClosed."""
    wanted = {"manufacturer_id": manufacturer_id, "currency": currency, "parties": sorted(parties)}
    for _ in range(TRIES):
        for period_id, accounts, closed, _ in _HOLD.rows(session, wanted):
            return Books(
                manufacturer_id,
                currency,
                period_id,
                {(Purpose(purpose), party_id): account_id for account_id, purpose, party_id in accounts},
                [(each, datetime.fromisoformat(starts), datetime.fromisoformat(ends)) for each, starts, ends in closed],
            )
    raise PeriodClosed("There is no open period to post into.")


def post_new(
    session: Session,
    entries: Sequence[Entry],
    *,
    manufacturer_id: int,
    currency: str,
    allowed_pairs: Pairs,
    now: datetime,
    livemode: bool = False,
) -> None:
    """Post transactions into the open period. *Raises*: as a single posting does."""
    if not entries:
        return
    parties = {leg.party_id for entry in entries for leg in entry.legs if leg.party_id is not None}
    books = hold_books(session, manufacturer_id, currency, parties)
    keys = next_keys(session, {"journal_transaction": len(entries)})["journal_transaction"]
    insert_rows(
        session, journal_rows(session, books, entries, keys, allowed_pairs=allowed_pairs, now=now, livemode=livemode)
    )


def journal_rows(
    session: Session,
    books: Books,
    entries: Sequence[Entry],
    keys: Iterator[int],
    *,
    allowed_pairs: Pairs,
    now: datetime,
    livemode: bool,
) -> Rows:
    """The rows of transactions with ids from ``keys``, by table; accounts that are missing are made.

    *Raises*: RuleBroken for legs that do not make a transaction.
    """
    for entry in entries:
        check_legs(entry.legs, allowed_pairs)
    ledger = {"manufacturer_id": books.manufacturer_id, "currency": books.currency, "period_id": books.period_id}
    accounts = _accounts(session, books, [leg for entry in entries for leg in entry.legs])
    rows: Rows = {"journal_transaction": [], "posting": []}
    for entry in entries:
        number = next(keys)
        rows["journal_transaction"].append(
            {
                "id": number,
                **ledger,
                "kind": entry.kind,
                "document_type": entry.document.type,
                "document_id": entry.document.id,
                "origin_period_id": next(
                    (one for one, starts, ends in books.closed if starts <= entry.occurred_at < ends), None
                ),
                "description": entry.description,
                "livemode": livemode,
                "occurred_at": entry.occurred_at,
                "recorded_at": now,
            }
        )
        rows["posting"] += [
            {
                "transaction_id": number,
                **ledger,
                "account_id": accounts[leg.purpose, leg.party_id],
                "party_id": leg.party_id,
                "amount_minor": leg.amount_minor,
                "document_type": (leg.document or entry.document).type,
                "document_id": (leg.document or entry.document).id,
            }
            for leg in entry.legs
        ]
    return rows


def _accounts(session: Session, books: Books, legs: Sequence[Leg]) -> Mapping[tuple[Purpose, int | None], int]:
    missing = {(leg.purpose, leg.party_id) for leg in legs} - books.accounts.keys()
    if not missing:
        return books.accounts
    return {**books.accounts, **add_accounts(session, books.manufacturer_id, books.currency, missing)}


_REVERSE = text(
    """
    WITH wanted AS (
        SELECT journal.*, now_open.id AS open_id FROM journal_transaction journal
        JOIN period now_open ON now_open.manufacturer_id = journal.manufacturer_id AND now_open.state = 'open'
        WHERE journal.id = ANY (CAST(:ids AS bigint[]))
    ),
    added AS (
        INSERT INTO journal_transaction (
            manufacturer_id, currency, period_id, kind, document_type, document_id, reverses_id, origin_period_id,
            description, livemode, occurred_at, recorded_at)
        SELECT manufacturer_id, currency, open_id, :kind, document_type, document_id, id, nullif(period_id, open_id),
               description, livemode, :occurred_at, :now
        FROM wanted ORDER BY id
        RETURNING id, reverses_id, period_id
    )
    INSERT INTO posting (
        transaction_id, manufacturer_id, currency, period_id, account_id, party_id, amount_minor, document_type,
        document_id)
    SELECT added.id, leg.manufacturer_id, leg.currency, added.period_id, leg.account_id, leg.party_id,
           -leg.amount_minor, leg.document_type, leg.document_id
    FROM added JOIN posting leg ON leg.transaction_id = added.reverses_id
    ORDER BY leg.id
    """
)


def reverse_all(
    session: Session, transaction_ids: Sequence[int], *, kind: str, occurred_at: datetime, now: datetime
) -> int:
    """Post the opposite of transactions of one manufacturer into its open period; how many.

    None of them was reversed before: the database refuses the second time. *Raises*: PeriodClosed.
    """
    if not transaction_ids:
        return 0
    maker = text("SELECT manufacturer_id FROM journal_transaction WHERE id = :id")
    lock_open_period(session, session.scalars(maker, {"id": transaction_ids[0]}).one())
    session.execute(_REVERSE, {"ids": list(transaction_ids), "kind": kind, "occurred_at": occurred_at, "now": now})
    return len(transaction_ids)
