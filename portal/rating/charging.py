"""Pricing where there is more than rates: charges beside time, time they pay for, least and most money, to the cent.

Every part gets its own whole minor units, summing per price to what its time comes to; then charges that are a part of
the labour, then the most and the least money, then the authorized sum, which nothing passes. Invariants: no amount is
negative; the result depends on the parts and the basis alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from portal.money import round_half_up
from portal.rating.amounts import amount, costs, line_kind, split
from portal.rating.counting import Part, unit
from portal.rating.lines import (
    BEYOND_NTE,
    CHARGED,
    FEE,
    IN_FEE,
    LEAST_MONEY,
    MATERIAL,
    MINIMUM,
    MOST_MONEY,
    PAID_KINDS,
    Applied,
    Basis,
    Charge,
    Line,
    LineKey,
    Segment,
)
from portal.rating.tariff import Row
from portal.rating.terms import Bill, Most

_BESIDE_TIME = (FEE, MATERIAL)


@dataclass(slots=True)
class Cost:
    """A part with its money; ``charge`` where it is one, and not time."""

    part: Part
    minor: int
    listed: int
    charge: Charge | None = None


def with_charges(parts: Sequence[Part], charges: Sequence[Charge]) -> list[Part]:
    """The parts, what charges pay for told apart, and the charges among them, each before the work that begins it."""
    result = list(parts)
    for charge in charges:
        if charge.included_seconds and charge.slice.kind in CHARGED:
            result = _paid_by(charge, result)
        # An allowance asks for nothing: it has no line of its own.
        if charge.minor or charge.seconds or charge.part_num:
            piece = charge.slice
            kind = MATERIAL if charge.supplier else FEE
            result.append(Part(piece, kind, None, piece.start, piece.start, charge.seconds))
    if charges:
        result.sort(key=lambda part: (part.slice.start, part.slice.entry_id, part.kind != FEE, part.start))
    return result


def _paid_by(charge: Charge, parts: Sequence[Part]) -> list[Part]:
    """The parts with the time that the charge includes told apart, the first work first."""
    left = charge.included_seconds
    result: list[Part] = []
    for part in parts:
        if not left or not _within(charge, part):
            result.append(part)
            continue
        paid, rest = split(part, min(left, part.seconds))
        left -= paid.seconds
        result.append(paid._replace(kind=IN_FEE))
        if rest is not None:
            result.append(rest)
    return result


def _within(charge: Charge, part: Part) -> bool:
    piece = part.slice
    return (
        piece.bill == charge.slice.bill
        and piece.kind in CHARGED
        and part.kind != IN_FEE
        and (not charge.included_modes or piece.row.mode in charge.included_modes)
        and unit(piece, charge.per) == unit(charge.slice, charge.per)
        and (not charge.included_until or piece.start < charge.included_until)
    )


def costs_of(parts: Sequence[Part], basis: Basis, applied: list[Applied]) -> list[Cost]:
    """The parts and charges with their money, in order of work; ``applied`` collects the limits that held."""
    by_slice = {id(charge.slice): charge for charge in basis.charges if not charge.seconds}
    found = _timed(parts, by_slice)
    for cost in found:
        if cost.charge is not None:
            _charged(cost, cost.charge.minor)
    labour: Counter[Bill] = Counter()
    for cost in found:
        if cost.part.kind not in _BESIDE_TIME or (cost.charge is not None and cost.charge.is_labour):
            labour[cost.part.slice.bill] += cost.minor
    for cost in found:
        if cost.charge is not None and cost.charge.part_num:
            whole = labour[cost.part.slice.bill]
            _charged(cost, round_half_up(Fraction(whole * cost.charge.part_num, cost.charge.part_den)))
    _at_most(found, applied)
    found.extend(_at_least(found, applied))
    for payer, limit in basis.nte_minor:
        found = _stopped(found, payer, limit)
    return found


def _charged(cost: Cost, minor: int) -> None:
    """Set what a charge of money costs: nothing where the case, or an incident bought, pays no fee."""
    cost.listed = minor
    cost.minor = minor if cost.part.kind in _BESIDE_TIME and cost.part.slice.kind in PAID_KINDS else 0


def _timed(parts: Sequence[Part], charges: Mapping[int, Charge]) -> list[Cost]:
    """What time comes to: parts at one price are rounded together, so that they sum to what their time does."""
    running: dict[tuple[Bill, Row], int] = {}
    found = []
    for part in parts:
        row, bill = part.slice.row, part.slice.bill
        minor = 0
        if part.kind == FEE and not part.seconds:
            due = part.slice.row.extras
            minor = due.due_once if due is not None and part.slice.kind in PAID_KINDS else 0
        elif costs(part):
            before = running.get((bill, row), 0)
            running[(bill, row)] = before + part.seconds
            earlier = amount(row.rate_num, row.rate_den, before)
            minor = amount(row.rate_num, row.rate_den, before + part.seconds) - earlier
        listed = max(amount(row.list_num, row.list_den, part.seconds), minor)
        found.append(Cost(part, minor, listed, charges.get(id(part.slice))))
    return found


def _at_most(found: Sequence[Cost], applied: list[Applied]) -> None:
    """Take what is beyond the most money of any limit off, the last first."""
    limits = {most: None for cost in found for most in _most_of(cost) if most.minor is not None}
    for most in limits:
        groups: dict[tuple[Bill, int], list[Cost]] = {}
        for cost in found:
            if most in _most_of(cost) or (most.with_fees and cost.charge is not None and not cost.charge.supplier):
                groups.setdefault((cost.part.slice.bill, unit(cost.part.slice, most.level)), []).append(cost)
        for (bill, _), group in groups.items():
            counted = sum(cost.part.seconds for cost in group if cost.charge is None)
            in_time = most.up_to_seconds is None or counted <= most.up_to_seconds
            if in_time and (off := _take_off(group, most.minor or 0)):
                applied.append(Applied(MOST_MONEY, most.level, bill.payer, most.minor or 0, off))


def _most_of(cost: Cost) -> tuple[Most, ...]:
    extras = cost.part.slice.row.extras
    return extras.most if extras is not None and cost.charge is None else ()


def _take_off(group: Sequence[Cost], most: int) -> int:
    beyond = excess = max(sum(cost.minor for cost in group) - most, 0)
    for cost in reversed(group):
        off = min(excess, cost.minor)
        cost.minor -= off
        excess -= off
    return beyond


def _at_least(found: Sequence[Cost], applied: list[Applied]) -> list[Cost]:
    """What the money of each group lacks to the largest least money of its work."""
    groups: dict[tuple[str, Bill, int], list[tuple[int, Cost]]] = {}
    for cost in found:
        extras = cost.part.slice.row.extras
        for level, minor in extras.least_money if extras is not None and cost.minor else ():
            groups.setdefault((level, cost.part.slice.bill, unit(cost.part.slice, level)), []).append((minor, cost))
    added = []
    for (level, bill, _), group in groups.items():
        least = max(minor for minor, _ in group)
        lacking = least - sum(cost.minor for _, cost in group)
        if lacking > 0:
            applied.append(Applied(LEAST_MONEY, level, bill.payer, least, lacking))
            last = group[-1][1].part.slice
            added.append(Cost(Part(last, MINIMUM, None, last.end, last.end, 0), lacking, lacking))
    return added


def _stopped(found: Sequence[Cost], payer: str, limit: int) -> list[Cost]:
    """The costs, those of the payer from the authorized sum on as time and fees beyond it."""
    spent, stopped = 0, False
    result = []
    for cost in found:
        if cost.part.slice.bill.payer != payer or not cost.minor:
            result.append(cost)
            continue
        if not stopped and spent + cost.minor <= limit:
            spent += cost.minor
            result.append(cost)
            continue
        room = 0 if stopped else limit - spent
        stopped = True
        spent = limit
        result.extend(_stopped_at(cost, room))
    return result


def _stopped_at(cost: Cost, room: int) -> list[Cost]:
    """What of a cost fits into the room, to the second, and the rest as beyond."""
    part = cost.part
    fitting = part.seconds * room // cost.minor if part.seconds and cost.charge is None else 0
    if not fitting:
        return [Cost(part._replace(kind=BEYOND_NTE), 0, cost.listed, cost.charge)]
    first, _ = split(part, fitting)
    # The room is less than the cost, so something is always left.
    beyond = part._replace(kind=BEYOND_NTE, start=first.end, seconds=part.seconds - fitting)
    minor = round_half_up(Fraction(cost.minor * fitting, part.seconds))
    listed = round_half_up(Fraction(cost.listed * fitting, part.seconds))
    return [Cost(first, minor, max(listed, minor)), Cost(beyond, 0, max(cost.listed - listed, 0))]


def lines_of(found: Iterable[Cost]) -> tuple[Line, ...]:
    """One line per kind, bill, row and grant, in order of work; a charge of money counts no segment."""
    lines: dict[LineKey, tuple[list[Segment], list[int]]] = {}
    for cost in found:
        segments, sums = lines.setdefault(_key(cost), ([], [0, 0, 0]))
        part = cost.part
        if part.seconds:
            segments.append(
                Segment(part.slice.entry_id, part.start, part.end, part.seconds, part.slice.custody, part.slice.side)
            )
        for place, value in enumerate((part.seconds, cost.minor, cost.listed)):
            sums[place] += value
    return tuple(
        Line(key, sums[0], sums[1], max(sums[1], sums[2]), tuple(segments)) for key, (segments, sums) in lines.items()
    )


def _key(cost: Cost) -> LineKey:
    part = cost.part
    supplier = cost.charge.supplier if cost.charge is not None else ""
    piece, row = part.slice, part.slice.row
    settled = part.grant_id is not None or part.kind in (BEYOND_NTE, IN_FEE)
    beside_time = part.kind in _BESIDE_TIME and piece.kind in PAID_KINDS
    settled = settled or beside_time or (row.rate_num > 0 and piece.kind in PAID_KINDS)
    kind = part.kind if settled else (piece.kind if supplier else line_kind(piece))
    rates = (row.rate_num, row.rate_den, row.list_num, row.list_den)
    detail = row.extras.detail if row.extras is not None else ""
    return LineKey(
        kind, piece.bill, row.plan, row.mode, row.task_class, row.band, part.grant_id, *rates, detail, supplier
    )
