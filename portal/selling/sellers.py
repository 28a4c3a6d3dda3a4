"""Who sold the plans of a site, and who sells them on: for the pages of the customer and of all companies.

A company reads what concerns it: an integrator its own plans, so that of those it has left it is told that they are
left, and not to whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.contracts import queries as contracts
from portal.contracts.models import PlanChoice
from portal.contracts.rules import plan_named
from portal.directory.models import Site
from portal.directory.queries import organisation_names
from portal.errors import NotFound, RuleBroken
from portal.selling.actions import hand_over_of
from portal.selling.actions.handing_over import has_left
from portal.zones import local_day

_PARTIES = (PlanChoice.customer_id, PlanChoice.manufacturer_id, PlanChoice.integrator_id)
LEFT_WORDS = "Your company's service of the site ends or has ended: months sold or paid stay yours, later ones are not."
COLLECTED_WORDS = "Who collects for it services the site no longer. It changes hands when the plan is chosen anew."


@dataclass(frozen=True)
class SellerLine:
    """A plan that holds at a site: whose systems it covers, who sold it, since when, and what becomes of that."""

    maker: str
    plan: str
    seller: str
    from_at: datetime
    words: str


def sellers_at(session: Session, actor: Actor, site: Site, *, now: datetime) -> list[SellerLine]:
    """The plans that hold at a site and that the actor's company is a party of."""
    mine = or_(*(column == actor.organisation_id for column in _PARTIES))
    wanted = select(PlanChoice).where(PlanChoice.site_id == site.id, mine)
    choices = session.scalars(wanted.order_by(PlanChoice.manufacturer_id, PlanChoice.from_at)).all()
    found = (
        _line(session, actor, list(of_maker), now)
        for _, of_maker in groupby(choices, key=lambda each: each.manufacturer_id)
    )
    return [each for each in found if each is not None]


def _line(session: Session, actor: Actor, choices: Sequence[PlanChoice], now: datetime) -> SellerLine | None:
    begun = [each for each in choices if each.from_at <= now]
    if not begun:
        return None
    held, later = begun[-1], choices[len(begun) :]
    try:
        policy = contracts.policy_in_force(session, held.manufacturer_id, now).policy
        plan = plan_named(policy, held.plan_code).name
    except (NotFound, RuleBroken):
        # A plan that the policy has no more is not sold on.
        return None
    today = local_day(policy.zone, now)
    is_left = has_left(session, held, today)
    if actor.side is Side.INTEGRATOR:
        goes = is_left or hand_over_of(session, held, now=now) is not None
        words = LEFT_WORDS if goes and not later else ""
    else:
        words = _goes_on(session, held, later, policy.zone, now)
        if not words and is_left and held.terms.get("collector") == "integrator":
            words = COLLECTED_WORDS
    maker, seller = (_name(session, each) for each in (held.manufacturer_id, held.seller_id))
    return SellerLine(maker, plan, seller, held.from_at, words)


def _goes_on(session: Session, held: PlanChoice, later: Sequence[PlanChoice], zone: str, now: datetime) -> str:
    """Who sells the plan from when on, as decided or as things stand; nothing where that stays."""
    if later:
        at, seller_id = later[0].from_at, later[0].seller_id
    else:
        found = hand_over_of(session, held, now=now)
        at, seller_id = (found.at, found.heir.seller_id) if found is not None else (now, held.seller_id)
    if seller_id == held.seller_id:
        return ""
    on = local_day(zone, at)
    return f"From {on} on it is sold by {_name(session, seller_id)}. Nothing is bought again."


def _name(session: Session, organisation_id: int) -> str:
    return organisation_names(session, [organisation_id]).get(organisation_id, "another company")
