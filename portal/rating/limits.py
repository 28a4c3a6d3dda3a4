"""Counted time that reaches a limit: taken off beyond the most minutes, at another price beyond overtime's begin.

Invariants: nothing is added; time goes off the last work first; a part that crosses a price's begin is cut there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from portal.rating.amounts import split
from portal.rating.counting import Part, unit
from portal.rating.lines import FEE, MOST_TIME, Applied
from portal.rating.tariff import Row
from portal.rating.terms import Bill, Extras, Most

# Bill, mode, level and unit: time that counts together towards another price.
_Together = tuple[Bill, str, str, int]


def limited(parts: Sequence[Part], applied: list[Applied]) -> list[Part]:
    """The parts within the most minutes, and at the prices that hold beyond others; ``applied`` collects what held."""
    return _at_their_prices(_within_most(parts, applied))


def _within_most(parts: Sequence[Part], applied: list[Applied]) -> list[Part]:
    """The parts less what is beyond the most minutes of any limit."""
    result = list(parts)
    limits = {
        most: None
        for part in parts
        for most in (part.slice.row.extras.most if part.slice.row.extras else ())
        if most.seconds is not None
    }
    for most in limits:
        groups: dict[tuple[str, Bill, int], list[int]] = {}
        for index, part in enumerate(result):
            if not most.counting or part.slice.row.mode in most.counting:
                key = (part.slice.kind, part.slice.bill, unit(part.slice, most.level))
                groups.setdefault(key, []).append(index)
        for (_, bill, _), indexes in groups.items():
            if off := _take_off(result, indexes, most):
                applied.append(Applied(MOST_TIME, most.level, bill.payer, most.seconds or 0, off))
    return [part for part in result if part.seconds]


def _take_off(parts: list[Part], indexes: Sequence[int], most: Most) -> int:
    """Take what is beyond the limit off the work that has it, the last first; the seconds taken off."""
    excess = sum(parts[index].seconds for index in indexes) - (most.seconds or 0)
    taken = 0
    for index in reversed(indexes):
        if excess <= 0:
            break
        extras = parts[index].slice.row.extras
        if extras is not None and most in extras.most:
            off = min(excess, parts[index].seconds)
            excess -= off
            taken += off
            parts[index] = parts[index]._replace(seconds=parts[index].seconds - off)
    return taken


def _at_their_prices(parts: Sequence[Part]) -> list[Part]:
    """The parts, cut where another price begins: time of one mode, bill and unit counts together."""
    totals: Counter[_Together] = Counter()
    for part in parts:
        if (key := _together(part)) is not None:
            totals[key] += part.seconds
    counted: Counter[_Together] = Counter()
    rows: dict[tuple[Row, int], Row] = {}
    reached: set[tuple[_Together, int]] = set()
    result: list[Part] = []
    for part in parts:
        key, extras = _together(part), part.slice.row.extras
        if key is None or extras is None:
            result.append(part)
            continue
        # Where the price reached holds for all the time, every part stands beyond where it begins.
        before = totals[key] - 1 if extras.over_for_all else counted[key]
        for tier, piece in _cut(part, extras, before, rows):
            if tier and (key, tier) not in reached:
                reached.add((key, tier))
                if extras.over[tier - 1][4]:
                    result.append(_due_once(piece))
            result.append(piece)
        counted[key] += part.seconds
    return result


def _together(part: Part) -> _Together | None:
    """What counts together towards another price; None for a part that has but one."""
    extras = part.slice.row.extras
    if extras is None or not extras.over:
        return None
    level = extras.over[0][0]
    return part.slice.bill, part.slice.row.mode, level, unit(part.slice, level)


def _cut(part: Part, extras: Extras, before: int, rows: dict[tuple[Row, int], Row]) -> list[tuple[int, Part]]:
    pieces: list[tuple[int, Part]] = []
    rest: Part | None = part
    for tier in range(len(extras.over) + 1):
        if rest is None:
            break
        last = tier == len(extras.over)
        ends = before + rest.seconds if last else extras.over[tier][1]
        if ends <= before:
            continue
        taken = rest.seconds if extras.over_for_all else min(ends - before, rest.seconds)
        first, rest = split(rest, taken)
        before += taken
        pieces.append(
            (tier, first if not tier else first._replace(slice=first.slice._replace(row=_tier(part, tier, rows))))
        )
    return pieces


def _due_once(piece: Part) -> Part:
    return piece._replace(kind=FEE, end=piece.start, seconds=0)


def _tier(part: Part, tier: int, rows: dict[tuple[Row, int], Row]) -> Row:
    """The row at the price beyond, the same object each time: lines are told apart by it."""
    row = part.slice.row
    known = rows.get((row, tier))
    if known is None:
        extras = row.extras or Extras()
        _, seconds, rate_num, rate_den, due = extras.over[tier - 1]
        words = ", ".join(word for word in (extras.detail, f"beyond {_hours(seconds)}") if word)
        known = row._replace(
            rate_num=rate_num, rate_den=rate_den, extras=extras._replace(detail=words, over=(), due_once=due)
        )
        if row.list_num * rate_den < rate_num * row.list_den:
            known = known._replace(list_num=rate_num, list_den=rate_den)
        rows[(row, tier)] = known
    return known


def _hours(seconds: int) -> str:
    hours, rest = divmod(seconds, 3_600)
    return f"{hours} h" if not rest else f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"
