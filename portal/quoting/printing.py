"""A quote in words, for a terminal or a page of examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from portal.cases.rules import Recount
from portal.zones import zone_named


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
    for left in bill["balances"]:
        amount = f"{left['left_incidents']} incidents" if "left_incidents" in left else f"{left['left_minutes']} min"
        yield f"Left of {left['pack']}: {amount}."
    for name, due in quote["dues"].items():
        for each in due if isinstance(due, list) else [due]:
            said = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in each.items() if value is not None)
            yield f"{name.capitalize()}: {said}."
    for share in quote["shares"]:
        yield f"{share['amount']} {bill['currency']} to {share['party']}: {'; '.join(share['because'])}."
    yield from quote["notes"]


def printed_recount(proof: Mapping[str, Any], found: Recount) -> str:
    """A deadline counted again, as lines of text: each window, the changes of clocks, and whether it agrees."""
    return "\n".join(_recount_lines(proof, found))


def _recount_lines(proof: Mapping[str, Any], found: Recount) -> Iterator[str]:
    about, zone = proof.get("about", {}), zone_named(proof["calendar"]["zone"])
    yield f"{about.get('case', 'a case')}: {proof['clock']}, {about.get('calendar_label', 'its calendar')} ({zone.key})"
    yield f"Started {datetime.fromisoformat(proof['started_at']).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}."
    for period, seconds in found.reading.steps:
        start, end = period.start.astimezone(zone), period.end.astimezone(zone)
        yield f"  {start:%a %Y-%m-%d %H:%M:%S %Z} to {end:%Y-%m-%d %H:%M:%S %Z}: {clock_words(seconds)}"
    yield from (f"  {note}" for note in found.notes)
    due = found.reading.due_at
    yield f"Due {due.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}." if due is not None else "Without a date: it stands still."
    yield from (f"DIFFERS: {difference}" for difference in found.differences)
    yield "Counted again from this file alone: it agrees." if found.agrees else "It does not agree."


def clock_words(seconds: int) -> str:
    """Hours, minutes and seconds: "8 h 30 min"."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
