"""The facts behind deferred revenue, each under the journal transaction that moved it; and where the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.billing.deferred.rolling import COLUMNS, KINDS, Moved, Rolled, roll
from portal.errors import NotAllowed, NotFound
from portal.ledger.queries import may_read_ledger, periods

MOST_PARTS = 500
MOST_FINDINGS = 100

# Each journal transaction on deferred accounts with what it moved there, and the facts that it is made of.
_PARTS = """
    WITH moved AS (
        SELECT journal.id, journal.kind, journal.document_type, journal.document_id, journal.currency,
               journal.occurred_at, period.label AS month, -sum(posting.amount_minor)::bigint AS minor
        FROM posting
        JOIN account ON account.id = posting.account_id AND account.purpose = 'deferred_revenue'
        JOIN journal_transaction journal ON journal.id = posting.transaction_id
        JOIN period ON period.id = journal.period_id
        WHERE posting.manufacturer_id = :own
        GROUP BY journal.id, period.label
    ), pack AS (
        SELECT sale.*, CASE WHEN given.granted_incidents > 0 THEN 'incidents' ELSE 'hours' END AS kind
        FROM pack_sale sale JOIN usage_grant given ON given.id = sale.grant_id
        WHERE sale.manufacturer_id = :own
    ), used AS (
        SELECT moved.id, pack.kind, sum(one.amount_minor)::bigint AS minor, one.bill_item_id
        FROM moved JOIN pack_use one ON moved.document_type = 'bill_item' AND one.bill_item_id::text = moved.document_id
        JOIN pack ON pack.id = one.pack_sale_id
        GROUP BY moved.id, pack.kind, one.bill_item_id
    ), part AS (
        SELECT moved.id, 'plan' AS kind, 'sold' AS part, sale.amount_minor AS minor, 'plan_sale' AS fact,
               sale.id AS fact_id
        FROM moved JOIN plan_sale sale ON moved.document_type = 'plan_sale' AND sale.id::text = moved.document_id
        UNION ALL
        SELECT moved.id, pack.kind, 'sold', pack.amount_minor, 'pack_sale', pack.id
        FROM moved JOIN pack ON moved.document_type = 'pack_sale' AND pack.id::text = moved.document_id
        UNION ALL
        SELECT used.id, used.kind, 'used', sign(moved.minor)::bigint * used.minor, 'bill_item', used.bill_item_id
        FROM used JOIN moved ON moved.id = used.id
        UNION ALL
        SELECT moved.id, 'plan', 'used', sign(moved.minor)::bigint * (item.use_minor - coalesce(packs.minor, 0)),
               'bill_item', item.id
        FROM moved JOIN bill_item item ON moved.document_type = 'bill_item' AND item.id::text = moved.document_id
        LEFT JOIN (SELECT id, sum(minor)::bigint AS minor FROM used GROUP BY id) packs ON packs.id = moved.id
        UNION ALL
        SELECT moved.id, 'plan', 'expired', -earning.amount_minor, 'plan_earning', earning.id
        FROM moved
        JOIN plan_earning earning ON moved.document_type = 'plan_earning' AND earning.id::text = moved.document_id
        UNION ALL
        SELECT moved.id, pack.kind, CASE earning.kind WHEN 'commission' THEN 'commission' ELSE 'expired' END,
               -earning.amount_minor, 'pack_earning', earning.id
        FROM moved
        JOIN pack_earning earning ON moved.document_type = 'pack_earning' AND earning.id::text = moved.document_id
        JOIN pack ON pack.id = earning.pack_sale_id
        UNION ALL
        SELECT moved.id, coalesce(pack.kind, 'plan'), 'refunded', -reduction.deferred_minor,
               reduction.cause_type, reduction.cause_id
        FROM moved
        JOIN line_reduction reduction ON reduction.cause_type = moved.document_type
            AND reduction.cause_id::text = moved.document_id AND sign(reduction.deferred_minor) = -sign(moved.minor)
        LEFT JOIN invoice_item line ON line.id = reduction.invoice_item_id
        LEFT JOIN pack ON pack.id = coalesce(line.pack_sale_id, reduction.pack_sale_id)
    )
