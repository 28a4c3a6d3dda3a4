"""What would cover a running case that is not covered now, for those who may buy it or tell the buyer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_see_prices
from portal.cases.models import SupportCase
from portal.contracts import queries as contracts
from portal.entitlement import queries as entitlement
from portal.entitlement.models import CoverageDecision as CoverageRow
from portal.entitlement.rules import facts_from_json
from portal.entitlement.terms import packs_left
from portal.errors import NotFound
from portal.selling.actions import may_offer
from portal.selling.rules import cures
from portal.web.gate import current_now

SHOWN = 3


def cures_of(session: Session, actor: Actor, case: SupportCase, decided: Sequence[CoverageRow]) -> Mapping[str, Any]:
    """The cheapest things that would cover the case now; the prices are the policy's, which every side may read."""
    nothing = {"cures": (), "cures_version": None, "may_buy": False, "may_offer_cover": False}
    if case.state == "closed" or not decided or not may_see_prices(actor) or not _asks(actor):
        return nothing
    now = current_now()
    try:
        in_force = contracts.policy_in_force(session, case.manufacturer_id, now)
    except NotFound:
        return nothing
    agreement = contracts.agreement_in_force(session, case.manufacturer_id, case.integrator_id, now)
    cover = entitlement.site_cover(
        session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, policy=in_force.policy, at=now
    )
    kept = facts_from_json(decided[-1].facts)
    # What was bought since the decision counts; who asked and how bad it is stays what it was.
    facts = kept.model_copy(
        update={
            "plan_code": cover.plan_code,
            "included_seconds_left": cover.included_seconds,
            "packs": packs_left(session, cover, now),
            "severity": case.severity,
        }
    )
    found = cures(facts, in_force.policy, agreement.agreement if agreement else None, now=now)
    buys = actor.side is Side.CUSTOMER and actor.has(Role.BUYER)
    version_id, offers = in_force.version.id, may_offer(actor)
    return {"cures": found[:SHOWN], "cures_version": version_id, "may_buy": buys, "may_offer_cover": offers}


def _asks(actor: Actor) -> bool:
    """Whoever buys, and the people on site and their managers, who tell the buyer."""
    if actor.side is Side.CUSTOMER:
        return actor.has(Role.BUYER, Role.CONTACT)
    return actor.has(Role.TECHNICIAN, Role.SERVICE_MANAGER)
