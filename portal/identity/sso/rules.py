"""What is believed of a provider: its description of itself, its tokens, whom an account is; facts and now in.

Each doubt is a ``Check`` with its sentence, so that signing in, refusing and the administrator's test say the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from portal.access import ROLES_OF_SIDE, Role, Side
from portal.identity.rules import Allowance

# RFC 8725, 3.1 and 3.2 (2020): an explicit list; signatures by a public key only, so neither none nor a shared secret.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
KEY_TYPE_OF_ALGORITHM = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
SCOPES = "openid email profile"
FLOW_LASTS = timedelta(minutes=10)
LEEWAY = timedelta(seconds=60)
# A token comes straight from the token endpoint; one made long ago was kept by somebody, or a clock is wrong.
TOKEN_OLDEST = timedelta(minutes=5)
DISCOVERY_LASTS = timedelta(hours=24)
KEYS_LAST = timedelta(hours=1)
# Whoever sends tokens with made-up key names makes us ask the provider once a minute, not more.
KEYS_ASKED_AGAIN = timedelta(seconds=60)
LONGEST_TOKEN = 32 * 1024
# Leaving for a provider and coming back: a company behind one address begins its day at the same time.
SCIM_REFUSALS_PER_HOST = Allowance(60, timedelta(minutes=15))
COMPANY_PER_HOST = Allowance(300, timedelta(minutes=15))
# OpenID Connect Back-Channel Logout 1.0, 2.4.
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


_ADDRESS = re.compile(r"\A(https?)://[A-Za-z0-9.\[\]:-]+(?:[/?][^#\s]*)?\Z", re.ASCII)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``sentence`` says what was found."""

    name: str
    is_met: bool
    sentence: str


@dataclass(frozen=True)
class Discovery:
    """A provider's description of itself, as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    userinfo_endpoint: str = ""
    token_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    names_issuer_in_answer: bool = False


@dataclass(frozen=True)
class Expected:
    """What a token has to match."""

    issuer: str
    client_id: str
    now: datetime
    nonce: str = ""
    access_token: str = ""


@dataclass(frozen=True)
class Account:
    """Who the provider says came: the subject is the name that stays, the address may change."""

    subject: str
    email: str
    email_verified: bool
    name: str
    sid: str | None = None


def first_failure(checks: Iterable[Check]) -> Check | None:
    """The first check that is not met."""
    return next((check for check in checks if not check.is_met), None)


def derived(secret: str, what: str, flow_id: UUID) -> str:
    """Nonce, PKCE verifier and the like of one way to the provider: only who holds the secret can make them."""
    mac = hmac.digest(secret.encode(), f"provider {what} ".encode() + flow_id.bytes, "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def domain_of(address: str) -> str:
    """The mail domain of an address, in the form domains are kept; empty where there is none."""
    _, at, domain = address.strip().rpartition("@")
    return domain.lower().rstrip(".") if at else ""


def is_address(value: object, *, allows_http: bool) -> bool:
    """Whether a provider's address can be called: https, a host, no name or password in it, no fragment."""
    found = _ADDRESS.match(value) if isinstance(value, str) else None
    return found is not None and (found.group(1) == "https" or allows_http)


