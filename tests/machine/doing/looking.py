"""What is looked at: all accounts after each operation; what Stripe says; what is wrong anywhere in the books."""

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
    """What every account holds that holds something, and whether the portal takes the account for able to receive."""

    accounts: dict[tuple[str, str], int]
    may_receive: bool


def look(portal: Portal) -> Seen:
    """What is compared after each operation."""
    with portal.look() as session:
        rows = session.execute(_ACCOUNTS)
        accounts = {(row.purpose, portal.parties[row.party_id]): row.minor for row in rows}
        state = session.scalar(_ACCOUNT_STATE, {"id": portal.account})
    return Seen(accounts, state == ACTIVE)


def at_stripe(portal: Portal) -> int:
    """What Stripe says is there."""
    return portal.gateway.available_balance()["EUR"]


def findings(portal: Portal) -> list[Any]:
    """What is wrong anywhere in the books, or between them and Stripe's; dear."""
    handling.import_movements(portal.engine, portal.gateway, portal.now)
    with portal.look() as session:
        found: list[Any] = list(session.scalars(_UNBALANCED))
        found += all_problems(session) + list(unmatched_movements(session))
        found += [tie for tie in tie_out(session) if tie.difference_minor]
    return found
