"""What a close froze, as data: counts, totals, statements, the chain's head, the tie-out with Stripe, what stays open.

The hard one is signed by a person and never changes; its hash is over one spelling of the content.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.ledger.chain import chain_head
from portal.ledger.models import Period
from portal.ledger.queries import period_balances
from portal.settlement import queries, rules
from portal.settlement.lines import TRANSFERRED_PARTS
from portal.settlement.models import CloseManifest, Statement
from portal.settlement.tie_out import tied_until

# What a reader wants to know is still open, with what it is about; a list, because a count leads nowhere.
_OPEN = {
    "cuts_without_item": """
        SELECT support_case.name FROM billing_cut cut JOIN support_case ON support_case.id = cut.case_id
        WHERE cut.manufacturer_id = :own AND NOT EXISTS (SELECT FROM bill_item item WHERE item.cut_id = cut.id)
        ORDER BY cut.id
    """,
    "contests": """
        SELECT statement.name || ' line ' || line.position FROM contest
        JOIN statement_line line ON line.id = contest.statement_line_id
        JOIN statement ON statement.id = contest.statement_id
        WHERE statement.period_id = :period_id
          AND NOT EXISTS (SELECT FROM contest_decision ended WHERE ended.contest_id = contest.id)
          AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)
        ORDER BY contest.id
    """,
    "transfers": f"""
        SELECT statement.name || ': ' || intent.state FROM {TRANSFERRED_PARTS} part
        JOIN statement ON statement.id = part.statement_id JOIN intent ON intent.id = part.intent_id
        WHERE statement.period_id = :period_id AND intent.state <> 'succeeded'
        ORDER BY part.disposition_id
    """,
    "differences": """
        SELECT difference.kind || ' ' || difference.subject FROM reconciliation_difference difference
        WHERE difference.manufacturer_id = :own
          AND NOT EXISTS (SELECT FROM difference_end ended WHERE ended.difference_id = difference.id)
        ORDER BY difference.id
    """,
    "holds": """
        SELECT hold.kind || ' ' || concat_ws(' ', support_case.name, invoice.name, party.code) FROM hold
        LEFT JOIN support_case ON support_case.id = hold.case_id
        LEFT JOIN invoice ON invoice.id = hold.invoice_id
        LEFT JOIN organisation party ON party.id = hold.party_id
        WHERE hold.manufacturer_id = :own AND NOT EXISTS (SELECT FROM hold_end ended WHERE ended.hold_id = hold.id)
        ORDER BY hold.id
    """,
    "undetermined_shares": """
        SELECT support_case.name FROM share JOIN support_case ON support_case.id = share.case_id
        WHERE share.manufacturer_id = :own AND share.party_id IS NULL AND share.kind <> 'reversal'
          AND NOT EXISTS (SELECT FROM share gone WHERE gone.reverses_id = share.id)
        ORDER BY share.id
    """,
}
# A manifest stays readable; the count beside the list says how many there are.
MOST_NAMED = 50

_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM journal_transaction WHERE period_id = :period_id) AS transactions,
           (SELECT count(*) FROM posting WHERE period_id = :period_id) AS postings,
           (SELECT count(*) FROM chain_block WHERE period_id = :period_id) AS chain_blocks
    """
)


def keep_manifest(session: Session, period: Period, *, kind: str, person_id: int | None, now: datetime) -> None:
    """Keep what a close froze, once per kind."""
    content = _content(session, period)
    session.execute(
        insert(CloseManifest)
        .values(
            manufacturer_id=period.manufacturer_id,
            period_id=period.id,
            kind=kind,
            content=content,
            sha256=rules.content_hash(content),
            chain_head=content["chain_head"],
            signed_by=person_id,
            made_at=now,
        )
        .on_conflict_do_nothing()
    )


def _content(session: Session, period: Period) -> dict[str, Any]:
    values = {"period_id": period.id, "own": period.manufacturer_id}
    statements = session.scalars(
        select(Statement).where(Statement.period_id == period.id, queries.stands()).order_by(Statement.number)
    ).all()
    return {
        "period": period.label,
        **dict(session.execute(_COUNTS, values).one()._mapping),
        "chain_head": chain_head(session, period.manufacturer_id),
        "balances": _balances(session, period),
        "statements": [
            {"name": one.name, "party_id": one.party_id, "net_minor": one.net_minor, "sha256": one.content_sha256}
            for one in statements
        ],
        "tie_out": tied_until(session, period.manufacturer_id, period.ends_at),
        "open": {name: _open(session, query, values) for name, query in _OPEN.items()},
    }


def _balances(session: Session, period: Period) -> dict[str, dict[str, int]]:
    used = text("SELECT DISTINCT currency FROM posting WHERE period_id = :period_id ORDER BY currency")
    currencies = session.scalars(used, {"period_id": period.id}).all()
    return {
        currency: {
            row.code: row.closing_minor for row in period_balances(session, currency=currency, period_id=period.id)
        }
        for currency in currencies
    }


def _open(session: Session, query: str, values: dict[str, int]) -> dict[str, Any]:
    counted: int = session.scalars(text(f"SELECT count(*) FROM ({query}) one"), values).one()
    named = session.scalars(text(f"{query} LIMIT {MOST_NAMED}"), values).all() if counted else []
    return {"count": counted, "first": list(named)}
