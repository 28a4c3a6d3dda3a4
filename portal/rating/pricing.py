"""The second half of rating: slices of work to lines of money, from stored values alone.

Steps: count, draw hours left in order of work, price, and where a payer's lines exceed the authorized sum, stop there.
Invariants: integers only; the result depends on the basis and nothing else, so a stored basis replays to the same
lines; no payer's lines exceed the authorized sum.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from portal.rating.amounts import PAID_OTHERWISE, amount, costs, line_kind, seconds_for, split
from portal.rating.charging import costs_of, lines_of, with_charges
from portal.rating.counting import Part, count
from portal.rating.facts import BOUGHT_GRANT, INCLUDED_GRANT, GrantState
from portal.rating.grants import Draw, Use, ranks_before
from portal.rating.limits import limited
from portal.rating.lines import (
    BEYOND_NTE,
    BILLED,
    CHARGED,
    FEE,
    HOURS_BOUGHT,
    INCIDENT,
    INCLUDED,
    PAID_KINDS,
    UNAUTHORIZED,
    Applied,
    Basis,
    Charge,
    Line,
    LineKey,
    RatedCase,
    Segment,
    Slice,
)
from portal.rating.tariff import Row
from portal.rating.terms import INTERCOMPANY, Bill

# What is billed at one price on one bill: such lines are rounded to whole minor units together.
Family = tuple[Bill, int]
# What is one line. Rows are shared values: a row's identity stands for it.
Same = tuple[str, Bill, int, int | None]


def price(basis: Basis) -> RatedCase:
    """The rated case of this basis: one line per kind, bill, row and grant, in order of work."""
    parts = count(basis.slices)
    applied: list[Applied] = []
    uses: list[Use] = []
    more = bool(basis.charges) or any(piece.row.extras is not None for piece in basis.slices)
    if more:
        parts = with_charges(limited(parts, applied), basis.charges)
    draws: tuple[Draw, ...] = ()
    if basis.grants:
        parts, draws = _drawn(parts, basis, uses)
    if more:
        return RatedCase(basis, lines_of(costs_of(parts, basis, applied)), draws, tuple(applied), tuple(uses))
    for payer, limit in basis.nte_minor:
        if _owed(parts, payer) > limit:
            parts = _stopped(parts, payer, limit)
    return RatedCase(basis, _lines(parts), draws, uses=tuple(uses))


def _owed(parts: Sequence[Part], payer: str) -> int:
    """What the payer's lines would come to."""
    counted: dict[Family, int] = {}
    rows: dict[Family, Row] = {}
    for part in parts:
        piece = part.slice
        if piece.bill.payer == payer and costs(part):
            family = (piece.bill, id(piece.row))
            rows[family] = piece.row
            counted[family] = counted.get(family, 0) + part.seconds
    return sum([amount(row.rate_num, row.rate_den, counted[family]) for family, row in rows.items()])


@dataclass(slots=True)
class _Left:
    """What is left of each grant, and what the case has used of all of them towards its limit."""

    seconds: dict[int, int]
    limit: tuple[tuple[int, int], ...]
    used: int = 0

    def of(self, grant: GrantState, piece: Slice) -> int:
        """What a piece of work may take of a grant. Work nobody was asked about keeps to what needs no asking."""
        left = self.seconds[grant.grant_id]
        if not self.limit or not left:
            return left
        most = self.limit[0][1]
        if piece.kind != UNAUTHORIZED:
            most = next((seconds for at, seconds in reversed(self.limit) if at <= piece.start), most)
        return max(min(left, most - self.used), 0)

    def take(self, grant: GrantState, seconds: int) -> None:
        """Use so much of a grant."""
        self.seconds[grant.grant_id] -= seconds
        self.used += seconds


def _drawn(parts: Sequence[Part], basis: Basis, uses: list[Use]) -> tuple[list[Part], tuple[Draw, ...]]:
    """The parts with hours left used first, in order of work; grants stand in the order of use.

    Time that ranks before incidents is used first: a case that it covers costs no incident, and an incident pays for
    all that is left of the case.
    """
    grants = basis.grants
    left = _Left({grant.grant_id: grant.remaining_seconds for grant in grants}, basis.hours_limit)
    incidents = [grant for grant in grants if grant.incidents]
    before = [grant for grant in grants if not incidents or ranks_before(grant, incidents[0])]
    result = _with_time(parts, before, left, uses)
    opened: tuple[Draw, ...] = ()
    if incidents:
        result, opened = _by_incident(result, incidents, basis.charges, uses)
        result = _with_time(result, [grant for grant in grants if grant not in before], left, uses)
    used = (
        Draw(grant.grant_id, grant.kind, grant.remaining_seconds - left.seconds[grant.grant_id])
        for grant in grants
        if left.seconds[grant.grant_id] < grant.remaining_seconds
    )
    return result, (*opened, *used)


def _with_time(parts: Sequence[Part], grants: Sequence[GrantState], left: _Left, uses: list[Use]) -> list[Part]:
    """The parts with the time of these grants used, each part by the first that may and has some left."""
    result: list[Part] = []
    for part in parts:
        rest: Part | None = part
        undrawn = part.grant_id is None and part.kind not in PAID_OTHERWISE
        if undrawn and part.slice.kind in CHARGED and part.slice.row.rate_num and part.seconds:
            for grant in grants:
                if rest is not None and left.of(grant, part.slice) > 0 and _may_draw(grant, part.slice):
                    before = left.used
                    start = rest.start
                    rest = _draw_from(grant, left, rest, result)
                    if left.used > before:
                        uses.append(Use(grant.grant_id, part.slice.entry_id, start, left.used - before))
        if rest is not None:
            result.append(rest)
    return result


