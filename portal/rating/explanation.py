"""A rated case explained as data, and rated again from that data alone.

``explain`` gives a value that survives JSON: the prices that applied, the work as it was cut, the hours left, the sums
authorized, the steps, and the lines. ``replay`` needs nothing else: no policy, calendar or clock. Invariant: the lines
replayed are the lines explained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from portal.errors import RuleBroken
from portal.rating.counting import Counting, count
from portal.rating.facts import GrantState
from portal.rating.grants import Draw
from portal.rating.lines import BEYOND_NTE, PAID_KINDS, Basis, Charge, Line, RatedCase, Slice
from portal.rating.pricing import price
from portal.rating.tariff import Row
from portal.rating.terms import Bill, Extras, Least, Most, Rounding

FORMAT = 1


def explain(rated: RatedCase) -> dict[str, Any]:
    """The explanation of a rated case, made of JSON values only."""
    basis = rated.basis
    rows = list({piece.row: None for piece in (*basis.slices, *(charge.slice for charge in basis.charges))})
    number = {row: index for index, row in enumerate(rows)}
    return {
        "format": FORMAT,
        "currency": basis.currency,
        "zone": basis.zone,
        "prices": [_row_out(row) for row in rows],
        "work": [_slice_out(piece, number[piece.row]) for piece in basis.slices],
        "grants": [_grant_out(grant) for grant in basis.grants],
        "authorized": [[payer, minor] for payer, minor in basis.nte_minor],
        **({"charges": [_charge_out(charge, number) for charge in basis.charges]} if basis.charges else {}),
        **({"hours_limit": [[_iso(at), seconds] for at, seconds in basis.hours_limit]} if basis.hours_limit else {}),
        "steps": _steps(rated),
        "lines": _lines_out(rated.lines),
    }


def replay(explanation: Mapping[str, Any]) -> RatedCase:
    """The case rated again from a stored explanation.

    *Raises*: RuleBroken when it has another format, or when what it says its lines cost is not what they come to.
    """
    if explanation.get("format") != FORMAT:
        raise RuleBroken("This explanation is written in a form that is not known here.")
    rows = [_row_in(row) for row in explanation["prices"]]
    basis = Basis(
        explanation["currency"],
        explanation["zone"],
        tuple(_slice_in(piece, rows) for piece in explanation["work"]),
        tuple(_grant_in(grant) for grant in explanation["grants"]),
        tuple((payer, minor) for payer, minor in explanation["authorized"]),
        tuple(_charge_in(charge, rows) for charge in explanation.get("charges", ())),
        tuple((_stamp(at), seconds) for at, seconds in explanation.get("hours_limit", ())),
    )
    rated = price(basis)
    if _lines_out(rated.lines) != explanation["lines"]:
        raise RuleBroken("The stored explanation does not come to the stored lines.")
    return rated


def line_explanation(explanation: Mapping[str, Any], index: int) -> dict[str, Any]:
    """What one line keeps of its case's explanation: itself, and the work and steps that concern it."""
    line = explanation["lines"][index]
    entries = {segment["entry"] for segment in line["segments"]}
    return {
        "format": FORMAT,
        "currency": explanation["currency"],
        "zone": explanation["zone"],
        "prices": explanation["prices"],
        "work": [piece for piece in explanation["work"] if piece["entry"] in entries],
        "steps": [step for step in explanation["steps"] if _concerns(step, line, entries)],
        "lines": [line],
    }


def _concerns(step: Mapping[str, Any], line: Mapping[str, Any], entries: set[int]) -> bool:
    if step["step"] == "draw":
        return bool(step["grant"] == line["grant"])
    return bool(step["payer"] == line["payer"]) and not entries.isdisjoint(step.get("entries", entries))


def _steps(rated: RatedCase) -> list[dict[str, Any]]:
    countings: list[Counting] = []
    count(rated.basis.slices, countings)
    return [
        *(_count_step(counting) for counting in countings),
        *(_draw_step(drawn, rated.lines) for drawn in rated.draws),
        *(applied._asdict() for applied in rated.applied),
        *(_stop_step(rated.lines, payer, minor) for payer, minor in rated.basis.nte_minor),
    ]


def _count_step(counting: Counting) -> dict[str, Any]:
    first = counting.slices[0]
    step = {
        "step": "minimum" if counting.rounding is None else "rounding",
        "kind": first.kind,
        "payer": first.bill.payer,
        "entries": sorted({piece.entry_id for piece in counting.slices}),
        "level": counting.level,
        "seconds_before": counting.seconds_before,
        "seconds_after": counting.seconds_after,
    }
    if counting.rounding is None:
        return {**step, "minimum_seconds": counting.minimum_seconds}
    return {**step, **counting.rounding._asdict()}


def _draw_step(drawn: Draw, lines: Sequence[Line]) -> dict[str, Any]:
    step = {"step": "draw", "grant": drawn.grant_id, "kind": drawn.kind, "seconds": drawn.seconds}
    if drawn.incidents:
        return {**step, "incidents": drawn.incidents}
    counted = sum(line.seconds for line in lines if line.key.grant_id == drawn.grant_id)
    return step if counted == drawn.seconds else {**step, "counted_seconds": counted}


def _stop_step(lines: Sequence[Line], payer: str, minor: int) -> dict[str, Any]:
    beyond = sum(line.seconds for line in lines if line.payer == payer and line.kind == BEYOND_NTE)
    return {"step": "limit", "payer": payer, "authorized_minor": minor, "beyond_seconds": beyond}


