"""Who is signed in, who belongs to an organisation, where somebody is signed in. Reads, scoped by the session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ScalarSelect, func, select, text, update
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.db import Scope, set_scope
from portal.directory.models import Organisation
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


def viewer_of_token(session: Session, token: str, now: datetime) -> rules.Viewer | None:
    """Who is signed in with the token, or None; from here on the session reads for that person's organisation."""
    found = session.execute(
        text("SELECT session_id, person_id, organisation_id FROM find_session(:token)"),
        {"token": rules.token_sha256(token)},
    ).one_or_none()
    if found is None:
        return None
    set_scope(session, Scope(found.organisation_id, found.person_id))
    row = session.execute(
        select(WebSession, Membership, Person, Organisation, _places().label("places"))
        .join(Membership, Membership.id == WebSession.membership_id)
        .join(Person, Person.id == WebSession.person_id)
        .join(Organisation, Organisation.id == WebSession.organisation_id)
        .where(WebSession.id == found.session_id)
    ).one_or_none()
    if row is None or not _may_go_on(row.WebSession, row.Membership, row.Person, now):
        set_scope(session, None)
        return None
    _note_seen(session, row.WebSession, now)
    places = [rules.Place(membership_id, name) for membership_id, name in row.places or ()]
    return _viewer(row.WebSession, row.Membership, row.Person, row.Organisation, places)


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


def _places() -> ScalarSelect[list[tuple[int, str]]]:
    """The organisations that the scope's person may act for, in the same statement as the rest: every page asks."""
    own = func.own_organisations().table_valued("membership_id", "name")
    return select(func.json_agg(func.json_build_array(own.c.membership_id, own.c.name))).scalar_subquery()


def _may_go_on(web_session: WebSession, membership: Membership, person: Person, now: datetime) -> bool:
    alive = rules.session_is_alive(
        expires_at=web_session.expires_at,
        seen_at=web_session.seen_at,
        revoked_at=web_session.revoked_at,
        now=now,
    )
    return alive and membership.ended_at is None and person.disabled_at is None


def _note_seen(session: Session, web_session: WebSession, now: datetime) -> None:
    if now - web_session.seen_at >= rules.SEEN_STEP:
        session.execute(
            update(WebSession)
            .where(WebSession.id == web_session.id)
            .values(seen_at=now)
            .execution_options(synchronize_session=False)
        )


def _viewer(
    web_session: WebSession,
    membership: Membership,
    person: Person,
    organisation: Organisation,
    places: Sequence[rules.Place],
) -> rules.Viewer:
    actor = Actor(
        person_id=person.id,
        organisation_id=organisation.id,
        side=Side(organisation.side),
        roles=frozenset(Role(role) for role in membership.roles),
        is_operator=organisation.is_operator,
        site_ids=frozenset(membership.site_ids) if membership.site_ids is not None else None,
        display_name=person.display_name,
    )
    return rules.Viewer(
        actor=actor,
        session_id=str(web_session.id),
        name=person.display_name,
        email=person.email,
        zone=ZoneInfo(person.zone),
        organisation_name=organisation.name,
        other_organisations=tuple(place for place in places if place.membership_id != membership.id),
    )
