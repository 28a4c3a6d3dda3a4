"""Coverage and price before the work: the least it costs, the price of an hour, the minute from which it costs.

All of it is asked of ``rate`` itself with supposed work, so that the price shown is the price billed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from portal.rating.engine import rate, within_accepted
from portal.rating.facts import SUPPORT, CaseFacts, GrantState, RateKey, WorkInterval
from portal.rating.lines import BILLED, COMMISSIONING, HOW_TO, INCLUDED, PAID_KINDS
from portal.rating.situations import circumstance_of, setting_at, situation_of
from portal.rating.tariff import Tariff
from portal.rating.terms import Bill
from portal.rating.timetable import DAY_SECONDS
from portal.rating.treatment import treatment

# Supposed work has an id that no entry has.
_SUPPOSED_ENTRY = 0
_PAYING = (BILLED, COMMISSIONING, HOW_TO)


@dataclass(frozen=True, slots=True)
class HourlyPrice:
    """An hour of work in one band for the payer, exact, in minor units; zero where it is free."""

    band: str
    hourly: Fraction


@dataclass(frozen=True, slots=True)
class Preview:
    """The price of work that would start at a moment.

    ``kind`` is what it would be (billed, warranty, how_to, ...) on whose ``bill``; ``hourly`` is the price in the
    ``band`` of the moment, beyond hours left. ``least_minor`` is what any work at all adds to the work so far, hours
    left used first; ``costs_from_seconds`` is how much more work costs nothing: 0 when it costs at once, None when it
    never does within the horizon.
    """

    kind: str
    bill: Bill
    currency: str
    band: str
    hourly: Fraction
    least_minor: int
    costs_from_seconds: int | None
    bands: tuple[HourlyPrice, ...]

    def accepted_rates(self, mode: str, task_class: str) -> dict[RateKey, Fraction]:
        """What a payer accepts by saying yes to this price: keep it with the authorization, as facts of the case."""
        return {RateKey(mode, task_class, price.band): price.hourly for price in self.bands}


def preview(
    facts: CaseFacts,
    work: Sequence[WorkInterval],
    grants: Sequence[GrantState],
    tariff: Tariff,
    *,
    at: datetime,
    mode: str,
    task_class: str = SUPPORT,
    horizon_seconds: int = 30 * DAY_SECONDS,
) -> Preview:
    """The price of more work from ``at`` on, given the work so far.

    The authorized sum is left out: this is what the payer is asked to authorize.
    *Raises*: RuleBroken where the policy names no price for such work.
    """
    asked = replace(facts, nte_minor={})
    what = treatment(tariff, situation_of(asked, setting_at(asked, at), task_class, authorized=True))
    paid = what.kind in _PAYING

    def supposed(seconds: int) -> WorkInterval:
        return WorkInterval(_SUPPOSED_ENTRY, 0, at, at + timedelta(seconds=seconds), mode, task_class)

    def owed(*more: WorkInterval) -> int:
        return rate(asked, [*work, *more], grants, tariff).owed_by(what.bill.payer)

    so_far = owed()
    first = next(line for line in rate(asked, [supposed(1)], (), tariff).lines if line.seconds)
    return Preview(
        kind=first.kind if first.kind == INCLUDED else what.kind,
        bill=what.bill,
        currency=tariff.currency,
        band=first.key.band,
        hourly=first.rate if first.kind in PAID_KINDS else Fraction(0),
        least_minor=max(owed(supposed(1)) - so_far, 0),
        costs_from_seconds=_free_seconds(lambda seconds: owed(supposed(seconds)) - so_far, horizon_seconds),
        bands=tuple(_hourly_prices(asked, tariff, plan=what.plan, key=(mode, what.task_class), paid=paid)),
    )


def _hourly_prices(
    facts: CaseFacts, tariff: Tariff, *, plan: str, key: tuple[str, str], paid: bool
) -> Iterator[HourlyPrice]:
    for band in tariff.timetable(plan).band_names():
        row = within_accepted(tariff.row(plan, *key, band, circumstance_of(facts, tariff, "", "")), facts)
        yield HourlyPrice(band, Fraction(row.rate_num, row.rate_den) if paid else Fraction(0))


def _free_seconds(added: Callable[[int], int], horizon_seconds: int) -> int | None:
    """Seconds of work that add nothing while one more does, found by halving; None when the whole horizon is free."""
    if added(horizon_seconds) <= 0:
        return None
    free, costly = 0, horizon_seconds
    while costly - free > 1:
        middle = (free + costly) // 2
        if added(middle) <= 0:
            free = middle
        else:
            costly = middle
    return free
