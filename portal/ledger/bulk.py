"""Many transactions of one ledger at once, by COPY: for a caller that knows that none of them was posted before.

The same checks as a single posting: legs by their pairs, the open period held, sums by the database's triggers. A
document that was posted before makes the database refuse them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.db import copy_rows, next_ids
from portal.ledger.actions import accounts_for, lock_open_period
from portal.ledger.rules import Document, Leg, Pairs, check_legs

_TRANSACTION = (
    "id", "manufacturer_id", "currency", "period_id", "kind", "document_type", "document_id", "description", "livemode",
    "occurred_at", "recorded_at",
)  # fmt: skip
_POSTING = (
    "id", "transaction_id", "manufacturer_id", "currency", "period_id", "account_id", "party_id", "amount_minor",
    "document_type", "document_id",
)  # fmt: skip


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
    numbered = list(zip(next_ids(session, "journal_transaction", len(entries)), entries, strict=True))
    transactions = [
        (
            number, manufacturer_id, currency, period_id, entry.kind, entry.document.type, entry.document.id, "",
            livemode, entry.occurred_at, now,
        )
        for number, entry in numbered
    ]  # fmt: skip
    copy_rows(session, "journal_transaction", _TRANSACTION, transactions)
    legs = [(number, leg, leg.document or entry.document) for number, entry in numbered for leg in entry.legs]
    postings = [
        (
            leg_id, number, manufacturer_id, currency, period_id, accounts[leg.purpose, leg.party_id], leg.party_id,
            leg.amount_minor, document.type, document.id,
        )
        for leg_id, (number, leg, document) in zip(next_ids(session, "posting", len(legs)), legs, strict=True)
    ]  # fmt: skip
    copy_rows(session, "posting", _POSTING, postings)
