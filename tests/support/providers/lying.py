"""A provider that does everything right until it is told what to do wrong.

    provider.changes = {"aud": "somebody-else"}      # the next token's claims; None leaves one out
    provider.faults["token"] = "html"                # down, html, slow, huge or error, by address

It checks what a good provider checks: client, redirect address, one use of a code, the PKCE verifier.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from werkzeug.wrappers import Response as WerkzeugResponse

from tests.support.serving import served

CLIENT_ID = "portal-at-work"
CLIENT_SECRET = "a secret / with: odd+characters"


@cache
def key(kid: str) -> ECKey:
    """A signing key by its name."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"}, private=True)


@dataclass
class LyingProvider:
    """The provider's state; ``reset`` makes it honest again."""

    clock: Callable[[], datetime]
    issuer: str = ""
    subject: str = "tom-at-work"
    person: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    kid: str = "first"
    published: tuple[str, ...] = ("first",)
    # What its userinfo address tells; None leaves that address out of the description.
    userinfo: dict[str, Any] | None = None
    faults: dict[str, str] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    calls: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def reset(self, clock: Callable[[], datetime]) -> None:
        """Honest again, with nobody known; whoever still waits for a slow answer gets it now."""
        self.released.set()
        fresh = LyingProvider(clock, self.issuer)
        self.__dict__.update(fresh.__dict__)

    def token_for(self, nonce: str, access_token: str = "", max_age: str | None = None) -> str:
        """A signed ID token as the present settings make it; who is asked for anew signs in anew."""
        now = int(self.clock().timestamp())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "sid": f"sid of {self.subject}",
            "auth_time": now if max_age is not None else None,
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
            **self.person,
            **self.changes,
        }
        return self.signed({name: value for name, value in claims.items() if value is not None})

    def logout_token(self, **changes: Any) -> str:
        """A signed logout token."""
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": "logout-1",
            "sub": self.subject,
            "sid": f"sid of {self.subject}",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            **changes,
        }
        return self.signed({name: value for name, value in claims.items() if value is not None})

    def signed(self, claims: dict[str, Any]) -> str:
        """The claims signed with the present key, or however the test wants it."""
        if self.sign is not None:
            return self.sign(claims)
        header = {"alg": "ES256", "kid": self.kid, **self.header}
        return jwt.encode(header, claims, key(self.kid), algorithms=["ES256"])

    def unsigned(self, claims: dict[str, Any]) -> str:
        """A token of algorithm none."""
        parts = [{"alg": "none", "kid": self.kid}, claims]
        return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."

    def signed_with_public_key(self, claims: dict[str, Any]) -> str:
        """A token signed with HS256, by the public key taken for a shared secret."""
        parts = [{"alg": "HS256", "kid": self.kid}, claims]
        signed = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        mac = hmac.digest(key(self.kid).as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@contextmanager
def lying_provider() -> Iterator[LyingProvider]:
    """A provider on a port of its own."""
    state = LyingProvider(datetime.now)
    with served(_app(state)) as address:
        state.issuer = address
        yield state
        state.released.set()


def _app(state: LyingProvider) -> Flask:
    app = Flask(__name__)

    @app.before_request
    def fail() -> WerkzeugResponse | None:
        name = request.path.strip("/").split("/")[-1]
        state.calls.append(name)
        return _fault(state, state.faults.get(name, ""))

    @app.get("/.well-known/openid-configuration")
    def description() -> Response:
        base = state.issuer
        honest = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
            "end_session_endpoint": f"{base}/leave",
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **({"userinfo_endpoint": f"{base}/userinfo"} if state.userinfo is not None else {}),
        }
        return jsonify({**honest, **state.description})

    @app.get("/keys")
    def keys() -> Response:
        return jsonify(KeySet([key(kid) for kid in state.published]).as_dict(private=False))

    @app.get("/authorize")
    def authorize() -> WerkzeugResponse:
        asked = request.args.to_dict()
        # Never a code of an earlier test: a late answer to that one would use up this one's.
        code = secrets.token_urlsafe()
        state.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": state.issuer}
        return redirect(f"{asked['redirect_uri']}?{urlencode(answer)}")

    def refused(why: str) -> tuple[Response, int]:
        state.calls.append(f"refused: {why}")
        return jsonify(error="invalid_grant"), 400

    @app.post("/token")
    def token() -> Response | tuple[Response, int]:
        given = request.form
        asked = state.codes.pop(given.get("code", ""), None)
        who = request.authorization
        if who is None or (who.username, who.password) != (CLIENT_ID, CLIENT_SECRET):
            return jsonify(error="invalid_client"), 401
        challenge = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if asked is None:
            return refused("no such code")
        if base64.urlsafe_b64encode(challenge).decode().rstrip("=") != asked["code_challenge"]:
            return refused(f"another verifier: {given.get('code_verifier')} for {asked['code_challenge']}")
        if given.get("redirect_uri") != asked["redirect_uri"]:
            return refused(f"another address: {given.get('redirect_uri')} for {asked['redirect_uri']}")
        id_token = state.token_for(asked["nonce"], "at", asked.get("max_age"))
        return jsonify(access_token="at", token_type="Bearer", id_token=id_token)

    @app.get("/userinfo")
    def userinfo() -> Response | tuple[Response, int]:
        if request.headers.get("Authorization") != "Bearer at":
            return jsonify(error="invalid_token"), 401
        return jsonify(state.userinfo)

    return app


def _fault(state: LyingProvider, fault: str) -> WerkzeugResponse | None:
    if fault == "slow":
        state.released.wait(5)
    if fault == "html":
        return Response("<html>Under maintenance</html>", mimetype="text/html")
    if fault == "huge":
        return Response("{" + " " * 2_000_000 + "}", mimetype="application/json")
    if fault == "down":
        return Response("bad gateway", status=502)
    if fault == "redirect":
        return redirect("http://127.0.0.1:1/elsewhere")
    if fault == "error":
        return Response('{"error": "server_error"}', status=400, mimetype="application/json")
    return None
