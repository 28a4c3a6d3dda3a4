"""An offer accepted: ordered at the offer's price, less what a promotion code takes off what is paid at Stripe's page.

Invariant: an offer is one order, however often it is accepted, and uses a code once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.contracts import queries as contracts
from portal.contracts.models import DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.reinstatement import Reinstatement
from portal.errors import Conflict, Invalid
from portal.jobs import enqueue
from portal.selling.actions.ordering import (
    Place,
    keep_order,
    known_order,
    must_be_new,
    must_buy,
    one_at_a_time,
    price_with,
    reinstated,
    taken_up_again,
)
from portal.selling.actions.promoting import Promoted, promotion_for
from portal.selling.models import OfferEnd, OfferRelease, Purchase
from portal.selling.rules import Item, item_named
from portal.selling.rules.promotions import refused


def accept_offer(
    session: Session,
    actor: Actor,
    release: OfferRelease,
    *,
    form_key: UUID,
    sha256: str,
    place: Place,
    now: datetime,
    shown_minor: int | None = None,
    promotion: str = "",
    shown_discount_minor: int = 0,
) -> Purchase:
    """Order what was offered, at the offer's price less a code: at Stripe's page, or from the integrator that collects.

    *Raises*: NotAllowed, Conflict for an offer that has ended or whose policy has changed, or for a plan that the site
    has or whose plan a subscription pays, RuleBroken for what is no longer sold, Invalid for a code that cannot be used
    or takes off something else than was shown.
    """
    must_buy(actor)
    one_at_a_time(session, f"offer:{release.offer_id}")
    known = known_order(session, actor, form_key) or _accepted(session, release)
    if known is not None:
        return known
    offer_id, version = release.offer_id, contracts.version(session, release.policy_version_id)
    in_force = _still_standing(session, release, version, sha256=sha256, now=now)
    item = item_named(in_force.policy, release.kind, release.code, release.interval)
    must_be_new(session, item, site_id=release.site_id, manufacturer_id=release.manufacturer_id, now=now)
    offered = _offered_minor(release)
    back = offer_taken_up_again(session, in_force.policy, release, now=now)
    total = price_with(offered, back)
    if shown_minor is not None and shown_minor != total:
        raise Conflict("Taking the plan up again costs another amount by now. Look at it before you accept.")
    try:
        promoted = promotion_for_offer(session, actor, promotion, release, total, now=now)
    except Invalid:
        # Accepted twice at once, with a code that is used once: the other acceptance has it.
        if (other := _accepted(session, release)) is not None:
            return other
        raise
    if shown_discount_minor != (promoted.discount.minor if promoted else 0):
        raise Invalid("The price with the code is another one. Look at it before you accept.")
    made = _purchase_of(release, item, {**reinstated(back, offered), "price_minor": total})
    made.form_key, made.ordered_by, made.ordered_at, made.sha256 = form_key, actor.person_id, now, version.sha256
    purchase = keep_order(session, actor, made, place, now=now, promoted=promoted)
    parties = {name: getattr(release, name) for name in ("manufacturer_id", "integrator_id", "customer_id")}
    session.add(OfferEnd(offer_id=offer_id, **parties, outcome="accepted", person_id=actor.person_id, ended_at=now))
    session.flush()
    enqueue(session, "notify_offer_ended", offer_id=offer_id)
    return purchase


def _purchase_of(release: OfferRelease, item: Item, price: dict[str, Any]) -> Purchase:
    serviced = release.integrator_id != release.manufacturer_id
    same = ("manufacturer_id", "integrator_id", "customer_id", "site_id", "case_id", "offer_id", "quantity")
    return Purchase(
        **{
            name: getattr(release, name) for name in (*same, "collector", "policy_version_id", "currency", "list_minor")
        },
        kind=item.kind,
        code=item.code,
        name=item.name,
        interval=item.interval,
        seller_id=release.offered_by_id if serviced else release.manufacturer_id,
        **price,
    )


def _still_standing(
    session: Session, release: OfferRelease, version: DocumentVersion, *, sha256: str, now: datetime
) -> contracts.PolicyInForce:
    """The policy an offer was made under, where both still hold. *Raises*: Conflict."""
    ended = session.scalars(select(OfferEnd).where(OfferEnd.offer_id == release.offer_id)).one_or_none()
    if ended is not None or now >= release.expires_at:
        raise Conflict("This offer has ended. Ask for another one.")
    in_force = contracts.policy_in_force(session, release.manufacturer_id, now)
    if sha256 != version.sha256 or in_force.version.id != version.id:
        raise Conflict("The policy has changed since the offer was made. Ask for another one.")
    return in_force


def offer_taken_up_again(
    session: Session, policy: Policy, release: OfferRelease, *, now: datetime
) -> Reinstatement | None:
    """What accepting an offer of a plan that lapsed asks beside its price. *Raises*: RuleBroken as for an order."""
    return taken_up_again(
        session,
        policy,
        item_named(policy, release.kind, release.code, release.interval),
        site_id=release.site_id,
        maker_id=release.manufacturer_id,
        now=now,
        offered_minor=_offered_minor(release),
        by_invoice=release.collector == "integrator",
    )


def promotion_for_offer(
    session: Session, actor: Actor, typed: str, release: OfferRelease, total_minor: int, *, now: datetime
) -> Promoted | None:
    """What a typed code takes off an offer, as ``promotion_for`` says it; what the integrator collects knows no codes.

    *Raises*: Invalid at the field ``promotion``.
    """
    if typed.strip() and release.collector == "integrator":
        raise refused("collected")
    policy = contracts.policy_of(contracts.version(session, release.policy_version_id))
    item = item_named(policy, release.kind, release.code, release.interval)
    return promotion_for(
        session, actor.organisation_id, typed, item, total_minor, maker_id=release.manufacturer_id, now=now
    )


def _offered_minor(release: OfferRelease) -> int:
    """What is asked: where the integrator collects, what it owes for the sale."""
    return release.list_minor if release.price_minor is None else release.price_minor


def _accepted(session: Session, release: OfferRelease) -> Purchase | None:
    return session.scalars(select(Purchase).where(Purchase.offer_id == release.offer_id)).one_or_none()
