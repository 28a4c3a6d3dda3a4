"""Stripe's deliveries: the signature is verified, the event stored once, and answered at once; a job acts on it.

Nobody is signed in here: what a delivery may do is decided by the secrets it is signed with, of which two are valid
while one replaces the other.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from portal.errors import Invalid
from portal.payments import actions
from portal.web.gate import current_edges, current_session

blueprint = Blueprint("webhooks", __name__)

# Stripe's events are a few kilobytes; whoever sends more is somebody else.
LARGEST_DELIVERY_BYTES = 1024 * 1024

log = structlog.get_logger("portal.web")


@blueprint.post("/webhooks/stripe")
def snapshot() -> ResponseReturnValue:
    return _take("snapshot", current_edges().settings.stripe_webhook_secrets)


@blueprint.post("/webhooks/stripe/thin")
def thin() -> ResponseReturnValue:
    return _take("thin", current_edges().settings.stripe_thin_webhook_secrets)


def _take(style: str, secrets: tuple[str, ...]) -> ResponseReturnValue:
    request.max_content_length = LARGEST_DELIVERY_BYTES
    signature = request.headers.get("Stripe-Signature", "")
    try:
        is_new = actions.receive(current_session(), request.get_data(), signature, secrets, style=style)
    except Invalid as refusal:
        log.warning("delivery refused", style=style, reason=refusal.sentence)
        return {"error": refusal.sentence}, 400
    return {"received": True, "new": is_new}, 200
