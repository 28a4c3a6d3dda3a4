"""How strong a sign-in at a provider was, and how recent: what its token says of it; facts and now in.

A provider that says nothing is taken for one that asked for a password alone (ASVS 5.0, 6.8.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.identity.factors.rules import Proof
from portal.identity.sso.rules import LEEWAY, Check, instant_of, texts_of

# RFC 8176, 2: that several factors were used, and the methods by the kind of factor they are. A call or a text message
# is none, because numbers are taken over.
SEVERAL = "mfa"
KNOWN = frozenset({"pwd", "pin", "kba"})
OWNED = frozenset({"otp", "hwk", "swk", "pop", "sc", "fido", "phr", "phrh"})
BODILY = frozenset({"face", "fpt", "iris", "retina", "vbm"})
KINDS = (KNOWN, OWNED, BODILY)
LONGEST_ACR_VALUES = 500


def shows_second_factor(claims: Mapping[str, Any], acr_values: str) -> bool:
    """Whether the token says that a second factor was asked.

    *Shape*: ``acr_values`` are the organisation's names, apart by spaces, for levels that ask for one.
    """
    methods = frozenset(texts_of(claims.get("amr")))
    kinds = sum(1 for kind in KINDS if methods & kind)
    level = claims.get("acr")
    return SEVERAL in methods or kinds > 1 or (isinstance(level, str) and level in acr_values.split())


def proof_of(claims: Mapping[str, Any], *, must_show_factor: bool, acr_values: str) -> Proof:
    """What a sign-in at the provider counts as here."""
    is_alone = must_show_factor and not shows_second_factor(claims, acr_values)
    return Proof.PROVIDER_ALONE if is_alone else Proof.PROVIDER


def check_factor(claims: Mapping[str, Any], acr_values: str) -> Check:
    """What the administrator's test says of the second factor; a provider that shows none works all the same."""
    said = ", ".join(texts_of(claims.get("amr")))[:100] or "nothing"
    level = claims.get("acr")
    found = f"It says {said} (amr) and {level[:100] if isinstance(level, str) and level else 'nothing'} (acr)"
    if shows_second_factor(claims, acr_values):
        return Check("Second factor", True, f"{found}, which shows one.")
    return Check("Second factor", True, f"{found}, which shows none: whoever has to have one is asked for it here.")


def check_recent(claims: Mapping[str, Any], *, asked_at: datetime, now: datetime) -> Check:
    """Whether somebody signed in there since they were asked to, and not at some time before.

    *Source*: OpenID Connect Core 1.0, 3.1.2.1: with ``max_age`` the token has to carry ``auth_time``.
    """
    at = instant_of(claims.get("auth_time"))
    if at is None:
        return Check("Sign-in", False, "It does not say when you signed in there.")
    is_recent = asked_at - LEEWAY <= at <= now + LEEWAY
    return Check("Sign-in", is_recent, "You signed in just now." if is_recent else "You did not sign in there again.")
