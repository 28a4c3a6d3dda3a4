"""The only writer of sessions: a signed-in browser has a row, which ends when it is revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.directory.models import Organisation
from portal.identity import notices, places, rules
from portal.identity.factors.models import KnownDevice
from portal.identity.factors.rules import BY_PROVIDER, Proof, Proven
from portal.identity.models import Membership, Person, WebSession
from portal.identity.sso import requirement
from portal.identity.user_agents import browser_words

TOKEN_BYTES = 32
KEPT_CHARACTERS = 200


@dataclass(frozen=True)
class Browser:
    """What is kept about the browser somebody signs in with, so that they know it in the list."""

    address: str
    user_agent: str
    # What its own lasting cookie holds; empty where there is none.
    device: str = ""


def open_session(session: Session, membership: Membership, browser: Browser, now: datetime, *, proven: Proven) -> str:
    """Sign a browser in for a membership; the token of the session. A browser never seen before is told by mail.

    *Raises*: ProviderRequired, for every way in but the organisation's provider where that is the only one.
    """
    if proven.by not in BY_PROVIDER:
        requirement.refuse_other_ways(session, membership, _seen(browser), now)
    _note_device(session, membership, browser, now)
    return _store(session, membership, browser, now, proven=proven, expires_at=now + rules.SESSION_LONGEST)


def renew_token(session: Session, session_id: UUID) -> str:
    """Another token for the same session; the one before opens nothing any more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(
        update(WebSession).where(WebSession.id == session_id).values(token_sha256=rules.token_sha256(token))
    )
    return token


def open_session_to_look_on(
    session: Session,
    membership: Membership,
    browser: Browser,
    now: datetime,
    *,
    impersonation_id: int,
    until_at: datetime,
) -> str:
    """The token of a session in which an administrator looks on as somebody else, until then at the longest."""
    # Nothing is confirmed in it, so it is never proven.
    proven = Proven(Proof.PASSWORD, None)
    return _store(
        session, membership, browser, now, proven=proven, expires_at=until_at, impersonation_id=impersonation_id
    )


def revoke(session: Session, actor: Actor, now: datetime, *which: object) -> None:
    """End the sessions of the actor's person that ``which`` names; all of them without it."""
    session.execute(
        update(WebSession)
        .where(WebSession.person_id == actor.person_id, WebSession.revoked_at.is_(None), *which)  # type: ignore[arg-type]
        .values(revoked_at=now)
    )


def end_sessions_of_membership(session: Session, membership: Membership, now: datetime) -> None:
    """End every session opened for the membership."""
    session.execute(
        update(WebSession)
        .where(WebSession.membership_id == membership.id, WebSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def knows_device(session: Session, person_id: int, device: str) -> bool:
    """Whether the person has signed in with this browser before; asked in the person's own scope."""
    known = select(KnownDevice.person_id).where(
        KnownDevice.person_id == person_id, KnownDevice.device_sha256 == rules.token_sha256(device)
    )
    return session.scalar(known) is not None


def _store(
    session: Session,
    membership: Membership,
    browser: Browser,
    now: datetime,
    *,
    proven: Proven,
    expires_at: datetime,
    impersonation_id: int | None = None,
) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        WebSession(
            token_sha256=rules.token_sha256(token),
            person_id=membership.person_id,
            membership_id=membership.id,
            organisation_id=membership.organisation_id,
            created_at=now,
            seen_at=now,
            expires_at=expires_at,
            user_agent=browser.user_agent[:KEPT_CHARACTERS],
            address=browser.address[:KEPT_CHARACTERS],
            proven_by=proven.by.value,
            proven_at=proven.at,
            impersonation_id=impersonation_id,
        )
    )
    session.flush()
    return token


def _note_device(session: Session, membership: Membership, browser: Browser, now: datetime) -> None:
    if not browser.device:
        return
    person_id = membership.person_id
    is_first = session.scalar(select(KnownDevice.person_id).where(KnownDevice.person_id == person_id).limit(1)) is None
    is_new = session.execute(
        insert(KnownDevice)
        .values(person_id=person_id, device_sha256=rules.token_sha256(browser.device), first_seen_at=now)
        .on_conflict_do_nothing()
        .returning(KnownDevice.person_id)
    ).one_or_none()
    # The first browser of all is the one the person was just invited with.
    if is_new is not None and not is_first:
        person = session.get_one(Person, person_id)
        organisation = session.get_one(Organisation, membership.organisation_id)
        actor = places.actor_of(person, membership, organisation)
        notices.record_and_tell(session, actor, "sign_in_with_new_browser", now=now, details=_seen(browser))


def _seen(browser: Browser) -> dict[str, str]:
    """What a letter tells of a browser."""
    return {"browser": browser_words(browser.user_agent), "address": browser.address[:KEPT_CHARACTERS]}
