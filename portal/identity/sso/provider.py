"""Calls to a provider: its description, its keys, a code for tokens; no transaction is open while one waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portal.identity.sso import rules
from portal.lazily import lazily
from portal.outbound import Outbound, Unreachable

if TYPE_CHECKING:
    import httpx2
    from authlib.integrations import base_client, httpx_client
else:
    httpx2 = lazily("httpx2")
    base_client, httpx_client = (lazily(f"authlib.integrations.{name}_client") for name in ("base", "httpx"))


@dataclass(frozen=True)
class Registered:
    """How the portal is known at a provider."""

    client_id: str
    client_secret: str | None
    redirect_uri: str


@dataclass(frozen=True)
class Tokens:
    """What the provider gave for a code."""

    id_token: str
    access_token: str


def fetch_discovery(outbound: Outbound, issuer: str) -> dict[str, Any]:
    """The provider's description of itself.

    *Raises*: Unreachable.
    """
    return _fetch(outbound, rules.discovery_address(issuer), "its description of itself")


def fetch_keys(outbound: Outbound, address: str) -> dict[str, Any]:
    """The provider's keys.

    *Raises*: Unreachable.
    """
    return _fetch(outbound, address, "its keys")


def authorization_address(
    discovery: rules.Discovery, known_as: Registered, *, state: str, nonce: str, verifier: str, hints: Mapping[str, str]
) -> str:
    """Where the browser is sent: authorization code with PKCE, state and nonce."""
    client = httpx_client.OAuth2Client(
        client_id=known_as.client_id,
        redirect_uri=known_as.redirect_uri,
        scope=rules.SCOPES,
        code_challenge_method="S256",
    )
    with client:
        address, _ = client.create_authorization_url(
            discovery.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier, **hints
        )
    return str(address)


def redeem(outbound: Outbound, discovery: rules.Discovery, known_as: Registered, *, code: str, verifier: str) -> Tokens:
    """The tokens for a code.

    *Raises*: Unreachable, with what the provider said.
    """
    try:
        answer = _token_call(outbound, discovery, known_as, code=code, verifier=verifier)
    except base_client.OAuthError as error:
        raise Unreachable(f"The provider refused the code: {str(error.error)[:60]}. Begin again.") from None
    except (httpx2.HTTPError, ValueError, TypeError, KeyError):
        raise Unreachable("The provider's token address answered with something that is no token.") from None
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str):
        raise Unreachable("The provider sent no ID token: is the scope openid allowed for this application?")
    return Tokens(id_token, access_token if isinstance(access_token, str) else "")


def fetch_userinfo(outbound: Outbound, address: str, access_token: str) -> dict[str, Any]:
    """What the provider says of the person beside the ID token.

    *Raises*: Unreachable.
    """
    return _fetch(outbound, address, "what it knows of you", {"Authorization": f"Bearer {access_token}"})


def check_credentials(outbound: Outbound, discovery: rules.Discovery, known_as: Registered) -> rules.Check:
    """Whether the provider knows us: a code that cannot exist is refused as such, or we are."""
    name = "Client id and secret"
    try:
        _token_call(outbound, discovery, known_as, code="not-a-code", verifier="x" * 43)
    except base_client.OAuthError as error:
        if error.error == "invalid_grant":
            return rules.Check(name, True, "The provider knows this portal.")
        return rules.Check(name, False, f"The provider says {str(error.error)[:60]}: check client id and secret.")
    except Unreachable as error:
        return rules.Check(name, False, error.sentence)
    except (httpx2.HTTPError, ValueError, TypeError, KeyError):
        return rules.Check(name, False, "The token address answered with something that is no token answer.")
    return rules.Check(name, False, "The provider gave tokens for a code that cannot exist.")


def _token_call(
    outbound: Outbound, discovery: rules.Discovery, known_as: Registered, *, code: str, verifier: str
) -> Mapping[str, Any]:
    method = rules.token_auth_method(discovery, has_secret=bool(known_as.client_secret))
    with httpx_client.OAuth2Client(
        client_id=known_as.client_id,
        client_secret=known_as.client_secret,
        token_endpoint_auth_method=method,
        redirect_uri=known_as.redirect_uri,
        transport=outbound.transport(),
        timeout=outbound.seconds,
        trust_env=False,
    ) as client:
        answer: Mapping[str, Any] = client.fetch_token(
            discovery.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
        )
    return answer


def _fetch(outbound: Outbound, address: str, what: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    try:
        with outbound.client() as client:
            answer = client.get(address, headers={"Accept": "application/json", **(headers or {})})
            found = answer.json() if answer.status_code == httpx2.codes.OK else None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"The provider did not answer {address} with {what}.")
    return found
