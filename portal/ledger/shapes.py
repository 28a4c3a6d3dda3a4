"""A period's journal as rows of the tables that accounting programs import: pure.

One journal per transaction, one row per leg, in one currency: neither program takes two in one file. Accounts keep our
names; who imports maps them once to the accounts of its own books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from portal.ledger.plaintext import Heading, JournalEntry, accounting_date
from portal.money import minor_digits

Cell = str | Decimal | None
Row = tuple[Cell, ...]

# What Xero shows for a line without tax. *Source*: Xero Central, Import manual journals, 2026.
_NO_TAX = "Tax Exempt"


@dataclass(frozen=True)
class Shape:
    """A program's table: its name, its column heads, and a transaction's rows."""

    name: str
    head: tuple[str, ...]
    rows_of: Callable[[JournalEntry, date], Iterator[Row]]


def rows(shape: Shape, heading: Heading, entries: Iterable[JournalEntry], currency: str) -> Iterator[Row]:
    """The rows of a currency's transactions; the debits and credits of each sum to zero."""
    for entry in entries:
        if entry.currency == currency:
            yield from shape.rows_of(entry, accounting_date(heading, entry.occurred_at))


def _xero(entry: JournalEntry, counts_on: date) -> Iterator[Row]:
    """Debits positive, credits negative; rows of one narration and date are one journal."""
    for leg in entry.legs:
        narration, amount = f"T{entry.id} {_told(entry)}", _decimal(leg.amount_minor, entry.currency)
        yield narration, counts_on.isoformat(), leg.document, leg.account, _NO_TAX, amount


def _quickbooks(entry: JournalEntry, counts_on: date) -> Iterator[Row]:
    """Debits and credits in columns of their own; rows of one number are one journal."""
    for leg in entry.legs:
        amount = _decimal(abs(leg.amount_minor), entry.currency)
        sides = (amount, None) if leg.amount_minor > 0 else (None, amount)
        yield f"T{entry.id}", counts_on.isoformat(), entry.currency, leg.account, *sides, leg.document, _told(entry)


def _told(entry: JournalEntry) -> str:
    return entry.description or entry.kind.replace("_", " ")


def _decimal(amount_minor: int, currency: str) -> Decimal:
    return Decimal(amount_minor).scaleb(-minor_digits(currency))


SHAPES = {
    "xero": Shape("Xero", ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount"), _xero),
    "quickbooks": Shape(
        "QuickBooks",
        ("JournalNo", "JournalDate", "Currency", "AccountName", "Debits", "Credits", "Description", "Memo"),
        _quickbooks,
    ),
}
