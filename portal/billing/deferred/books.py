"""What of deferred revenue must hold in the books beyond that its facts sum: at no close is a customer owed less than
nothing. While a month is open a use may be booked an hour before the month that it comes out of is.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.ledger.queries import BookProblem, problems_of

_CHECKS = {
    "nothing deferred is below zero at a close": """
        SELECT 'customer ' || one.party_id || ' ' || one.currency, one.label || ' closed with ' || one.held
        FROM (
            SELECT posting.party_id, posting.currency, period.label, period.state,
                   -sum(sum(posting.amount_minor)) OVER (
                       PARTITION BY posting.account_id ORDER BY period.starts_at) AS held
            FROM posting
            JOIN account ON account.id = posting.account_id AND account.purpose = 'deferred_revenue'
            JOIN period ON period.id = posting.period_id
            GROUP BY posting.account_id, posting.party_id, posting.currency, period.id
        ) one
        WHERE one.held < 0 AND one.state <> 'open'
    """,
}


def deferred_problems(session: Session) -> list[BookProblem]:
    """Customers whose deferred revenue stood below zero when a month was closed."""
    return problems_of(session, _CHECKS)
