"""Events reach their endpoints signed, until they are accepted; the real client verifies and reads them."""

import pytest
import stripe

from tests.standin.builders import a_transfer, an_account, an_active_account, an_open_invoice
from tests.standin.process import THIN_WEBHOOK_SECRET, WEBHOOK_SECRET

CAPABILITY_CHANGED = "v2.core.account[configuration.recipient].capability_status_updated"


def types_at(receiver, client, path="/snapshot"):
    return [client.construct_event(one.body, one.signature, WEBHOOK_SECRET).type for one in receiver.at(path)]


def test_a_snapshot_event_carries_the_object_and_verifies(standin, client, receiver):
    customer = client.v1.customers.create({"name": "N"}, options={"idempotency_key": "k1"})
    assert standin.control.drain()["delivered"] == 1
    [one] = receiver.received
    event = client.construct_event(one.body, one.signature, WEBHOOK_SECRET)
    assert (event.type, event.data.object.id, event.livemode) == ("customer.created", customer.id, False)
    assert event.api_version == "2026-10-28.endive"
    assert event.request.idempotency_key == "k1"
    assert event.request.id == customer.last_response.request_id
    assert client.v1.events.retrieve(event.id).data.object.id == customer.id


def test_a_forged_or_old_signature_does_not_verify(standin, client, receiver):
    client.v1.customers.create({"name": "N"})
    standin.control.drain()
    [one] = receiver.received
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(one.body + b" ", one.signature, WEBHOOK_SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(one.body, one.signature, "whsec_other")


def test_while_secrets_rotate_the_signature_verifies_with_both(standin, client, receiver):
    standin.control.secrets(snapshot=["whsec_old", "whsec_new"])
    client.v1.customers.create({"name": "N"})
    standin.control.drain()
    standin.control.secrets(snapshot=[WEBHOOK_SECRET])
    [one] = receiver.received
    for secret in ("whsec_old", "whsec_new"):
        assert client.construct_event(one.body, one.signature, secret).type == "customer.created"


def test_a_thin_event_names_the_account_and_is_fetched(standin, client, receiver):
    account_id = an_account(client).id
    standin.control.complete_onboarding(account_id)
    standin.control.drain()
    notes = [
        client.parse_event_notification(one.body, one.signature, THIN_WEBHOOK_SECRET) for one in receiver.at("/thin")
    ]
    [note] = [note for note in notes if note.type == CAPABILITY_CHANGED]
    assert note.related_object.id == note.fetch_related_object().id == account_id
    assert note.fetch_event().data.updated_capability == "stripe_balance.stripe_transfers"
    assert receiver.at("/snapshot") == []
    with pytest.raises(ValueError, match="thin"):
        client.construct_event(receiver.received[0].body, receiver.received[0].signature, THIN_WEBHOOK_SECRET)


def test_a_thin_event_leaves_its_data_to_be_fetched(standin, client, receiver):
    an_account(client)
    standin.control.drain()
    assert b'"data"' not in receiver.at("/thin")[0].body


def test_a_refused_delivery_is_tried_again_until_it_is_accepted(standin, client, receiver):
    receiver.answers = [500, 302, 404]
    client.v1.customers.create({"name": "N"})
    assert standin.control.drain(attempts=3)["waiting"] == 1
    [event] = client.v1.events.list({"delivery_success": False}).data
    assert event.pending_webhooks == 1
    assert standin.control.drain()["delivered"] == 1
    assert len(receiver.received) == 4
    assert client.v1.events.list({"delivery_success": False}).data == []
    assert standin.control.deliveries()[0]["last_answer"] == "200"


def test_the_background_thread_delivers_without_being_asked(standin, client, receiver):
    standin.control.delivery_policy(automatic=True)
    client.v1.customers.create({"name": "N"})
    assert receiver.wait_for(1)


def test_the_background_thread_tries_again_by_itself(standin, client, receiver):
    receiver.answers = [503]
    standin.control.delivery_policy(automatic=True)
    client.v1.customers.create({"name": "N"})
    assert receiver.wait_for(2)


def test_held_deliveries_go_newest_first_and_twice_when_released_so(standin, client, receiver):
    standin.control.hold_deliveries()
    client.v1.customers.create({"name": "N"})
    client.v1.products.create({"name": "P"})
    assert standin.control.drain()["held"] == 2
    assert receiver.received == []
    assert standin.control.release_deliveries(newest_first=True, copies=2) == 2
    standin.control.drain()
    assert types_at(receiver, client) == ["product.created"] * 2 + ["customer.created"] * 2


def test_every_event_can_be_delivered_twice(standin, client, receiver):
    standin.control.delivery_policy(copies=2)
    client.v1.customers.create({"name": "N"})
    standin.control.drain()
    first, second = (client.construct_event(one.body, one.signature, WEBHOOK_SECRET) for one in receiver.received)
    assert first.id == second.id


def test_an_event_can_be_delivered_again_long_after(standin, client, receiver):
    client.v1.customers.create({"name": "N"})
    standin.control.drain()
    [event] = client.v1.events.list().data
    standin.control.redeliver(event.id)
    standin.control.drain()
    assert types_at(receiver, client) == ["customer.created"] * 2


def test_without_an_address_events_are_recorded_and_not_delivered(standin, client):
    client.v1.customers.create({"name": "N"})
    assert standin.control.deliveries() == []
    assert len(client.v1.events.list().data) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/nobody", "http://127.0.0.1:port/", "nonsense"])
def test_an_endpoint_that_does_not_listen_is_tried_again(standin, client, receiver, url):
    standin.control.endpoints(webhook_url=url)
    client.v1.customers.create({"name": "N"})
    assert standin.control.drain()["waiting"] == 1
    assert standin.control.deliveries()[0]["last_answer"].startswith("no answer")


def test_a_refused_call_leaves_no_event(standin, client, receiver):
    account_id = an_active_account(standin)
    with pytest.raises(stripe.InvalidRequestError):
        a_transfer(client, account_id)
    assert client.v1.events.list({"type": "transfer.*"}).data == []


def test_events_are_listed_by_type_and_moment_in_pages(standin, client):
    standin.control.set_clock(1_790_000_000)
    for _ in range(3):
        an_open_invoice(client)
    standin.control.advance_clock(3600)
    an_open_invoice(client)
    types = ["invoice.created", "invoice.finalized"]
    everything = list(client.v1.events.list({"types": types, "limit": 3}).auto_paging_iter())
    assert len(everything) == 8
    assert {event.type for event in everything} == set(types)
    recent = client.v1.events.list({"types": types, "created": {"gt": 1_790_001_800}, "limit": 100})
    assert len(recent.data) == 2
    assert len(client.v1.events.list({"created": {"lte": 1_790_001_800}, "limit": 100}).data) > 6


@pytest.mark.parametrize("given", [{"type": "[a"}, {"types": ["a", "b?"]}, {"type": "a", "types": ["b"]}])
def test_types_that_are_no_types_are_refused(client, given):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list(given)


def test_an_update_says_what_was_before(client):
    customer = client.v1.customers.create({"name": "Old"})
    client.v1.customers.update(customer.id, {"name": "New"})
    event = client.v1.events.list({"type": "customer.updated"}).data[0]
    assert event.data.previous_attributes["name"] == "Old"
    assert event.data.object.name == "New"
