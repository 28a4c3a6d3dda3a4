"""To which plans a subscription may be changed, from when, whether at once, and why not to the others.

From its next period on every other plan can follow: what is paid stays as it is, nothing is paid twice and no included
minute is lost or given twice. A cheaper plan waits for the minimum term of the one it follows. At once only what is
worth more can take its place: a dearer plan, or the same paid for a year, so that a change never pays anything out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from portal.payments.charging.rules import FIGURES_HOLD
from portal.selling.rules.catalogue import MONTHS_OF_A_YEAR, Interval, Item, Kind
from portal.selling.rules.terms import ends_early
from portal.zones import local_day


@dataclass(frozen=True)
class Held:
    """The plan as it is paid now; ``changes_to`` the one that is to follow already, ``ends`` where it is cancelled.

    ``zone`` is its policy's, whose days count. ``is_longer`` where its paid term was made longer, or begun later, than
    its bills say.
    """

    code: str
    interval: str
    price_minor: int
    covers_until: datetime
    zone: str
    minimum_until: date | None = None
    changes_to: str = ""
    ends: bool = False
    is_longer: bool = False


@dataclass(frozen=True)
class PlanChange:
    """Another plan, from when it follows, and why it cannot be chosen then or at once; empty where it can."""

    item: Item
    from_at: datetime
    refusal: str = ""
    not_now: str = ""


def plan_changes(items: Iterable[Item], held: Held) -> tuple[PlanChange, ...]:
    """The other plans, and the same paid otherwise, in the catalogue's order."""
    return tuple(
        PlanChange(item, held.covers_until, _refusal(item, held), _not_now(item, held))
        for item in items
        if item.kind is Kind.PLAN and (item.code, item.interval) != (held.code, held.interval)
    )


def is_stale(shown_at: datetime, covers_from: datetime, now: datetime) -> bool:
    """Whether figures that were shown for an instant are too old, or of another period, to be said yes to."""
    return not covers_from < shown_at <= now or now - shown_at > FIGURES_HOLD


def _refusal(item: Item, held: Held) -> str:
    if held.ends:
        return "The plan ends with its period. Keep it before you change it."
    if held.changes_to:
        return "A change is on its way already. Wait until it has begun."
    until, covers_until = held.minimum_until, local_day(held.zone, held.covers_until)
    if _is_cheaper(item, held) and ends_early(ends=True, covers_until=covers_until, minimum_until=until):
        return (
            f"The plan is taken until {until}. In the last period before that day it can be changed to a cheaper one."
        )
    return ""


def _not_now(item: Item, held: Held) -> str:
    if held.ends or held.changes_to:
        return _refusal(item, held)
    if held.is_longer:
        return "The paid term was made longer; another plan follows when it is over."
    if held.interval == Interval.YEAR and item.interval == Interval.MONTH:
        return "A year that is paid stays; months follow when it is over."
    if _is_cheaper(item, held) or (item.interval == held.interval and item.price_minor == held.price_minor):
        return "A plan that costs no more follows from the next period on."
    return ""


def _is_cheaper(item: Item, held: Held) -> bool:
    """Whether it costs less for the same time."""
    return item.price_minor * _per_year(item.interval) < held.price_minor * _per_year(held.interval)


def _per_year(interval: str) -> int:
    return 1 if interval == Interval.YEAR else MONTHS_OF_A_YEAR
