"""Signatures of a provider's tokens: by a key of the provider, of the type the algorithm needs, never by a secret."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portal.errors import NotAllowed
from portal.identity.sso import rules
from portal.lazily import lazily

if TYPE_CHECKING:
    from joserfc import errors, jwk, jwt
else:
    errors, jwk, jwt = (lazily(f"joserfc.{name}") for name in ("errors", "jwk", "jwt"))


class TokenRefused(NotAllowed):
    """A token that is not believed; the sentence says which check it failed."""


class KeyUnknown(TokenRefused):
    """The token names a key that is not among those known: perhaps the provider has a new one."""

    def __init__(self) -> None:
        super().__init__("The provider signed with a key that it does not publish.")


@dataclass(frozen=True)
class SignedToken:
    """A token whose signature holds; nothing else of it has been believed yet."""

    header: dict[str, Any]
    claims: dict[str, Any]


def verified(token: str, jwks: Mapping[str, Any]) -> SignedToken:
    """The token's content, after its signature was checked with one of the provider's keys.

    *Raises*: TokenRefused, KeyUnknown.
    """
    header = _header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in rules.ALGORITHMS:
        raise TokenRefused(f"The provider signed with {str(algorithm)[:20]}, which is not accepted.")
    if "crit" in header:
        raise TokenRefused("The provider's token demands an extension that is not known here.")
    candidates = _candidates(jwks, algorithm, header.get("kid"))
    if not candidates:
        raise KeyUnknown
    for candidate in candidates:
        try:
            decoded = jwt.decode(token, jwk.import_key(dict(candidate)), algorithms=[algorithm])
        except (errors.JoseError, ValueError, KeyError, TypeError):
            continue
        return SignedToken(dict(decoded.header), dict(decoded.claims))
    if header.get("kid") is None:
        # Keys without names: that none fits may mean that there is a new one.
        raise KeyUnknown
    raise TokenRefused("The signature of the provider's token does not hold.")


def usable_keys(jwks: Mapping[str, Any]) -> int:
    """How many of the keys can sign tokens."""
    return sum(1 for key in _keys(jwks) if key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig")


def _header(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(token) > rules.LONGEST_TOKEN or len(parts) != 3:
        raise TokenRefused("The provider sent no signed token.")
    try:
        header = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, ValueError):
        header = None
    if not isinstance(header, dict):
        raise TokenRefused("The provider sent no signed token.")
    return header


def _candidates(jwks: Mapping[str, Any], algorithm: str, kid: object) -> list[Mapping[str, Any]]:
    key_type = rules.KEY_TYPE_OF_ALGORITHM[algorithm[:2]]
    fitting = [
        key
        for key in _keys(jwks)
        if key.get("kty") == key_type and key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
    ]
    return fitting if kid is None else [key for key in fitting if key.get("kid") == kid]


def _keys(jwks: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    keys = jwks.get("keys")
    return [key for key in keys if isinstance(key, Mapping)][:50] if isinstance(keys, list) else []
