"""Two providers that other people wrote: ``oidc-provider-mock`` (on Authlib's server) and ``pyop``, each on a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import oidc_provider_mock
from Cryptodome.PublicKey import RSA
from flask import Flask, Response, g, jsonify, redirect, request
from jwkest.jwk import RSAKey
from oidc_provider_mock._storage import Storage, User
from pyop.authz_state import AuthorizationState
from pyop.exceptions import OAuthError
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
from pyop.userinfo import Userinfo
from werkzeug.wrappers import Response as WerkzeugResponse

from tests.support.providers.lying import CLIENT_ID
from tests.support.serving import served

# pyop takes a secret with a colon for two.
PLAIN_SECRET = "a-secret-for-packages"


@dataclass
class Packaged:
    """A running provider: its issuer, how somebody gets into it, and how its key changes."""

    issuer: str
    know: Callable[[str, dict[str, Any]], None]
    rotate: Callable[[], None]


@contextmanager
def mock_provider() -> Iterator[Packaged]:
    """oidc-provider-mock: a page asks for the subject, and whoever types one is that."""
    app = oidc_provider_mock.app()
    kept: dict[str, Storage] = {}

    @app.before_request
    def remember() -> None:
        kept["storage"] = g.oidc_provider_mock_storage

    def know(subject: str, claims: dict[str, Any]) -> None:
        with app.test_client() as client:
            client.get("/jwks")
        kept["storage"].store_user(User(sub=subject, claims=claims))

    def rotate() -> None:
        kept["storage"].jwk = Storage().jwk

    with served(app) as address:
        # It names itself as it was called.
        yield Packaged(address, know, rotate)


@contextmanager
def pyop_provider() -> Iterator[Packaged]:
    """pyop, which checks PKCE, behind the few routes that it leaves to its user; whoever comes is the last it knows."""
    people: dict[str, dict[str, Any]] = {}
    last: list[str] = []
    app = Flask("pyop")
    held: dict[str, Provider] = {}

    @app.get("/.well-known/openid-configuration")
    def description() -> Response:
        return jsonify(held["provider"].provider_configuration.to_dict())

    @app.get("/jwks")
    def keys() -> Response:
        return jsonify(held["provider"].jwks)

    @app.get("/authorize")
    def authorize() -> WerkzeugResponse:
        provider = held["provider"]
        asked = provider.parse_authentication_request(request.query_string.decode())
        return redirect(provider.authorize(asked, last[-1]).request(asked["redirect_uri"]))

    @app.post("/token")
    def token() -> Response | tuple[Response, int]:
        # Claims beside the subject come with the ID token, as most providers of companies send them.
        claims = {name: value for name, value in people[last[-1]].items() if name != "sub"}
        body, headers = request.get_data().decode(), dict(request.headers)
        try:
            answer = held["provider"].handle_token_request(body, headers, claims)
        except OAuthError as error:
            return jsonify(error=error.oauth_error), 400
        return jsonify(answer.to_dict())

    with served(app) as address:
        held["provider"] = _pyop(address, people)

        def know(subject: str, claims: dict[str, Any]) -> None:
            people[subject] = {"sub": subject, **claims}
            last.append(subject)

        def rotate() -> None:
            held["provider"].signing_key = _key(uuid4().hex)

        yield Packaged(address, know, rotate)


def _pyop(address: str, people: dict[str, dict[str, Any]]) -> Provider:
    # It takes only https when it is made; on this machine it answers without.
    safe = address.replace("http://", "https://")
    named = {
        "issuer": address,
        "authorization_endpoint": f"{address}/authorize",
        "jwks_uri": f"{address}/jwks",
        "token_endpoint": f"{address}/token",
    }
    several = {
        "scopes_supported": ["openid", "email", "profile"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
    }
    client = _AnyRedirect(
        client_secret=PLAIN_SECRET, response_types=["code"], token_endpoint_auth_method="client_secret_basic"
    )
    description = {name: value.replace(address, safe) for name, value in named.items()}
    provider = Provider(
        _key("first"),
        {**description, **several},
        AuthorizationState(HashBasedSubjectIdentifierFactory("salt")),
        {CLIENT_ID: client},
        Userinfo(people),
    )
    for name, value in named.items():
        provider.configuration_information[name] = value
    return provider


class _AnyRedirect(dict[str, Any]):
    """A client whose redirect address is the one it asks with: tests do not know the portal's before it is set up."""

    def __getitem__(self, name: str) -> Any:
        return [request.values["redirect_uri"]] if name == "redirect_uris" else super().__getitem__(name)


def _key(kid: str) -> RSAKey:
    return RSAKey(key=RSA.generate(2048), kid=kid, alg="RS256", use="sig")
