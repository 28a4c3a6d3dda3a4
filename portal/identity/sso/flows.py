"""One way to the provider and back: begun in a browser, ended in the same one, once, within ten minutes.

The state is random and kept as a hash; nonce and PKCE verifier are derived from the row's id and the deployment's
secret, so that neither table nor cookie holds them. The browser is known again by a mark in its signed cookie.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from portal.db import Scope, set_scope
from portal.errors import Conflict, NotAllowed
from portal.identity import places, sealing
from portal.identity import rules as identity_rules
from portal.identity.sso import metadata, provider, rules, settings
from portal.identity.sso.models import IdentityProvider, ProviderFlow
from portal.outbound import Outbound

TOKEN_BYTES = 32
STEP_UP = "step_up"
SEALED_FOR = "fields of an interrupted form"
# Somebody is asked to sign in there again, however lately they did: OpenID Connect Core 1.0, 3.1.2.1.
ANEW = {"prompt": "login", "max_age": "0"}
_AGAIN = "This sign-in was begun in another browser, has been used, or has ended. Begin again."


@dataclass(frozen=True)
class Site:
    """What a flow needs of this deployment: its secret, the address providers send people back to, how to call out."""

    secret: str
    callback: str
    outbound: Outbound


@dataclass(frozen=True)
class Errand:
    """Why somebody goes to the provider, and for whom where that is known."""

    purpose: str
    person_id: int | None = None
    link_id: UUID | None = None
    wanted: str = ""
    hints: Mapping[str, str] | None = None
    # The fields of the form that a step-up interrupts.
    kept: Sequence[tuple[str, str]] = ()


def browser_mark() -> str:
    """A fresh mark for a browser's cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def begin(session: Session, site: Site, idp: IdentityProvider, errand: Errand, *, browser: str, now: datetime) -> str:
    """The address at the provider to send the browser to.

    *Raises*: Unreachable, ProviderTrouble.
    """
    described = metadata.known(session, site.outbound, idp, now).discovery
    state, flow_id = secrets.token_urlsafe(TOKEN_BYTES), uuid4()
    written = json.dumps([list(field) for field in errand.kept])
    is_step_up = errand.purpose == STEP_UP
    kept = sealing.seal(written, secret=site.secret, purpose=SEALED_FOR, row=str(flow_id)) if is_step_up else None
    session.add(
        ProviderFlow(
            id=flow_id,
            organisation_id=idp.organisation_id,
            provider_id=idp.id,
            issuer=idp.issuer,
            purpose=errand.purpose,
            state_sha256=identity_rules.token_sha256(state),
            browser_sha256=identity_rules.token_sha256(browser),
            person_id=errand.person_id,
            link_id=errand.link_id,
            wanted=errand.wanted,
            kept_sealed=kept,
            created_at=now,
            expires_at=now + rules.FLOW_LASTS,
        )
    )
    session.flush()
    return provider.authorization_address(
        described,
        known_as(site, idp),
        state=state,
        nonce=rules.derived(site.secret, "nonce", flow_id),
        verifier=rules.derived(site.secret, "verifier", flow_id),
        hints=errand.hints or {},
    )


def take(session: Session, provider_id: UUID, state: str, *, browser: str, now: datetime) -> ProviderFlow:
    """The flow of a state that came back, used up by this; from here on the session reads for its organisation.

    *Raises*: Conflict.
    """
    row = session.execute(
        text("SELECT flow_id, organisation_id, person_id FROM find_provider_flow(:state)"),
        {"state": identity_rules.token_sha256(state)},
    ).one_or_none()
    if row is None:
        raise Conflict(_AGAIN)
    set_scope(session, Scope(row.organisation_id, row.person_id or places.NOBODY))
    taken = session.execute(
        update(ProviderFlow)
        .where(
            ProviderFlow.id == row.flow_id,
            ProviderFlow.provider_id == provider_id,
            ProviderFlow.browser_sha256 == identity_rules.token_sha256(browser),
            ProviderFlow.used_at.is_(None),
            ProviderFlow.expires_at > now,
        )
        .values(used_at=now)
        .returning(ProviderFlow)
    ).scalar_one_or_none()
    if taken is None:
        set_scope(session, None)
        raise Conflict(_AGAIN)
    return taken


def redeem(
    site: Site, idp: IdentityProvider, described: rules.Discovery, flow: ProviderFlow, *, code: str
) -> provider.Tokens:
    """The tokens for the code that came back; no transaction is open meanwhile.

    *Raises*: Unreachable.
    """
    verifier = rules.derived(site.secret, "verifier", flow.id)
    return provider.redeem(site.outbound, described, known_as(site, idp), code=code, verifier=verifier)


def check_answer(described: rules.Discovery, flow: ProviderFlow, *, issuer: str, error: str) -> None:
    """Refuse an answer that names another provider (RFC 9207), or in which the provider says no.

    *Raises*: NotAllowed.
    """
    if issuer != flow.issuer and (issuer or described.names_issuer_in_answer):
        raise NotAllowed("The answer comes from another provider than the one you were sent to.")
    if error == "access_denied":
        raise NotAllowed("You were not signed in: your company's provider, or you, said no.")
    if error:
        raise NotAllowed(f"Your company's provider answered with an error: {error[:60]}. Tell your IT department.")


def waiting(session: Session, flow_id: UUID, *, browser: str, now: datetime) -> ProviderFlow:
    """A flow that came back and waits for the person's yes, in the same browser.

    *Raises*: Conflict.
    """
    flow = session.get(ProviderFlow, flow_id, with_for_update=True)
    fits = (
        flow is not None
        and flow.answered_at is not None
        and flow.finished_at is None
        and now < flow.expires_at
        and flow.browser_sha256 == identity_rules.token_sha256(browser)
    )
    if flow is None or not fits:
        raise Conflict(_AGAIN)
    return flow


def take_kept(site: Site, flow: ProviderFlow) -> list[tuple[str, str]]:
    """The fields of the form that was interrupted; they are kept no longer."""
    sealed, flow.kept_sealed = flow.kept_sealed, None
    if sealed is None:
        return []
    written = sealing.unseal(sealed, secret=site.secret, purpose=SEALED_FOR, row=str(flow.id))
    return [(name, value) for name, value in json.loads(written)]


def sweep(session: Session, now: datetime) -> None:
    """Forget flows that have ended."""
    session.execute(delete(ProviderFlow).where(ProviderFlow.expires_at < now - rules.FLOW_LASTS * 6))


def known_as(site: Site, idp: IdentityProvider) -> provider.Registered:
    """How this portal is registered at the provider."""
    return provider.Registered(
        idp.client_id, settings.client_secret(idp, site.secret), site.callback.replace("{provider}", str(idp.id))
    )
