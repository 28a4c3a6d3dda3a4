"""A period's money as figures: what was billed, invoiced, paid and made payable, and what became of each statement.

Read from the facts, not from the ledger; ``books`` says whether the two agree. Every amount is in minor units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.directory.models import Organisation
from portal.errors import NotFound
from portal.ledger.models import Period
from portal.money import minor_digits
from portal.settlement.lines import PARTS_NOW
from portal.settlement.rules import CARRIED, HELD, INVOICED, RETAINED, TRANSFERRED

KINDS = (TRANSFERRED, RETAINED, INVOICED, HELD, CARRIED)
_HEAD = ("statement", "party", "currency", "net", "approved", *KINDS)


@dataclass(frozen=True)
class StatementFigures:
    """A statement's net and what became of it; ``approved_minor`` is None until it is approved."""

    name: str
    party: str
    currency: str
    net_minor: int
    approved_minor: int | None
    by_kind: Mapping[str, int]


@dataclass(frozen=True)
class CurrencyFigures:
    """What a period did in a currency: billed and not taken back, invoiced, received, and net on its statements."""

    currency: str
    billed_minor: int
    invoiced_minor: int
    cash_minor: int
    payable_minor: int


@dataclass(frozen=True)
class PeriodFigures:
    """A period with its totals by currency and its statements by number."""

    label: str
    state: str
    currencies: Sequence[CurrencyFigures]
    statements: Sequence[StatementFigures]


def period_named(session: Session, code: str, label: str) -> Period:
    """A manufacturer's period by their names, such as NOR and 2026-03. *Raises*: NotFound."""
    found = session.scalars(
        select(Period)
        .join(Organisation, Organisation.id == Period.manufacturer_id)
        .where(Organisation.code == code, Period.label == label)
    ).one_or_none()
    if found is None:
        raise NotFound(f"{code} has no period {label}.")
    return found


_STATEMENTS = text(
    f"""
    SELECT statement.name, party.code AS party, statement.currency, statement.net_minor,
           max(approval.amount_minor) AS approved_minor,
           coalesce(jsonb_object_agg(part.kind, part.amount_minor) FILTER (WHERE part.kind IS NOT NULL), '{{}}')
               AS by_kind
    FROM statement
    JOIN organisation party ON party.id = statement.party_id
    LEFT JOIN statement_approval approval ON approval.statement_id = statement.id
    LEFT JOIN {PARTS_NOW} part ON part.approval_id = approval.id
    WHERE statement.period_id = :period_id
      AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)
    GROUP BY statement.id, party.code ORDER BY statement.number
    """
)

_CURRENCIES = text(
    """
    WITH moved AS (
        SELECT currency, amount_minor AS billed, 0::bigint AS invoiced, 0::bigint AS cash, 0::bigint AS payable
        FROM bill_item WHERE period_id = :period_id
        UNION ALL
        SELECT item.currency, -item.amount_minor, 0, 0, 0
        FROM bill_item_reversal gone JOIN bill_item item ON item.id = gone.bill_item_id
        WHERE item.period_id = :period_id
        UNION ALL
        SELECT currency, amount_minor, 0, 0, 0 FROM plan_sale WHERE period_id = :period_id
        UNION ALL
        SELECT currency, amount_minor, 0, 0, 0 FROM pack_sale WHERE period_id = :period_id
        UNION ALL
        SELECT currency, amount_minor, 0, 0, 0 FROM supplement WHERE period_id = :period_id
        UNION ALL
        SELECT currency, 0, total_minor, 0, 0 FROM invoice WHERE period_id = :period_id
        UNION ALL
        SELECT receipt.currency, 0, 0, receipt.amount_minor, 0
        FROM journal_transaction journal JOIN cash_receipt receipt ON receipt.id::text = journal.document_id
        WHERE journal.period_id = :period_id AND journal.kind = 'cash_received'
          AND journal.document_type = 'cash_receipt'
        UNION ALL
        SELECT currency, 0, 0, 0, net_minor FROM statement WHERE period_id = :period_id
          AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = statement.id)
    )
    SELECT currency, sum(billed)::bigint, sum(invoiced)::bigint, sum(cash)::bigint, sum(payable)::bigint
    FROM moved GROUP BY currency ORDER BY currency
    """
)


def period_figures(session: Session, period_id: int) -> PeriodFigures:
    """A period's figures as they are now. *Raises*: NotFound."""
    period = session.get(Period, period_id, populate_existing=True)
    if period is None:
        raise NotFound
    values = {"period_id": period_id}
    return PeriodFigures(
        period.label,
        period.state,
        [CurrencyFigures(*row) for row in session.execute(_CURRENCIES, values)],
        [StatementFigures(*row) for row in session.execute(_STATEMENTS, values)],
    )


def as_table(figures: PeriodFigures) -> str:
    """The figures for people: a line per currency, then one per statement."""
    blocks = [f"Period {figures.label}: {figures.state.replace('_', '-')}"]
    if figures.currencies:
        head = ("currency", "billed", "invoiced", "cash", "payable")
        blocks.append(_aligned([head, *map(_currency_cells, figures.currencies)], words=1))
    if figures.statements:
        blocks.append(_aligned([_HEAD, *map(_statement_cells, figures.statements)], words=3))
    else:
        blocks.append("No statements.")
    return "\n\n".join(blocks)


def _currency_cells(row: CurrencyFigures) -> tuple[str, ...]:
    amounts = (row.billed_minor, row.invoiced_minor, row.cash_minor, row.payable_minor)
    return (row.currency, *(_amount(minor, row.currency) for minor in amounts))


def _statement_cells(row: StatementFigures) -> tuple[str, ...]:
    amounts = (row.net_minor, row.approved_minor, *(row.by_kind.get(kind) for kind in KINDS))
    return (row.name, row.party, row.currency, *(_amount(minor, row.currency) for minor in amounts))


def _amount(minor: int | None, currency: str) -> str:
    if minor is None:
        return "-"
    digits = minor_digits(currency)
    return f"{Decimal(minor).scaleb(-digits):,.{digits}f}"


def _aligned(rows: Sequence[tuple[str, ...]], *, words: int) -> str:
    """Columns under their heads: the first ``words`` are text, the rest amounts that share their right edge."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if position < words else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
