"""Who holds a case at each instant, from its acceptances alone.

Segments are half-open and lie end to end: each begins where the one before ends, so every instant from the opening on
has exactly one holder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from portal.calendars import Period
from portal.contracts.blocks import Company
from portal.errors import RuleBroken


@dataclass(frozen=True)
class Acceptance:
    """From ``from_at`` on the case is with ``company``; ``channel`` is how that was accepted."""

    seq: int
    company: Company
    from_at: datetime
    channel: str = "opening"


@dataclass(frozen=True)
class Segment:
    """One stretch of custody; ``end`` None while it lasts."""

    company: Company
    start: datetime
    end: datetime | None


def segments(acceptances: Sequence[Acceptance]) -> tuple[Segment, ...]:
    """The stretches of custody, in order, without gap or overlap.

    *Raises*: RuleBroken when the acceptances do not count up from 1 or do not lie in order of time.
    """
    for number, each in enumerate(acceptances, start=1):
        if each.seq != number or (number > 1 and each.from_at <= acceptances[number - 2].from_at):
            raise RuleBroken("The acceptances of a case count up from 1 and lie in order of time.")
    ends: list[datetime | None] = [each.from_at for each in acceptances[1:]]
    if acceptances:
        ends.append(None)
    return tuple(Segment(each.company, each.from_at, end) for each, end in zip(acceptances, ends, strict=True))


def holder_at(acceptances: Sequence[Acceptance], at: datetime) -> Company:
    """Who held the case at an instant. *Raises*: RuleBroken before its opening."""
    for segment in reversed(segments(acceptances)):
        if segment.start <= at:
            return segment.company
    raise RuleBroken("Nobody holds a case before it is opened.")


def held_periods(stretches: Sequence[Segment], company: Company, until: datetime) -> tuple[Period, ...]:
    """When a company held the case, up to ``until``; stretches that touch are one."""
    held: list[Period] = []
    for segment in stretches:
        end = until if segment.end is None else min(segment.end, until)
        if segment.company != company or segment.start >= end:
            continue
        if held and held[-1].end == segment.start:
            held[-1] = Period(held[-1].start, end)
        else:
            held.append(Period(segment.start, end))
    return tuple(held)


def ping_pong(acceptances: Sequence[Acceptance]) -> int:
    """How often the case went from one company to the other."""
    return sum(1 for before, after in pairwise(acceptances) if before.company != after.company)


def next_acceptance(acceptances: Sequence[Acceptance], company: Company, at: datetime, channel: str) -> Acceptance:
    """The acceptance to insert. *Raises*: RuleBroken when it is not later than the last one."""
    added = Acceptance(len(acceptances) + 1, company, at, channel)
    segments([*acceptances, added])
    return added
