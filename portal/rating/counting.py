"""Worked seconds to counted seconds: whole increments, then minimums, each at its level.

Invariants: time that is added follows the last work of its group, at that work's price; time that is taken off comes
from the last work first, so that the parts sum to what counts; work of different kinds or bills never counts together.

Why the last work's price and not a spread over the case: the time that completes a step is the time in which the work
would have gone on, and that lay in the band of its end. A spread would divide a few minutes among bands, each with a
rounding of its own, and would change lines that an earlier cut has billed whenever later work moves the parts; as it
is, what a later cut adds or takes off follows the work after the earlier one. The price of less than one step is at
stake. A policy for which that is too much rounds each band by itself (``by_band``), each entry or each day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from portal.rating.lines import MINIMUM, ROUNDING, Slice
from portal.rating.terms import (
    DOWN,
    LEVELS,
    PER_CASE,
    PER_CYCLE,
    PER_DAY,
    PER_ENTRY,
    UP,
    Bill,
    Least,
    Rounding,
)

_AT_THE_SITE = ("on_site", "travel")


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
    raised_at = {least.level for piece in slices for least in piece.row.minimums}
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


def unit(piece: Slice, level: str) -> int:
    """The visit, day, cycle or entry that the work belongs to; a visit nobody numbered is what a day does on site."""
    if level == PER_CASE:
        return 0
    if level == PER_ENTRY:
        return piece.entry_id
    if level == PER_DAY:
        return piece.day
    if level == PER_CYCLE:
        return piece.cycle
    if piece.visit:
        return piece.visit
    # Days count from 1: below zero, no visit anybody numbered is met, nor an entry's own.
    return -piece.day if piece.row.mode in _AT_THE_SITE else -(10**9) - piece.entry_id


def _rounding_groups(slices: Sequence[Slice]) -> list[Sequence[Slice]]:
    """The slices that are rounded together: of one kind, bill and rounding, and of one entry, day or case."""
    if len(slices) == 1:
        return [slices]
    found: dict[tuple[str, Bill, Rounding, int, str], list[Slice]] = {}
    for piece in slices:
        rounding = piece.row.rounding
        band = piece.row.band if rounding.by_band else ""
        found.setdefault((piece.kind, piece.bill, rounding, unit(piece, rounding.level), band), []).append(piece)
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
        groups.setdefault((part.slice.kind, part.slice.bill, unit(part.slice, level)), []).append(part)
    added = [part for group in groups.values() for part in _lacking(group, level, steps)]
    return sorted([*parts, *added], key=_work_order) if added else list(parts)


def _lacking(group: Sequence[Part], level: str, steps: list[Counting] | None) -> Iterable[Part]:
    """What the group lacks to the largest minimum of its work.

    At the price of the last work; where only some modes count, of the last work that has the minimum.
    """
    leasts = [(least, part) for part in group for least in part.slice.row.minimums if least.level == level]
    if not leasts:
        return
    most = max(least.seconds for least, _ in leasts)
    least, part = [found for found in leasts if found[0].seconds == most][-1]
    counted = _counted_towards(least, group)
    if most <= counted:
        return
    if steps is not None:
        slices = tuple(dict.fromkeys(part.slice for part in group))
        steps.append(Counting(slices, level, None, most, counted, most))
    last = part.slice if least.counting else group[-1].slice
    yield Part(last, MINIMUM, None, last.end, last.end, most - counted)


def _counted_towards(least: Least, group: Sequence[Part]) -> int:
    """The seconds of the group that count towards a minimum."""
    if not least.counting and least.travel_seconds is None:
        return sum([part.seconds for part in group])
    travel = sum(part.seconds for part in group if part.slice.row.mode == "travel")
    others = sum(
        part.seconds
        for part in group
        if part.slice.row.mode != "travel" and (not least.counting or part.slice.row.mode in least.counting)
    )
    if least.counting and "travel" not in least.counting:
        return others
    return others + (travel if least.travel_seconds is None else min(travel, least.travel_seconds))


def _work_order(part: Part) -> tuple[int, int, int, int]:
    """By the start of the work; added time follows the slice that it was added to, rounding before minimum."""
    piece = part.slice
    return piece.start, piece.entry_id, piece.end, (ROUNDING, MINIMUM).index(part.kind) + 1 if _is_added(part) else 0


def _is_added(part: Part) -> bool:
    return part.kind in (ROUNDING, MINIMUM)
