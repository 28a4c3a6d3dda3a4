"""A provider's description and keys, kept for all web hosts and asked again when they are old or a key is unknown.

The calls wait for the network, so each function here commits before it calls and again after it has kept the answer.
When the provider is down, a description that was good yesterday is used for as long as its keys are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from portal.errors import ProviderTrouble
from portal.identity.sso import provider as calls
from portal.identity.sso import rules
from portal.identity.sso.models import IdentityProvider
from portal.outbound import Outbound, Unreachable

# A provider that is down for a night does not lock anybody out whose token was signed by a key we saw that day.
USED_WHILE_DOWN = timedelta(days=2)


@dataclass(frozen=True)
class Metadata:
    """What is known of a provider right now."""

    discovery: rules.Discovery
    keys: dict[str, Any]


def known(session: Session, outbound: Outbound, provider: IdentityProvider, now: datetime) -> Metadata:
    """The provider's description and keys, asked for when they are old.

    *Raises*: Unreachable, ProviderTrouble.
    """
    if provider.discovery is None or _is_old(provider.discovery_at, rules.DISCOVERY_LASTS, now):
        _renew(session, outbound, provider, now)
    elif provider.jwks is None or _is_old(provider.jwks_at, rules.KEYS_LAST, now):
        _renew_keys(session, outbound, provider, now)
    return Metadata(rules.read_discovery(provider.discovery or {}), provider.jwks or {})


def after_unknown_key(session: Session, outbound: Outbound, provider: IdentityProvider, now: datetime) -> Metadata:
    """The keys again, because a token names one that is not known: at most once a minute over all web hosts.

    *Raises*: Unreachable.
    """
    claimed = session.execute(
        update(IdentityProvider)
        .where(
            IdentityProvider.id == provider.id,
            or_(
                IdentityProvider.keys_asked_at.is_(None),
                IdentityProvider.keys_asked_at <= now - rules.KEYS_ASKED_AGAIN,
            ),
        )
        .values(keys_asked_at=now)
        .returning(IdentityProvider.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    session.commit()
    session.refresh(provider)
    if claimed is not None:
        _renew_keys(session, outbound, provider, now)
    return Metadata(rules.read_discovery(provider.discovery or {}), provider.jwks or {})


def _renew(session: Session, outbound: Outbound, provider: IdentityProvider, now: datetime) -> None:
    session.commit()
    try:
        document = calls.fetch_discovery(outbound, provider.issuer)
        failed = rules.first_failure(
            rules.check_discovery(document, provider.issuer, allows_http=outbound.allows_private)
        )
        if failed is not None:
            raise ProviderTrouble(f"The provider is not set up right. {failed.name}: {failed.sentence}")
        keys = calls.fetch_keys(outbound, str(document["jwks_uri"]))
    except Unreachable:
        if provider.discovery is None or _is_old(provider.discovery_at, USED_WHILE_DOWN, now):
            raise
        return
    provider.discovery, provider.discovery_at = document, now
    provider.jwks, provider.jwks_at = keys, now
    session.commit()


def _renew_keys(session: Session, outbound: Outbound, provider: IdentityProvider, now: datetime) -> None:
    session.commit()
    try:
        keys = calls.fetch_keys(outbound, rules.read_discovery(provider.discovery or {}).jwks_uri)
    except Unreachable:
        if provider.jwks is None or _is_old(provider.jwks_at, USED_WHILE_DOWN, now):
            raise
        return
    provider.jwks, provider.jwks_at = keys, now
    session.commit()


def _is_old(at: datetime | None, lasts: timedelta, now: datetime) -> bool:
    return at is None or at + lasts <= now
