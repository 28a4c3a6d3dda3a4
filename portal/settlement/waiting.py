"""What two people approved and what waits for its party's account, as pages show it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor

MOST = 200

# What came back is seen by its posting: a party does not see the journal.
_WAITING = text(
    """
    SELECT statement.id, statement.name, statement.party_id, statement.currency, held.waited_minor
    FROM (
        SELECT part.id, part.statement_id, part.party_id, sum((each ->> 'amount_minor')::bigint)::bigint AS waited_minor
        FROM still_held
        JOIN disposition part ON part.id = still_held.disposition_id
        JOIN statement_approval approval ON approval.id = part.approval_id
        JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
        CROSS JOIN LATERAL jsonb_array_elements(preparation.plan -> 'parts') each
        WHERE each ->> 'because' = 'not_onboarded'
          AND (part.manufacturer_id = :own OR part.party_id = :own)
        GROUP BY part.id
    ) held
    JOIN statement ON statement.id = held.statement_id
    WHERE (CAST(:period_id AS bigint) IS NULL OR statement.period_id = :period_id)
      AND (CAST(:statement_id AS bigint) IS NULL OR statement.id = :statement_id)
      AND NOT EXISTS (SELECT FROM held_transfer gone WHERE gone.disposition_id = held.id)
      AND NOT EXISTS (
          SELECT FROM account JOIN posting ON posting.account_id = account.id
          WHERE account.purpose = 'payable' AND account.party_id = held.party_id
            AND account.manufacturer_id = statement.manufacturer_id
            AND posting.document_type = 'disposition' AND posting.document_id = held.id::text)
    ORDER BY statement.id LIMIT :most
    """
)


@dataclass(frozen=True)
class Waiting:
    """What of a statement is approved and goes by itself once the party's account can receive transfers."""

    statement_id: int
    statement_name: str
    party_id: int
    currency: str
    amount_minor: int


def waiting_for_accounts(
    session: Session, actor: Actor, *, period_id: int | None = None, statement_id: int | None = None
) -> list[Waiting]:
    """What waits for accounts, of the actor's manufacturer or company, the oldest first."""
    values = {"own": actor.organisation_id, "period_id": period_id, "statement_id": statement_id, "most": MOST}
    return [Waiting(*row) for row in session.execute(_WAITING, values)]
