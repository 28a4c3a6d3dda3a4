"""To which plans a subscription may be changed, from when, and why not to the others.

What is paid stays as it is: a change begins where the period that is paid ends, so that nothing is paid twice and no
included minute is lost or given twice. A cheaper plan waits for the minimum term of the one it follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from portal.selling.rules.catalogue import Item, Kind


@dataclass(frozen=True)
class Held:
    """The plan as it is paid now; ``changes_to`` the one that is to follow already, ``ends`` where it is cancelled."""

    code: str
    interval: str
    price_minor: int
    covers_until: datetime
    minimum_until: date | None = None
    changes_to: str = ""
    ends: bool = False


@dataclass(frozen=True)
class PlanChange:
    """Another plan, from when it holds and is paid, and why it cannot be chosen; empty where it can."""

    item: Item
    from_at: datetime
    refusal: str = ""


def plan_changes(items: Iterable[Item], held: Held) -> tuple[PlanChange, ...]:
    """The other plans that are paid as often, in the catalogue's order."""
    return tuple(
        PlanChange(item, held.covers_until, _refusal(item, held))
        for item in items
        if item.kind is Kind.PLAN and item.interval == held.interval and item.code != held.code
    )


def _refusal(item: Item, held: Held) -> str:
    if held.ends:
        return "The plan ends with its period. Keep it before you change it."
    if held.changes_to:
        return f"A change is on its way already: it begins on {held.covers_until.date()}."
    until = held.minimum_until
    if item.price_minor < held.price_minor and until is not None and held.covers_until.date() < until:
        return (
            f"The plan is taken until {until}. In the last period before that day it can be changed to a cheaper one."
        )
    return ""