def discovery_address(issuer: str) -> str:
    """Where a provider describes itself: OpenID Connect Discovery 1.0, 4."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def check_discovery(document: Mapping[str, Any], issuer: str, *, allows_http: bool) -> tuple[Check, ...]:
    """Whether a provider that calls itself ``issuer`` describes itself in a way that can be used."""
    named = document.get("issuer")
    algorithms = texts_of(document.get("id_token_signing_alg_values_supported"))
    usable = sorted(ALGORITHMS.intersection(algorithms))
    named_too = ("userinfo_endpoint",) if document.get("userinfo_endpoint") else ()
    endpoints = tuple(_endpoint(document, name, allows_http=allows_http) for name in (*_ENDPOINTS, *named_too))
    methods = texts_of(document.get("code_challenge_methods_supported"))
    return (
        Check(
            "Issuer",
            named == issuer,
            f"It calls itself {issuer}." if named == issuer else f"It calls itself {_shown(named)}, not {issuer}.",
        ),
        *endpoints,
        Check(
            "Signatures",
            bool(usable) or not algorithms,
            f"It signs with {', '.join(usable)}." if usable else "It names no signature by a public key.",
        ),
        Check(
            "PKCE",
            not methods or "S256" in methods,
            "It takes S256." if "S256" in methods else "It does not say which it takes; S256 is sent.",
        ),
    )


def read_discovery(document: Mapping[str, Any]) -> Discovery:
    """The description as values, after it was checked."""
    methods = texts_of(document.get("token_endpoint_auth_methods_supported"))
    return Discovery(
        issuer=str(document["issuer"]),
        authorization_endpoint=str(document["authorization_endpoint"]),
        token_endpoint=str(document["token_endpoint"]),
        jwks_uri=str(document["jwks_uri"]),
        end_session_endpoint=str(document.get("end_session_endpoint") or ""),
        userinfo_endpoint=str(document.get("userinfo_endpoint") or ""),
        token_auth_methods=methods or ("client_secret_basic",),
        names_issuer_in_answer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def token_auth_method(discovery: Discovery, *, has_secret: bool) -> str:
    """How we prove who we are at the token endpoint; a client without a secret relies on PKCE alone."""
    if not has_secret:
        return "none"
    offered = discovery.token_auth_methods
    return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"


def check_id_token(header: Mapping[str, Any], claims: Mapping[str, Any], expected: Expected) -> tuple[Check, ...]:
    """Every doubt about an ID token whose signature holds: OpenID Connect Core 1.0, 3.1.3.7."""
    return (
        *_check_from_to(claims, expected),
        *_check_times(claims, expected.now),
        Check(
            "Nonce",
            _same(claims.get("nonce"), expected.nonce),
            "It was made for this sign-in."
            if _same(claims.get("nonce"), expected.nonce)
            else "It was made for another sign-in.",
        ),
        _check_access_token(header, claims, expected.access_token),
        Check(
            "Subject",
            0 < len(_text(claims.get("sub"))) <= 255,
            "It names an account." if _text(claims.get("sub")) else "It names no account.",
        ),
    )


def check_logout_token(header: Mapping[str, Any], claims: Mapping[str, Any], expected: Expected) -> tuple[Check, ...]:
    """Every doubt about a logout token whose signature holds: OpenID Connect Back-Channel Logout 1.0, 2.6."""
    events = claims.get("events")
    has_event = isinstance(events, Mapping) and isinstance(events.get(LOGOUT_EVENT), Mapping)
    names = bool(_text(claims.get("sub")) or _text(claims.get("sid")))
    # The ID token's own type of token must never pass here, nor this one there: a nonce is forbidden.
    return (
        *_check_from_to(claims, expected),
        *_check_times(claims, expected.now),
        Check("Type", str(header.get("typ", "JWT")).lower() in {"jwt", "logout+jwt"}, "It is a logout token."),
        Check("Event", has_event, "It asks for a logout."),
        Check("Nonce", "nonce" not in claims, "It carries no nonce."),
        Check("Whom", names, "It names an account or a session."),
        Check("Number", 0 < len(_text(claims.get("jti"))) <= 255, "It has a number of its own."),
    )


def account_of(claims: Mapping[str, Any]) -> Account:
    """Who the token says came."""
    return Account(
        subject=_text(claims.get("sub")),
        email=_text(claims.get("email")).strip()[:254],
        # Some providers send the word instead of the value; anything else counts as no.
        email_verified=claims.get("email_verified") is True or claims.get("email_verified") == "true",
        name=_text(claims.get("name")).strip()[:100],
        sid=_text(claims.get("sid")) or None,
    )


def with_userinfo(account: Account, told: Mapping[str, Any]) -> Account:
    """The account with the address that the provider tells beside the token, and only if it speaks of the same one.

    *Source*: OpenID Connect Core 1.0, 5.3.2: an answer with another ``sub`` must not be used.
    """
    found = account_of(told)
    if found.subject != account.subject:
        return account
    return replace(account, email=found.email, email_verified=found.email_verified, name=account.name or found.name)


def values_at(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The texts of a claim; ``path`` may lead into objects by points, as in ``realm_access.roles``."""
    if path in claims:
        return texts_of(claims[path])
    found: Any = claims
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return ()
        found = found[part]
    return texts_of(found)


