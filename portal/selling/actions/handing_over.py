"""Plans whose integrator services their site no longer go on with who does, from the first unsold month on: a job.

Invariants: months that are sold keep their seller and its agreement; a subscription goes on at Stripe as it is; a plan
changes hands once for a change of service, shortly before the month that it begins with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, true
from sqlalchemy.orm import Session

from portal.billing.models import PlanSale
from portal.contracts import queries as contracts
from portal.contracts.actions import Taking, servicing_at, take_plan
from portal.contracts.models import PlanChoice
from portal.directory.models import ServiceRelationship, Site
from portal.entitlement.actions import anchor_of
from portal.entitlement.rules import window_of
from portal.errors import Conflict
from portal.payments import queries as payments
from portal.payments.models import SubscriptionSeen
from portal.payments.rules import SUBSCRIPTION_RUNS
from portal.selling.actions.changing import carried_on
from portal.selling.rules.handing_over import EVE, Heir, SoldBy, hands_over_at, heir_of, is_eve
from portal.zones import FURTHEST_EAST, FURTHEST_WEST, local_day

# The last choices of sites that the integrator they name may be about to service no longer: the days are the first and
# the last that it is anywhere, and which day it is by the policy is asked of each choice.
_LEFT = text(
    """
    SELECT choice.id FROM plan_choice choice
    WHERE choice.from_at <= :now AND choice.integrator_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM plan_choice later
                      WHERE later.site_id = choice.site_id AND later.manufacturer_id = choice.manufacturer_id
                        AND later.from_at > choice.from_at)
      AND NOT EXISTS (SELECT FROM service_relationship service
                      WHERE service.site_id = choice.site_id AND service.manufacturer_id = choice.manufacturer_id
                        AND service.integrator_id = choice.integrator_id AND service.from_on <= :first_on
                        AND (service.to_on IS NULL OR service.to_on > :last_on))
    ORDER BY choice.id
    """
)


@dataclass(frozen=True)
class HandOver:
    """From when on a plan is somebody else's, and whose."""

    at: datetime
    heir: Heir


def hand_over_plans(session: Session, *, now: datetime) -> int:
    """Hand over the plans whose month is about to begin; how many. Again finds nothing more."""
    days = {"first_on": (now - FURTHEST_WEST).date(), "last_on": (now + EVE + FURTHEST_EAST).date()}
    done = 0
    for choice_id in session.scalars(_LEFT, {"now": now, **days}).all():
        choice = session.get_one(PlanChoice, choice_id)
        found = hand_over_of(session, choice, now=now)
        if found is not None and is_eve(found.at, now):
            done += _hand_over(session, choice, found, now)
    return done


def hand_over_of(session: Session, choice: PlanChoice, *, now: datetime) -> HandOver | None:
    """When a plan that holds now changes hands, as things stand; None where it stays, or ends before."""
    seen = _subscription(session, choice.terms)
    if seen is not None and seen.ends_with_period:
        return None
    policy = contracts.policy_in_force(session, choice.manufacturer_id, now).policy
    sold_until = session.scalar(
        select(func.max(PlanSale.ends_at)).where(
            PlanSale.site_id == choice.site_id, PlanSale.manufacturer_id == choice.manufacturer_id
        )
    )
    at = hands_over_at(
        month_until=window_of(policy, now, anchor_of(choice)).end,
        sold_until=sold_until,
        paid_until=seen.covers_until if seen is not None else None,
    )
    site = session.get_one(Site, choice.site_id)
    on = local_day(policy.zone, at)
    if not has_left(session, choice, on):
        return None
    held = SoldBy(
        choice.manufacturer_id,
        choice.integrator_id,
        choice.seller_id,
        integrator_collects=choice.terms.get("collector") == "integrator",
    )
    heir = heir_of(held, servicing_at(session, site, choice.manufacturer_id, on))
    return None if heir is None else HandOver(at, heir)


def has_left(session: Session, choice: PlanChoice, on: date) -> bool:
    """Whether the integrator of a plan serviced its site once and does not on a day; one that never did is none."""
    mine = (
        ServiceRelationship.site_id == choice.site_id,
        ServiceRelationship.manufacturer_id == choice.manufacturer_id,
        ServiceRelationship.integrator_id == choice.integrator_id,
    )
    runs = (ServiceRelationship.from_on <= on) & func.coalesce(ServiceRelationship.to_on > on, true())
    ends = session.execute(select(func.count(), func.count().filter(runs)).where(*mine)).one()
    return ends[0] > 0 and ends[1] == 0


def _subscription(session: Session, terms: Mapping[str, Any]) -> SubscriptionSeen | None:
    """How the subscription that pays for a plan stood at the last look; None where none runs."""
    if "intent_id" not in terms:
        return None
    subscription = payments.subscription_of(session, UUID(terms["intent_id"]))
    seen = payments.last_seen(session, subscription.id) if subscription is not None else None
    return seen if seen is not None and seen.status in SUBSCRIPTION_RUNS else None


def _hand_over(session: Session, choice: PlanChoice, found: HandOver, now: datetime) -> bool:
    taking = Taking(
        site=session.get_one(Site, choice.site_id),
        version=contracts.version(session, choice.version_id),
        plan_code=choice.plan_code,
        integrator_id=found.heir.integrator_id,
        seller_id=found.heir.seller_id,
        accepted_by=choice.accepted_by,
        terms={**carried_on(choice), "goes_on_from": choice.id},
    )
    try:
        take_plan(session, taking, from_at=found.at, now=now)
    except Conflict:
        # Another plan was chosen from that instant meanwhile, with who services the site.
        return False
    return True
