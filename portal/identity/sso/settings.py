"""What an administrator sets about the organisation's provider. Every change is in the audit log, never the secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, allowed_roles, may_administer
from portal.audit import actions as audit
from portal.db import Scope, set_scope
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.identity import places, sealing
from portal.identity.models import Credential, Membership
from portal.identity.sso import rules
from portal.identity.sso.models import IdentityProvider, RoleMapping

SEALED_FOR = "client secret of a provider"
LONGEST_MAPPING = 200


@dataclass(frozen=True)
class Wanted:
    """The settings as typed; an empty secret keeps the one that is kept, ``forgets_secret`` drops it."""

    issuer: str
    client_id: str
    client_secret: str
    roles_claim: str
    is_enabled: bool
    forgets_secret: bool = False
    must_show_factor: bool = False
    acr_values: str = ""


def own_provider(session: Session, actor: Actor) -> IdentityProvider | None:
    """The provider of the actor's organisation."""
    return provider_of(session, actor.organisation_id)


def provider_of(session: Session, organisation_id: int) -> IdentityProvider | None:
    """The provider of the organisation the session reads for."""
    return session.scalar(select(IdentityProvider).where(IdentityProvider.organisation_id == organisation_id))


def open_provider(session: Session, provider_id: UUID) -> IdentityProvider:
    """A provider by its id, for a stranger; from here on the session reads for its organisation.

    *Raises*: NotFound.
    """
    organisation_id = session.scalar(text("SELECT find_provider(:provider)"), {"provider": provider_id})
    if organisation_id is None:
        raise NotFound
    set_scope(session, Scope(organisation_id, places.NOBODY))
    provider = session.get_one(IdentityProvider, provider_id)
    if not provider.is_enabled:
        raise NotFound
    return provider


def client_secret(provider: IdentityProvider, secret: str) -> str | None:
    """The client secret in clear, for the call that needs it."""
    if provider.client_secret_sealed is None:
        return None
    return sealing.unseal(provider.client_secret_sealed, secret=secret, purpose=SEALED_FOR, row=str(provider.id))


def asked_level(provider: IdentityProvider) -> dict[str, str]:
    """What a way to the provider asks for beside the account, where a second factor has to show."""
    wants = provider.must_show_factor and provider.acr_values
    return {"acr_values": provider.acr_values} if wants else {}


def keep_provider(
    session: Session, actor: Actor, wanted: Wanted, *, secret: str, allows_http: bool, now: datetime
) -> IdentityProvider:
    """Keep the settings; after a change of provider or application the sign-in has to be tried again.

    *Raises*: NotAllowed, Invalid, Conflict.
    """
    _must_administer(actor)
    _check(wanted, allows_http=allows_http)
    provider = own_provider(session, actor) or _new_provider(session, actor, wanted, now)
    if provider.is_required and not wanted.is_enabled:
        raise Conflict("First let people sign in with their own passwords again; then switch the provider off.")
    is_other = (provider.issuer, provider.client_id) != (wanted.issuer, wanted.client_id) or bool(wanted.client_secret)
    if is_other and provider.is_required:
        raise Conflict(
            "While everybody has to come through the provider, its address and secret stay. Lift that first."
        )
    if is_other:
        provider.tried_at = provider.discovery = provider.discovery_at = provider.jwks = provider.jwks_at = None
    before = _described(provider)
    provider.issuer, provider.client_id = wanted.issuer, wanted.client_id
    provider.roles_claim, provider.is_enabled = wanted.roles_claim, wanted.is_enabled
    provider.must_show_factor, provider.acr_values = wanted.must_show_factor, " ".join(wanted.acr_values.split())
    if wanted.client_secret:
        provider.client_secret_sealed = sealing.seal(
            wanted.client_secret, secret=secret, purpose=SEALED_FOR, row=str(provider.id)
        )
    elif wanted.forgets_secret:
        provider.client_secret_sealed = None
    provider.changed_at, provider.changed_by = now, actor.person_id
    provider.trouble, provider.trouble_at = "", None
    session.flush()
    details = {"before": before, "after": _described(provider), "new_secret": bool(wanted.client_secret)}
    audit.record(session, actor, "keep_provider", "identity_provider", provider.id, details=details, now=now)
    return provider


