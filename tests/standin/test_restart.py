"""Everything but faults survives a kill: objects, balances, kept answers, and deliveries not yet accepted."""

import pytest
import stripe

from portal.standin.settings import read_settings
from tests.standin.builders import a_transfer, an_active_account
from tests.standin.process import running_standin
from tests.standin.receiver import running_receiver


def test_objects_balance_and_kept_answers_survive_a_kill(tmp_path):
    state = tmp_path / "standin.db"
    with running_standin(state) as first:
        account_id = an_active_account(first)
        first.control.fund(1000)
        transfer = a_transfer(first.client(), account_id, key="k1")
        first.kill()
    with running_standin(state) as second:
        client = second.client()
        assert client.v1.transfers.retrieve(transfer.id).amount == 700
        assert client.v1.balance.retrieve().available[0].amount == 300
        assert a_transfer(client, account_id, key="k1").id == transfer.id
        with pytest.raises(stripe.IdempotencyError):
            a_transfer(client, account_id, 1, key="k1")


def test_a_delivery_not_accepted_before_a_kill_is_made_after_it(tmp_path):
    state = tmp_path / "standin.db"
    with running_receiver() as receiver:
        url = receiver.url("/snapshot")
        with running_standin(state, webhook_url=url) as first:
            first.control.hold_deliveries()
            customer = first.client().v1.customers.create({"name": "N"})
            first.kill()
        assert receiver.received == []
        with running_standin(state, webhook_url=url) as second:
            second.control.release_deliveries()
            assert receiver.wait_for(1)
            event = second.client().construct_event(
                receiver.received[0].body, receiver.received[0].signature, second.webhook_secret
            )
    assert event.data.object.id == customer.id


def test_an_endpoint_set_by_the_control_api_survives_a_restart(tmp_path):
    state = tmp_path / "standin.db"
    with running_standin(state) as first:
        first.control.endpoints(webhook_url="http://127.0.0.1:9/events")
    with running_standin(state) as second:
        second.client().v1.customers.create({"name": "N"})
        assert len(second.control.deliveries()) == 1


def test_options_overrule_the_environment():
    environment = {"STANDIN_PORT": "1", "STANDIN_KEY": "sk_test_env", "STANDIN_WEBHOOK_SECRET": "a, b"}
    settings = read_settings(["--port", "2"], environment)
    assert (settings.port, settings.key, settings.webhook_secrets) == (2, "sk_test_env", ("a", "b"))
