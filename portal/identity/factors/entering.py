"""Into the portal: a first proof makes a session, or a sign-in that waits for the second one.

A sign-in that waits is no session: its token opens the page that asks for the second factor and nothing else. The
session that follows has a token of its own, so nothing that was known before the last proof is worth anything after it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.db import Scope, set_scope
from portal.directory.models import Organisation
from portal.identity import places, sessions, throttling
from portal.identity import rules as identity
from portal.identity.factors import passkeys, proving, queries, rules
from portal.identity.factors.models import PendingSignIn, SpentChallenge
from portal.identity.factors.rules import Held, Proof, Proven
from portal.identity.models import Membership, Person
from portal.identity.sessions import Browser


@dataclass(frozen=True)
class Entrance:
    """What a proof led to: the token of a session, or of a sign-in that waits for a second factor."""

    token: str
    is_pending: bool = False


@dataclass(frozen=True)
class Waiting:
    """A sign-in that waits for a second factor."""

    id: UUID
    actor: Actor
    membership: Membership
    held: Held


def enter(session: Session, membership: Membership, *, proof: Proof, browser: Browser, now: datetime) -> Entrance:
    """Let a person in who has given ``proof``; the session reads for that person."""
    held = queries.held(session, membership.person_id)
    if not rules.asked_after(proof, held):
        proven = Proven(proof, now)
        return Entrance(sessions.open_session(session, membership, browser, now, proven=proven))
    token = secrets.token_urlsafe(sessions.TOKEN_BYTES)
    session.execute(
        delete(PendingSignIn).where(PendingSignIn.person_id == membership.person_id, PendingSignIn.expires_at <= now)
    )
    session.add(
        PendingSignIn(
            token_sha256=identity.token_sha256(token),
            person_id=membership.person_id,
            membership_id=membership.id,
            organisation_id=membership.organisation_id,
            created_at=now,
            expires_at=now + rules.PENDING_LASTS,
        )
    )
    session.flush()
    return Entrance(token, is_pending=True)


def waiting_of(session: Session, token: str, now: datetime) -> Waiting | None:
    """The sign-in that waits under the token, or None; from here on the session reads for its person."""
    found = session.execute(
        text("SELECT pending_id, person_id, organisation_id FROM find_pending_sign_in(:token)"),
        {"token": identity.token_sha256(token)},
    ).one_or_none()
    if found is None:
        return None
    set_scope(session, Scope(found.organisation_id, found.person_id))
    pending = session.get_one(PendingSignIn, found.pending_id)
    membership = session.get_one(Membership, pending.membership_id)
    actor = _actor(session, membership)
    if now >= pending.expires_at or actor is None:
        set_scope(session, None)
        return None
    return Waiting(pending.id, actor, membership, queries.held(session, actor.person_id))


def finish(
    session: Session, waiting: Waiting, answer: proving.Answer, asking: passkeys.Asking, browser: Browser
) -> str | None:
    """The token of the session, or None when the answer proves nothing.

    *Raises*: TooOften.
    """
    is_known = sessions.knows_device(session, waiting.actor.person_id, browser.device)
    proof = proving.prove(session, waiting.actor, answer, asking, device=browser.device if is_known else "")
    if proof is None:
        return None
    # Every sign-in of the person that waits ends: what was half open does not stay open.
    session.execute(delete(PendingSignIn).where(PendingSignIn.person_id == waiting.actor.person_id))
    return sessions.open_session(session, waiting.membership, browser, asking.now, proven=Proven(proof, asking.now))


def sign_in_with_passkey(session: Session, answer: str, asking: passkeys.Asking, browser: Browser) -> str | None:
    """The token of a new session, or None; nothing tells a passkey nobody has from one of somebody who left.

    *Raises*: TooOften.
    """
    throttling.count_try(session, "passkey_host", (browser.address,), identity.PASSKEYS_PER_HOST, asking.now)
    person_id = passkeys.owner_of(session, answer)
    if person_id is None:
        return None
    set_scope(session, Scope(places.NOBODY, person_id))
    membership = places.latest_place(session, person_id)
    if membership is None:
        set_scope(session, None)
        return None
    set_scope(session, Scope(membership.organisation_id, person_id))
    actor = _actor(session, membership)
    if actor is None or not passkeys.prove_passkey(session, actor, asking, answer):
        set_scope(session, None)
        return None
    return sessions.open_session(session, membership, browser, asking.now, proven=Proven(Proof.PASSKEY, asking.now))


def end_waiting(session: Session, person_id: int) -> None:
    """End every sign-in of the person that waits for its second factor."""
    session.execute(delete(PendingSignIn).where(PendingSignIn.person_id == person_id))


def sweep(session: Session, now: datetime) -> None:
    """Drop sign-ins that waited too long, and answered challenges that could not be answered any more."""
    session.execute(delete(PendingSignIn).where(PendingSignIn.expires_at <= now))
    session.execute(delete(SpentChallenge).where(SpentChallenge.expires_at <= now))


def _actor(session: Session, membership: Membership) -> Actor | None:
    person = session.get(Person, membership.person_id)
    if person is None or person.disabled_at is not None or membership.ended_at is not None:
        return None
    organisation = session.get_one(Organisation, membership.organisation_id)
    return places.actor_of(person, membership, organisation)
