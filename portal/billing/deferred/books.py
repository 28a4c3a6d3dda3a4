"""What of deferred revenue must hold in the books beyond that its facts sum: at no close is a customer owed less than
nothing, and what selling packs, or leaving a plan early, earned out of it waits for cash. While a month is open a use
may be booked an hour before the month that it comes out of is.
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
    "what is accrued of a commission is what cash has not paid": """
        SELECT 'pack share ' || one.share_id, 'accrued ' || sum(one.posted) || ', left of it ' || sum(one.fact)
        FROM (
            SELECT posting.document_id::bigint AS share_id, -posting.amount_minor AS posted, 0 AS fact
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE posting.document_type = 'pack_share' AND account.purpose = 'payable_accrued'
            UNION ALL SELECT id, 0, amount_minor FROM pack_share WHERE funding = 'cash'
            UNION ALL SELECT pack_share_id, 0, -amount_minor FROM pack_cash
        ) one
        GROUP BY one.share_id HAVING sum(one.posted) <> sum(one.fact)
    """,
    "what is accrued of a plan left early is what cash has not paid": """
        SELECT 'plan share ' || one.share_id, 'accrued ' || sum(one.posted) || ', left of it ' || sum(one.fact)
        FROM (
            SELECT posting.document_id::bigint AS share_id, -posting.amount_minor AS posted, 0 AS fact
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE posting.document_type = 'plan_share' AND account.purpose = 'payable_accrued'
            UNION ALL SELECT id, 0, amount_minor FROM plan_share WHERE funding = 'cash'
            UNION ALL SELECT plan_share_id, 0, -amount_minor FROM plan_cash
        ) one
        GROUP BY one.share_id HAVING sum(one.posted) <> sum(one.fact)
    """,
}


def deferred_problems(session: Session) -> list[BookProblem]:
    """What is wrong with deferred revenue, and with the commissions that came out of it."""
    return problems_of(session, _CHECKS)
