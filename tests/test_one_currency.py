"""No figure adds two currencies: every sum of amounts, in SQL and in Python, stands in one currency by what it names.

A sum says its currency (grouped by it, or narrowed to one), or is of something that has only one: an account, a
transaction, an invoice, a case's bill, a statement. A new sum that says neither fails here, before anybody adds euros
to dollars.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PORTAL = Path(__file__).parents[1] / "portal"
# Rating, quoting and contracts price one document at a time, in its currency; money itself knows its own.
ONE_DOCUMENT = ("rating", "quoting", "contracts", "standin", "money.py")
# A sum of amounts: what is added names minor units.
SUM = re.compile(r"\bsum\(.{0,90}?(?:minor|amount|\bstripe\b|\bjournal\b)", re.IGNORECASE | re.DOTALL)
SQL = re.compile(r"func\.sum\(|\bSELECT\b|\bselect\(")
# What stands in one currency by itself: its rows name it, or belong to one row that does.
OF_ONE = re.compile(
    r"currency|account_id|account\.id|journal\.id|transaction_id|invoice_id|invoice\.id|receipt_id|share_id|share\.id"
    r"|statement_id|statement\.id|statement_line|approval\.id|approval_id|bill_item|case_id|case\.id|claw_back|cause_id|whole\.id"
    r"|authorization|purchase_order|order_id|plan_sale|pack_sale|grant|line_id|invoice_item|InvoiceItem|adjustment"
    r"|cut\b|item\.id|sale\.id|Money|part\.id|source =="
    # The legs of one transaction are of one ledger.
    r"|list\[Leg\]",
)


def sums(source: str) -> Iterator[tuple[str, str]]:
    """What adds amounts, with the text that has to say of which currency: a function's by name, or a statement's."""
    if "sum(" not in source:
        return
    lines = source.splitlines()
    for node in ast.parse(source).body:
        for part in node.body if isinstance(node, ast.ClassDef) else [node]:
            text = "\n".join(lines[part.lineno - 1 : part.end_lineno])
            if SUM.search(text):
                yield getattr(part, "name", ""), text


def undecided(source: str, *, only_sql: bool = False) -> list[str]:
    """What adds amounts and does not say of what currency: functions by name, statements without one."""
    found = [(name, text) for name, text in sums(source) if not only_sql or SQL.search(text)]
    return [name for name, text in found if not OF_ONE.search(text)]


def makes_figures(path: Path) -> bool:
    """Whether a module shows what it adds; elsewhere Python adds parts of one whole, and only SQL is looked at."""
    words = ("web", "queries", "reading", "overviews", "cockpit", "tie_out", "report")
    return any(word in path.relative_to(PORTAL).as_posix() for word in words)


def files() -> list[Path]:
    found = sorted(PORTAL.rglob("*.py"))
    return [path for path in found if not set(ONE_DOCUMENT) & set(path.relative_to(PORTAL).parts)]


# Sums of parts that their caller made of one whole: the lines, uses, payments or shares of one sale.
OF_ONE_WHOLE = {
    "billing/packs/reading.py": {"earned_minor"},
    "billing/plan_reading.py": {"earned_minor"},
    "selling/queries.py": {"paid_minor", "tax_minor"},
    "whatif/discounts.py": {"_by_party"},
}


def test_every_sum_of_amounts_says_of_which_currency_it_is():
    found = {}
    for path in files():
        name = path.relative_to(PORTAL).as_posix()
        left = set(undecided(path.read_text(), only_sql=not makes_figures(path))) - OF_ONE_WHOLE.get(name, set())
        found.update({name: left} if left else {})
    assert found == {}


def test_the_rule_is_not_vacuous():
    counted = sum(1 for path in files() for _ in sums(path.read_text()))
    assert counted > 60


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('X = text("SELECT sum(amount_minor) FROM cash_receipt WHERE manufacturer_id = :own")', [""]),
        ('X = text("SELECT currency, sum(amount_minor) FROM cash_receipt GROUP BY currency")', []),
        ("def total(rows):\n    return sum(row.amount_minor for row in rows)", ["total"]),
        ("def total(rows, currency):\n    return Money(sum(row.amount_minor for row in rows), currency)", []),
        ("def total(session):\n    return select(func.sum(Share.amount_minor)).where(Share.party_id == 1)", ["total"]),
        ("class A:\n    def total(self):\n        return sum(row.net_minor for row in self.rows)", ["total"]),
        ("def hours(rows):\n    return sum(row.seconds for row in rows)", []),
    ],
)
def test_a_sum_over_currencies_is_found(source, found):
    assert undecided(source) == found
