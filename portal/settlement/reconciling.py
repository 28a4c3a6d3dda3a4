"""The four books against each other: the journal, Stripe's movements, statements, and the bank; differences as work.

Invariants: a movement answers to one journal transaction and that to one movement; a difference is kept once while it
stands, by what it is about; it ends when it is no longer found, when it is booked, or when finance accepts it with a
reason, and one that was accepted is not found again with the same amounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.settlement.bank_matching import match_entries
from portal.settlement.difference_models import DifferenceEnd, ReconciliationDifference
from portal.settlement.lines import TRANSFERRED_PARTS

# A transfer or charge is in Stripe's list of movements an hour later; a payout is at the bank within five days.
STRIPE_PATIENCE = timedelta(days=1)
BANK_PATIENCE = timedelta(days=7)
# What the bank shows is booked here by the next day's import.
ENTRY_PATIENCE = timedelta(days=1)
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('reconciliation', 0))"

# Which journal transactions a movement of Stripe's balance answers to, with what they moved there and as fees.
LINKS = """
    WITH clearing AS (
        SELECT journal.id, journal.manufacturer_id, journal.currency, journal.document_type, journal.document_id,
               journal.occurred_at, journal.recorded_at,
               sum(posting.amount_minor) FILTER (WHERE account.purpose = 'stripe_clearing')::bigint AS moved_minor,
               coalesce(sum(posting.amount_minor) FILTER (WHERE account.purpose = 'fees'), 0)::bigint AS fee_minor
        FROM journal_transaction journal
        JOIN posting ON posting.transaction_id = journal.id
        JOIN account ON account.id = posting.account_id AND account.purpose IN ('stripe_clearing', 'fees')
        GROUP BY journal.id
        HAVING count(*) FILTER (WHERE account.purpose = 'stripe_clearing') > 0
    ), booked AS (
        SELECT difference.kind, difference.subject, sum(clearing.moved_minor)::bigint AS moved_minor
        FROM clearing JOIN reconciliation_difference difference
            ON clearing.document_type = 'reconciliation_difference' AND difference.id::text = clearing.document_id
        GROUP BY difference.kind, difference.subject
    ), link AS (
        SELECT movement.provider_id, clearing.* FROM balance_movement movement
        JOIN cash_receipt receipt ON receipt.provider_object_id = movement.source_object_id
        JOIN clearing ON clearing.document_type = 'cash_receipt' AND clearing.document_id = receipt.id::text
        UNION ALL
        SELECT movement.provider_id, clearing.* FROM balance_movement movement
        JOIN intent ON intent.provider_object_id = movement.source_object_id
        JOIN clearing ON clearing.document_type = 'intent' AND clearing.document_id = intent.id::text
        UNION ALL
        SELECT movement.provider_id, clearing.* FROM balance_movement movement
        JOIN clearing ON clearing.document_type = 'balance_movement' AND clearing.document_id = movement.provider_id
    )
