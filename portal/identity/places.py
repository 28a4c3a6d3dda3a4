"""Who has an address, and for which organisation somebody acts: asked before anybody is signed in."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.directory.models import Organisation
from portal.identity.models import Membership, Person, WebSession
from portal.identity.sso import requirement

NOBODY = 0


def person_of(session: Session, email: str) -> int:
    """The person with this address, or ``NOBODY``."""
    found = session.scalar(text("SELECT find_person(:email)"), {"email": email.strip()})
    return int(found) if found is not None else NOBODY


def latest_place(session: Session, person_id: int) -> Membership | None:
    """The membership last signed in for, or the oldest one."""
    last_used = (
        select(WebSession.created_at)
        .where(WebSession.membership_id == Membership.id)
        .order_by(WebSession.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return session.scalar(
        select(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.person_id == person_id, Membership.ended_at.is_(None), Person.disabled_at.is_(None))
        # Where there is a choice, one that the person may enter without the organisation's provider.
        .order_by(requirement.needing_provider(), last_used.desc().nulls_last(), Membership.id)
        .limit(1)
    )


def actor_of(person: Person, membership: Membership, organisation: Organisation) -> Actor:
    """The person acting for the organisation."""
    return Actor(
        person_id=person.id,
        organisation_id=organisation.id,
        side=Side(organisation.side),
        roles=frozenset(Role(role) for role in membership.roles),
        is_operator=organisation.is_operator,
        site_ids=frozenset(membership.site_ids) if membership.site_ids is not None else None,
        display_name=person.display_name,
    )
