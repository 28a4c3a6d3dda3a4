"""What of deferred revenue must hold in the books beyond that its facts sum: at no close is a customer owed less than
nothing, and what selling packs, or leaving a plan early, earned out of it waits for cash. While a month is open a use
may be booked an hour before the month that it comes out of is.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.ledger.queries import BookProblem, problems_of

_NOT_BELOW_ZERO = """
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
"""


def _waits_for_cash(of: str) -> str:
    """Whether of each share of a pack or plan that waits for cash so much is accrued as cash has not made payable."""
    return f"""
        SELECT '{of} share ' || one.share_id, 'accrued ' || sum(one.posted) || ', left of it ' || sum(one.fact)
        FROM (
            SELECT posting.document_id::bigint AS share_id, -posting.amount_minor AS posted, 0 AS fact
            FROM posting JOIN account ON account.id = posting.account_id
            WHERE posting.document_type = '{of}_share' AND account.purpose = 'payable_accrued'
            UNION ALL SELECT id, 0, amount_minor FROM {of}_share WHERE funding = 'cash'
            UNION ALL SELECT {of}_share_id, 0, -amount_minor FROM {of}_cash
        ) one
        GROUP BY one.share_id HAVING sum(one.posted) <> sum(one.fact)
    """


_CHECKS = {
    "nothing deferred is below zero at a close": _NOT_BELOW_ZERO,
    "what is accrued of a commission is what cash has not paid": _waits_for_cash("pack"),
    "what is accrued of a plan left early is what cash has not paid": _waits_for_cash("plan"),
}


def deferred_problems(session: Session) -> list[BookProblem]:
    """What is wrong with deferred revenue, and with the commissions that came out of it."""
    return problems_of(session, _CHECKS)