"""

_SUMS = text(
    _PARTS
    + """
    SELECT moved.month, moved.currency, part.kind, part.part AS column, sum(part.minor)::bigint AS amount_minor
    FROM part JOIN moved ON moved.id = part.id WHERE part.minor <> 0
    GROUP BY moved.month, moved.currency, part.kind, part.part
    """
)

_OF_A_FIGURE = text(
    _PARTS
    + """
    SELECT moved.id AS transaction_id, moved.occurred_at, moved.kind AS journal_kind, part.fact, part.fact_id,
           part.minor AS amount_minor
    FROM part JOIN moved ON moved.id = part.id
    WHERE part.minor <> 0 AND moved.month = :month AND moved.currency = :currency AND part.kind = :kind
      AND (part.part = :column OR :column = '')
    ORDER BY moved.occurred_at, moved.id, part.fact_id LIMIT :most
    """
)

_UNTIED = text(
    _PARTS
    + """
    SELECT moved.id AS transaction_id, moved.month, moved.currency, moved.minor AS posted_minor,
           coalesce(told.minor, 0)::bigint AS facts_minor
    FROM moved LEFT JOIN (SELECT id, sum(minor)::bigint AS minor FROM part GROUP BY id) told ON told.id = moved.id
    WHERE moved.minor <> coalesce(told.minor, 0) ORDER BY moved.id LIMIT :most
    """
)

_HELD = text(
    """
    SELECT period.label, posting.currency, -sum(sum(posting.amount_minor)) OVER (
               PARTITION BY posting.currency ORDER BY period.label)::bigint
    FROM posting
    JOIN account ON account.id = posting.account_id AND account.purpose = 'deferred_revenue'
    JOIN period ON period.id = posting.period_id
    WHERE posting.manufacturer_id = :own GROUP BY period.label, posting.currency
    """
)


@dataclass(frozen=True)
class Untied:
    """A transaction that moved something else on the deferred accounts than its facts say."""

    transaction_id: int
    month: str
    currency: str
    posted_minor: int
    facts_minor: int


@dataclass(frozen=True)
class RollForward:
    """All months' rows, what the ledger's deferred accounts held after each, and what does not tie."""

    rows: tuple[Rolled, ...]
    held: dict[tuple[str, str], int]
    untied: tuple[Untied, ...]


@dataclass(frozen=True)
class FigurePart:
    """One fact of a figure: which, under which transaction, and how it moved what is deferred."""

    transaction_id: int
    occurred_at: datetime
    journal_kind: str
    fact: str
    fact_id: int
    amount_minor: int


def roll_forward(session: Session, actor: Actor) -> RollForward:
    """The deferred revenue of the actor's manufacturer by month, currency and kind. *Raises*: NotAllowed."""
    _check(actor)
    own = {"own": actor.organisation_id}
    moved = [_moved(row) for row in session.execute(_SUMS, own).mappings()]
    months = [period.label for period in periods(session, actor)]
    untied = session.execute(_UNTIED, {**own, "most": MOST_FINDINGS})
    return RollForward(
        rows=tuple(roll(months, moved)),
        held=_carried(months, session.execute(_HELD, own).all()),
        untied=tuple(Untied(*row) for row in untied),
    )


def parts_of_figure(
    session: Session, actor: Actor, *, month: str, currency: str, kind: str, column: str = ""
) -> Sequence[FigurePart]:
    """The facts of one figure; of the whole month where no column is named. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    if kind not in KINDS or column not in ("", *COLUMNS):
        raise NotFound
    values = {"own": actor.organisation_id, "month": month, "currency": currency, "kind": kind, "column": column}
    found = [FigurePart(*row) for row in session.execute(_OF_A_FIGURE, {**values, "most": MOST_PARTS})]
    if not found:
        raise NotFound
    return found


def _moved(row: RowMapping) -> Moved:
    return Moved(row["month"], row["currency"], row["kind"], row["column"], row["amount_minor"])


def _carried(months: Iterable[str], rows: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str], int]:
    """What the ledger held after each month; a month without postings holds what the one before held."""
    known = {(month, currency): minor for month, currency, minor in rows}
    found: dict[tuple[str, str], int] = {}
    for currency in sorted({currency for _, currency in known}):
        held = 0
        for month in sorted(months):
            held = known.get((month, currency), held)
            found[month, currency] = held
    return found


def _check(actor: Actor) -> None:
    if not may_read_ledger(actor):
        raise NotAllowed("What is deferred is for the manufacturer's finance.")
