"""Parties that owe more than they have coming, by currency: how much, since when, and what stands against it.

What is payable to a party below zero waits for its next statement, where it is carried, netted or invoiced; what was
invoiced or could not be taken back is a receivable from it. Money that is only accrued is not counted: it becomes
payable when a customer pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import NotAllowed

MOST_PARTIES = 200

_NEGATIVE = text(
    """
    SELECT * FROM (
        WITH held AS (
            SELECT account.id AS account_id, account.party_id, account.currency, account.purpose,
                   -sum(posting.amount_minor)::bigint AS minor
            FROM account JOIN posting ON posting.account_id = account.id
            WHERE account.manufacturer_id = :own
              AND account.purpose IN ('payable', 'payable_accrued', 'receivable_party')
            GROUP BY account.id
        ), party AS (
            SELECT party_id, currency,
                   coalesce(sum(minor) FILTER (WHERE purpose = 'payable'), 0)::bigint AS due_minor,
                   coalesce(sum(minor) FILTER (WHERE purpose = 'receivable_party'), 0)::bigint AS owed_minor,
                   coalesce(sum(minor) FILTER (WHERE purpose = 'payable_accrued'), 0)::bigint AS accrued_minor,
                   max(account_id) FILTER (WHERE purpose = 'payable') AS due_account_id,
                   max(account_id) FILTER (WHERE purpose = 'receivable_party') AS owed_account_id,
                   max(account_id) FILTER (WHERE purpose = 'payable_accrued') AS accrued_account_id
            FROM held GROUP BY party_id, currency
            HAVING coalesce(sum(minor) FILTER (WHERE purpose <> 'payable_accrued'), 0) < 0
        ), running AS (
            SELECT held.party_id, held.currency, journal.recorded_at,
                   -sum(posting.amount_minor) OVER (
                       PARTITION BY held.party_id, held.currency ORDER BY journal.recorded_at, journal.id, posting.id
                       RANGE UNBOUNDED PRECEDING) AS minor
            FROM party JOIN held USING (party_id, currency)
            JOIN posting ON posting.account_id = held.account_id
            JOIN journal_transaction journal ON journal.id = posting.transaction_id
            WHERE held.purpose <> 'payable_accrued'
        ), begun AS (
            SELECT running.party_id, running.currency, min(running.recorded_at) AS since
            FROM running
            LEFT JOIN (SELECT party_id, currency, max(recorded_at) AS last_at FROM running WHERE minor >= 0
                       GROUP BY party_id, currency) fine USING (party_id, currency)
            WHERE running.minor < 0 AND (fine.last_at IS NULL OR running.recorded_at > fine.last_at)
            GROUP BY running.party_id, running.currency
        )
        SELECT party.party_id, party.currency, party.due_minor, party.owed_minor, party.accrued_minor,
               party.due_account_id, party.owed_account_id, party.accrued_account_id,
               coalesce(begun.since, (SELECT max(recorded_at) FROM running
                                      WHERE running.party_id = party.party_id AND running.currency = party.currency)),
               (SELECT max(statement.id) FROM statement
                WHERE statement.manufacturer_id = :own AND statement.party_id = party.party_id
                  AND statement.currency = party.currency
                  AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id))
        FROM party LEFT JOIN begun USING (party_id, currency)
        ORDER BY 9, party.currency, party.party_id LIMIT :most
    ) negative
    """
)


@dataclass(frozen=True)
class NegativeParty:
    """A party below zero in one currency, with the accounts behind its amounts and its latest statement.

    ``due_minor`` and ``owed_minor`` are as the party sees them, below zero where it owes.
    """

    party_id: int
    currency: str
    due_minor: int
    owed_minor: int
    accrued_minor: int
    due_account_id: int | None
    owed_account_id: int | None
    accrued_account_id: int | None
    since: datetime
    statement_id: int | None

    @property
    def net_minor(self) -> int:
        """What the party owes altogether, below zero."""
        return self.due_minor + self.owed_minor


def negative_parties(session: Session, actor: Actor, *, most: int = MOST_PARTIES) -> list[NegativeParty]:
    """The parties of the actor's manufacturer below zero, the longest first. *Raises*: NotAllowed."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("What parties owe is for the manufacturer's finance.")
    rows = session.execute(_NEGATIVE, {"own": actor.organisation_id, "most": most})
    return [NegativeParty(*row) for row in rows]
