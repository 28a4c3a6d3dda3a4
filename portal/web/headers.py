"""What every answer carries: a strict content policy, a request id, and one log line without personal data."""

from __future__ import annotations

import re
import time
import uuid
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, request

# Chromium applies form-action to the redirect that follows a post, so the hosted pages a post may lead to are named.
STRIPE_HOSTED_PAGES = (
    "https://checkout.stripe.com",
    "https://connect.stripe.com",
    "https://billing.stripe.com",
    "https://invoice.stripe.com",
)
REQUEST_ID = re.compile(r"\A[A-Za-z0-9-]{8,64}\Z")
STATIC_VIEWS = frozenset({"static", "bootstrap.static"})

log = structlog.get_logger("portal.web")


def content_policy(hosted_pages: tuple[str, ...]) -> str:
    """Everything from here, nothing inline; ``data:`` images only because Bootstrap's stylesheet holds its icons so."""
    form_targets = " ".join(("'self'", *hosted_pages))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            f"form-action {form_targets}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def hosted_pages_of(stripe_api_base: str | None) -> tuple[str, ...]:
    """The origins a post may lead to: Stripe's hosted pages, or the one origin that stands in for all of them."""
    if not stripe_api_base:
        return STRIPE_HOSTED_PAGES
    parts = urlsplit(stripe_api_base)
    if parts.hostname == "api.stripe.com":
        return STRIPE_HOSTED_PAGES
    return (f"{parts.scheme}://{parts.netloc}",)


def register(app: Flask, *, hosted_pages: tuple[str, ...], https: bool) -> None:
    """Have every request numbered and every answer hardened and logged."""
    policy = content_policy(hosted_pages)

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if REQUEST_ID.match(given) else uuid.uuid4().hex
        g.started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def harden(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", policy)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
        headers["X-Request-ID"] = g.get("request_id", "")
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint not in STATIC_VIEWS:
            headers.setdefault("Cache-Control", "private, no-cache")
            _log(response)
        return response


def _log(response: Response) -> None:
    started = g.get("started")
    log.info(
        "request",
        method=request.method,
        endpoint=request.endpoint,
        status=response.status_code,
        milliseconds=round((time.perf_counter() - started) * 1000, 1) if started else None,
    )
