"""The minimum term of a plan: until when it is, whether one ends before it may, and what is then still owed.

Days are those of the plan's policy. Periods are Stripe's, which counts in UTC, and in shorter months ends sooner: what
ends a few days before its term for that alone has run its whole term.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from portal.contracts.rules import months_after
from portal.selling.rules.catalogue import MONTHS_OF_A_YEAR, Interval
from portal.zones import local_day

# From the 31st to the 28th, and a day for a clock that was set in between. No period is as short.
_NO_PERIOD = timedelta(days=4)


def minimum_ends(zone: str, begins: datetime, months: int) -> date:
    """The first day on which a plan may have ended, by the clock of its policy."""
    return months_after(local_day(zone, begins), months)


def ends_early(*, ends: bool, covers_until: date, minimum_until: date | None) -> bool:
    """Whether a plan that ends with what is paid ends before its minimum term does."""
    return ends and minimum_until is not None and minimum_until - covers_until > _NO_PERIOD


def owed_minor(price_minor: int, interval: str, *, covers_until: date, minimum_until: date) -> int:
    """What the rest of a minimum term costs: whole periods at their price, from what is paid to the term's end."""
    months, periods = (MONTHS_OF_A_YEAR if interval == Interval.YEAR else 1), 0
    while minimum_until - months_after(covers_until, periods * months) > _NO_PERIOD:
        periods += 1
    return periods * price_minor
