"""What is believed of a provider: each doubt has a name and a sentence, and one doubt alone is found."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from portal.access import Role, Side
from portal.identity.sso import rules

ISSUER = "https://login.kessler.example"
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
EXPECTED = rules.Expected(ISSUER, "portal", NOW, nonce="n-1", access_token="at-1")
FLOW = UUID("6f1d6a52-2f0a-4a52-9a77-0d3f54b1c001")
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "id_token_signing_alg_values_supported": ["RS256", "HS256"],
    "code_challenge_methods_supported": ["S256"],
}
ID_TOKEN = {
    "iss": ISSUER,
    "aud": "portal",
    "sub": "u-17",
    "nonce": "n-1",
    "iat": STAMP,
    "exp": STAMP + 300,
    "email": "ana@kessler.example",
    "email_verified": True,
    "name": "Ana",
}
LOGOUT_TOKEN = {
    "iss": ISSUER,
    "aud": ["portal"],
    "sub": "u-17",
    "jti": "l-1",
    "iat": STAMP,
    "exp": STAMP + 120,
    "events": {rules.LOGOUT_EVENT: {}},
}


def with_changes(given: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The values with changes; None takes one away."""
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def doubts(checks: tuple[rules.Check, ...]) -> list[str]:
    return [f"{check.name}: {check.sentence}" for check in checks if not check.is_met]


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({}, []),
        ({"userinfo_endpoint": f"{ISSUER}/me"}, []),
        ({"id_token_signing_alg_values_supported": None}, []),
        ({"code_challenge_methods_supported": None}, []),
        ({"issuer": "https://evil.example"}, [f"Issuer: It calls itself https://evil.example, not {ISSUER}."]),
        ({"issuer": None}, [f"Issuer: It calls itself nothing, not {ISSUER}."]),
        ({"token_endpoint": None}, ["Token endpoint: It has to begin with https://, and is nothing."]),
        (
            {"jwks_uri": "http://login.kessler.example/keys"},
            ["Jwks address: It has to begin with https://, and is http://login.kessler.example/keys."],
        ),
        ({"userinfo_endpoint": 7}, ["Userinfo endpoint: It has to begin with https://, and is nothing."]),
        (
            {"id_token_signing_alg_values_supported": ["none", "HS256"]},
            ["Signatures: It names no signature by a public key."],
        ),
        (
            {"code_challenge_methods_supported": ["plain"]},
            ["PKCE: It does not say which it takes; S256 is sent."],
        ),
    ],
)
def test_a_description_is_taken_or_each_doubt_named(change, doubt):
    assert doubts(rules.check_discovery(with_changes(DOCUMENT, change), ISSUER, allows_http=False)) == doubt


@pytest.mark.parametrize(
    ("address", "allows_http", "can_be_called"),
    [
        (f"{ISSUER}/keys?v=1", False, True),
        ("http://localhost:9000/keys", True, True),
        ("http://localhost:9000/keys", False, False),
        ("https://user:secret@login.example/keys", False, False),
        ("https://login.example/keys#part", False, False),
        ("javascript:alert(1)", True, False),
        (None, True, False),
    ],
)
def test_an_address_is_called_only_when_it_hides_nothing(address, allows_http, can_be_called):
    assert rules.is_address(address, allows_http=allows_http) is can_be_called


def test_a_description_is_read_with_what_it_leaves_out():
    plain = rules.read_discovery(DOCUMENT)
    assert (plain.end_session_endpoint, plain.userinfo_endpoint, plain.names_issuer_in_answer) == ("", "", False)
    assert plain.token_auth_methods == ("client_secret_basic",)
    assert rules.discovery_address(ISSUER + "/") == f"{ISSUER}/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("offered", "has_secret", "method"),
    [
        (None, True, "client_secret_basic"),
        (["client_secret_post", "client_secret_basic"], True, "client_secret_basic"),
        (["client_secret_post"], True, "client_secret_post"),
        (["client_secret_post"], False, "none"),
    ],
)
def test_a_client_proves_itself_as_the_provider_takes_it(offered, has_secret, method):
    found = rules.read_discovery(with_changes(DOCUMENT, {"token_endpoint_auth_methods_supported": offered}))
    assert rules.token_auth_method(found, has_secret=has_secret) == method


