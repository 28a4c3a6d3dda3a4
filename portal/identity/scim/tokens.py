"""Tokens of directories: made by an administrator, shown once, kept as a hash, ended by date or by hand."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, may_administer
from portal.audit import actions as audit
from portal.audit.actions import Program
from portal.db import Scope, set_scope
from portal.errors import Conflict, NotAllowed, NotFound
from portal.identity import places, rules
from portal.identity.scim.models import ScimToken

LASTS = timedelta(days=365)
# The row says when a token was last used to this precision, so that reading does not write each time.
USED_STEP = timedelta(minutes=5)
MOST_TOKENS = 10
PREFIX = "scim_"
LONGEST = 200


@dataclass(frozen=True)
class Directory:
    """A directory that calls: its organisation, its name in the log, and who let it in."""

    organisation_id: int
    token_id: int
    program: Program
    let_in_by: int


def own_tokens(session: Session, actor: Actor) -> Sequence[ScimToken]:
    """The tokens of the actor's organisation, latest first."""
    statement = select(ScimToken).where(ScimToken.organisation_id == actor.organisation_id)
    return session.scalars(statement.order_by(ScimToken.id.desc()).limit(100)).all()


def make_token(session: Session, actor: Actor, name: str, now: datetime) -> str:
    """A new token in clear, which is not shown again.

    *Raises*: NotAllowed, Conflict.
    """
    _must_administer(actor)
    live = [row for row in own_tokens(session, actor) if row.revoked_at is None and now < row.expires_at]
    if len(live) >= MOST_TOKENS:
        raise Conflict(f"At most {MOST_TOKENS} tokens at a time. End one first.")
    token = PREFIX + secrets.token_urlsafe(32)
    row = ScimToken(
        organisation_id=actor.organisation_id,
        name=name,
        token_sha256=rules.token_sha256(token),
        created_by=actor.person_id,
        created_at=now,
        expires_at=now + LASTS,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "make_scim_token", "scim_token", row.id, details={"name": name}, now=now)
    return token


def end_token(session: Session, actor: Actor, token_id: int, now: datetime) -> None:
    """End a token; the next call with it is refused.

    *Raises*: NotAllowed, NotFound.
    """
    _must_administer(actor)
    row = session.scalar(
        select(ScimToken).where(ScimToken.id == token_id, ScimToken.organisation_id == actor.organisation_id)
    )
    if row is None:
        raise NotFound
    if row.revoked_at is None:
        row.revoked_at = now
        audit.record(session, actor, "end_scim_token", "scim_token", row.id, details={"name": row.name}, now=now)


def directory_of(session: Session, token: str, now: datetime) -> Directory | None:
    """Who calls with the token, or None; from here on the session reads for that organisation."""
    if not token.startswith(PREFIX) or len(token) > LONGEST:
        return None
    found = session.execute(
        text("SELECT token_id, organisation_id FROM find_scim_token(:token)"), {"token": rules.token_sha256(token)}
    ).one_or_none()
    if found is None:
        return None
    set_scope(session, Scope(found.organisation_id, places.NOBODY))
    row = session.get_one(ScimToken, found.token_id)
    if row.revoked_at is not None or now >= row.expires_at:
        set_scope(session, None)
        return None
    if row.used_at is None or now - row.used_at >= USED_STEP:
        row.used_at = now
    return Directory(row.organisation_id, row.id, Program(row.organisation_id, f"SCIM: {row.name}"), row.created_by)


def _must_administer(actor: Actor) -> None:
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation lets a directory in.")
