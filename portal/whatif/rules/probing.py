"""Whether more work can cost less under a tariff, found by asking the rating engine itself.

A bill inverts where a step of the prices (a day block, a cheaper rate beyond so many hours) takes back more than the
next minutes cost. The log of a past period may hold no such case yet; the prices do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from portal.errors import RuleBroken
from portal.money import Money
from portal.rating.engine import rate
from portal.rating.facts import MODES, CaseFacts, Cover, WorkInterval
from portal.rating.tariff import Tariff
from portal.rating.terms import INTERCOMPANY

STEP_SECONDS = 15 * 60
# As long as a long day of work.
LONGEST_SECONDS = 12 * 3600
_DAY_SECONDS = 86_400
# Two weeks hold every ordinary window of a week at least once besides a holiday.
_DAYS = 14
MOST_SENTENCES = 10


def inversions(tariff: Tariff, at: datetime) -> tuple[str, ...]:
    """For each plan, mode and band the first length of work that costs less than a shorter one, as sentences."""
    found: list[str] = []
    for plan in tariff.timetables:
        if plan == INTERCOMPANY:
            continue
        for band, start in _starts(tariff, plan, at):
            for mode in MODES:
                said = _inversion(tariff, plan, mode, start)
                if said is not None:
                    found.append(said.format(what=f"{mode.replace('_', ' ')} work, {band.replace('_', ' ')}, {plan}"))
                if len(found) == MOST_SENTENCES:
                    return tuple(found)
    return tuple(found)


def _starts(tariff: Tariff, plan: str, at: datetime) -> Iterator[tuple[str, datetime]]:
    """For each band the beginning of its longest stretch."""
    first = int(at.timestamp())
    longest: dict[str, tuple[int, int]] = {}
    for piece in tariff.timetable(plan).pieces(first, first + _DAYS * _DAY_SECONDS):
        length = piece.end - piece.start
        if length > longest.get(piece.band, (0, 0))[0]:
            longest[piece.band] = (length, piece.start)
    for band, (_, start) in longest.items():
        yield band, datetime.fromtimestamp(start, UTC)


def _inversion(tariff: Tariff, plan: str, mode: str, start: datetime) -> str | None:
    dearest, seconds_of_dearest = 0, 0
    for seconds in range(STEP_SECONDS, LONGEST_SECONDS + 1, STEP_SECONDS):
        try:
            minor = _cost(tariff, plan, mode, start, seconds)
        except RuleBroken:
            # Work the policy names no price for cannot be done, and so costs nothing less either.
            return None
        if minor < dearest:
            less, more = Money(minor, tariff.currency), Money(dearest, tariff.currency)
            return f"{{what}}: {_hours(seconds)} cost {less}, {_hours(seconds_of_dearest)} cost {more}."
        if minor > dearest:
            dearest, seconds_of_dearest = minor, seconds
    return None


def _cost(tariff: Tariff, plan: str, mode: str, start: datetime, seconds: int) -> int:
    work = WorkInterval(1, 1, start, start + timedelta(seconds=seconds), mode)
    return rate(CaseFacts(cover=(Cover(start, plan),)), (work,), (), tariff).amount_minor


def _hours(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
