"""Many transactions of one ledger by one statement, for a caller that knows that none of them was posted before.

The same checks as a single posting: legs by their pairs, the open period held, sums by the database's triggers. A
document that was posted before makes the database refuse them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.ledger.actions import accounts_for, lock_open_period
from portal.ledger.rules import Document, Leg, Pairs, check_legs
from portal.rows import insert_rows, next_keys


@dataclass(frozen=True)
class Entry:
    """One transaction to post."""

    kind: str
    document: Document
    legs: Sequence[Leg]
    occurred_at: datetime
    description: str = ""


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
    for entry in entries:
        check_legs(entry.legs, allowed_pairs)
    period_id = lock_open_period(session, manufacturer_id)
    accounts = accounts_for(session, manufacturer_id, currency, [leg for entry in entries for leg in entry.legs])
    keys = next_keys(session, {"journal_transaction": len(entries)})["journal_transaction"]
    ledger = {"manufacturer_id": manufacturer_id, "currency": currency, "period_id": period_id}
    closed = _closed_periods(session, manufacturer_id)
    transactions, postings = [], []
    for number, entry in zip(keys, entries, strict=True):
        transactions.append(
            {
                "id": number,
                **ledger,
                "kind": entry.kind,
                "document_type": entry.document.type,
                "document_id": entry.document.id,
                "origin_period_id": next(
                    (one for one, starts, ends in closed if starts <= entry.occurred_at < ends), None
                ),
                "description": entry.description,
                "livemode": livemode,
                "occurred_at": entry.occurred_at,
                "recorded_at": now,
            }
        )
        postings += [
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
    insert_rows(session, {"journal_transaction": transactions, "posting": postings})


def _closed_periods(session: Session, manufacturer_id: int) -> list[tuple[int, datetime, datetime]]:
    """The periods that take no more postings: work of theirs that comes late names them."""
    wanted = text("SELECT id, starts_at, ends_at FROM period WHERE manufacturer_id = :maker AND state <> 'open'")
    return [(row.id, row.starts_at, row.ends_at) for row in session.execute(wanted, {"maker": manufacturer_id})]


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
