"""Who loses what when a payer pays less or gets money back: pure.

An amount is divided over an invoice's lines and each line's part over its shares, both by Webster (Sainte-Lague) on the
original amounts and cumulatively: the parts of many small refunds sum to those of one large one, to the last cent, and
a refund of everything takes exactly what everybody had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from portal.errors import RuleBroken
from portal.money import allocate_cumulative, step_shares

BY_SHARES = "shares"


@dataclass(frozen=True)
class Line:
    """A line that was charged, and what has been taken off it so far."""

    line_id: int
    amount_minor: int
    reduced_minor: int = 0

    @property
    def rest_minor(self) -> int:
        """What can still be taken off."""
        return self.amount_minor - self.reduced_minor


@dataclass(frozen=True)
class Stake:
    """A share of a line: its weight is its original amount; no party means that nobody knows yet whose it is."""

    key: int
    party_id: int | None
    weight_minor: int
    taken_minor: int = 0


@dataclass(frozen=True)
class Part:
    """What a party loses, or gets back where it is negative; ``key`` names the share, none where it is borne whole."""

    party_id: int | None
    amount_minor: int
    key: int | None = None


def rounding_of(lines: Sequence[Line], amount_minor: int, *, asked_minor: int, gone_minor: int) -> int:
    """What of an amount is no line's: what its invoice asked beyond its lines, so that it could be paid.

    It goes back last, when nothing is left of the lines. ``gone_minor`` is all that went back before, with rounding.
    *Shape*: never negative, never more than was rounded up and is left of it.
    """
    left = sum(line.rest_minor for line in lines)
    beyond = max(amount_minor - left, 0)
    return beyond if amount_minor <= asked_minor - gone_minor else 0


def reduction_by_line(lines: Sequence[Line], amount_minor: int, line_id: int | None = None) -> dict[int, int]:
    """How much of an amount each line takes: the named one, or all by what they cost.

    *Shape*: lines that take something; sums to the amount; no line takes more than is left of it.
    *Raises*: RuleBroken for more than is left.
    """
    chosen = [line for line in lines if line_id is None or line.line_id == line_id]
    if not 0 < amount_minor <= sum(line.rest_minor for line in chosen):
        raise RuleBroken("This is more than is left of what was charged.")
    before = sum(line.reduced_minor for line in chosen)
    reached = allocate_cumulative(before + amount_minor, [line.amount_minor for line in chosen])
    parts = [target - line.reduced_minor for line, target in zip(chosen, reached, strict=True)]
    if any(not 0 <= part <= line.rest_minor for line, part in zip(chosen, parts, strict=True)):
        # Something was taken off a single line before: what is left of each is then the weight.
        parts = list(allocate_cumulative(amount_minor, [line.rest_minor for line in chosen]))
    return {line.line_id: part for line, part in zip(chosen, parts, strict=True) if part}


def parts_of_line(stakes: Sequence[Stake], amount_minor: int) -> tuple[Part, ...]:
    """What each share of a line loses by an amount; zero re-divides what was taken before by the stakes of now.

    *Shape*: sums to the amount; shares that lose nothing are left out. A negative amount gives back.
    *Raises*: RuleBroken for more than the shares have, or less than nothing.
    """
    whole = sum(stake.weight_minor for stake in stakes)
    reached = sum(stake.taken_minor for stake in stakes) + amount_minor
    if not 0 <= reached <= whole:
        raise RuleBroken("This is more than the shares of the line have.")
    targets = step_shares(whole - reached, whole, [stake.weight_minor for stake in stakes])
    parts = (
        Part(stake.party_id, target - stake.taken_minor, stake.key)
        for stake, target in zip(stakes, targets, strict=True)
    )
    return tuple(part for part in parts if part.amount_minor)


def within_window(
    parts: Sequence[Part],
    *,
    paid_at: datetime,
    now: datetime,
    days: int,
    manufacturer_id: int,
) -> tuple[Part, ...]:
    """The same parts; what is too old to be taken from a party is the manufacturer's."""
    if now <= paid_at + timedelta(days=days):
        return tuple(parts)
    return tuple(
        part if part.party_id is None or part.amount_minor < 0 else replace(part, party_id=manufacturer_id)
        for part in parts
    )


def by_party(parts: Sequence[Part]) -> dict[int | None, int]:
    """What each party loses in all; parties that come to nothing are left out."""
    sums: dict[int | None, int] = {}
    for part in parts:
        sums[part.party_id] = sums.get(part.party_id, 0) + part.amount_minor
    return {party: minor for party, minor in sums.items() if minor}


def shortfalls(losses: Mapping[int | None, int], has_minor: Mapping[int, int]) -> dict[int, int]:
    """What of each party's loss is not covered by what it has coming: that was paid out and is taken back."""
    return {
        party: minor - covered
        for party, minor in losses.items()
        if party is not None and minor > (covered := min(max(has_minor.get(party, 0), 0), max(minor, 0)))
    }
