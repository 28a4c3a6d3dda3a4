"""Answers that are lost, break off, come late: what happened all the same, and what a repetition finds."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.standin.builders import a_transfer, an_active_account
from tests.standin.process import ControlError


@pytest.fixture
def destination(standin):
    standin.control.fund(10_000)
    return an_active_account(standin)


@pytest.mark.parametrize("kind", ["lose_answer", "break_body"])
def test_the_transfer_is_made_once_when_its_answer_is_lost(standin, client, destination, kind):
    standin.control.fault(kind, method="POST", path="/v1/transfers")
    with pytest.raises(stripe.APIConnectionError):
        a_transfer(client, destination, key="k1")
    assert standin.control.counters()["transfer"] == 1
    again = a_transfer(client, destination, key="k1")
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert standin.control.counters()["transfer"] == 1


def test_the_transfer_is_made_twice_when_the_key_is_not_repeated(standin, client, destination):
    standin.control.fault("lose_answer", path="/v1/transfers")
    with pytest.raises(stripe.APIConnectionError):
        a_transfer(client, destination, key="k1")
    a_transfer(client, destination, key="k2")
    assert standin.control.counters()["transfer"] == 2


def test_the_client_repeats_a_lost_answer_by_itself_when_told_to(standin, destination):
    standin.control.fault("lose_answer", path="/v1/transfers")
    a_transfer(standin.client(max_network_retries=1), destination)
    assert standin.control.counters()["transfer"] == 1


def test_a_fault_takes_only_the_calls_it_names(standin, client, destination):
    standin.control.fault("rate_limit", method="POST", path="/v1/transfers/.*", times=2)
    transfer = a_transfer(client, destination)
    client.v1.transfers.retrieve(transfer.id)
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            client.v1.transfers.reversals.create(transfer.id, {"amount": 1})
    assert client.v1.transfers.reversals.create(transfer.id, {"amount": 1}).amount == 1


def test_faults_can_be_taken_back(standin, client):
    standin.control.fault("error_before", times=5)
    standin.control.clear_faults()
    assert client.v1.customers.list().data == []


def test_a_call_can_be_held_after_it_has_executed(standin, client, destination):
    standin.control.fault("hold_after", method="POST", path="/v1/transfers")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(a_transfer, standin.client(), destination, transfer_group="g")
        standin.control.wait_until_held()
        found = client.v1.transfers.list({"transfer_group": "g"}).data
        assert standin.control.release_held_calls() == 1
        assert held.result().id == found[0].id


def test_a_slow_answer_runs_into_the_time_limit(standin, destination):
    standin.control.fault("hold_after", path="/v1/transfers")
    with pytest.raises(stripe.APIConnectionError):
        a_transfer(standin.client(seconds=0.2), destination)
    standin.control.release_held_calls()
    assert standin.control.counters()["transfer"] == 1


def test_a_delayed_call_is_executed_all_the_same(standin, client, destination):
    standin.control.fault("delay", path="/v1/transfers", seconds=0.01)
    assert a_transfer(client, destination, key="k1").amount == 700


def test_the_call_log_shows_keys_faults_and_replays(standin, client, destination):
    standin.control.fault("lose_answer", path="/v1/transfers")
    with pytest.raises(stripe.APIConnectionError):
        a_transfer(client, destination, key="k1")
    a_transfer(client, destination, key="k1")
    found = standin.control.calls(idempotency_key="k1")
    assert [(call["status"], call["fault"], call["replayed"]) for call in found] == [
        (200, "lose_answer", 0),
        (200, None, 1),
    ]
    assert found[0]["parameters"] == found[1]["parameters"]
    assert standin.control.counters()["replayed"] == 1


def test_a_fault_of_an_unknown_kind_is_refused(standin):
    with pytest.raises(ControlError):
        standin.control.fault("earthquake")
