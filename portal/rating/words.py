"""Explanations in plain sentences, from their stored data alone; times as the policy's zone shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from portal.money import Money, round_half_up
from portal.rating.terms import DOWN, UP

_REMARKS = {
    "included": "covered without limit",
    "free": "free under the policy",
    "free_cause": "free because of its cause",
    "warranty": "under warranty",
    "unauthorized": "not authorized",
    "how_to": "how-to help",
    "commissioning": "commissioning support",
}
_LINE_WORDS = {
    "billed": "",
    "rounding": "added by rounding, ",
    "minimum": "added to reach the minimum, ",
    "how_to": "how-to help, ",
    "commissioning": "commissioning support, ",
    "fee": "",
    "material": "",
}
_FREE_WORDS = {
    "included": "included in the plan",
    "hours_bought": "from the hours bought",
    "in_fee": "paid for by a fee or given",
    "incident": "paid for by an incident bought",
    "free": "free under the policy",
    "free_cause": "free because of its cause",
    "warranty": "free under warranty",
    "unauthorized": "not authorized, borne by the manufacturer",
    "beyond_nte": "beyond the authorized sum, borne by the manufacturer",
}


_LIMIT_WORDS = {
    "most_time": ("At most", "taken off"),
    "most_money": ("At most", "taken off"),
    "least_money": ("At least", "added"),
}


def words(explanation: Mapping[str, Any]) -> tuple[str, ...]:
    """The sentences of an explanation: the work, how it counted, what the plan gave, where it stopped, the lines."""
    return (
        *_work_sentences(explanation),
        *(_step_sentence(step, explanation["currency"]) for step in explanation["steps"] if _worth_saying(step)),
        *(line_words(line, explanation["currency"]) for line in explanation["lines"]),
    )


def line_words(line: Mapping[str, Any], currency: str) -> str:
    """One line in words: "3 h 20 min business, remote at 150.00 USD an hour: 500.00 USD."."""
    amount, worth = Money(line["amount_minor"], currency), Money(line["list_amount_minor"], currency)
    detail = line.get("detail", "")
    if line.get("supplier"):
        return _part_words(line, str(amount), str(worth))
    if not line["seconds"] and detail:
        return f"{detail}: {_FREE_WORDS[line['kind']]}." if line["kind"] in _FREE_WORDS else f"{detail}: {amount}."
    spent = f"{duration(line['seconds'])} {_plain(line['band'])}, " + (f"{detail}, " if detail else "")
    if line["kind"] in _FREE_WORDS:
        return f"{spent}{_plain(line['mode'])}: {_FREE_WORDS[line['kind']]}; it would have cost {worth}."
    hourly = Money(round_half_up(Fraction(*line["rate"])), currency)
    return f"{spent}{_LINE_WORDS[line['kind']]}{_plain(line['mode'])} at {hourly} an hour: {amount}."


def _part_words(line: Mapping[str, Any], amount: str, worth: str) -> str:
    """A part that was fitted: "Power supply, supplied by the integrator, at its list price: 120.00 USD."."""
    said = f"{line['detail']}, supplied by the {line['supplier']}"
    if line["kind"] in _FREE_WORDS:
        return f"{said}: {_FREE_WORDS[line['kind']]}; it would have cost {worth}."
    return f"{said}, at its list price: {amount}."


def duration(seconds: int) -> str:
    """Seconds as a person says them: ``4 h 20 min``, ``25 min``, ``1 min 30 s``."""
    hours, rest = divmod(abs(seconds), 3_600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{left} s" if left else ""]
    return ("-" if seconds < 0 else "") + (" ".join(part for part in parts if part) or "0 min")


def _work_sentences(explanation: Mapping[str, Any]) -> list[str]:
    prices, zone = explanation["prices"], explanation["zone"]
    by_entry = groupby(explanation["work"], key=lambda piece: piece["entry"])
    return [_work_sentence(list(pieces), prices, zone) for _, pieces in by_entry]


def _work_sentence(pieces: Sequence[Mapping[str, Any]], prices: Sequence[Mapping[str, Any]], zone: str) -> str:
    start, end = _local(pieces[0]["from"], zone), _local(pieces[-1]["to"], zone)
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    place = zone.rsplit("/", 1)[-1].replace("_", " ")
    spent = ", ".join(_piece_words(piece, prices[piece["price"]]["band"]) for piece in pieces)
    return f"{_day(start)}, {start:%H:%M} to {until} {place}: {spent}."


def _piece_words(piece: Mapping[str, Any], band: str) -> str:
    seconds = int((datetime.fromisoformat(piece["to"]) - datetime.fromisoformat(piece["from"])).total_seconds())
    remark = _REMARKS.get(piece["kind"])
    return f"{duration(seconds)} {_plain(band)}" + (f" ({remark})" if remark else "")


def _worth_saying(step: Mapping[str, Any]) -> bool:
    if step["step"] == "rounding":
        return int(step["increment_seconds"]) > 1
    return step["step"] != "limit" or int(step["beyond_seconds"]) > 0


def _step_sentence(step: Mapping[str, Any], currency: str) -> str:
    if step["step"] == "draw":
        if step.get("incidents"):
            return f"Paid for by {step['incidents']} incident bought in advance."
        source = "the plan" if step["kind"] == "included" else "the hours bought"
        counted = step.get("counted_seconds", step["seconds"])
        used = f", which use up {duration(step['seconds'])}" if counted != step["seconds"] else ""
        return f"First {duration(counted)} from {source}{used}."
    if step["step"] in _LIMIT_WORDS:
        return _limit_sentence(step, currency)
    if step["step"] == "limit":
        limit = Money(step["authorized_minor"], currency)
        return f"Authorized up to {limit}: {duration(step['beyond_seconds'])} beyond it, borne by the manufacturer."
    before, after = duration(step["seconds_before"]), duration(step["seconds_after"])
    if step["step"] == "minimum":
        return f"{before}, at least {after} per {step['level']}."
    return f"{before} rounded {_how(step)} per {step['level']}: {after}."


def _limit_sentence(step: Mapping[str, Any], currency: str) -> str:
    """A limit that changed something: "At most 1500.00 USD per day: 187.50 USD taken off."."""
    in_time = step["step"] == "most_time"
    limit, change = (duration(step[key]) if in_time else str(Money(step[key], currency)) for key in ("limit", "change"))
    begin, done = _LIMIT_WORDS[step["step"]]
    return f"{begin} {limit} per {step['level']}: {change} {done}."


def _how(step: Mapping[str, Any]) -> str:
    increment = duration(step["increment_seconds"])
    how = {UP: f"up to {increment}", DOWN: f"down to {increment}"}.get(step["direction"], f"to the nearest {increment}")
    grace = duration(step["grace_seconds"])
    return f"{how} ({grace} of grace)" if step["grace_seconds"] else how


def _local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(ZoneInfo(zone))


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