def _lines_out(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """``after_seconds`` is what earlier lines at the same price counted: amounts are rounded on the running sum."""
    running: dict[tuple[object, ...], int] = {}
    shown = []
    for line in lines:
        family = (line.key.bill, *line.key[2:6], *line.key[7:9], line.key.detail)
        after = running.get(family, 0) if line.kind in PAID_KINDS else 0
        if line.kind in PAID_KINDS:
            running[family] = after + line.seconds
        shown.append(_line_out(line, after))
    return shown


def _line_out(line: Line, after_seconds: int) -> dict[str, Any]:
    key = line.key
    return {
        "kind": key.kind,
        "payer": key.bill.payer,
        "collector": key.bill.collector,
        "seller": key.bill.seller,
        "bearer": line.bearer,
        "plan": key.plan,
        "mode": key.mode,
        "task_class": key.task_class,
        "band": key.band,
        "grant": key.grant_id,
        **({"detail": key.detail} if key.detail else {}),
        **({"supplier": key.supplier} if key.supplier else {}),
        "rate": [key.rate_num, key.rate_den],
        "list_rate": [key.list_num, key.list_den],
        "after_seconds": after_seconds,
        "seconds": line.seconds,
        "amount_minor": line.amount_minor,
        "list_amount_minor": line.list_amount_minor,
        "segments": [
            {"entry": part.entry_id, "from": _iso(part.start), "to": _iso(part.end), "seconds": part.seconds}
            for part in line.segments
        ],
    }


def _row_out(row: Row) -> dict[str, Any]:
    plain = {**row._asdict(), "rounding": list(row.rounding), "minimums": [list(least) for least in row.minimums]}
    extras = plain.pop("extras")
    return plain if extras is None else {**plain, "extras": _listed(extras._asdict())}


def _listed(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them: what is stored is what is compared."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _row_in(row: Mapping[str, Any]) -> Row:
    minimums = tuple(
        Least(level, seconds, tuple(more[0]), more[1]) if more else Least(level, seconds)
        for level, seconds, *more in row["minimums"]
    )
    extras = _extras_in(row["extras"]) if "extras" in row else None
    return Row(**{**row, "rounding": Rounding(*row["rounding"]), "minimums": minimums, "extras": extras})


def _extras_in(extras: Mapping[str, Any]) -> Extras:
    over = tuple(tuple(each) for each in extras["over"])
    most = tuple(
        Most._make(tuple(item) if isinstance(item, list) else item for item in each) for each in extras["most"]
    )
    least_money = tuple((level, minor) for level, minor in extras["least_money"])
    return Extras(**{**extras, "over": over, "most": most, "least_money": least_money})


def _charge_out(charge: Charge, number: Mapping[Row, int]) -> dict[str, Any]:
    return {**_listed(charge._asdict()), "slice": _slice_out(charge.slice, number[charge.slice.row])}


def _charge_in(charge: Mapping[str, Any], rows: Sequence[Row]) -> Charge:
    modes = tuple(charge["included_modes"])
    return Charge(**{**charge, "slice": _slice_in(charge["slice"], rows), "included_modes": modes})


def _slice_out(piece: Slice, price_number: int) -> dict[str, Any]:
    return {
        "entry": piece.entry_id,
        "from": _iso(piece.start),
        "to": _iso(piece.end),
        "kind": piece.kind,
        "bill": list(piece.bill),
        "price": price_number,
        "covered": piece.covered,
        "custody": piece.custody,
        "side": piece.side,
        "day": piece.day,
        **({"visit": piece.visit} if piece.visit else {}),
        **({"cycle": piece.cycle} if piece.cycle else {}),
    }


def _slice_in(piece: Mapping[str, Any], rows: Sequence[Row]) -> Slice:
    return Slice(
        _stamp(piece["from"]),
        _stamp(piece["to"]),
        piece["entry"],
        piece["kind"],
        Bill(*piece["bill"]),
        rows[piece["price"]],
        piece["covered"],
        piece["custody"],
        piece["side"],
        piece["day"],
        piece.get("visit", 0),
        piece.get("cycle", 0),
    )


def _grant_out(grant: GrantState) -> dict[str, Any]:
    return {
        "grant": grant.grant_id,
        "kind": grant.kind,
        "remaining_seconds": grant.remaining_seconds,
        "priority": grant.priority,
        "granted_at": _maybe_iso(grant.granted_at),
        "starts_at": _maybe_iso(grant.starts_at),
        "expires_at": _maybe_iso(grant.expires_at),
        "modes": list(grant.modes),
        "bands": list(grant.bands),
        **({"incidents": grant.incidents} if grant.incidents else {}),
        **({"unasked": True} if grant.unasked else {}),
    }


def _grant_in(grant: Mapping[str, Any]) -> GrantState:
    return GrantState(
        grant["grant"],
        grant["kind"],
        grant["remaining_seconds"],
        grant["priority"],
        _maybe_instant(grant["granted_at"]),
        _maybe_instant(grant["starts_at"]),
        _maybe_instant(grant["expires_at"]),
        tuple(grant["modes"]),
        tuple(grant["bands"]),
        grant.get("incidents", 0),
        grant.get("unasked", False),
    )


def _iso(stamp: int) -> str:
    return f"{datetime.fromtimestamp(stamp, UTC).isoformat()[:-6]}Z"


def _stamp(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _maybe_iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _maybe_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
