"""The minimum term of a plan: whether one ends before it may, and what is then still owed."""

from __future__ import annotations

from datetime import date

from portal.contracts.rules import months_after
from portal.selling.rules.catalogue import MONTHS_OF_A_YEAR, Interval


def ends_early(*, ends: bool, covers_until: date, minimum_until: date | None) -> bool:
    """Whether a plan that ends with what is paid ends before its minimum term does."""
    return ends and minimum_until is not None and covers_until < minimum_until


def owed_minor(price_minor: int, interval: str, *, covers_until: date, minimum_until: date) -> int:
    """What the rest of a minimum term costs: whole periods at their price, from what is paid to the term's end."""
    months, periods = (MONTHS_OF_A_YEAR if interval == Interval.YEAR else 1), 0
    while months_after(covers_until, periods * months) < minimum_until:
        periods += 1
    return periods * price_minor