def mapped_roles(values: Iterable[str], mapping: Mapping[str, str], side: Side) -> frozenset[Role]:
    """The roles that a provider's values or a directory's groups mean here; unknown ones mean nothing."""
    wanted = {mapping[value.casefold()] for value in values if value.casefold() in mapping}
    return frozenset(role for role in ROLES_OF_SIDE[side] if role.value in wanted)


_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def _endpoint(document: Mapping[str, Any], name: str, *, allows_http: bool) -> Check:
    address = document.get(name)
    label = name.replace("_", " ").replace("uri", "address").capitalize()
    is_met = is_address(address, allows_http=allows_http)
    sentence = f"It is {_shown(address)}." if is_met else f"It has to begin with https://, and is {_shown(address)}."
    return Check(label, is_met, sentence)


def _check_from_to(claims: Mapping[str, Any], expected: Expected) -> tuple[Check, ...]:
    issuer, audience, party = claims.get("iss"), texts_of(claims.get("aud")), claims.get("azp")
    is_ours = expected.client_id in audience
    # With several audiences, or with a party named, that party has to be us.
    party_is_met = party == expected.client_id if party is not None or len(audience) > 1 else True
    return (
        Check(
            "Token issuer",
            issuer == expected.issuer,
            "It is the provider's." if issuer == expected.issuer else f"It was issued by {_shown(issuer)}.",
        ),
        Check(
            "Audience", is_ours, "It is meant for this portal." if is_ours else "It is meant for another application."
        ),
        Check(
            "Authorized party",
            party_is_met,
            "It was given to this portal." if party_is_met else "It was given to another application.",
        ),
    )


def _check_times(claims: Mapping[str, Any], now: datetime) -> tuple[Check, ...]:
    issued, expires, begins = (instant_of(claims.get(name)) for name in ("iat", "exp", "nbf"))
    off = _clock_difference(issued, now)
    is_fresh = issued is not None and now - TOKEN_OLDEST <= issued <= now + LEEWAY
    lives = expires is not None and now < expires + LEEWAY
    has_begun = now >= begins - LEEWAY if begins is not None else "nbf" not in claims
    return (
        Check("Issued", is_fresh, "It was made just now." if is_fresh else off),
        Check("Expiry", lives, "It has not ended." if lives else f"It has ended, or says no end. {off}".strip()),
        Check("Not before", has_begun, "It has begun." if has_begun else f"It is not valid yet. {off}".strip()),
    )


def _clock_difference(issued: datetime | None, now: datetime) -> str:
    if issued is None:
        return "It does not say when it was made."
    minutes = round((issued - now).total_seconds() / 60)
    side = "ahead of" if minutes > 0 else "behind"
    return f"It was made {abs(minutes)} minutes {side} our clock: the provider's clock is wrong, or it was kept."


def _check_access_token(header: Mapping[str, Any], claims: Mapping[str, Any], access_token: str) -> Check:
    given = claims.get("at_hash")
    if given is None:
        return Check("Access token", True, "It says nothing of the access token, which is not used.")
    bits = str(header.get("alg", ""))[-3:]
    # EdDSA's hash is SHA-512: OpenID Connect Core 1.0, 3.1.3.6 with RFC 8037.
    digest = {"256": hashlib.sha256, "384": hashlib.sha384}.get(bits, hashlib.sha512)(access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    is_met = bool(access_token) and _same(given, half)
    return Check("Access token", is_met, "It came with its token." if is_met else "It came with another access token.")


def instant_of(value: object) -> datetime | None:
    """A claim's seconds as an instant; nothing for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _same(value: object, expected: str) -> bool:
    return isinstance(value, str) and bool(expected) and hmac.compare_digest(value.encode(), expected.encode())


def _text(value: object) -> str:
    return value.replace("\x00", "") if isinstance(value, str) else ""


def texts_of(value: object) -> tuple[str, ...]:
    """A claim's texts, whether it holds one or several."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def _shown(value: object) -> str:
    return value[:200] if isinstance(value, str) and value else "nothing"
