"""What transfers need against what Stripe's balance has and will have, of one currency: pure.

Transfers go oldest first, so that each waits for all before it. What is there now pays first, then what becomes
available, in the order of its days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Demand:
    """A statement's transfer: how far it has come, since when, and how much it takes out of the balance."""

    statement_id: int
    statement_name: str
    party_id: int
    stage: str
    since: datetime
    amount_minor: int


@dataclass(frozen=True)
class Arrival:
    """Money that is in the balance already and can be used from an instant on."""

    movement_id: str
    category: str
    occurred_at: datetime
    available_at: datetime
    net_minor: int


@dataclass(frozen=True)
class Covered:
    """A transfer and from when on the balance covers it, with all before it; never where nothing on its way does."""

    demand: Demand
    covered_at: datetime | None


@dataclass(frozen=True)
class Forecast:
    """One currency: what is needed, what is there and comes, what lacks now and after all of it has come.

    ``closes_at`` is when the gap is closed without anybody doing anything; the amounts are never netted with another
    currency's.
    """

    currency: str
    available_minor: int
    pending_minor: int
    needed_minor: int
    gap_minor: int
    lacking_minor: int
    closes_at: datetime | None
    covered: tuple[Covered, ...]
    arrivals: tuple[Arrival, ...]

    @property
    def advice(self) -> str:
        """What to do, by name: nothing, wait for what comes or top up for now, or top up."""
        if not self.gap_minor:
            return "nothing"
        return "wait" if not self.lacking_minor else "top_up"


def forecast(
    currency: str, available_minor: int, arrivals: Iterable[Arrival], demands: Iterable[Demand], *, now: datetime
) -> Forecast:
    """How the transfers of a currency are covered.

    *Shape*: demands by their age, arrivals by the day they can be used; ``gap_minor`` and ``lacking_minor`` are never
    negative, and the latter is never more than the former unless money on its way is negative.
    """
    wanted = sorted(demands, key=lambda each: (each.since, each.statement_id))
    coming = sorted(arrivals, key=lambda each: (each.available_at, each.movement_id))
    needed, pending = sum(each.amount_minor for each in wanted), sum(each.net_minor for each in coming)
    steps = _steps(available_minor, coming, now)
    covered, reached = [], 0
    for demand in wanted:
        reached += demand.amount_minor
        covered.append(Covered(demand, _covered_at(steps, reached)))
    return Forecast(
        currency=currency,
        available_minor=available_minor,
        pending_minor=pending,
        needed_minor=needed,
        gap_minor=max(0, needed - available_minor),
        lacking_minor=max(0, needed - available_minor - pending),
        closes_at=_covered_at(steps, needed) if needed > available_minor else None,
        covered=tuple(covered),
        arrivals=tuple(coming),
    )


def _steps(available_minor: int, coming: Sequence[Arrival], now: datetime) -> list[tuple[datetime, int]]:
    """What the balance holds from each instant on, before anything is transferred."""
    steps = [(now, available_minor)]
    for arrival in coming:
        steps.append((arrival.available_at, steps[-1][1] + arrival.net_minor))
    return steps


def _covered_at(steps: Sequence[tuple[datetime, int]], wanted_minor: int) -> datetime | None:
    """The first instant from which the balance holds so much, and does not fall below it again."""
    found: datetime | None = None
    for at, held in steps:
        if held < wanted_minor:
            found = None
        elif found is None:
            found = at
    return found
