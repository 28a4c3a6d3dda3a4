"""The only writer of sessions: a signed-in browser has a row, which ends when it is revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.identity import rules
from portal.identity.models import Membership, WebSession

TOKEN_BYTES = 32
KEPT_CHARACTERS = 200


@dataclass(frozen=True)
class Browser:
    """What is kept about the browser somebody signs in with, so that they know it in the list."""

    address: str
    user_agent: str


def open_session(session: Session, membership: Membership, browser: Browser, now: datetime) -> str:
    """Sign a browser in for a membership; the token of the session."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        WebSession(
            token_sha256=rules.token_sha256(token),
            person_id=membership.person_id,
            membership_id=membership.id,
            organisation_id=membership.organisation_id,
            created_at=now,
            seen_at=now,
            expires_at=now + rules.SESSION_LONGEST,
            user_agent=browser.user_agent[:KEPT_CHARACTERS],
            address=browser.address[:KEPT_CHARACTERS],
        )
    )
    session.flush()
    return token


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
