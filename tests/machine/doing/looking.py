"""What is looked at after each operation: all accounts, what is wrong in the books, what Stripe says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from portal.payments import handling
from portal.payments.provider import ACTIVE
from portal.payments.queries import tie_out, unmatched_movements
from portal.settlement.books import all_problems
from tests.machine.process import Portal

_ACCOUNTS = text(
    """
    SELECT account.purpose, account.party_id, sum(posting.amount_minor)::bigint AS minor
    FROM posting JOIN account ON account.id = posting.account_id
    GROUP BY account.purpose, account.party_id HAVING sum(posting.amount_minor) <> 0
    """
)

_UNBALANCED = text("SELECT transaction_id FROM posting GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0")
_ACCOUNT_STATE = text("SELECT transfers_state FROM connected_account WHERE provider_account_id = :id")


@dataclass(frozen=True)
class Seen:
    """What every account holds that holds something, what is wrong, and what Stripe says is there."""

    accounts: dict[tuple[str, str], int]
    findings: list[Any]
    at_stripe_minor: int
    may_receive: bool


def look(portal: Portal) -> Seen:
    """All books, as they are now."""
    at_stripe = portal.gateway.available_balance()["EUR"]
    if at_stripe != portal.balance_seen:
        # Nothing has moved where the balance has not; what came and went is found with the next that stays.
        handling.import_movements(portal.engine, portal.gateway, portal.now)
        portal.balance_seen = at_stripe
    with portal.look() as session:
        rows = session.execute(_ACCOUNTS)
        accounts = {(row.purpose, portal.parties[row.party_id]): row.minor for row in rows}
        found: list[Any] = list(session.scalars(_UNBALANCED))
        found += all_problems(session) + list(unmatched_movements(session))
        found += [tie for tie in tie_out(session) if tie.difference_minor]
        state = session.scalar(_ACCOUNT_STATE, {"id": portal.account})
    return Seen(accounts, found, at_stripe, state == ACTIVE)
