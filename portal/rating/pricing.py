"""The second half of rating: slices of work to lines of money, from stored values alone.

Steps: count, draw hours left in order of work, price, and where a payer's lines exceed the authorised sum, stop there.
Invariants: integers only; the result depends on the basis and nothing else, so a stored basis replays to the same
lines; no payer's lines exceed the authorised sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal.rating.counting import Part, count
from portal.rating.facts import INCLUDED_GRANT, GrantState
from portal.rating.grants import Draw
from portal.rating.lines import (
    BEYOND_NTE,
    BILLED,
    CHARGED,
    HOURS_BOUGHT,
    INCLUDED,
    PAID_KINDS,
    Basis,
    Line,
    LineKey,
    RatedCase,
    Segment,
    Slice,
)
from portal.rating.tariff import Row
from portal.rating.terms import INTERCOMPANY, Bill

HOUR_SECONDS = 3_600

# What is billed at one price on one bill: such lines are rounded to whole minor units together.
Family = tuple[Bill, int]
# What is one line. Rows are shared values: a row's identity stands for it.
Same = tuple[str, Bill, int, int | None]


def price(basis: Basis) -> RatedCase:
    """The rated case of this basis: one line per kind, bill, row and grant, in order of work."""
    parts = count(basis.slices)
    draws: tuple[Draw, ...] = ()
    if basis.grants:
        parts, draws = _drawn(parts, basis.grants)
    for payer, limit in basis.nte_minor:
        if _owed(parts, payer) > limit:
            parts = _stopped(parts, payer, limit)
    return RatedCase(basis, _lines(parts), draws)


def amount(rate_num: int, rate_den: int, seconds: int) -> int:
    """Seconds at a rate per hour in whole minor units, a half upwards."""
    unit = rate_den * HOUR_SECONDS
    return (2 * rate_num * seconds + unit) // (2 * unit)


def _owed(parts: Sequence[Part], payer: str) -> int:
    """What the payer's lines would come to."""
    counted: dict[Family, int] = {}
    rows: dict[Family, Row] = {}
    for part in parts:
        piece = part.slice
        if piece.bill.payer == payer and _costs(part):
            family = (piece.bill, id(piece.row))
            rows[family] = piece.row
            counted[family] = counted.get(family, 0) + part.seconds
    return sum([amount(row.rate_num, row.rate_den, counted[family]) for family, row in rows.items()])


def _drawn(parts: Sequence[Part], grants: Sequence[GrantState]) -> tuple[list[Part], tuple[Draw, ...]]:
    """The parts with hours left used first, in order of work; grants stand in the order of use."""
    left = {grant.grant_id: grant.remaining_seconds for grant in grants}
    result: list[Part] = []
    for part in parts:
        rest: Part | None = part
        if part.slice.kind in CHARGED and part.slice.row.rate_num:
            for grant in grants:
                if rest is not None and left[grant.grant_id] > 0 and _may_draw(grant, part.slice):
                    rest = _draw_from(grant, left, rest, result)
        if rest is not None:
            result.append(rest)
    used = (
        Draw(grant.grant_id, grant.kind, grant.remaining_seconds - left[grant.grant_id])
        for grant in grants
        if left[grant.grant_id] < grant.remaining_seconds
    )
    return result, tuple(used)


def _may_draw(grant: GrantState, piece: Slice) -> bool:
    """Included hours serve covered work; bought hours are money of the payer, unauthorised work does not touch them."""
    if piece.row.plan == INTERCOMPANY:
        return False
    if not piece.covered if grant.kind == INCLUDED_GRANT else piece.kind != BILLED:
        return False
    if (grant.modes and piece.row.mode not in grant.modes) or (grant.bands and piece.row.band not in grant.bands):
        return False
    if grant.starts_at is not None and piece.start < grant.starts_at.timestamp():
        return False
    return grant.expires_at is None or piece.start < grant.expires_at.timestamp()


def _draw_from(grant: GrantState, left: dict[int, int], part: Part, result: list[Part]) -> Part | None:
    """Append what the grant covers of the part; the part that remains, if any."""
    taken = min(left[grant.grant_id], part.seconds)
    left[grant.grant_id] -= taken
    drawn, rest = _split(part, taken)
    kind = INCLUDED if grant.kind == INCLUDED_GRANT else HOURS_BOUGHT
    result.append(drawn._replace(kind=kind, grant_id=grant.grant_id))
    return rest


