"""HTTP as Stripe speaks it: who calls, what was sent, how an answer looks, and how one breaks off on purpose."""

import hashlib
import json
import socket
from collections.abc import Iterator
from typing import Any

from flask import Request, Response

from portal.standin import forms
from portal.standin.endpoints import API_VERSION
from portal.standin.refusals import Refusal, bad_parameter

LARGEST_BODY_BYTES = 6_000_000


def authenticate(request: Request, key: str) -> None:
    """Raises: Refusal 401 unless the key came as a bearer token or as the basic user name."""
    given = ""
    if request.authorization is not None:
        given = request.authorization.token or request.authorization.get("username") or ""
    if not given:
        message = "You did not provide an API key. You need to provide your API key in the Authorization header."
        raise Refusal(401, message)
    if given != key:
        shown = given[:8] + "*" * max(0, len(given) - 12) + given[-4:] if len(given) > 12 else "*" * len(given)
        raise Refusal(401, f"Invalid API Key provided: {shown}", code="api_key_invalid")


def check_version(request: Request) -> None:
    """This program speaks one version; another would get an object of the wrong shape. v2 insists on being told."""
    version = request.headers.get("Stripe-Version", "")
    if version and version != API_VERSION:
        raise bad_parameter(
            f"Invalid Stripe API version: {version}. This stand-in speaks {API_VERSION}.", "Stripe-Version"
        )
    if not version and request.path.startswith("/v2/"):
        raise bad_parameter("Please provide a Stripe-Version header.", "Stripe-Version")


def raw_parameters(request: Request) -> dict[str, Any]:
    """Raises: Refusal for a body that cannot be read."""
    if request.method in ("GET", "DELETE") and not request.content_length:
        return forms.decode(request.args.items(multi=True))
    body = request.get_data(cache=True)
    if len(body) > LARGEST_BODY_BYTES:
        raise Refusal(413, "The request body is too large.")
    if not request.path.startswith("/v2/"):
        return {**forms.decode(request.form.items(multi=True)), **_files(request)}
    if not body:
        return {}
    try:
        decoded = json.loads(body)
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        raise Refusal(400, "The request body is not a JSON object.", code="invalid_request_body")
    return decoded


def _files(request: Request) -> dict[str, Any]:
    """What names each file of the form; its content is not kept."""
    found = {}
    for name, sent in request.files.items():
        content = sent.read()
        found[name] = {
            "filename": sent.filename or "blob",
            "head": content[:8].hex(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
    return found


def json_answer(body: str, status: int, request_id: str, request: Request) -> Response:
    answer = Response(body, status, content_type="application/json")
    answer.headers["Request-Id"] = request_id
    answer.headers["Stripe-Version"] = API_VERSION
    key = request.headers.get("Idempotency-Key")
    if key:
        answer.headers["Idempotency-Key"] = key
        answer.headers["Original-Request"] = request_id
    return answer


def broken_answer(answer: Response, request: Request, *, half_body: bool) -> Response:
    """The connection closes before the first byte, or in the middle of a body whose length was promised."""
    body = answer.get_data()
    connection = request.environ["werkzeug.socket"]

    def pieces() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    if not half_body:
        connection.shutdown(socket.SHUT_RDWR)
    broken = Response(pieces(), answer.status_code, content_type="application/json")
    broken.headers["Content-Length"] = str(len(body))
    broken.headers["Request-Id"] = answer.headers["Request-Id"]
    return broken
