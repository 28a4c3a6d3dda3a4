"""Many transactions of one ledger by one statement, for a caller that knows that none of them was posted before.

The same checks as a single posting: legs by their pairs, the open period held, sums by the database's triggers. A
document that was posted before makes the database refuse them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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
    transactions, postings = [], []
    for number, entry in zip(keys, entries, strict=True):
        transactions.append(
            {
                "id": number,
                **ledger,
                "kind": entry.kind,
                "document_type": entry.document.type,
                "document_id": entry.document.id,
                "description": "",
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