def _by_incident(
    parts: list[Part], grants: Sequence[GrantState], charges: Sequence[Charge], uses: list[Use]
) -> tuple[list[Part], tuple[Draw, ...]]:
    """The parts that the first incident that may be used pays for: all of the case that it is good for."""
    payable = {id(charge.slice) for charge in charges if charge.by_incident}
    for grant in grants:
        pays = [_incident_pays(grant, part, payable) for part in parts]
        if any(pays):
            kept = [
                part._replace(kind=INCIDENT, grant_id=grant.grant_id) if paid else part
                for part, paid in zip(parts, pays, strict=True)
            ]
            first = parts[pays.index(True)]
            uses.append(Use(grant.grant_id, first.slice.entry_id, first.start, 0, 1))
            return kept, (Draw(grant.grant_id, grant.kind, 0, 1),)
    return parts, ()


def _incident_pays(grant: GrantState, part: Part, payable: Collection[int]) -> bool:
    if not _may_draw(grant, part.slice) or part.kind in PAID_OTHERWISE:
        return False
    if part.kind == FEE:
        return id(part.slice) in payable
    unasked = grant.unasked and part.slice.kind == UNAUTHORIZED and part.slice.row.rate_num > 0
    return part.grant_id is None and (costs(part) or unasked)


def _may_draw(grant: GrantState, piece: Slice) -> bool:
    """Included hours serve covered work; bought ones are the payer's money: work it was not asked about needs leave."""
    if piece.row.plan == INTERCOMPANY:
        return False
    if grant.kind == INCLUDED_GRANT:
        if not piece.covered:
            return False
    elif piece.kind != BILLED and not (grant.unasked and piece.kind == UNAUTHORIZED):
        return False
    if (grant.modes and piece.row.mode not in grant.modes) or (grant.bands and piece.row.band not in grant.bands):
        return False
    if grant.starts_at is not None and piece.start < grant.starts_at.timestamp():
        return False
    return grant.expires_at is None or piece.start < grant.expires_at.timestamp()


def _draw_from(grant: GrantState, left: _Left, part: Part, result: list[Part]) -> Part | None:
    """Append what the grant covers of the part; the part that remains, if any. Bought hours go at their factor."""
    extras = part.slice.row.extras
    most = left.of(grant, part.slice)
    taken = used = min(most, part.seconds)
    if extras is not None and grant.kind == BOUGHT_GRANT and extras.burn_num != extras.burn_den:
        taken = part.seconds
        if extras.burn_num:
            taken = min(most * extras.burn_den // extras.burn_num, part.seconds)
        used = -(-taken * extras.burn_num // extras.burn_den)
        if not taken:
            return part
    left.take(grant, used)
    drawn, rest = split(part, taken)
    kind = HOURS_BOUGHT if grant.kind == BOUGHT_GRANT else INCLUDED
    result.append(drawn._replace(kind=kind, grant_id=grant.grant_id))
    return rest


def _stopped(parts: Sequence[Part], payer: str, limit: int) -> list[Part]:
    """The parts, those of the payer from the authorized sum on as time beyond it, to the second."""
    counted: dict[Family, int] = {}
    spent, stopped = 0, False
    result: list[Part] = []
    for part in parts:
        if part.slice.bill.payer != payer or not costs(part):
            result.append(part)
            continue
        fitting = 0
        if not stopped:
            row, family = part.slice.row, (part.slice.bill, id(part.slice.row))
            before = counted.get(family, 0)
            spent -= amount(row.rate_num, row.rate_den, before)
            fitting = min(seconds_for(row, limit - spent) - before, part.seconds)
            counted[family] = before + fitting
            spent += amount(row.rate_num, row.rate_den, before + fitting)
            stopped = fitting < part.seconds
        result.extend(_stopped_at(part, fitting))
    return result


def _stopped_at(part: Part, seconds: int) -> list[Part]:
    if seconds >= part.seconds:
        return [part]
    billed, beyond = split(part, seconds)
    kept = [billed] if seconds else []
    return kept if beyond is None else [*kept, beyond._replace(kind=BEYOND_NTE)]


def _lines(parts: Sequence[Part]) -> tuple[Line, ...]:
    found: dict[Same, tuple[Row, list[Segment]]] = {}
    for piece, kind, grant_id, start, end, seconds in parts:
        row = piece.row
        # Most parts are what they seem: the question is asked of the others only.
        settled = grant_id is not None or kind == BEYOND_NTE or (row.rate_num and piece.kind in PAID_KINDS)
        shown = kind if settled else line_kind(piece)
        segment = Segment(piece.entry_id, start, end, seconds, piece.custody, piece.side)
        same = (shown, piece.bill, id(row), grant_id)
        known = found.get(same)
        if known is None:
            found[same] = (row, [segment])
        else:
            known[1].append(segment)
    return _priced(found)


def _priced(found: dict[Same, tuple[Row, list[Segment]]]) -> tuple[Line, ...]:
    """Amounts; lines at one price are rounded together, so added time costs no cent more than worked time would."""
    running: dict[Family, int] = {}
    lines = []
    for (kind, bill, row_id, grant_id), (row, segments) in found.items():
        plan, mode, task_class, band, rate_num, rate_den, list_num, list_den, _, _, _ = row
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