"""
# The same transactions with the moment they count from: that of their movement, or their own until Stripe shows one.
COUNTED = (
    LINKS
    + """
    , counted AS (
        SELECT clearing.*, coalesce(shown.at, clearing.occurred_at) AS at
        FROM clearing LEFT JOIN (
            SELECT link.id, min(movement.occurred_at) AS at
            FROM link JOIN balance_movement movement USING (provider_id) GROUP BY link.id
        ) shown USING (id)
    )
    """
)

# One row per difference: kind, subject, whose, currency, what should be there, what is, when it happened.
_FIND = text(
    LINKS
    + f"""
    , operator AS (SELECT id FROM organisation WHERE is_operator ORDER BY id LIMIT 1)
    , found AS (
        SELECT 'movement_unposted' AS kind, movement.provider_id AS subject,
               coalesce(movement.manufacturer_id, (SELECT id FROM operator)) AS manufacturer_id, movement.currency,
               movement.net_minor AS expected_minor, 0::bigint AS found_minor, movement.occurred_at AS happened_at
        FROM balance_movement movement
        WHERE NOT EXISTS (SELECT FROM link WHERE link.provider_id = movement.provider_id)
        UNION ALL
        SELECT 'movement_amount', movement.provider_id, link.manufacturer_id, movement.currency, movement.net_minor,
               link.moved_minor, movement.occurred_at
        FROM balance_movement movement JOIN link USING (provider_id)
        WHERE link.moved_minor <> movement.net_minor
        UNION ALL
        SELECT 'fee_amount', movement.provider_id, link.manufacturer_id, movement.currency, movement.fee_minor,
               link.fee_minor, movement.occurred_at
        FROM balance_movement movement JOIN link USING (provider_id)
        WHERE link.document_type = 'cash_receipt' AND link.fee_minor <> movement.fee_minor
        UNION ALL
        SELECT 'movement_repeated', 'journal ' || link.id, min(link.manufacturer_id), min(link.currency),
               min(link.moved_minor), sum(movement.net_minor)::bigint, max(movement.occurred_at)
        FROM link JOIN balance_movement movement USING (provider_id)
        GROUP BY link.id HAVING count(*) > 1 AND sum(movement.net_minor) <> min(link.moved_minor)
        UNION ALL
        SELECT 'posting_unmoved', 'journal ' || clearing.id, clearing.manufacturer_id, clearing.currency, 0,
               clearing.moved_minor, clearing.occurred_at
        FROM clearing
        WHERE clearing.recorded_at < :stripe_due AND clearing.document_type <> 'reconciliation_difference'
          AND NOT EXISTS (SELECT FROM link WHERE link.id = clearing.id)
        UNION ALL
        SELECT 'transfer_unapproved', movement.provider_id, intent.manufacturer_id, movement.currency,
               coalesce(part.amount_minor, 0) + coalesce(tax.amount_minor, 0), -movement.net_minor, movement.occurred_at
        FROM balance_movement movement
        JOIN intent ON intent.provider_object_id = movement.source_object_id AND intent.kind = 'transfer'
        LEFT JOIN {TRANSFERRED_PARTS} part ON part.intent_id = intent.id
        LEFT JOIN disposition_tax tax ON tax.disposition_id = part.disposition_id
        WHERE coalesce(part.amount_minor, 0) + coalesce(tax.amount_minor, 0) <> -movement.net_minor
        UNION ALL
        SELECT 'bank_unseen', 'posting ' || posting.id, posting.manufacturer_id, posting.currency,
               posting.amount_minor, 0, journal.occurred_at
        FROM posting
        JOIN account ON account.id = posting.account_id AND account.purpose = 'bank'
        JOIN journal_transaction journal ON journal.id = posting.transaction_id
        WHERE journal.occurred_at < :bank_due
          AND NOT EXISTS (SELECT FROM bank_line line WHERE line.posting_id = posting.id)
          -- A payout that the bank sent back never shows on its statement, nor does its return.
          AND NOT EXISTS (
              SELECT FROM balance_movement mine
              JOIN balance_movement other ON other.source_object_id = mine.source_object_id
                  AND other.provider_id <> mine.provider_id AND other.net_minor = -mine.net_minor
              WHERE journal.document_type = 'balance_movement' AND mine.provider_id = journal.document_id
                AND mine.category IN ('payout', 'payout_reversal'))
        UNION ALL
        SELECT 'bank_amount', 'posting ' || posting.id, posting.manufacturer_id, posting.currency,
               posting.amount_minor, line.amount_minor, journal.occurred_at
        FROM bank_line line
        JOIN posting ON posting.id = line.posting_id
        JOIN journal_transaction journal ON journal.id = posting.transaction_id
        WHERE line.amount_minor <> posting.amount_minor
        UNION ALL
        SELECT 'bank_unknown', 'entry ' || entry.id, entry.manufacturer_id, entry.currency, entry.amount_minor, 0,
               entry.booked_on::timestamp AT TIME ZONE 'UTC'
        FROM bank_entry entry
        WHERE entry.uploaded_at < :entry_due AND entry.amount_minor <> 0
          AND NOT EXISTS (SELECT FROM bank_line line WHERE line.entry_id = entry.id)
    )
    SELECT found.kind, found.subject, found.manufacturer_id, found.currency, found.expected_minor,
           found.found_minor + coalesce(booked.moved_minor, 0) AS found_minor, found.happened_at
    FROM found LEFT JOIN booked USING (kind, subject)
    WHERE found.expected_minor <> found.found_minor + coalesce(booked.moved_minor, 0)
      AND found.manufacturer_id IS NOT NULL
    ORDER BY found.happened_at, found.kind, found.subject
    """
)

_STANDING = text(
    """
    SELECT difference.id, difference.kind, difference.subject, difference.expected_minor, difference.found_minor,
           difference.manufacturer_id, ended.outcome
    FROM reconciliation_difference difference
    LEFT JOIN difference_end ended ON ended.difference_id = difference.id
    WHERE ended.id IS NULL OR ended.outcome = 'accepted'
    """
)


def find_differences(session: Session, *, now: datetime) -> int:
    """Compare the four books; keep new differences, end those that are gone. How many stand."""
    one_at_a_time(session)
    for manufacturer_id in session.scalars(text("SELECT DISTINCT manufacturer_id FROM bank_entry ORDER BY 1")).all():
        match_entries(session, manufacturer_id, now=now)
    values = {
        "stripe_due": now - STRIPE_PATIENCE,
        "bank_due": now - BANK_PATIENCE,
        "entry_due": now - ENTRY_PATIENCE,
    }
    found = {_key(row): row for row in session.execute(_FIND, values).mappings()}
    known = {_key(row): row for row in session.execute(_STANDING).mappings()}
    for key, row in known.items():
        if key not in found and row["outcome"] is None:
            session.add(
                DifferenceEnd(
                    difference_id=row["id"],
                    manufacturer_id=row["manufacturer_id"],
                    outcome="gone",
                    explanation="It is no longer found.",
                    ended_at=now,
                )
            )
    new = [row for key, row in found.items() if key not in known]
    session.add_all([ReconciliationDifference(**row, found_at=now) for row in new])
    session.flush()
    return sum(1 for key in found if key not in known or known[key]["outcome"] is None)


def one_at_a_time(session: Session) -> None:
    """Nobody else finds or books differences until this transaction ends."""
    session.execute(text(_ONE_AT_A_TIME))


def _key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("kind", "subject", "expected_minor", "found_minor"))
