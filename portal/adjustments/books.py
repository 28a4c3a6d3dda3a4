"""Whether the figures of money that goes back hold, among themselves and against the ledger."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.ledger.queries import BookProblem, problems_of

# Each finds rows (subject, detail) that break it.
_CHECKS = {
    "what an adjustment took sums to it": """
        SELECT 'adjustment ' || adjustment.id,
               'is ' || adjustment.amount_minor || ' and ' || ended.outcome || ', parts ' || coalesce(taken.minor, 0)
        FROM adjustment
        JOIN LATERAL (SELECT outcome FROM adjustment_end WHERE adjustment_id = adjustment.id
                      ORDER BY id DESC LIMIT 1) ended ON true
        LEFT JOIN LATERAL (SELECT sum(amount_minor) AS minor FROM adjustment_part
                           WHERE cause_type = 'adjustment' AND cause_id = adjustment.id) taken ON true
        WHERE coalesce(taken.minor, 0) <> CASE ended.outcome WHEN 'done' THEN adjustment.amount_minor ELSE 0 END
    """,
    "refunds promised are under way": """
        SELECT 'payer ' || posting.party_id || ' ' || posting.currency, 'promised ' || -sum(posting.amount_minor)
        FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'refunds_promised'
        WHERE NOT EXISTS (
            SELECT FROM adjustment waiting
            WHERE waiting.payer_id = posting.party_id AND waiting.kind = 'refund'
              AND NOT EXISTS (SELECT FROM adjustment_end WHERE adjustment_id = waiting.id))
        GROUP BY posting.manufacturer_id, posting.party_id, posting.currency HAVING sum(posting.amount_minor) <> 0
    """,
    "what is disputed is in open chargebacks": """
        SELECT 'payer ' || one.payer_id || ' ' || one.currency, 'account ' || sum(one.posted) || ', open '
               || sum(one.wanted)
        FROM (
            SELECT posting.party_id AS payer_id, posting.currency, posting.amount_minor AS posted, 0 AS wanted
            FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'disputed'
            UNION ALL
            SELECT chargeback.payer_id, chargeback.currency, 0, chargeback.amount_minor
            FROM chargeback
            WHERE EXISTS (SELECT FROM chargeback_step WHERE chargeback_id = chargeback.id AND kind = 'opened')
              AND NOT EXISTS (SELECT FROM chargeback_step WHERE chargeback_id = chargeback.id
                              AND kind IN ('won', 'lost'))
        ) one GROUP BY one.payer_id, one.currency HAVING sum(one.posted) <> sum(one.wanted)
    """,
    "a claw-back is settled by its steps": """
        SELECT 'claw-back ' || claw_back.id,
               'is ' || claw_back.amount_minor || ', steps ' || sum(step.amount_minor)
        FROM claw_back JOIN claw_back_step step ON step.claw_back_id = claw_back.id AND step.kind IN ('taken', 'owed')
        GROUP BY claw_back.id HAVING sum(step.amount_minor) <> claw_back.amount_minor
    """,
    "what parties owe is posted": """
        SELECT 'claw-back step ' || step.id, step.kind || ' of ' || step.amount_minor || ' is not in the ledger'
        FROM claw_back_step step
        WHERE step.kind <> 'taken' AND NOT EXISTS (
            SELECT FROM journal_transaction journal
            JOIN posting ON posting.transaction_id = journal.id AND posting.amount_minor = step.amount_minor
            WHERE (journal.kind, journal.document_type, journal.document_id)
                = ('claw_back_' || step.kind, 'claw_back_step', step.id::text))
    """,
}


def adjustment_problems(session: Session) -> list[BookProblem]:
    """What is wrong between adjustments, chargebacks, claw-backs and the ledger."""
    return problems_of(session, _CHECKS)
