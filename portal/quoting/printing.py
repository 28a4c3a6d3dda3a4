"""A quote in words, for a terminal or a page of examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def printed(quote: Mapping[str, Any]) -> str:
    """The quote as lines of text."""
    return "\n".join(_lines(quote))


def _lines(quote: Mapping[str, Any]) -> Iterator[str]:
    yield f"{quote['policy']}: {quote['case'] or 'a case'}"
    cover, bill = quote["coverage"], quote["bill"]
    yield f"Plan {cover['plan']}; work is {cover['kind'].replace('_', ' ')}, paid by the {cover['payer']}."
    yield quote["entry"]["sentence"]
    if quote["warranty"]["over_on"]:
        yield quote["warranty"]["because"]
    for due in quote["deadlines"]:
        length = due["promise"] if due["minutes"] is None else f"{due['minutes']} min"
        when = due["due_at"] or ("without a date" if due["begins_at"] else "not begun")
        yield f"{due['clock'].capitalize()} due {when} ({length}, {due['calendar']})."
    yield from bill["words"]
    yield f"Billable: {bill['billable_minutes']} min. Amount: {bill['amount']} {bill['currency']}."
    yield from quote["notes"]
