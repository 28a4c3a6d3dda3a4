"""Worked seconds to counted seconds: whole increments, then minimums, each at its level.

Invariants: time that is added follows the last work of its group, at that work's price; time that is taken off comes
from the last work first, so that the parts sum to what counts; work of different kinds or bills never counts together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from portal.rating.lines import MINIMUM, ROUNDING, Slice
from portal.rating.terms import DOWN, PER_CASE, PER_DAY, PER_ENTRY, UP, Bill, Rounding

LEVELS = (PER_ENTRY, PER_DAY, PER_CASE)


class Part(NamedTuple):
    """A part of a slice on its way to a line; added time starts and ends where the work ended."""

    slice: Slice
    kind: str
    grant_id: int | None
    start: int
    end: int
    seconds: int


class Counting(NamedTuple):
    """One step: how a group of slices counts together, by its rounding, or where that is None to a minimum."""

    slices: tuple[Slice, ...]
    level: str
    rounding: Rounding | None
    minimum_seconds: int
    seconds_before: int
    seconds_after: int


def count(slices: Sequence[Slice], steps: list[Counting] | None = None) -> list[Part]:
    """The slices, in order of work, as parts with the seconds that count; ``steps`` collects how it came about."""
    groups = _rounding_groups(slices)
    parts = [part for group in groups for part in _rounded_group(group, steps)]
    if len(groups) > 1:
        parts.sort(key=_work_order)
    raised_at = {least[0] for piece in slices for least in piece.row.minimums}
    if raised_at:
        for level in LEVELS:
            if level in raised_at:
                parts = _raised(parts, level, steps)
    return [part for part in parts if part.seconds]


def rounded(seconds: int, rounding: Rounding) -> int:
    """``seconds`` in whole increments."""
    step = rounding.increment_seconds
    whole, rest = divmod(seconds, step)
    if rounding.direction == UP:
        up = rest > (rounding.grace_seconds if whole else 0)
    else:
        up = rounding.direction != DOWN and 2 * rest >= step
    return (whole + up) * step


def _unit(piece: Slice, level: str) -> int:
    if level == PER_CASE:
        return 0
    return piece.entry_id if level == PER_ENTRY else piece.day


def _rounding_groups(slices: Sequence[Slice]) -> list[Sequence[Slice]]:
    """The slices that are rounded together: of one kind, bill and rounding, and of one entry, day or case."""
    if len(slices) == 1:
        return [slices]
    found: dict[tuple[str, Bill, Rounding, int], list[Slice]] = {}
    for piece in slices:
        rounding = piece.row.rounding
        found.setdefault((piece.kind, piece.bill, rounding, _unit(piece, rounding.level)), []).append(piece)
    return list(found.values())


def _rounded_group(group: Sequence[Slice], steps: list[Counting] | None) -> list[Part]:
    parts = [Part(piece, piece.kind, None, piece.start, piece.end, piece.end - piece.start) for piece in group]
    worked = sum([part.seconds for part in parts])
    last = group[-1]
    rounding = last.row.rounding
    counted = rounded(worked, rounding)
    if steps is not None:
        steps.append(Counting(tuple(group), rounding.level, rounding, 0, worked, counted))
    if counted < worked:
        return _shortened(parts, worked - counted)
    if counted > worked:
        parts.append(Part(last, ROUNDING, None, last.end, last.end, counted - worked))
    return parts


def _shortened(parts: Iterable[Part], excess: int) -> list[Part]:
    """The parts less ``excess`` seconds; a part that loses all stays, at zero, to count towards a minimum."""
    kept: list[Part] = []
    for part in reversed(list(parts)):
        off = min(excess, part.seconds)
        excess -= off
        kept.append(part._replace(seconds=part.seconds - off))
    kept.reverse()
    return kept


def _raised(parts: Sequence[Part], level: str, steps: list[Counting] | None) -> list[Part]:
    """The parts with what each group of the level lacks to its minimum."""
    groups: dict[tuple[str, Bill, int], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.slice.kind, part.slice.bill, _unit(part.slice, level)), []).append(part)
    added = [part for group in groups.values() for part in _lacking(group, level, steps)]
    return sorted([*parts, *added], key=_work_order) if added else list(parts)


def _lacking(group: Sequence[Part], level: str, steps: list[Counting] | None) -> Iterable[Part]:
    least = max([seconds for part in group for at, seconds in part.slice.row.minimums if at == level], default=0)
    counted = sum([part.seconds for part in group])
    if least <= counted:
        return
    if steps is not None:
        slices = tuple(dict.fromkeys(part.slice for part in group))
        steps.append(Counting(slices, level, None, least, counted, least))
    last = group[-1].slice
    yield Part(last, MINIMUM, None, last.end, last.end, least - counted)


def _work_order(part: Part) -> tuple[int, int, int, int]:
    """By the start of the work; added time follows the slice that it was added to, rounding before minimum."""
    piece = part.slice
    return piece.start, piece.entry_id, piece.end, (ROUNDING, MINIMUM).index(part.kind) + 1 if _is_added(part) else 0


def _is_added(part: Part) -> bool:
    return part.kind in (ROUNDING, MINIMUM)
