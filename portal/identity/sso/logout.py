"""The end of sessions on the provider's word, and the way to its own sign-out.

Back-channel: the provider posts a signed logout token. Front-channel: it has the browser load an address with the
session's name, which only it and that browser know. Both end sessions of this organisation only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.audit import actions as audit
from portal.identity.models import WebSession
from portal.identity.sso import flows, rules, signing_in, tokens
from portal.identity.sso.models import IdentityProvider, ProviderIdentity, ProviderLogout, ProviderSession

LONGEST_SID = 255


def by_token(session: Session, site: flows.Site, idp: IdentityProvider, token: str, now: datetime) -> int:
    """End what a logout token names; how many sessions ended. The same token again ends nothing more.

    *Raises*: TokenRefused, Unreachable.
    """
    signed = signing_in.signed_token(session, site, idp, token, now=now)
    expected = rules.Expected(idp.issuer, idp.client_id, now)
    failed = rules.first_failure(rules.check_logout_token(signed.header, signed.claims, expected))
    if failed is not None:
        raise tokens.TokenRefused(f"{failed.name}: this logout token is not accepted.")
    subject, sid = signed.claims.get("sub"), signed.claims.get("sid")
    opened = _opened(idp)
    if isinstance(sid, str):
        opened = opened.where(ProviderSession.sid == sid)
    if isinstance(subject, str):
        opened = opened.where(ProviderIdentity.subject == subject)
    first = session.execute(
        insert(ProviderLogout)
        .values(organisation_id=idp.organisation_id, jti=str(signed.claims["jti"]), at=now)
        .on_conflict_do_nothing(index_elements=["organisation_id", "jti"])
        .returning(ProviderLogout.id)
    ).scalar()
    return _end(session, idp, opened, now) if first is not None else 0


def by_browser(session: Session, idp: IdentityProvider, *, issuer: str, sid: str, now: datetime) -> int:
    """End the session that the provider calls ``sid``: OpenID Connect Front-Channel Logout 1.0, 3."""
    if issuer != idp.issuer or not 0 < len(sid) <= LONGEST_SID:
        return 0
    return _end(session, idp, _opened(idp).where(ProviderSession.sid == sid), now)


def opened_through(session: Session, web_session_id: UUID) -> ProviderSession | None:
    """How the provider was involved in a session; None for one by password or passkey."""
    return session.get(ProviderSession, web_session_id)


def provider_sign_out(site: flows.Site, idp: IdentityProvider, kept: ProviderSession, *, back_to: str) -> str:
    """The provider's own sign-out address for this session; empty where it has none."""
    described = rules.read_discovery(idp.discovery) if idp.discovery else None
    if described is None or not described.end_session_endpoint:
        return ""
    hint = signing_in.kept_id_token(kept, idp, site.secret)
    query = urlencode({"id_token_hint": hint, "client_id": idp.client_id, "post_logout_redirect_uri": back_to})
    separator = "&" if "?" in described.end_session_endpoint else "?"
    return f"{described.end_session_endpoint}{separator}{query}"


def _opened(idp: IdentityProvider) -> Any:
    return (
        select(ProviderSession.web_session_id)
        .join(ProviderIdentity, ProviderIdentity.id == ProviderSession.identity_id)
        .where(ProviderSession.organisation_id == idp.organisation_id, ProviderIdentity.issuer == idp.issuer)
    )


def _end(session: Session, idp: IdentityProvider, opened: Any, now: datetime) -> int:
    ended = session.execute(
        update(WebSession)
        .where(WebSession.id.in_(opened), WebSession.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(WebSession.id)
        .execution_options(synchronize_session=False)
    ).all()
    if ended:
        program = audit.Program(idp.organisation_id, "provider")
        details = {"sessions": len(ended)}
        audit.record(session, program, "logout_by_provider", "identity_provider", idp.id, details=details, now=now)
    return len(ended)
