"""Who is signed in, who belongs to an organisation, where somebody is signed in. Reads, scoped by the session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.errors import NotFound
from portal.identity import rules
from portal.identity.models import Invitation, MailedLink, MailedLinkUse, MailedLinkVoid, Membership, Person, WebSession

LISTED = 500


@dataclass(frozen=True)
class Member:
    """A person as the people page lists them."""

    membership: Membership
    person: Person


@dataclass(frozen=True)
class PendingInvitation:
    """An invitation that can still be accepted."""

    invitation: Invitation
    expires_at: datetime


def own_person(session: Session, actor: Actor) -> Person:
    """The actor's own row."""
    return session.get_one(Person, actor.person_id)


def names(session: Session, person_ids: Collection[int]) -> dict[int, str]:
    """The names of those people whom the session's scope may know."""
    rows = session.execute(select(Person.id, Person.display_name).where(Person.id.in_(person_ids)))
    return {row.id: row.display_name for row in rows}


def members(session: Session, actor: Actor) -> Sequence[Member]:
    """The people of the actor's organisation, by name; those who left come last."""
    rows = session.execute(
        select(Membership, Person)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.organisation_id == actor.organisation_id)
        .order_by(Membership.ended_at.is_not(None), Person.display_name, Membership.id)
        .limit(LISTED)
    )
    return [Member(membership, person) for membership, person in rows]


def member(session: Session, actor: Actor, membership_id: int) -> Member:
    """One membership of the actor's organisation.

    *Raises*: NotFound.
    """
    row = session.execute(
        select(Membership, Person)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.id == membership_id, Membership.organisation_id == actor.organisation_id)
    ).one_or_none()
    if row is None:
        raise NotFound
    return Member(row.Membership, row.Person)


def pending_invitations(session: Session, actor: Actor, now: datetime) -> Sequence[PendingInvitation]:
    """Invitations of the actor's organisation that wait for an answer, latest first."""
    rows = session.execute(
        select(Invitation, MailedLink.expires_at)
        .join(MailedLink, MailedLink.id == Invitation.link_id)
        .where(
            Invitation.organisation_id == actor.organisation_id,
            MailedLink.expires_at > now,
            ~select(MailedLinkUse).where(MailedLinkUse.link_id == Invitation.link_id).exists(),
            ~select(MailedLinkVoid).where(MailedLinkVoid.link_id == Invitation.link_id).exists(),
        )
        .order_by(Invitation.id.desc())
        .limit(LISTED)
    )
    return [PendingInvitation(invitation, expires_at) for invitation, expires_at in rows]


def invitation(session: Session, invitation_id: int) -> Invitation:
    """An invitation the session's scope may see.

    *Raises*: NotFound.
    """
    found = session.get(Invitation, invitation_id)
    if found is None:
        raise NotFound
    return found


def live_sessions(session: Session, actor: Actor, now: datetime) -> Sequence[WebSession]:
    """Where the actor is signed in, the latest seen first."""
    return session.scalars(
        select(WebSession)
        .where(
            WebSession.person_id == actor.person_id,
            WebSession.revoked_at.is_(None),
            WebSession.expires_at > now,
            WebSession.seen_at > now - rules.SESSION_IDLE,
        )
        .order_by(WebSession.seen_at.desc())
        .limit(LISTED)
    ).all()


def live_session(session: Session, actor: Actor, session_id: UUID, now: datetime) -> WebSession:
    """One of the actor's own sessions.

    *Raises*: NotFound.
    """
    found = next((row for row in live_sessions(session, actor, now) if row.id == session_id), None)
    if found is None:
        raise NotFound
    return found
