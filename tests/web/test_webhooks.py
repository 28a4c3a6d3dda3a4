"""Stripe's deliveries: stored once when they are signed, refused when they are not, without anybody signed in."""

import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest

from tests.support.cast import everything
from tests.support.queued import queued
from tests.web.conftest import changed

SNAPSHOT = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "api_version": "2026-10-28.endive",
    "created": 1,
    "livemode": False,
    "data": {"object": {"id": "in_1", "object": "invoice"}},
}
THIN = {
    "id": "evt_thin_1",
    "object": "v2.core.event",
    "type": "v2.core.account[requirements].updated",
    "created": "2026-03-10T09:00:00.000Z",
    "livemode": False,
    "related_object": {"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1"},
}
PATHS = [("/webhooks/stripe", SNAPSHOT, "whsec_new"), ("/webhooks/stripe/thin", THIN, "whsec_thin")]


@pytest.fixture
def app(app, settings):
    rotating = replace(
        settings,
        stripe_webhook_secrets=("whsec_old", "whsec_new"),
        stripe_thin_webhook_secrets=("whsec_thin",),
    )
    return changed(app, settings=rotating)


def signed(body, secret, *, at=None):
    stamp = int(at or time.time())
    signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={signature}", "Content-Type": "application/json"}


def deliver(browser, path, event, secret, **options):
    body = json.dumps(event).encode()
    return browser.client.post(path, data=body, headers=signed(body, secret, **options))


@pytest.mark.parametrize(("path", "event", "secret"), PATHS)
def test_a_signed_delivery_is_stored_and_its_job_enqueued(nobody, work_session, path, event, secret):
    answer = deliver(nobody, path, event, secret)
    assert (answer.status_code, answer.json["new"]) == (200, True)
    (stored,) = everything(work_session, "provider_event")
    assert (stored["id"], stored["type"]) == (event["id"], event["type"])
    assert queued(work_session, "handle_provider_event") == [("handle_provider_event", {"event_id": event["id"]})]


@pytest.mark.parametrize(("path", "event", "secret"), PATHS)
def test_a_delivery_that_comes_twice_is_stored_once(nobody, work_session, path, event, secret):
    deliver(nobody, path, event, secret)
    again = deliver(nobody, path, event, secret)
    assert (again.status_code, again.json["new"]) == (200, False)
    assert len(everything(work_session, "provider_event")) == 1
    assert len(queued(work_session, "handle_provider_event")) == 1


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
def test_both_secrets_hold_while_they_are_rotated(nobody, secret):
    assert deliver(nobody, "/webhooks/stripe", SNAPSHOT, secret).status_code == 200


@pytest.mark.parametrize(
    ("path", "event", "secret"),
    [
        ("/webhooks/stripe", SNAPSHOT, "whsec_thin"),
        ("/webhooks/stripe/thin", THIN, "whsec_old"),
        ("/webhooks/stripe", SNAPSHOT, "whsec_stranger"),
        ("/webhooks/stripe", THIN, "whsec_new"),
        ("/webhooks/stripe/thin", SNAPSHOT, "whsec_thin"),
        ("/webhooks/stripe", {"id": 1}, "whsec_new"),
        ("/webhooks/stripe", [], "whsec_new"),
    ],
)
def test_another_secret_or_another_body_is_refused(nobody, work_session, path, event, secret):
    assert deliver(nobody, path, event, secret).status_code == 400
    assert everything(work_session, "provider_event") == []


def test_a_signature_of_yesterday_is_refused(nobody):
    assert deliver(nobody, "/webhooks/stripe", SNAPSHOT, "whsec_new", at=time.time() - 86_400).status_code == 400


@pytest.mark.parametrize("header", [{}, {"Stripe-Signature": "t=x,v1="}, {"Stripe-Signature": "nonsense"}])
def test_a_delivery_without_a_real_signature_is_refused(nobody, work_session, header):
    answer = nobody.client.post("/webhooks/stripe", data=json.dumps(SNAPSHOT), headers=header)
    assert answer.status_code == 400
    assert everything(work_session, "provider_event") == []


def test_a_delivery_that_is_too_large_is_refused(nobody):
    assert nobody.client.post("/webhooks/stripe", data=b"x" * (1024 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/webhooks/stripe/thin"])
def test_deliveries_are_posts(nobody, path):
    assert nobody.get(path).status_code == 405