LATE = "It was made 6 minutes behind our clock: the provider's clock is wrong, or it was kept."
EARLY = "It was made 2 minutes ahead of our clock: the provider's clock is wrong, or it was kept."
NOW_WORDS = "It was made 0 minutes behind our clock: the provider's clock is wrong, or it was kept."


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({}, []),
        ({"aud": ["portal", "other"], "azp": "portal"}, []),
        ({"nbf": STAMP + 60}, []),
        ({"iss": "https://evil.example"}, ["Token issuer: It was issued by https://evil.example."]),
        ({"aud": "other"}, ["Audience: It is meant for another application."]),
        ({"aud": 7}, ["Audience: It is meant for another application."]),
        ({"aud": ["portal", "other"]}, ["Authorized party: It was given to another application."]),
        ({"azp": "other"}, ["Authorized party: It was given to another application."]),
        ({"iat": STAMP - 360}, [f"Issued: {LATE}"]),
        ({"iat": STAMP + 120}, [f"Issued: {EARLY}"]),
        ({"iat": None}, ["Issued: It does not say when it was made."]),
        ({"iat": True}, ["Issued: It does not say when it was made."]),
        ({"iat": 1e300}, ["Issued: It does not say when it was made."]),
        ({"exp": STAMP - 60}, [f"Expiry: It has ended, or says no end. {NOW_WORDS}"]),
        ({"exp": None}, [f"Expiry: It has ended, or says no end. {NOW_WORDS}"]),
        ({"nbf": STAMP + 61}, [f"Not before: It is not valid yet. {NOW_WORDS}"]),
        ({"nbf": "soon"}, [f"Not before: It is not valid yet. {NOW_WORDS}"]),
        ({"nonce": "n-2"}, ["Nonce: It was made for another sign-in."]),
        ({"nonce": None}, ["Nonce: It was made for another sign-in."]),
        ({"sub": ""}, ["Subject: It names no account."]),
        ({"sub": "\x00"}, ["Subject: It names no account."]),
        ({"at_hash": "x"}, ["Access token: It came with another access token."]),
    ],
)
def test_one_doubt_about_an_id_token_is_found_alone(change, doubt):
    assert doubts(rules.check_id_token({"alg": "RS256"}, with_changes(ID_TOKEN, change), EXPECTED)) == doubt


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [("RS256", hashlib.sha256), ("ES384", hashlib.sha384), ("PS512", hashlib.sha512), ("EdDSA", hashlib.sha512)],
)
def test_the_access_token_is_bound_by_half_a_hash_of_the_signatures_kind(algorithm, digest):
    whole = digest(b"at-1").digest()
    half = base64.urlsafe_b64encode(whole[: len(whole) // 2]).decode().rstrip("=")
    assert doubts(rules.check_id_token({"alg": algorithm}, {**ID_TOKEN, "at_hash": half}, EXPECTED)) == []


def test_the_first_doubt_is_the_one_that_is_said():
    checks = rules.check_id_token({}, with_changes(ID_TOKEN, {"aud": "other", "nonce": "n-2"}), EXPECTED)
    failed = rules.first_failure(checks)
    assert failed is not None
    assert failed.name == "Audience"
    assert rules.first_failure(rules.check_id_token({}, ID_TOKEN, EXPECTED)) is None


@pytest.mark.parametrize(
    ("header", "change", "doubt"),
    [
        ({"typ": "logout+jwt"}, {}, []),
        ({}, {"sub": None, "sid": "s-1"}, []),
        ({"typ": "at+jwt"}, {}, ["Type"]),
        ({}, {"events": {}}, ["Event"]),
        ({}, {"events": [rules.LOGOUT_EVENT]}, ["Event"]),
        ({}, {"nonce": "n-1"}, ["Nonce"]),
        ({}, {"sub": None}, ["Whom"]),
        ({}, {"jti": ""}, ["Number"]),
        ({}, {"jti": "j" * 256}, ["Number"]),
    ],
)
def test_a_sign_ins_token_never_passes_for_a_logout(header, change, doubt):
    checks = rules.check_logout_token(header, with_changes(LOGOUT_TOKEN, change), EXPECTED)
    assert [check.name for check in checks if not check.is_met] == doubt


@pytest.mark.parametrize(
    ("said", "is_verified"), [(True, True), ("true", True), ("True", False), (1, False), (None, False)]
)
def test_an_address_is_verified_only_when_the_provider_says_so(said, is_verified):
    account = rules.account_of({**ID_TOKEN, "email": " ana@kessler.example ", "email_verified": said, "sid": 5})
    assert account == rules.Account("u-17", "ana@kessler.example", is_verified, "Ana", None)


def test_what_is_told_beside_the_token_counts_for_the_same_account_only():
    account = rules.account_of(with_changes(ID_TOKEN, {"email": None, "email_verified": None, "name": None}))
    told = {"sub": "u-17", "email": "ana@kessler.example", "email_verified": True, "name": "Ana Ruiz"}
    assert rules.with_userinfo(account, told) == rules.Account("u-17", "ana@kessler.example", True, "Ana Ruiz")
    assert rules.with_userinfo(account, {**told, "sub": "u-18"}) == account


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("groups", ("Support", "Finance")),
        ("realm_access.roles", ("lead",)),
        ("https://portal.example/roles", ("engineer",)),
        ("realm_access.groups", ()),
        ("groups.first", ()),
    ],
)
def test_texts_of_a_claim_are_found_at_its_path(path, values):
    claims = {
        "groups": ["Support", 7, "Finance"],
        "realm_access": {"roles": "lead"},
        "https://portal.example/roles": "engineer",
    }
    assert rules.values_at(claims, path) == values


def test_values_mean_roles_of_the_companys_side_only():
    mapping = {"support": "engineer", "field": "technician"}
    assert rules.mapped_roles(["SUPPORT", "Field", "Kitchen"], mapping, Side.MANUFACTURER) == {Role.ENGINEER}


def test_what_a_way_to_the_provider_carries_is_ours_and_never_twice():
    nonce = rules.derived("s" * 32, "nonce", FLOW)
    assert nonce == rules.derived("s" * 32, "nonce", FLOW)
    others = [
        rules.derived("t" * 32, "nonce", FLOW),
        rules.derived("s" * 32, "verifier", FLOW),
        rules.derived("s" * 32, "nonce", UUID(int=FLOW.int + 1)),
    ]
    assert nonce not in others


@pytest.mark.parametrize(
    ("address", "domain"), [(" Ana@Kessler.Example. ", "kessler.example"), ("ana", ""), ("a@b@c.example", "c.example")]
)
def test_a_domain_is_what_stands_after_the_last_at(address, domain):
    assert rules.domain_of(address) == domain


def test_an_instant_out_of_all_calendars_is_none():
    assert rules.instant_of(STAMP) == NOW
    assert rules.instant_of(float("inf")) is None
    assert rules.instant_of(STAMP + 0.5) == NOW + timedelta(seconds=0.5)
