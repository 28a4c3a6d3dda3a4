"""Months of deferred revenue laid out from movements: opening, sold, used, expired, refunded, closing; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# What was sold: packs of hours, packs of incidents, plans month by month.
HOURS, INCIDENTS, PLAN = "hours", "incidents", "plan"
KINDS = (HOURS, INCIDENTS, PLAN)
# What moves deferred revenue, in the order of the columns; a commission is earned by the sale itself.
SOLD, USED, COMMISSION, EXPIRED, REFUNDED = "sold", "used", "commission", "expired", "refunded"
COLUMNS = (SOLD, USED, COMMISSION, EXPIRED, REFUNDED)


@dataclass(frozen=True)
class Moved:
    """What a column of a month, currency and kind moved: above zero when more is deferred."""

    month: str
    currency: str
    kind: str
    column: str
    amount_minor: int


@dataclass(frozen=True)
class Rolled:
    """One row: what was deferred before the month, what moved it, what is deferred at its end.

    *Shape*: ``closing_minor`` is the opening and all columns together; ``moved`` has every column, zero where none.
    """

    month: str
    currency: str
    kind: str
    opening_minor: int
    moved: dict[str, int]
    closing_minor: int


def roll(months: Iterable[str], moved: Iterable[Moved]) -> list[Rolled]:
    """The rows of all months that have something to say, the latest month first, by currency and kind.

    A kind shows from its first movement on, in each month, so that what does not move is seen too.
    """
    sums: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for each in moved:
        of_month = sums.setdefault((each.currency, each.kind), {}).setdefault(each.month, {})
        of_month[each.column] = of_month.get(each.column, 0) + each.amount_minor
    rows = []
    ordered = sorted(months)
    for (currency, kind), by_month in sorted(sums.items(), key=lambda item: (item[0][0], KINDS.index(item[0][1]))):
        held = 0
        first = min(by_month)
        for month in ordered:
            if month < first:
                continue
            columns = {column: by_month.get(month, {}).get(column, 0) for column in COLUMNS}
            closing = held + sum(columns.values())
            rows.append(Rolled(month, currency, kind, held, columns, closing))
            held = closing
    return sorted(rows, key=lambda row: row.month, reverse=True)


def closing_of(rows: Iterable[Rolled], month: str) -> dict[str, int]:
    """What all kinds together hold at the end of a month, by currency."""
    found: dict[str, int] = {}
    for row in rows:
        if row.month == month:
            found[row.currency] = found.get(row.currency, 0) + row.closing_minor
    return found
