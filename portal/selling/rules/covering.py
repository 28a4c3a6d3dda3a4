"""What would cover a case that is not covered now: every plan and pack asked of the same function as cover itself.

Invariant: a thing is shown only where ``coverage_for``, given the facts as they would be with it, says covered now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.calendars import is_open
from portal.contracts.agreement import Agreement
from portal.contracts.holdings import pack_named
from portal.contracts.packs import Pack
from portal.contracts.policy import Policy
from portal.contracts.rules import calendar_named, plan_named
from portal.entitlement.rules import CoverageFacts, coverage_for
from portal.entitlement.rules.coverage import HORIZON_SECONDS
from portal.selling.rules.catalogue import Interval, Item, Kind, catalogue


@dataclass(frozen=True)
class Cure:
    """Something to buy that covers the case from then on; ``free_seconds`` None for as long as it takes."""

    item: Item
    free_seconds: int | None


def cures(facts: CoverageFacts, policy: Policy, agreement: Agreement | None, *, now: datetime) -> tuple[Cure, ...]:
    """What would cover the case now, the cheapest first; a plan stands with its month, not its year.

    Nothing where the case is covered as it is, or where somebody other than the customer pays.
    """
    decision = coverage_for(facts, policy, agreement, now=now)
    if decision.covered or decision.payer != "customer":
        return ()
    found = []
    for item in catalogue(policy):
        if item.interval is Interval.YEAR:
            continue
        changed = _with(facts, policy, item, now)
        if changed is None:
            continue
        then = coverage_for(changed, policy, agreement, now=now)
        if then.covered:
            found.append(Cure(item, then.free_seconds))
    return tuple(sorted(found, key=lambda cure: (cure.item.price_minor, cure.item.kind, cure.item.code)))


def _with(facts: CoverageFacts, policy: Policy, item: Item, now: datetime) -> CoverageFacts | None:
    """The facts as they would be; None where the thing cannot serve this case at all."""
    if item.kind is Kind.PLAN:
        minutes = plan_named(policy, item.code).included_minutes_per_month
        return facts.model_copy(update={"plan_code": item.code, "included_seconds_left": minutes * 60})
    pack = pack_named(policy, item.code)
    if not _serves(pack, facts, policy, now):
        return None
    # An incident pays for a whole case, however long it takes.
    seconds = item.minutes * 60 if item.minutes else HORIZON_SECONDS
    return facts.model_copy(update={"bought_seconds_left": facts.bought_seconds_left + seconds})


def _serves(pack: Pack, facts: CoverageFacts, policy: Policy, now: datetime) -> bool:
    if pack.modes and facts.mode not in pack.modes:
        return False
    if pack.certified_only and not facts.certified:
        return False
    return pack.calendar is None or is_open(calendar_named(policy, pack.calendar, facts.places), now)