def require_provider(session: Session, actor: Actor, now: datetime) -> None:
    """Let people in through the provider only, but for the actor, who keeps a password for the day it fails.

    Where it is required already, the actor becomes the one who is kept.

    *Raises*: NotAllowed, NotFound, Conflict.
    """
    _must_administer(actor)
    provider = _existing(session, actor)
    if not provider.is_enabled or provider.tried_at is None:
        raise Conflict(
            "Test the sign-in with your own company account first: an untried setting would lock you all out."
        )
    if session.get(Credential, actor.person_id) is None:
        raise Conflict("Choose a password for yourself first: whoever requires the provider is let in when it fails.")
    provider.is_required, provider.break_glass_person_id = True, actor.person_id
    provider.changed_at, provider.changed_by = now, actor.person_id
    details = {"break_glass_person_id": actor.person_id}
    audit.record(session, actor, "require_provider", "identity_provider", provider.id, details=details, now=now)


def stop_requiring(session: Session, actor: Actor, now: datetime) -> None:
    """Let people sign in with their own passwords again.

    *Raises*: NotAllowed, NotFound.
    """
    _must_administer(actor)
    provider = _existing(session, actor)
    if provider.is_required:
        provider.is_required, provider.changed_at, provider.changed_by = False, now, actor.person_id
        audit.record(session, actor, "stop_requiring_provider", "identity_provider", provider.id, now=now)


def keep_mapping(session: Session, actor: Actor, mapping: Mapping[str, str], now: datetime) -> None:
    """Keep what values of the roles claim, and names of the directory's groups, mean here.

    *Raises*: NotAllowed, Invalid.
    """
    _must_administer(actor)
    if any(not allowed_roles(actor.side, [Role(role)]) for role in mapping.values()):
        raise Invalid("Nothing was changed.", {"mapping": "One of these roles does not exist in your organisation."})
    session.execute(delete(RoleMapping).where(RoleMapping.organisation_id == actor.organisation_id))
    session.add_all(
        RoleMapping(organisation_id=actor.organisation_id, value=value, role=role) for value, role in mapping.items()
    )
    session.flush()
    details = {"mapping": dict(mapping)}
    audit.record(session, actor, "map_roles", "organisation", actor.organisation_id, details=details, now=now)


def role_mapping(session: Session, organisation_id: int) -> dict[str, str]:
    """Values, folded, to roles."""
    rows = session.execute(
        select(RoleMapping.value, RoleMapping.role)
        .where(RoleMapping.organisation_id == organisation_id)
        .order_by(RoleMapping.id)
    )
    return {value.casefold(): role for value, role in rows}


def refuse_while_break_glass(session: Session, membership: Membership) -> None:
    """Keep the one administrator who gets in when the provider fails.

    *Raises*: Conflict.
    """
    provider = provider_of(session, membership.organisation_id)
    if provider is not None and provider.is_required and provider.break_glass_person_id == membership.person_id:
        raise Conflict(
            "This administrator is kept for the day the provider fails. Choose somebody else for that first."
        )


def note_trouble(session: Session, provider_id: UUID, sentence: str, now: datetime) -> None:
    """Keep what went wrong last, for the administrator to read."""
    provider = session.get(IdentityProvider, provider_id)
    if provider is not None:
        provider.trouble, provider.trouble_at = sentence[:500], now


def note_tried(session: Session, provider: IdentityProvider, now: datetime) -> None:
    """Keep that somebody came through with the present settings."""
    if provider.tried_at is None:
        provider.tried_at = now
    provider.trouble, provider.trouble_at = "", None


def _check(wanted: Wanted, *, allows_http: bool) -> None:
    fields = {}
    if not rules.is_address(wanted.issuer, allows_http=allows_http) or "?" in wanted.issuer:
        fields["issuer"] = "Type the issuer as your provider states it, beginning with https://."
    if not wanted.client_id:
        fields["client_id"] = "Type the client id that your provider gave this portal."
    if fields:
        raise Invalid("The settings were not kept.", fields)


def _new_provider(session: Session, actor: Actor, wanted: Wanted, now: datetime) -> IdentityProvider:
    provider = IdentityProvider(
        id=uuid4(),
        organisation_id=actor.organisation_id,
        issuer=wanted.issuer,
        client_id=wanted.client_id,
        is_enabled=False,
        is_required=False,
        changed_at=now,
        changed_by=actor.person_id,
    )
    session.add(provider)
    session.flush()
    return provider


def _existing(session: Session, actor: Actor) -> IdentityProvider:
    provider = own_provider(session, actor)
    if provider is None:
        raise NotFound
    return provider


def _described(provider: IdentityProvider) -> dict[str, str | bool | None]:
    return {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "roles_claim": provider.roles_claim,
        "is_enabled": provider.is_enabled,
        "must_show_factor": provider.must_show_factor,
        "acr_values": provider.acr_values,
    }


def _must_administer(actor: Actor) -> None:
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation changes how its people sign in.")
