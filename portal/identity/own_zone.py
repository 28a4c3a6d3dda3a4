"""By which clock a person goes: the zone it chose, else its company's; of a customer's people that of their sites.

A person that chose none keeps none: it follows its company when that moves. Work is rated by the same rule as it was
when it was done, where the engineer's clock counts (``metering.actions``).
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, any_, case, func, or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.directory.models import Organisation, Site
from portal.identity.models import Membership, Person

# What a person has that chose no zone.
NOT_CHOSEN = ""


def company_zone() -> ColumnElement[str]:
    """The zone of a membership's company; for a customer that of the member's sites where they share one."""
    of_sites = (
        select(case((func.min(Site.zone) == func.max(Site.zone), func.min(Site.zone))))
        .where(
            Site.customer_id == Organisation.id,
            or_(Membership.site_ids.is_(None), Site.id == any_(Membership.site_ids)),
        )
        .correlate(Organisation, Membership)
        .scalar_subquery()
    )
    at_sites = (Organisation.side == Side.CUSTOMER.value, func.coalesce(of_sites, Organisation.zone))
    return case(at_sites, else_=Organisation.zone)


def zone_of_person() -> ColumnElement[str]:
    """The zone that a person of a membership goes by."""
    return case((Person.zone != NOT_CHOSEN, Person.zone), else_=company_zone())


def default_zone(session: Session, actor: Actor) -> str:
    """The zone the actor goes by while it has chosen none."""
    mine = (Membership.person_id == actor.person_id, Membership.organisation_id == actor.organisation_id)
    return _zone(session, company_zone(), mine) or _of_organisation(session, actor.organisation_id)


def own_zone(session: Session, person_id: int, organisation_id: int) -> str:
    """The zone that a person of an organisation goes by, also once it has left."""
    mine = (Membership.person_id == person_id, Membership.organisation_id == organisation_id)
    return _zone(session, zone_of_person(), mine) or _of_organisation(session, organisation_id)


def _zone(session: Session, zone: ColumnElement[str], mine: tuple[ColumnElement[bool], ...]) -> str | None:
    members = (
        select(zone)
        .select_from(Membership)
        .join(Person, Person.id == Membership.person_id)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .where(*mine)
        .order_by(Membership.id.desc())
        .limit(1)
    )
    return session.scalar(members)


def _of_organisation(session: Session, organisation_id: int) -> str:
    return session.get_one(Organisation, organisation_id).zone
