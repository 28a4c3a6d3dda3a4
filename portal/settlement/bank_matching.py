"""Uploaded lines of the bank and postings to the bank account, matched as either comes in, one company at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.settlement import bank_files
from portal.settlement.bank_files import Booked
from portal.settlement.models import BankLine

_FREE_ENTRIES = text(
    """
    SELECT entry.id, entry.booked_on, entry.currency, entry.amount_minor, entry.reference, entry.words, entry.nth,
           entry.uploaded_by
    FROM bank_entry entry
    WHERE entry.manufacturer_id = :own AND NOT EXISTS (SELECT FROM bank_line line WHERE line.entry_id = entry.id)
    ORDER BY entry.id
    """
)
_FREE_POSTINGS = text(
    """
    SELECT posting.id, posting.currency, posting.amount_minor, (journal.occurred_at AT TIME ZONE 'UTC')::date AS on_day
    FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'bank'
    JOIN journal_transaction journal ON journal.id = posting.transaction_id
    WHERE posting.manufacturer_id = :own
      AND NOT EXISTS (SELECT FROM bank_line line WHERE line.posting_id = posting.id)
    """
)


def match_entries(session: Session, manufacturer_id: int, *, now: datetime) -> set[int]:
    """Match what waits on both sides; the lines that found their posting."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"bank:{manufacturer_id}"})
    waiting = {row.id: row for row in session.execute(_FREE_ENTRIES, {"own": manufacturer_id})}
    if not waiting:
        return set()
    booked = [
        Booked(row.id, row.currency, row.amount_minor, row.on_day)
        for row in session.execute(_FREE_POSTINGS, {"own": manufacturer_id})
    ]
    read = [
        (row.id, bank_files.BankEntry(row.booked_on, row.currency, row.amount_minor, row.reference, row.words, row.nth))
        for row in waiting.values()
    ]
    found = bank_files.matched(read, booked)
    for entry_id, posting_id in found.items():
        entry = waiting[entry_id]
        session.add(
            BankLine(
                manufacturer_id=manufacturer_id,
                posting_id=posting_id,
                entry_id=entry_id,
                currency=entry.currency,
                amount_minor=entry.amount_minor,
                booked_on=entry.booked_on,
                reference=entry.reference,
                recorded_by=entry.uploaded_by,
                recorded_at=now,
            )
        )
    session.flush()
    return set(found)
