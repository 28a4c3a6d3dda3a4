"""Whether linked transactions agree with one another, with their row, and with Stripe's amounts and rate."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.ledger.queries import BookProblem, problems_of

# What a transaction moved on the accounts that matter here.
_SUMS = """
    SELECT journal.id, journal.currency,
           coalesce(sum(posting.amount_minor) FILTER (WHERE account.purpose = 'exchange'), 0) AS exchange_minor,
           coalesce(sum(posting.amount_minor) FILTER (WHERE account.purpose = 'exchange_difference'), 0)
               AS difference_minor,
           coalesce(sum(posting.amount_minor) FILTER (WHERE account.purpose = 'stripe_clearing'), 0) AS stripe_minor,
           coalesce(sum(posting.amount_minor) FILTER (WHERE account.purpose = 'fees'), 0) AS fee_minor
    FROM journal_transaction journal
    JOIN posting ON posting.transaction_id = journal.id
    JOIN account ON account.id = posting.account_id
    WHERE journal.id IN (SELECT transaction_id FROM exchange UNION SELECT settled_transaction_id FROM exchange)
    GROUP BY journal.id
"""

# Each finds rows (subject, detail) that break it.
_CHECKS = {
    "both transactions of an exchange are posted": f"""
        SELECT 'exchange ' || exchange.id,
               'is ' || exchange.amount_minor || ' ' || exchange.currency || ' for ' || exchange.settled_minor || ' '
               || exchange.settled_currency || ', posted ' || coalesce(asked.exchange_minor, 0) || ' and '
               || coalesce(settled.stripe_minor, 0)
        FROM exchange
        LEFT JOIN ({_SUMS}) asked ON asked.id = exchange.transaction_id
        LEFT JOIN ({_SUMS}) settled ON settled.id = exchange.settled_transaction_id
        WHERE (asked.currency, asked.exchange_minor, asked.stripe_minor)
              IS DISTINCT FROM (exchange.currency, exchange.amount_minor::numeric, 0::numeric)
           OR (settled.currency, settled.exchange_minor, settled.difference_minor, settled.stripe_minor,
               settled.fee_minor)
              IS DISTINCT FROM (
               exchange.settled_currency, (-exchange.first_rate_minor)::numeric,
               (exchange.first_rate_minor - exchange.settled_minor)::numeric,
               (exchange.settled_minor - exchange.fee_minor)::numeric, exchange.fee_minor::numeric)
    """,
    "no transaction over an exchange account stands alone": """
        SELECT 'journal transaction ' || journal.id, 'is linked to none in another currency'
        FROM journal_transaction journal
        WHERE EXISTS (
            SELECT FROM posting JOIN account ON account.id = posting.account_id
            WHERE posting.transaction_id = journal.id AND account.purpose IN ('exchange', 'exchange_difference'))
          AND NOT EXISTS (
            SELECT FROM exchange WHERE journal.id IN (exchange.transaction_id, exchange.settled_transaction_id))
    """,
    "an exchange is what Stripe moved": """
        SELECT 'exchange ' || exchange.id,
               'says ' || exchange.settled_minor || ' ' || exchange.settled_currency || ' less ' || exchange.fee_minor
               || ', Stripe ' || movement.amount_minor || ' ' || movement.currency || ' less ' || movement.fee_minor
        FROM exchange JOIN balance_movement movement ON movement.provider_id = exchange.movement_id
        WHERE (movement.currency, movement.amount_minor, movement.fee_minor)
              <> (exchange.settled_currency, exchange.settled_minor, exchange.fee_minor)
           OR movement.rate_num::numeric * exchange.rate_den <> exchange.rate_num::numeric * movement.rate_den
    """,
    # Half up to the smallest step: amounts with three decimals settle to the ten.
    "an exchange keeps to its rate": """
        SELECT 'exchange ' || id, amount_minor || ' ' || currency || ' at ' || rate_num || '/' || rate_den || ' is '
               || at_rate || ' ' || settled_currency || ', not ' || settled_minor
        FROM (
            SELECT exchange.*, sign(amount_minor) * step * div(
                2 * abs(amount_minor::numeric) * rate_num + rate_den::numeric * step, 2 * rate_den::numeric * step
            ) AS at_rate
            FROM exchange CROSS JOIN LATERAL (
                SELECT CASE WHEN settled_currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND')
                       THEN 10 ELSE 1 END AS step) smallest
        ) one WHERE at_rate <> settled_minor
    """,
    "what is left of a payment stands at its first rate": """
        SELECT 'payment ' || paid.receipt_id, 'of ' || held.amount_minor || ' ' || paid.currency || ' left, '
               || held.first_rate_minor || ' ' || paid.settled_currency || ' stand on the exchange account'
        FROM exchange paid
        JOIN (SELECT receipt_id, sum(amount_minor) AS amount_minor, sum(first_rate_minor) AS first_rate_minor
              FROM exchange GROUP BY receipt_id) held ON held.receipt_id = paid.receipt_id
        WHERE paid.kind = 'cash_received' AND held.first_rate_minor <> div(
            2 * paid.settled_minor::numeric * held.amount_minor + paid.amount_minor, 2 * paid.amount_minor::numeric)
    """,
    "a payment that settled elsewhere has its exchange": """
        SELECT 'cash receipt ' || receipt.id, 'settled in ' || receipt.settled_currency || ' without an exchange'
        FROM cash_receipt receipt
        WHERE receipt.settled_currency IS NOT NULL AND NOT EXISTS (
            SELECT FROM exchange WHERE exchange.receipt_id = receipt.id AND exchange.kind = 'cash_received'
              AND exchange.settled_currency = receipt.settled_currency AND exchange.fee_minor = receipt.fee_minor)
    """,
}


def exchange_problems(session: Session) -> list[BookProblem]:
    """What is wrong between linked transactions, or between them and Stripe."""
    return problems_of(session, _CHECKS)
