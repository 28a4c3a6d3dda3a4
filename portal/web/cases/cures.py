"""What would cover a running case that is not covered now, for those who may buy it, offer it or tell the buyer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_see_prices
from portal.cases.models import SupportCase
from portal.entitlement.models import CoverageDecision as CoverageRow
from portal.selling.actions import may_offer, may_offer_cover, offer_cover
from portal.selling.covering import cures_now, open_offers_of_case
from portal.web.cases.blueprint import blueprint, case_named, to_case
from portal.web.gate import current_actor, current_now, current_session, open_to

SHOWN = 3


def cures_of(session: Session, actor: Actor, case: SupportCase, decided: Sequence[CoverageRow]) -> Mapping[str, Any]:
    """The cheapest things that would cover the case now; the prices are the policy's, which every side may read."""
    nothing: dict[str, Any] = {"cures": (), "cures_version": None, "may_buy": False, "may_offer_cover": False}
    nothing |= {"may_offer_freely": False, "offered": {}}
    if not decided or not may_see_prices(actor) or not _asks(actor):
        return nothing
    now = current_now()
    there = cures_now(session, case, decided[-1], now=now)
    if there is None:
        return nothing
    return {
        "cures": there.found[:SHOWN],
        "cures_version": there.in_force.version.id,
        "may_buy": actor.side is Side.CUSTOMER and actor.has(Role.BUYER),
        "may_offer_cover": may_offer_cover(actor),
        "may_offer_freely": may_offer(actor),
        "offered": open_offers_of_case(session, case.id, now=now) if there.found else {},
    }


@blueprint.post("/cases/<name>/cover-offers")
@open_to(may_offer_cover)
def send_cover_offer(name: str) -> ResponseReturnValue:
    """Send the buyer what would cover the case now."""
    kind, code = request.form.get("kind", ""), request.form.get("code", "")
    made = offer_cover(current_session(), current_actor(), case_named(name), kind, code, now=current_now())
    flash(
        f"{made.name} is offered: the customer's buyer has a mail with the link, and the case goes on with it.", "good"
    )
    return to_case(name)


def _asks(actor: Actor) -> bool:
    """Whoever buys, and the people on site and their managers, who offer it or tell the buyer."""
    if actor.side is Side.CUSTOMER:
        return actor.has(Role.BUYER, Role.CONTACT)
    return actor.has(Role.TECHNICIAN, Role.SERVICE_MANAGER)
