"""A comparison in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portal.money import Money

# A terminal shows the rows that change most; JSON has all.
ROWS_AT_MOST = 15
UNDECIDED = "not decided yet"


def as_table(result: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """The comparison as lines of text; ``names`` are the organisations' by id."""
    return "\n".join(_lines(result, names))


def _lines(result: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    compared, changed, refused = (f"{result[name]:,}" for name in ("compared", "changed", "refused"))
    yield f"{compared} cases compared, {changed} come out otherwise, {refused} left out."
    currency = result["currency"]
    yield ""
    yield _row("", "signed", "draft", "change")
    yield _sums("Bills", result["total"], currency)
    yield _sums("Included time at its use", result["use"], currency)
    yield from _part("Party", _named(result["parties"], names), currency)
    yield from _part("Plan", [(row["plan"], row) for row in result["plans"]], currency)
    yield from _part("Plan months", [(row["plan"], row) for row in result["months"]], currency)
    yield from _part("Customer", _named(result["customers"], names), currency)
    yield from _part("Line", [(line_words(row), row) for row in result["lines"]], currency)
    yield from _part("Case", [(row["name"], row) for row in result["cases"]], currency)
    for code in sorted({row["currency"] for row in result.get("discounts", ())}):
        lowered = [row for row in result["discounts"] if row["currency"] == code]
        yield from _part(f"Sales with a promotion code, {code}", _named(lowered, names), code)
    if result.get("not_recomputed"):
        yield ""
        yield "Not recomputed"
        for row in result["not_recomputed"]:
            yield f"  {_amount(row['amount'], row['currency'])}: {row['what']}"
    if result["warnings"]:
        yield ""
        yield "Warnings"
        for warning in result["warnings"]:
            whose = f"{names.get(warning['id'], warning['id'])}: " if warning["id"] is not None else ""
            yield f"  {whose}{warning['sentence']}"


def line_words(row: Mapping[str, Any]) -> str:
    """What kind of line a row sums."""
    words = (row["kind"], row["mode"], row["task_class"], row["band"])
    return ", ".join(word.replace("_", " ") for word in words if word)


def _named(rows: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(UNDECIDED if row["id"] is None else names.get(row["id"], str(row["id"])), row) for row in rows]


def _part(title: str, rows: Sequence[tuple[str, Mapping[str, Any]]], currency: str) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield title
    for name, row in rows[:ROWS_AT_MOST]:
        yield _sums(f"  {name}", row, currency)
    if len(rows) > ROWS_AT_MOST:
        yield f"  and {len(rows) - ROWS_AT_MOST:,} more"


def _sums(name: str, row: Mapping[str, Any], currency: str) -> str:
    signed, draft = row["signed"], row["draft"]
    return _row(name, *(_amount(minor, currency) for minor in (signed, draft, draft - signed)))


def _amount(minor: int, currency: str) -> str:
    return str(Money(minor, currency)) if currency else "0"


def _row(name: str, *amounts: str) -> str:
    return f"{name[:50]:<50}" + "".join(f"{amount:>20}" for amount in amounts)
