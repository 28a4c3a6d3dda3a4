"""What the next transfers take out of Stripe's balance, by currency, against what is there and on its way.

Transfers under way, approvals whose transfers are being made, and statements prepared for approval count; the balance
is that of the movements imported for the manufacturer, each of which says when it can be used.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import NotAllowed
from portal.settlement.covering import Arrival, Demand, Forecast, forecast
from portal.settlement.lines import TRANSFERRED_PARTS

MOST_DEMANDS = 500
# How far a statement's transfer has come.
WAITING, APPROVED, PREPARED = "waiting", "approved", "prepared"

_DEMANDS = text(
    f"""
    SELECT intent.currency, statement.id, statement.name, statement.party_id, 'waiting', intent.created_at,
           intent.amount_minor
    FROM intent JOIN {TRANSFERRED_PARTS} part ON part.intent_id = intent.id
    JOIN statement ON statement.id = part.statement_id
    WHERE intent.manufacturer_id = :own AND intent.kind = 'transfer' AND intent.state IN ('planned', 'sent', 'unknown')
    UNION ALL
    SELECT approval.currency, statement.id, statement.name, statement.party_id, 'approved', approval.approved_at,
           (part ->> 'amount_minor')::bigint
               + coalesce((preparation.plan -> 'billing' ->> 'tax_minor')::bigint, 0)
    FROM statement_approval approval
    JOIN statement ON statement.id = approval.statement_id
    JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
    CROSS JOIN LATERAL jsonb_array_elements(preparation.plan -> 'parts') part
    WHERE approval.manufacturer_id = :own AND part ->> 'kind' = 'transferred'
      AND (part ->> 'amount_minor')::bigint > 0
      AND NOT EXISTS (SELECT FROM disposition done WHERE done.approval_id = approval.id)
    UNION ALL
    SELECT statement.currency, statement.id, statement.name, statement.party_id, 'prepared', preparation.prepared_at,
           (part ->> 'amount_minor')::bigint
               + coalesce((preparation.plan -> 'billing' ->> 'tax_minor')::bigint, 0)
    FROM statement
    JOIN LATERAL (SELECT * FROM statement_preparation made WHERE made.statement_id = statement.id
                  ORDER BY made.id DESC LIMIT 1) preparation ON true
    CROSS JOIN LATERAL jsonb_array_elements(preparation.plan -> 'parts') part
    WHERE statement.manufacturer_id = :own AND part ->> 'kind' = 'transferred'
      AND (part ->> 'amount_minor')::bigint > 0
      AND NOT EXISTS (SELECT FROM statement_approval given WHERE given.statement_id = statement.id)
      AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)
    ORDER BY 6, 2 LIMIT :most
    """
)

_AVAILABLE = text(
    """
    SELECT currency, sum(net_minor)::bigint, max(recorded_at) FROM balance_movement
    WHERE manufacturer_id = :own AND coalesce(available_at, occurred_at) <= :now GROUP BY currency
    """
)

_COMING = text(
    """
    SELECT currency, provider_id, category, occurred_at, available_at, net_minor FROM balance_movement
    WHERE manufacturer_id = :own AND available_at > :now ORDER BY available_at, provider_id
    """
)

_CLEARING = text("SELECT currency, id FROM account WHERE manufacturer_id = :own AND purpose = 'stripe_clearing'")


@dataclass(frozen=True)
class CashNeeded:
    """The forecasts by currency, the clearing account of each, and when the balance was last looked at."""

    forecasts: tuple[Forecast, ...]
    accounts: dict[str, int]
    seen_at: datetime | None


def cash_needed(session: Session, actor: Actor, *, now: datetime) -> CashNeeded:
    """What the next transfers of the actor's manufacturer need. *Raises*: NotAllowed."""
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("The balance is the manufacturer's finance's to look after.")
    own = {"own": actor.organisation_id}
    demands: dict[str, list[Demand]] = defaultdict(list)
    for currency, *row in session.execute(_DEMANDS, {**own, "most": MOST_DEMANDS}):
        demands[currency].append(Demand(*row))
    coming: dict[str, list[Arrival]] = defaultdict(list)
    for currency, *row in session.execute(_COMING, {**own, "now": now}):
        coming[currency].append(Arrival(*row))
    available = {row[0]: (row[1], row[2]) for row in session.execute(_AVAILABLE, {**own, "now": now})}
    found = tuple(
        forecast(currency, available.get(currency, (0, None))[0], coming[currency], demands[currency], now=now)
        for currency in sorted({*demands, *coming, *available})
    )
    seen = [at for _, at in available.values()]
    accounts = {row[0]: row[1] for row in session.execute(_CLEARING, own)}
    return CashNeeded(found, accounts, max(seen) if seen else None)
