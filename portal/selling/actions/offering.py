"""Offers: made by the manufacturer or the integrator, seen by the integrator first, then by the customer.

Invariants: nothing is offered to a site with an integrator that would give it no share; the manufacturer never offers
above its own price, the integrator never above the agreement's ceiling, and below the policy's price only where it
collects itself and owes that price; an offer ends once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.cases.models import SupportCase
from portal.contracts import queries as contracts
from portal.contracts.actions import integrator_of_site
from portal.contracts.agreement import Agreement
from portal.contracts.queries import PolicyInForce
from portal.directory.models import Site
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.rows import insert_once
from portal.selling.actions.ordering import one_at_a_time
from portal.selling.actions.promoting import promotion_for
from portal.selling.covering import cures_now, last_decision, open_offers_of_case
from portal.selling.models import Offer, OfferEnd, OfferRelease, ResalePrice
from portal.selling.rules import Item, ceiling_minor, integrator_shares, item_named, total_minor
from portal.selling.rules.promotions import OFFER_PROBLEMS, refused

# For how long the integrator looks at an offer before its customer sees it, unless it says something sooner.
REVIEW_TIME = timedelta(days=3)
LONGEST_OFFER_DAYS = 90
# The case waits: what would cover it now need not do so next week.
COVER_OFFER_DAYS = 2
LONGEST_NOTE = 1_000


@dataclass(frozen=True)
class Terms:
    """What is offered to whom; ``price_minor`` is what the customer is asked for all of it.

    ``promotion`` is a code of the manufacturer's that comes with it: the customer is asked less, and types nothing.
    """

    site_id: int
    manufacturer_id: int
    kind: str
    code: str
    interval: str
    quantity: int
    price_minor: int
    days: int
    note: str = ""
    collector: str = "operator"
    case_id: int | None = None
    promotion: str = ""


def may_offer(actor: Actor) -> bool:
    """Who speaks for the manufacturer or the integrator in money."""
    if actor.side is Side.MANUFACTURER:
        return actor.has(Role.SUPPORT_LEAD, Role.FINANCE)
    return actor.side is Side.INTEGRATOR and actor.has(Role.SERVICE_MANAGER, Role.FINANCE)


def make_offer(session: Session, actor: Actor, terms: Terms, *, now: datetime) -> Offer:
    """Offer a plan or packs for a site of a customer.

    *Raises*: NotAllowed, NotFound, Invalid with the fields that are wrong, RuleBroken where it may not be offered.
    """
    if not may_offer(actor):
        raise NotAllowed("Offers are made by the factory's or the integrator's managers and finance.")
    return _make(session, actor, terms, now=now)


def may_offer_cover(actor: Actor) -> bool:
    """Who may send a case's buyer what would cover it now, at the policy's price: whoever stands beside the machine."""
    return actor.side is Side.INTEGRATOR and actor.has(Role.TECHNICIAN, Role.SERVICE_MANAGER, Role.FINANCE)


def offer_cover(
    session: Session, actor: Actor, case: SupportCase, kind: str, code: str, *, now: datetime
) -> Offer | OfferRelease:
    """Offer the buyer of a case what would cover it now, at the policy's price; an open offer of it is that offer.

    Another price, or collecting it, is the managers' to say. *Raises*: NotAllowed, NotFound, RuleBroken where it would
    not cover the case (any more), or may not be sold so.
    """
    if not may_offer_cover(actor) or actor.organisation_id != case.integrator_id:
        raise NotAllowed("Cover for a case is offered by the integrator's people.")
    standing = open_offers_of_case(session, case.id, now=now).get((kind, code))
    if standing is not None:
        return standing
    there = cures_now(session, case, last_decision(session, case), now=now)
    cure = (
        next((each for each in there.found if (each.item.kind, each.item.code) == (kind, code)), None)
        if there
        else None
    )
    if cure is None:
        raise RuleBroken("This would not cover the case now. Look at its page again.")
    terms = Terms(
        site_id=case.site_id,
        manufacturer_id=case.manufacturer_id,
        kind=cure.item.kind,
        code=cure.item.code,
        interval=cure.item.interval,
        quantity=1,
        price_minor=cure.item.price_minor,
        days=COVER_OFFER_DAYS,
        note=f"It covers case {case.name} from the payment on.",
        case_id=case.id,
    )
    return _make(session, actor, terms, now=now)


def _make(session: Session, actor: Actor, terms: Terms, *, now: datetime) -> Offer:
    site = session.get(Site, terms.site_id)
    if site is None:
        raise NotFound()
    in_force = contracts.policy_in_force(session, terms.manufacturer_id, now)
    integrator_id = integrator_of_site(session, site, terms.manufacturer_id, now)
    if actor.organisation_id not in (terms.manufacturer_id, integrator_id):
        raise NotFound()
    item = item_named(in_force.policy, terms.kind, terms.code, terms.interval)
    found = contracts.agreement_in_force(session, terms.manufacturer_id, integrator_id or 0, now)
    agreement = found.agreement if found else None
    list_minor = total_minor(item, terms.quantity)
    _must_share(in_force, agreement, item, actor, integrator_id)
    _check(actor, terms, agreement, list_minor)
    collects = terms.collector == "integrator"
    promotion = _code_for(session, terms, item, site.customer_id, now=now)
    offer = Offer(
        manufacturer_id=terms.manufacturer_id,
        integrator_id=integrator_id or terms.manufacturer_id,
        customer_id=site.customer_id,
        site_id=site.id,
        case_id=terms.case_id,
        kind=item.kind,
        code=item.code,
        name=item.name,
        quantity=terms.quantity,
        interval=item.interval,
        collector=terms.collector,
        offered_by_id=actor.organisation_id,
        policy_version_id=in_force.version.id,
        agreement_version_id=found.version.id if found else None,
        currency=item.currency,
        list_minor=list_minor,
        price_minor=list_minor if collects else terms.price_minor,
        promotion=promotion,
        note=terms.note.strip(),
        person_id=actor.person_id,
        expires_at=now + timedelta(days=terms.days),
        offered_at=now,
    )
    session.add(offer)
    session.flush()
    audit.record(session, actor, "make_offer", "offer", offer.id, details={"code": offer.code}, now=now)
    if integrator_id is None or actor.organisation_id == integrator_id:
        _release(session, offer, terms.price_minor, person_id=actor.person_id, now=now)
    else:
        enqueue(session, "notify_offer_made", offer_id=offer.id)
    return offer


def _code_for(session: Session, terms: Terms, item: Item, customer_id: int, *, now: datetime) -> str | None:
    """The code that comes with an offer, as it is called; good for it now. *Raises*: Invalid at ``promotion``."""
    typed = terms.promotion.strip()
    if typed and terms.collector == "integrator":
        raise refused("collected", OFFER_PROBLEMS)
    promoted = promotion_for(
        session,
        customer_id,
        typed,
        item,
        terms.price_minor,
        maker_id=terms.manufacturer_id,
        now=now,
        sentences=OFFER_PROBLEMS,
    )
    return promoted.code.code if promoted is not None else None


def pass_on(session: Session, actor: Actor, offer_id: int, *, price_minor: int | None, now: datetime) -> OfferRelease:
    """The integrator lets its customer see an offer, as it is or at a price of its own.

    *Raises*: NotAllowed, NotFound, Conflict when it has ended or was passed on, Invalid for a price it may not ask.
    """
    offer = _live(session, actor, offer_id, now)
    if actor.side is not Side.INTEGRATOR or not may_offer(actor):
        raise NotAllowed("The integrator's manager or finance passes an offer on.")
    asked = offer.price_minor if price_minor is None else price_minor
    if asked != offer.price_minor:
        agreement = contracts.agreement_in_force(session, offer.manufacturer_id, offer.integrator_id, now)
        ceiling = ceiling_minor(agreement.agreement if agreement else None, offer.list_minor)
        if asked < offer.price_minor or (ceiling is not None and asked > ceiling):
            problem = "Not below the factory's offer, and within the agreement's ceiling."
            raise Invalid("You may not ask this price.", {"price": problem})
    released = _release(session, offer, asked, person_id=actor.person_id, now=now)
    if released is None:
        raise Conflict("The customer sees this offer already.")
    details = {"price_minor": asked, "countered": asked != offer.price_minor}
    audit.record(session, actor, "pass_on_offer", "offer", offer.id, details=details, now=now)
    return released


def end_offer(session: Session, actor: Actor, offer_id: int, *, now: datetime) -> str:
    """Withdraw an offer, or as its customer decline it; how it ended. *Raises*: NotAllowed, NotFound, Conflict."""
    if actor.side is Side.CUSTOMER:
        release = session.scalars(select(OfferRelease).where(OfferRelease.offer_id == offer_id)).one_or_none()
        if release is None or release.customer_id != actor.organisation_id:
            raise NotFound()
        if not actor.has(Role.BUYER):
            raise NotAllowed("Your organisation's buyer answers offers.")
        return _end(session, release, "declined", person_id=actor.person_id, now=now)
    offer = _live(session, actor, offer_id, now)
    if not may_offer(actor) or offer.offered_by_id != actor.organisation_id:
        raise NotAllowed("An offer is withdrawn by the company that made it.")
    return _end(session, offer, "withdrawn", person_id=actor.person_id, now=now)


def move_offers(session: Session, *, now: datetime) -> int:
    """The job: offers the integrator has had its days with are passed on, those past their day expire; how many."""
    ended, released = select(OfferEnd.offer_id), select(OfferRelease.offer_id)
    live = session.scalars(select(Offer).where(Offer.id.not_in(ended)).order_by(Offer.id)).all()
    shown = set(session.scalars(released))
    moved = 0
    for offer in live:
        if now >= offer.expires_at:
            _end(session, offer, "expired", person_id=None, now=now)
            moved += 1
        elif offer.id not in shown and now >= offer.offered_at + REVIEW_TIME:
            moved += _release(session, offer, offer.price_minor, person_id=None, now=now) is not None
    return moved


def _live(session: Session, actor: Actor, offer_id: int, now: datetime) -> Offer:
    offer = session.get(Offer, offer_id)
    if offer is None or actor.organisation_id not in (offer.manufacturer_id, offer.integrator_id):
        raise NotFound()
    ended = session.scalar(select(OfferEnd.id).where(OfferEnd.offer_id == offer_id))
    if ended is not None or now >= offer.expires_at:
        raise Conflict("This offer has ended.")
    return offer


def _must_share(
    in_force: PolicyInForce, agreement: Agreement | None, item: Item, actor: Actor, integrator_id: int | None
) -> None:
    by_integrator = actor.organisation_id == integrator_id
    if integrator_id is None or integrator_shares(
        in_force.policy, agreement, item.kind, sold_by_integrator=by_integrator
    ):
        return
    raise RuleBroken(
        "The site has an integrator, and it would get no share of a direct sale. Let the integrator offer it."
    )


def _check(actor: Actor, terms: Terms, agreement: Agreement | None, list_minor: int) -> None:
    problems = {}
    ceiling = ceiling_minor(agreement, list_minor)
    own_collection = terms.collector == "integrator"
    if terms.collector not in ("operator", "integrator") or (own_collection and actor.side is not Side.INTEGRATOR):
        problems["collector"] = "Only the integrator itself can collect from its customer."
    if terms.price_minor <= 0:
        problems["price"] = "A price above zero."
    elif actor.side is Side.MANUFACTURER and terms.price_minor > list_minor:
        problems["price"] = "The factory offers at most at the policy's price."
    elif actor.side is Side.INTEGRATOR and ceiling is not None and terms.price_minor > ceiling:
        problems["price"] = "Above the ceiling of the agreement."
    elif actor.side is Side.INTEGRATOR and not own_collection and terms.price_minor < list_minor:
        problems["price"] = "Below the policy's price only where you collect yourself."
    if not 1 <= terms.days <= LONGEST_OFFER_DAYS:
        problems["days"] = f"From 1 to {LONGEST_OFFER_DAYS} days."
    if len(terms.note) > LONGEST_NOTE:
        problems["note"] = f"At most {LONGEST_NOTE} characters."
    if problems:
        raise Invalid("The offer cannot be made like this.", problems)


def _release(
    session: Session, offer: Offer, price_minor: int, *, person_id: int | None, now: datetime
) -> OfferRelease | None:
    collects = offer.collector == "integrator"
    same = (
        *("manufacturer_id", "integrator_id", "customer_id", "site_id", "case_id", "kind", "code", "name"),
        *("quantity", "interval", "collector", "offered_by_id", "policy_version_id", "currency", "list_minor"),
        *("promotion", "note", "expires_at"),
    )
    row = OfferRelease(
        offer_id=offer.id,
        **{name: getattr(offer, name) for name in same},
        price_minor=None if collects else price_minor,
        person_id=person_id,
        released_at=now,
    )
    released = insert_once(session, row, unique=["offer_id"])
    if released is not None and collects:
        session.add(
            ResalePrice(
                offer_id=offer.id,
                integrator_id=offer.integrator_id,
                customer_id=offer.customer_id,
                currency=offer.currency,
                price_minor=price_minor,
                asked_at=now,
            )
        )
        session.flush()
    if released is not None:
        enqueue(session, "notify_offer_released", offer_id=offer.id)
    return released


def _end(session: Session, row: Offer | OfferRelease, outcome: str, *, person_id: int | None, now: datetime) -> str:
    offer_id = row.offer_id if isinstance(row, OfferRelease) else row.id
    one_at_a_time(session, f"offer:{offer_id}")
    end = OfferEnd(
        offer_id=offer_id,
        manufacturer_id=row.manufacturer_id,
        integrator_id=row.integrator_id,
        customer_id=row.customer_id,
        outcome=outcome,
        person_id=person_id,
        ended_at=now,
    )
    if insert_once(session, end, unique=["offer_id"]) is None:
        raise Conflict("This offer has ended.")
    enqueue(session, "notify_offer_ended", offer_id=offer_id)
    return outcome
