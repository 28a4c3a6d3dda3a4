"""Stripe's error answers as one exception, and the few sentences that several handlers share.

``kept`` says whether v1 keeps the answer under the idempotency key: refused parameters and unknown objects are found
before an endpoint executes and are not kept; what the state of things refuses (balance, status) is.
Source for what is kept: docs.stripe.com/api/idempotent_requests (2026-11). Messages are modelled on Stripe's, codes are
those of docs.stripe.com/error-codes.
"""

from dataclasses import dataclass
from typing import Any


@dataclass
class Refusal(Exception):
    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"
    kept: bool = False

    def body(self, request_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


def bad_parameter(message: str, param: str, code: str | None = None) -> Refusal:
    return Refusal(400, message, code=code, param=param)


def refused(message: str, code: str | None = None, param: str | None = None) -> Refusal:
    """The endpoint executed and the state of things said no."""
    return Refusal(400, message, code=code, param=param, kept=True)


def declined() -> Refusal:
    """docs.stripe.com/api/errors: a charge that was refused is a 402."""
    return Refusal(402, "Your card was declined.", code="card_declined", type="card_error", kept=True)


def missing_object(noun: str, object_id: str, param: str = "id") -> Refusal:
    """404 for the object in the address, 400 for one that a parameter names, as Stripe answers."""
    status = 404 if param == "id" else 400
    return Refusal(status, f"No such {noun}: '{object_id}'", code="resource_missing", param=param)


def server_error() -> Refusal:
    message = "An error occurred with our connection to Stripe. (Injected by the stand-in.)"
    return Refusal(500, message, type="api_error", kept=True)


def too_many_requests() -> Refusal:
    return Refusal(429, "Request rate limit exceeded. (Injected by the stand-in.)", code="rate_limit")


def refused_as_told() -> Refusal:
    return Refusal(400, "This request is not accepted. (Injected by the stand-in.)", code="parameter_invalid")


def key_in_use(key: str) -> Refusal:
    message = f"There is currently another in-progress request using this Idempotent Key: {key}"
    return Refusal(409, message, code="idempotency_key_in_use", type="idempotency_error")


def key_reused(key: str, *, other_path: str | None) -> Refusal:
    if other_path:
        message = (
            "Keys for idempotent requests can only be used for the same endpoint they were first used for"
            f" ('{other_path}'). Try using a key other than '{key}' if you meant to execute a different request."
        )
    else:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with."
            f" Try using a key other than '{key}' if you meant to execute a different request."
        )
    return Refusal(400, message, type="idempotency_error")
