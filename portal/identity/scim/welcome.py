"""The first mail of somebody whom a directory brought in: a link by which the mailbox vouches for one first sign-in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import OneAct
from portal.identity import links
from portal.identity.models import MailedLink, Membership, Person

WELCOME_ACT = "first_sign_in"


def create_welcome(session: Session, membership_id: int, *, secret: str, now: datetime) -> MailedLink | None:
    """The job's link; None for somebody who has left again."""
    membership = session.get(Membership, membership_id)
    if membership is None or membership.ended_at is not None:
        return None
    person = session.get_one(Person, membership.person_id)
    return links.create_link(
        session,
        OneAct(WELCOME_ACT, "membership", str(membership.id), 0),
        secret=secret,
        organisation_id=membership.organisation_id,
        email=person.email,
        person_id=person.id,
        now=now,
    )
