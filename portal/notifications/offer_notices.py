"""What people are told of offers: one came for their customer, one is open to them, one has ended.

Prices are read on the page, signed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.cases.models import SupportCase
from portal.directory.models import Organisation, Site
from portal.notifications.actions import Recipient, queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people, people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.selling.models import Offer, OfferEnd, OfferRelease

_ENDS = {
    "accepted": "was accepted",
    "declined": "was declined",
    "expired": "has expired without an answer",
    "withdrawn": "was withdrawn",
}


def notify_offer_made(session: Session, offer_id: int, now: datetime) -> None:
    """Tell the integrator's managers and finance of an offer of the factory to their customer."""
    offer = session.get_one(Offer, offer_id)
    told = people_with_role(session, offer.integrator_id, (Role.SERVICE_MANAGER, Role.FINANCE), site_id=offer.site_id)
    _tell(session, told, "offer_made", offer_id, now)


def notify_offer_released(session: Session, offer_id: int, now: datetime) -> None:
    """Tell the customer's buyers of an offer that they may answer."""
    offer = session.get_one(Offer, offer_id)
    told = people_with_role(session, offer.customer_id, (Role.BUYER,), site_id=offer.site_id)
    _tell(session, told, "offer_released", offer_id, now)


def notify_offer_ended(session: Session, offer_id: int, now: datetime) -> None:
    """Tell those who made it and passed it on how it ended; tell the buyers of one that was withdrawn."""
    offer = session.get_one(Offer, offer_id)
    release, end = _release_of(session, offer_id), _end_of(session, offer_id)
    if end is None:
        return
    makers = {offer.person_id} | ({release.person_id} if release and release.person_id else set())
    told = list(people(session, {offer.offered_by_id, offer.integrator_id}, makers - {end.person_id}))
    if end.outcome == "withdrawn" and release is not None:
        told += people_with_role(session, offer.customer_id, (Role.BUYER,), site_id=offer.site_id)
    _tell(session, told, "offer_ended", offer_id, now)


@letter("offer_made")
def offer_made(writing: Writing) -> Letter | None:
    """The factory offers something to the integrator's customer."""
    session, offer = writing.session, _offer(writing)
    if _end_of(session, offer.id) is not None or _release_of(session, offer.id) is not None:
        return None
    maker = session.get_one(Organisation, offer.manufacturer_id)
    customer = session.get_one(Organisation, offer.customer_id)
    return Letter(
        subject=f"{maker.name} offers {offer.name} to {customer.name}",
        greeting=writing.greeting,
        sentences=("You see it first: pass it on as it is, or at your price. After three days the customer sees it.",),
        facts=_facts(writing, offer),
        quote=offer.note,
        button=("Look at the offer", writing.page(f"offers/{offer.id}")),
    )


@letter("offer_released")
def offer_released(writing: Writing) -> Letter | None:
    """Something is offered to the customer."""
    session, offer = writing.session, _offer(writing)
    if _end_of(session, offer.id) is not None:
        return None
    by = session.get_one(Organisation, offer.offered_by_id)
    case = session.get_one(SupportCase, offer.case_id) if offer.case_id is not None else None
    waits = (
        (f"Case {case.name} is not covered at this moment; it goes on under this from the payment on.",) if case else ()
    )
    return Letter(
        subject=f"{by.name} offers you {offer.name}",
        greeting=writing.greeting,
        sentences=(*waits, "Price and terms stand on the page of the offer, where you accept or decline it."),
        facts=_facts(writing, offer),
        quote=offer.note,
        button=("Answer the offer", writing.page(f"offers/{offer.id}")),
    )


@letter("offer_ended")
def offer_ended(writing: Writing) -> Letter | None:
    """How an offer ended."""
    session, offer = writing.session, _offer(writing)
    end = _end_of(session, offer.id)
    if end is None:
        return None
    customer = session.get_one(Organisation, offer.customer_id)
    return Letter(
        subject=f"The offer of {offer.name} to {customer.name} {_ENDS[end.outcome]}",
        greeting=writing.greeting,
        sentences=(f"The offer of {offer.name} {_ENDS[end.outcome]}.",),
        facts=_facts(writing, offer),
        button=("Look at the offer", writing.page(f"offers/{offer.id}")),
    )


def _tell(session: Session, told: Sequence[Recipient], name: str, offer_id: int, now: datetime) -> None:
    for recipient in told:
        queue_letter(session, recipient, name, about=("offer", offer_id), now=now, once=f"offer:{offer_id}")


def _offer(writing: Writing) -> Offer:
    return writing.session.get_one(Offer, int(writing.delivery.object_id))


def _release_of(session: Session, offer_id: int) -> OfferRelease | None:
    return session.scalars(select(OfferRelease).where(OfferRelease.offer_id == offer_id)).one_or_none()


def _end_of(session: Session, offer_id: int) -> OfferEnd | None:
    return session.scalars(select(OfferEnd).where(OfferEnd.offer_id == offer_id)).one_or_none()


def _facts(writing: Writing, offer: Offer) -> tuple[Fact, ...]:
    site = writing.session.get_one(Site, offer.site_id)
    return (Fact("For", site.name), Fact("Open until", writing.when(offer.expires_at)))