def _split(part: Part, seconds: int) -> tuple[Part, Part | None]:
    """The first ``seconds`` of a part and the rest, cut at the instant they are used up."""
    if seconds >= part.seconds:
        return part, None
    middle = min(part.start + seconds, part.end)
    return part._replace(end=middle, seconds=seconds), part._replace(start=middle, seconds=part.seconds - seconds)


def _costs(part: Part) -> bool:
    """Added time costs when its slice does."""
    return part.kind in PAID_KINDS and part.slice.kind in PAID_KINDS and part.slice.row.rate_num > 0


def _stopped(parts: Sequence[Part], payer: str, limit: int) -> list[Part]:
    """The parts, those of the payer from the authorised sum on as time beyond it, to the second."""
    counted: dict[Family, int] = {}
    spent, stopped = 0, False
    result: list[Part] = []
    for part in parts:
        if part.slice.bill.payer != payer or not _costs(part):
            result.append(part)
            continue
        fitting = 0
        if not stopped:
            row, family = part.slice.row, (part.slice.bill, id(part.slice.row))
            before = counted.get(family, 0)
            spent -= amount(row.rate_num, row.rate_den, before)
            fitting = min(_seconds_for(row, limit - spent) - before, part.seconds)
            counted[family] = before + fitting
            spent += amount(row.rate_num, row.rate_den, before + fitting)
            stopped = fitting < part.seconds
        result.extend(_stopped_at(part, fitting))
    return result


def _stopped_at(part: Part, seconds: int) -> list[Part]:
    if seconds >= part.seconds:
        return [part]
    billed, beyond = _split(part, seconds)
    kept = [billed] if seconds else []
    return kept if beyond is None else [*kept, beyond._replace(kind=BEYOND_NTE)]


def _seconds_for(row: Row, money: int) -> int:
    """The most seconds whose amount does not exceed ``money``."""
    unit = row.rate_den * HOUR_SECONDS
    return -(-(2 * money + 1) * unit // (2 * row.rate_num)) - 1


def _lines(parts: Sequence[Part]) -> tuple[Line, ...]:
    found: dict[Same, tuple[Row, list[Segment]]] = {}
    for piece, kind, grant_id, start, end, seconds in parts:
        row = piece.row
        # Most parts are what they seem: the question is asked of the others only.
        settled = grant_id is not None or kind == BEYOND_NTE or (row.rate_num and piece.kind in PAID_KINDS)
        shown = kind if settled else _line_kind(piece)
        segment = Segment(piece.entry_id, start, end, seconds, piece.custody, piece.side)
        same = (shown, piece.bill, id(row), grant_id)
        known = found.get(same)
        if known is None:
            found[same] = (row, [segment])
        else:
            known[1].append(segment)
    return _priced(found)


def _line_kind(piece: Slice) -> str:
    """Work that has no price is included; time added to free work is free for the same reason."""
    return INCLUDED if piece.kind in CHARGED and not piece.row.rate_num else piece.kind


def _priced(found: dict[Same, tuple[Row, list[Segment]]]) -> tuple[Line, ...]:
    """Amounts; lines at one price are rounded together, so added time costs no cent more than worked time would."""
    running: dict[Family, int] = {}
    lines = []
    for (kind, bill, row_id, grant_id), (row, segments) in found.items():
        plan, mode, task_class, band, rate_num, rate_den, list_num, list_den, _, _ = row
        counted = segments[0].seconds if len(segments) == 1 else sum([segment.seconds for segment in segments])
        cost = 0
        if kind in PAID_KINDS:
            before = running.get((bill, row_id), 0)
            running[(bill, row_id)] = before + counted
            cost = amount(rate_num, rate_den, before + counted)
            if before:
                cost -= amount(rate_num, rate_den, before)
        listed = amount(list_num, list_den, counted)
        key = LineKey(kind, bill, plan, mode, task_class, band, grant_id, rate_num, rate_den, list_num, list_den)
        lines.append(Line(key, counted, cost, listed if listed > cost else cost, tuple(segments)))
    return tuple(lines)
