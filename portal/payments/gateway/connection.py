"""A pinned, bounded client of Stripe and how its answers are read: the only module that knows the stripe package.

Invariants:
 - One attempt per call: a retry is ours, with the key that was committed before the first attempt.
 - Every failure leaves as ``Refused``, ``Unknown`` or ``Busy``; no object or error of the package leaves at all.
 - All four base addresses are set, so that a test deployment reaches nothing but its own address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from portal.errors import Invalid, Misconfigured
from portal.lazily import lazily
from portal.payments.provider import Busy, ReceivedEvent, Refused, Unknown

if TYPE_CHECKING:
    import stripe
else:
    stripe = lazily("stripe")

# The version the calls were written for; the package brings its own and must not move it unseen.
API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = (3.0, 20.0)
# For a call that a page waits for.
PAGE_TIMEOUT_SECONDS = (3.0, 8.0)
LONGEST_REASON = 300
PAGE_SIZE = 100
SIGNATURE_TOLERANCE_SECONDS = 300

Request = dict[str, Any]


@dataclass(frozen=True)
class Connection:
    """The deployment's client; ``hosted`` is the same with the patience of a page."""

    client: stripe.StripeClient
    hosted: stripe.StripeClient
    livemode: bool


def open_client(secret_key: str | None, api_base: str | None, *, patient: bool) -> stripe.StripeClient:
    """A client with the deployment's key; ``api_base`` None means Stripe itself.

    *Raises*: Misconfigured without a key, or when the package speaks another version than the calls were written for.
    """
    if not secret_key:
        raise Misconfigured("STRIPE_SECRET_KEY is not set, so nothing can be invoiced or paid.")
    packaged = stripe.api_version
    if packaged != API_VERSION:
        raise Misconfigured(f"The stripe package speaks {packaged}, the portal was written for {API_VERSION}.")
    # Otherwise the package writes an identifier into the user's folder and reports the platform.
    stripe.enable_telemetry = False
    bases = {"api": api_base, "connect": api_base, "files": api_base, "meter_events": api_base} if api_base else {}
    return stripe.StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses=cast(Any, bases),
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS if patient else PAGE_TIMEOUT_SECONDS),
    )


def read_event(raw: bytes, signature: str, secrets: Iterable[str], *, style: str) -> ReceivedEvent:
    """The event in a delivery of ``style``, signed with any of ``secrets``: two are valid while they are rotated.

    *Raises*: Invalid for a signature that is missing, wrong or old, or a body that is not an event of this style.
    """
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(raw, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        return _signed_event(raw, style)
    raise Invalid("The delivery is not signed by Stripe.")


def _signed_event(raw: bytes, style: str) -> ReceivedEvent:
    try:
        event = event_of(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("The delivery is not an event.") from error
    if event.style != style:
        raise Invalid(f"This address takes {style} events.")
    return event


@contextmanager
def answers() -> Iterator[None]:
    """Turn the package's errors into ours. *Raises*: Refused, Unknown, Busy."""
    try:
        yield
    except stripe.StripeError as error:
        raise _trouble(error) from error


def _trouble(error: stripe.StripeError) -> Refused | Unknown | Busy:
    status, reason = error.http_status, (error.user_message or "no reason given").strip()[:LONGEST_REASON]
    if isinstance(error, stripe.APIConnectionError) or status is None or status >= 500 or error.json_body is None:
        return Unknown("Stripe did not answer; whether it acted is looked up before anything is repeated.")
    if status in (409, 429) or isinstance(error, stripe.RateLimitError):
        return Busy("Stripe asks to try again later.")
    if status == 401 or isinstance(error, stripe.AuthenticationError):
        return Busy("Stripe does not accept this deployment's key.")
    return Refused(f"Stripe refused: {reason}", error.code or _kind(error))


def _kind(error: stripe.StripeError) -> str:
    return "idempotency_error" if isinstance(error, stripe.IdempotencyError) else ""


def keyed(key: str) -> Any:
    """The option that names a call's idempotency key."""
    return {"idempotency_key": key}


def plain(found: Any) -> dict[str, Any]:
    """An answer as plain dictionaries and lists: the package's objects are not dictionaries."""
    return cast(dict[str, Any], found.to_dict())


def meta(body: dict[str, Any], name: str) -> str:
    """A metadata value, empty where there is none."""
    return str((body.get("metadata") or {}).get(name) or "")


def instant(seconds: float) -> datetime:
    """Stripe's seconds as an instant in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def event_of(body: dict[str, Any]) -> ReceivedEvent:
    """An event as we keep it."""
    thin = body["object"] == "v2.core.event"
    about = body["related_object"] if thin else body["data"]["object"]
    object_id = str((about or {}).get("id") or "")
    # Only what names the object is kept: it is fetched again when handled, and people's data stays at Stripe.
    kept = {"object": object_id, "created": body["created"], "account": body.get("account")}
    return ReceivedEvent(
        id=str(body["id"]),
        style="thin" if thin else "snapshot",
        type=str(body["type"]),
        object_id=object_id,
        api_version=str(body.get("api_version") or ""),
        payload=kept,
        livemode=bool(body["livemode"]),
    )
