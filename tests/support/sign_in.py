"""Passwords, addresses and memberships of the cast, for tests that sign people in."""

from __future__ import annotations

from functools import cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.directory.models import Organisation
from portal.identity import passwords
from portal.identity.models import Credential, Membership, Person
from tests.support.cast import SIGNED_AT

PASSWORD = "correct horse battery staple"


def give_password(session: Session, actor: Actor) -> None:
    """Let the actor sign in with ``PASSWORD``; commits."""
    if session.get(Credential, actor.person_id) is None:
        session.add(Credential(person_id=actor.person_id, password_hash=_password_hash(), set_at=SIGNED_AT))
    session.commit()


def email_of(session: Session, actor: Actor) -> str:
    """The address the actor signs in with."""
    return session.get_one(Person, actor.person_id).email


def membership_of(session: Session, actor: Actor) -> Membership:
    """The actor's membership."""
    statement = select(Membership).where(
        Membership.person_id == actor.person_id, Membership.organisation_id == actor.organisation_id
    )
    return session.scalars(statement).one()


def join(session: Session, person: Person, organisation: Organisation, role: str) -> Membership:
    """One more membership of a person."""
    row = Membership(person_id=person.id, organisation_id=organisation.id, roles=[role], started_at=SIGNED_AT)
    session.add(row)
    session.flush()
    return row


@cache
def _password_hash() -> str:
    return passwords.hashed(PASSWORD)
