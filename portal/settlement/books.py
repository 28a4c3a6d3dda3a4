"""Whether settlement's figures hold, among themselves and against the ledger and Stripe's intents."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.adjustments.books import adjustment_problems
from portal.billing.books import check_books
from portal.ledger.queries import BookProblem, problems_of
from portal.payments.exchanges.books import exchange_problems
from portal.settlement.lines import TRANSFERRED_PARTS
from portal.settlement.selfbilling.books import tax_problems

# Each finds rows (subject, detail) that break it.
_CHECKS = {
    "a statement's lines sum to it": """
        SELECT 'statement ' || statement.name,
               'net ' || statement.net_minor || ', lines ' || coalesce(sum(line.amount_minor), 0)
        FROM statement LEFT JOIN statement_line line ON line.statement_id = statement.id
        GROUP BY statement.id
        HAVING (statement.net_minor, statement.line_count) <> (coalesce(sum(line.amount_minor), 0), count(line.id))
    """,
    "a line has the amount of its posting": """
        SELECT 'statement line ' || line.id, 'shows ' || line.amount_minor || ', posted ' || -posting.amount_minor
        FROM statement_line line JOIN posting ON posting.id = line.posting_id
        WHERE line.amount_minor <> -posting.amount_minor OR line.party_id <> posting.party_id
    """,
    "a closed period's payables are on statements": """
        SELECT 'posting ' || posting.id, 'is on no statement of period ' || period.label
        FROM posting
        JOIN account ON account.id = posting.account_id AND account.purpose = 'payable'
        JOIN period ON period.id = posting.period_id AND period.state IN ('soft_closed', 'hard_closed')
        WHERE posting.document_type <> 'statement_approval'
          AND NOT EXISTS (SELECT FROM statement_line line WHERE line.posting_id = posting.id)
    """,
    "what became of an approval sums to it": """
        SELECT 'approval ' || approval.id, 'approved ' || approval.amount_minor || ', parts ' || sum(part.amount_minor)
        FROM statement_approval approval JOIN disposition part ON part.approval_id = approval.id
        GROUP BY approval.id HAVING sum(part.amount_minor) <> approval.amount_minor
    """,
    "every disposition is posted": """
        SELECT 'disposition ' || part.id, part.kind || ' of ' || part.amount_minor || ' is not in the ledger'
        FROM disposition part
        WHERE part.amount_minor <> 0 AND NOT EXISTS (
            SELECT FROM journal_transaction journal
            JOIN posting ON posting.transaction_id = journal.id AND posting.amount_minor = part.amount_minor
            WHERE journal.document_type = 'disposition' AND journal.document_id = part.id::text
              AND journal.kind = 'disposed_' || part.kind)
    """,
    "a transfer is what was approved": f"""
        SELECT 'disposition ' || part.disposition_id,
               'transferred ' || part.amount_minor || ', intent ' || intent.amount_minor
        FROM (SELECT disposition_id, amount_minor, intent_id FROM {TRANSFERRED_PARTS} moved
              UNION ALL SELECT id, amount_minor, intent_id FROM disposition WHERE kind = 'invoiced') part
        JOIN intent ON intent.id = part.intent_id
        LEFT JOIN disposition_tax tax ON tax.disposition_id = part.disposition_id
        WHERE abs(part.amount_minor + coalesce(tax.amount_minor, 0)) <> intent.amount_minor
    """,
    "money in transfer is in unfinished transfers": f"""
        SELECT 'party ' || one.party_id || ' ' || one.currency, 'in transfer ' || sum(one.posted) || ', under way '
               || sum(one.wanted)
        FROM (
            SELECT posting.party_id, posting.currency, -posting.amount_minor AS posted, 0 AS wanted
            FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'payable_in_transfer'
            UNION ALL
            SELECT part.party_id, part.currency, 0, part.amount_minor + coalesce(tax.amount_minor, 0)
            FROM {TRANSFERRED_PARTS} part JOIN intent ON intent.id = part.intent_id
            LEFT JOIN disposition_tax tax ON tax.disposition_id = part.disposition_id
            WHERE intent.state <> 'succeeded'
        ) one GROUP BY one.party_id, one.currency HAVING sum(one.posted) <> sum(one.wanted)
    """,
    "what parties owe is of nets and claw-backs": """
        SELECT 'party ' || one.party_id || ' ' || one.currency, 'facts ' || sum(one.fact) || ', account '
               || sum(one.posted)
        FROM (
            SELECT posting.manufacturer_id, posting.party_id, posting.currency, 0 AS fact,
                   posting.amount_minor AS posted
            FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'receivable_party'
            UNION ALL
            SELECT part.manufacturer_id, part.party_id, part.currency,
                   -part.amount_minor - coalesce(tax.amount_minor, 0), 0
            FROM disposition part LEFT JOIN disposition_tax tax ON tax.disposition_id = part.id
            WHERE part.kind = 'invoiced'
            UNION ALL
            SELECT part.manufacturer_id, part.party_id, part.currency, -receipt.amount_minor, 0
            FROM disposition part
            JOIN invoice ON invoice.intent_id = part.intent_id AND part.kind = 'invoiced'
            JOIN cash_receipt receipt ON receipt.invoice_id = invoice.id
            UNION ALL
            SELECT manufacturer_id, party_id, currency,
                   CASE kind WHEN 'owed' THEN amount_minor ELSE -amount_minor END, 0
            FROM claw_back_step WHERE kind <> 'taken'
        ) one
        GROUP BY one.manufacturer_id, one.party_id, one.currency HAVING sum(one.fact) <> sum(one.posted)
    """,
    "what was held leaves once": """
        SELECT 'disposition ' || held.id, 'waited for the account ' || sum(held.waited_minor) || ', transferred '
               || late.amount_minor || ', brought back ' || coalesce(max(back.minor), 0)
        FROM (
            SELECT part.id, (each ->> 'amount_minor')::bigint AS waited_minor
            FROM disposition part
            JOIN statement_approval approval ON approval.id = part.approval_id
            JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
            CROSS JOIN LATERAL jsonb_array_elements(preparation.plan -> 'parts') each
            WHERE part.kind = 'held' AND each ->> 'because' = 'not_onboarded'
        ) held
        JOIN held_transfer late ON late.disposition_id = held.id
        LEFT JOIN LATERAL (
            SELECT sum(posting.amount_minor)::bigint AS minor FROM journal_transaction journal
            JOIN posting ON posting.transaction_id = journal.id AND posting.amount_minor > 0
            WHERE journal.kind = 'held_released' AND journal.document_type = 'disposition'
              AND journal.document_id = held.id::text
        ) back ON true
        GROUP BY held.id, late.id HAVING sum(held.waited_minor) < late.amount_minor + coalesce(max(back.minor), 0)
    """,
    "a late transfer is posted": """
        SELECT 'disposition ' || late.disposition_id, 'later ' || late.amount_minor || ' is not in the ledger'
        FROM held_transfer late
        WHERE NOT EXISTS (
            SELECT FROM journal_transaction journal
            JOIN posting ON posting.transaction_id = journal.id AND posting.amount_minor = late.amount_minor
            WHERE journal.document_type = 'disposition' AND journal.document_id = late.disposition_id::text
              AND journal.kind = 'held_transferred')
    """,
    "what was held is of a plan or a chargeback": """
        SELECT 'party ' || one.party_id || ' ' || one.currency, 'facts ' || sum(one.fact) || ', account '
               || sum(one.posted)
        FROM (
            SELECT posting.manufacturer_id, posting.party_id, posting.currency, 0 AS fact,
                   -posting.amount_minor AS posted
            FROM posting
            JOIN account ON account.id = posting.account_id AND account.purpose = 'held'
            JOIN journal_transaction journal ON journal.id = posting.transaction_id AND journal.kind <> 'held_released'
            UNION ALL
            SELECT manufacturer_id, party_id, currency, amount_minor, 0 FROM disposition WHERE kind = 'held'
            UNION ALL
            SELECT manufacturer_id, party_id, currency, -amount_minor, 0 FROM held_transfer
            UNION ALL
            SELECT manufacturer_id, coalesce(party_id, manufacturer_id), currency, amount_minor, 0
            FROM adjustment_part part
            WHERE cause_type = 'chargeback' AND NOT EXISTS (
                SELECT FROM journal_transaction WHERE (kind, document_type, document_id)
                    = ('chargeback_lost', 'chargeback', part.cause_id::text))
        ) one
        GROUP BY one.manufacturer_id, one.party_id, one.currency HAVING sum(one.fact) <> sum(one.posted)
    """,
    "cash is booked": """
        SELECT 'cash receipt ' || receipt.id, 'is not in the ledger' FROM cash_receipt receipt
        WHERE NOT EXISTS (SELECT FROM journal_transaction journal WHERE journal.kind = 'cash_received'
            AND journal.document_type = 'cash_receipt' AND journal.document_id = receipt.id::text)
    """,
}


def settlement_problems(session: Session) -> list[BookProblem]:
    """What is wrong between statements, approvals, dispositions and the ledger."""
    return [*problems_of(session, _CHECKS), *tax_problems(session)]


def all_problems(session: Session) -> list[BookProblem]:
    """Everything that is wrong in the books, from the ledger up to settlement; Stripe's tie-out apart."""
    return [
        *check_books(session),
        *exchange_problems(session),
        *adjustment_problems(session),
        *settlement_problems(session),
    ]
