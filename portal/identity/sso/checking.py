"""The administrator's test: each thing that has to be right, looked at one by one, with what was found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.identity.sso import flows, provider, rules, tokens
from portal.identity.sso.models import IdentityProvider
from portal.outbound import Unreachable


def look_at(session: Session, site: flows.Site, idp: IdentityProvider, now: datetime) -> tuple[rules.Check, ...]:
    """What can be seen without anybody signing in; good answers are kept for the sign-ins to come."""
    session.commit()
    try:
        document = provider.fetch_discovery(site.outbound, idp.issuer)
    except Unreachable as error:
        return (rules.Check("Description", False, error.sentence),)
    checks = [
        rules.Check("Description", True, f"Found at {rules.discovery_address(idp.issuer)}."),
        *rules.check_discovery(document, idp.issuer, allows_http=site.outbound.allows_private),
    ]
    if rules.first_failure(checks) is not None:
        return tuple(checks)
    try:
        keys = provider.fetch_keys(site.outbound, str(document["jwks_uri"]))
    except Unreachable as error:
        return (*checks, rules.Check("Keys", False, error.sentence))
    count = tokens.usable_keys(keys)
    checks.append(rules.Check("Keys", count > 0, f"{count} that can sign." if count else "None that can sign."))
    checks.append(provider.check_credentials(site.outbound, rules.read_discovery(document), flows.known_as(site, idp)))
    idp.discovery, idp.discovery_at, idp.jwks, idp.jwks_at = document, now, keys, now
    session.flush()
    return tuple(checks)


def kept_checks(answered: Mapping[str, Any]) -> tuple[rules.Check, ...]:
    """The checks of a test's sign-in as they were kept."""
    return tuple(rules.Check(**check) for check in answered.get("checks", ()))
