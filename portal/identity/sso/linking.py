"""Tying an account at the provider to a person here: by that person, after their own sign-in or invitation."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_administer
from portal.audit import actions as audit
from portal.db import Scope, set_scope
from portal.directory.models import Organisation
from portal.errors import Conflict, NotAllowed, NotFound
from portal.identity import links
from portal.identity.factors.rules import Proof
from portal.identity.models import Invitation, Membership, Person, WebSession
from portal.identity.sessions import Browser
from portal.identity.sso import outcomes, signing_in
from portal.identity.sso.models import IdentityProvider, ProviderFlow, ProviderIdentity, ProviderSession

LISTED = 500


@dataclass(frozen=True)
class Connected:
    """A person of the organisation who is tied to an account at its provider."""

    identity: ProviderIdentity
    person: Person


def connected(session: Session, actor: Actor) -> Sequence[Connected]:
    """Who of the actor's organisation is tied to an account, by name."""
    rows = session.execute(
        select(ProviderIdentity, Person)
        .join(Person, Person.id == ProviderIdentity.person_id)
        .where(ProviderIdentity.organisation_id == actor.organisation_id, ProviderIdentity.ended_at.is_(None))
        .order_by(Person.display_name, ProviderIdentity.id)
        .limit(LISTED)
    )
    return [Connected(identity, person) for identity, person in rows]


def own_connection(session: Session, actor: Actor) -> ProviderIdentity | None:
    """The actor's own tie in the organisation they act for."""
    return session.scalar(
        select(ProviderIdentity).where(
            ProviderIdentity.organisation_id == actor.organisation_id,
            ProviderIdentity.person_id == actor.person_id,
            ProviderIdentity.ended_at.is_(None),
        )
    )


def address_of(session: Session, idp: IdentityProvider, flow: ProviderFlow) -> str:
    """The address here of whoever is asked to confirm; what was invited, for an invitation."""
    if flow.link_id is not None:
        return session.scalar(select(Invitation.email).where(Invitation.link_id == flow.link_id)) or ""
    set_scope(session, Scope(idp.organisation_id, flow.person_id or 0))
    return session.get_one(Person, flow.person_id).email


def confirm_link(session: Session, idp: IdentityProvider, flow: ProviderFlow, *, now: datetime) -> ProviderIdentity:
    """The person who went there says yes: the account is theirs.

    *Raises*: Conflict, NotAllowed.
    """
    if flow.purpose != "link" or flow.person_id is None or flow.answered is None:
        raise Conflict("There is nothing to confirm. Begin again.")
    set_scope(session, Scope(idp.organisation_id, flow.person_id))
    membership = signing_in.current_membership(session, idp.organisation_id, flow.person_id)
    if membership is None:
        raise NotAllowed(outcomes.REFUSALS[outcomes.Outcome.LEFT])
    identity = _tie(session, idp, flow, flow.person_id, confirmed_by="own sign-in", now=now)
    actor = Actor(flow.person_id, idp.organisation_id, _side(session, idp), frozenset())
    audit.record(session, actor, "connect_account", "provider_identity", identity.id, now=now)
    return identity


def confirm_invitation(session: Session, idp: IdentityProvider, flow: ProviderFlow, *, now: datetime) -> Membership:
    """Whoever was invited by mail, and whose provider calls the same address verified, joins without a password.

    *Raises*: Conflict.
    """
    answered = flow.answered
    link = session.scalar(select(Invitation).where(Invitation.link_id == flow.link_id)) if flow.link_id else None
    if flow.purpose != "invitation" or link is None or answered is None:
        raise Conflict("There is nothing to confirm. Begin again.")
    if session.scalar(text("SELECT find_person(:email)"), {"email": link.email}) is not None:
        raise Conflict(
            "You have an account here already: accept the invitation with its password, then connect the other."
        )
    _use_invitation(session, link, now)
    person = Person(
        email=link.email,
        display_name=answered.get("name") or link.display_name,
        visible_to=[idp.organisation_id],
        created_at=now,
    )
    session.add(person)
    session.flush()
    set_scope(session, Scope(idp.organisation_id, person.id))
    membership = Membership(
        person_id=person.id,
        organisation_id=idp.organisation_id,
        roles=list(link.roles),
        site_ids=link.site_ids,
        started_at=now,
    )
    session.add(membership)
    session.flush()
    _tie(session, idp, flow, person.id, confirmed_by="invitation", now=now)
    actor = Actor(person.id, idp.organisation_id, _side(session, idp), frozenset())
    audit.record(session, actor, "accept_invitation", "membership", membership.id, now=now)
    return membership


def open_after(
    session: Session, idp: IdentityProvider, flow: ProviderFlow, person_id: int, *, browser: Browser, now: datetime
) -> str:
    """The session of somebody who has just confirmed."""
    answered = flow.answered or {}
    identity = signing_in.identity_of(session, idp, str(answered.get("subject")))
    membership = signing_in.current_membership(session, idp.organisation_id, person_id)
    if identity is None or identity.person_id != person_id or membership is None:
        raise NotAllowed(outcomes.REFUSALS[outcomes.Outcome.NOT_LINKED])
    return signing_in.open_for(
        session,
        idp,
        identity,
        membership,
        sid=answered.get("sid"),
        kept=base64.b64decode(answered["kept"]),
        proof=Proof(answered.get("proof", Proof.PROVIDER)),
        browser=browser,
        now=now,
    )


def disconnect(session: Session, actor: Actor, identity_id: int, now: datetime) -> None:
    """Untie an account; the sessions it opened end with it.

    *Raises*: NotAllowed, NotFound.
    """
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation changes how its people sign in.")
    identity = session.scalar(
        select(ProviderIdentity).where(
            ProviderIdentity.id == identity_id,
            ProviderIdentity.organisation_id == actor.organisation_id,
            ProviderIdentity.ended_at.is_(None),
        )
    )
    if identity is None:
        raise NotFound
    identity.ended_at = now
    opened = select(ProviderSession.web_session_id).where(ProviderSession.identity_id == identity.id)
    session.execute(
        update(WebSession).where(WebSession.id.in_(opened), WebSession.revoked_at.is_(None)).values(revoked_at=now)
    )
    details = {"person_id": identity.person_id}
    audit.record(session, actor, "disconnect_account", "provider_identity", identity.id, details=details, now=now)


def _tie(
    session: Session, idp: IdentityProvider, flow: ProviderFlow, person_id: int, *, confirmed_by: str, now: datetime
) -> ProviderIdentity:
    identity = ProviderIdentity(
        organisation_id=idp.organisation_id,
        issuer=flow.issuer,
        subject=(flow.answered or {})["subject"],
        person_id=person_id,
        confirmed_by=confirmed_by,
        linked_at=now,
    )
    session.add(identity)
    flow.finished_at = now
    session.flush()
    return identity


def _use_invitation(session: Session, invitation: Invitation, now: datetime) -> None:
    found = links.by_id(session, invitation.link_id, now)
    if found is None or found.state != "open":
        raise Conflict("This invitation was answered, taken back, or has ended. Ask for a new one.")
    links.use_link(session, found, now)


def _side(session: Session, idp: IdentityProvider) -> Side:
    return Side(session.get_one(Organisation, idp.organisation_id).side)
