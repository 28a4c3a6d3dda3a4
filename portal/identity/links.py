"""Mailed links: one act on one object and version, for seven days, once, without signing anybody in.

The database holds a token's hash only. The token is derived from the link's id and the deployment's secret, so that the
worker which renders the mail, or sends it again, makes the same one and nothing that acts lies in a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, OneAct, Role, Side
from portal.db import Scope, set_scope
from portal.directory.models import Organisation
from portal.identity import places, rules
from portal.identity.models import MailedLink, MailedLinkUse, MailedLinkVoid, Membership, Person


@dataclass(frozen=True)
class OpenLink:
    """A link as the page finds it; ``state`` is open, used, voided or expired."""

    id: UUID
    act: OneAct
    state: str
    actor: Actor
    email: str
    organisation_name: str


def create_link(
    session: Session,
    act: OneAct,
    *,
    secret: str,
    organisation_id: int,
    email: str,
    person_id: int | None,
    now: datetime,
    lasts: timedelta = rules.LINK_DAYS,
) -> MailedLink:
    """Make a link that lets whoever reads ``email`` do ``act`` once, for the organisation."""
    link = new_link(
        act,
        secret=secret,
        organisation_id=organisation_id,
        email=email,
        person_id=person_id,
        now=now,
        lasts=lasts,
    )
    session.add(link)
    session.flush()
    return link


def new_link(
    act: OneAct,
    *,
    secret: str,
    organisation_id: int,
    email: str,
    person_id: int | None,
    now: datetime,
    lasts: timedelta = rules.LINK_DAYS,
) -> MailedLink:
    """Such a link, which nobody has stored yet."""
    link_id = uuid4()
    return MailedLink(
        id=link_id,
        token_sha256=rules.token_sha256(rules.link_token(secret, link_id)),
        act=act.act,
        object_type=act.object_type,
        object_id=act.object_id,
        object_version=act.object_version,
        organisation_id=organisation_id,
        person_id=person_id,
        email=email,
        created_at=now,
        expires_at=now + lasts,
    )


def find_link(session: Session, token: str, now: datetime) -> OpenLink | None:
    """The link of a token, or None; from here on the session reads for the link's organisation and person."""
    found = session.execute(
        text("SELECT link_id, organisation_id, person_id FROM find_link(:token)"), {"token": rules.token_sha256(token)}
    ).one_or_none()
    if found is None:
        return None
    set_scope(session, Scope(found.organisation_id, found.person_id or places.NOBODY))
    return _open_link(session, session.get_one(MailedLink, found.link_id), now)


def _open_link(session: Session, link: MailedLink, now: datetime) -> OpenLink:
    organisation = session.get_one(Organisation, link.organisation_id)
    act = OneAct(link.act, link.object_type, link.object_id, link.object_version)
    return OpenLink(
        id=link.id,
        act=act,
        state=_state(session, link, now),
        actor=_actor(session, link, organisation, act),
        email=link.email,
        organisation_name=organisation.name,
    )


def by_id(session: Session, link_id: UUID, now: datetime) -> OpenLink | None:
    """The link of an id that the session's scope may see, for who has shown its token before."""
    link = session.get(MailedLink, link_id)
    return _open_link(session, link, now) if link is not None else None


def use_link(session: Session, link: OpenLink, now: datetime) -> None:
    """Consume the link; a second use at the same moment is refused by its key."""
    session.execute(
        insert(MailedLinkUse).values(link_id=link.id, organisation_id=link.actor.organisation_id, used_at=now)
    )


def void_links(session: Session, links: Iterable[MailedLink], reason: str, now: datetime) -> None:
    """Take links back that nobody has used."""
    for link in links:
        session.add(MailedLinkVoid(link_id=link.id, organisation_id=link.organisation_id, voided_at=now, reason=reason))
    session.flush()


def open_links_of(session: Session, *, organisation_id: int, email: str, now: datetime) -> list[MailedLink]:
    """The links of an address that could still be used for the organisation."""
    return list(
        session.scalars(
            select(MailedLink)
            .where(
                MailedLink.organisation_id == organisation_id,
                MailedLink.email == email,
                MailedLink.expires_at > now,
                ~select(MailedLinkUse).where(MailedLinkUse.link_id == MailedLink.id).exists(),
                ~select(MailedLinkVoid).where(MailedLinkVoid.link_id == MailedLink.id).exists(),
            )
            .order_by(MailedLink.created_at)
        )
    )


def _state(session: Session, link: MailedLink, now: datetime) -> str:
    if session.get(MailedLinkVoid, link.id) is not None:
        return "voided"
    if session.get(MailedLinkUse, link.id) is not None:
        return "used"
    return "expired" if now >= link.expires_at else "open"


def _actor(session: Session, link: MailedLink, organisation: Organisation, act: OneAct) -> Actor:
    person = session.get(Person, link.person_id) if link.person_id else None
    membership = person and session.scalar(
        select(Membership).where(
            Membership.person_id == person.id,
            Membership.organisation_id == organisation.id,
            Membership.ended_at.is_(None),
        )
    )
    return Actor(
        person_id=person.id if person else places.NOBODY,
        organisation_id=organisation.id,
        side=Side(organisation.side),
        roles=frozenset(Role(role) for role in membership.roles) if membership else frozenset(),
        is_operator=organisation.is_operator,
        site_ids=frozenset(membership.site_ids) if membership and membership.site_ids is not None else None,
        act=act,
        display_name=person.display_name if person else link.email,
    )
