"""Each rule of docs.stripe.com/api/idempotent_requests, with the real client."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.standin.builders import RECIPIENT, a_transfer, an_account, an_active_account

DAY_SECONDS = 24 * 3600


def replayed(answer):
    return answer.last_response.headers.get("Idempotent-Replayed") == "true"


def test_the_first_answer_is_replayed_when_the_key_comes_again(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(1000)
    first = a_transfer(client, account_id, key="k1")
    again = a_transfer(client, account_id, key="k1")
    assert again.id == first.id
    assert not replayed(first)
    assert replayed(again)
    assert again.last_response.headers["Original-Request"] == first.last_response.request_id
    assert standin.control.counters()["transfer"] == 1


def test_the_same_key_with_other_parameters_is_an_error(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(1000)
    a_transfer(client, account_id, 100, key="k1")
    with pytest.raises(stripe.IdempotencyError) as caught:
        a_transfer(client, account_id, 200, key="k1")
    assert caught.value.http_status == 400
    assert standin.control.counters()["transfer"] == 1


def test_the_same_key_at_another_address_is_an_error(client):
    options = {"idempotency_key": "k1"}
    client.v1.customers.create({"name": "N"}, options=options)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.products.create({"name": "N"}, options=options)


def test_refused_parameters_keep_nothing(client):
    options = {"idempotency_key": "k1"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.products.create({"name": "N", "colour": "red"}, options=options)
    assert caught.value.code == "parameter_unknown"
    assert client.v1.products.create({"name": "N"}, options=options).name == "N"


def test_an_unknown_object_in_a_parameter_keeps_nothing(standin, client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        a_transfer(client, "acct_unknown", key="k1")
    assert (caught.value.code, caught.value.param) == ("resource_missing", "destination")
    standin.control.fund(1000)
    assert a_transfer(client, an_active_account(standin), key="k1").amount == 700


def test_a_wrong_api_key_keeps_nothing(standin, client):
    options = {"idempotency_key": "k1"}
    with pytest.raises(stripe.AuthenticationError):
        standin.client(key="sk_test_wrong").v1.products.create({"name": "Other"}, options=options)
    assert client.v1.products.create({"name": "N"}, options=options).name == "N"


def test_a_429_keeps_nothing(standin, client):
    options = {"idempotency_key": "k1"}
    standin.control.fault("rate_limit", path="/v1/products")
    with pytest.raises(stripe.RateLimitError):
        client.v1.products.create({"name": "N"}, options=options)
    assert not replayed(client.v1.products.create({"name": "N"}, options=options))


def test_a_refusal_by_the_state_of_things_is_kept(standin, client):
    account_id = an_active_account(standin)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            a_transfer(client, account_id, key="k1")
        assert caught.value.code == "balance_insufficient"
        standin.control.fund(1000)
    assert a_transfer(client, account_id, key="k2").amount == 700


def test_a_500_is_kept_and_replayed_although_nothing_happened(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(1000)
    standin.control.fault("error_kept", path="/v1/transfers")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            a_transfer(client, account_id, key="k1")
        assert caught.value.http_status == 500
    assert standin.control.counters()["transfer"] == 0


def test_a_500_is_kept_although_the_transfer_was_made(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(1000)
    standin.control.fault("error_kept", path="/v1/transfers", execute=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            a_transfer(client, account_id, key="k1", transfer_group="g")
    assert len(client.v1.transfers.list({"transfer_group": "g"}).data) == 1


def test_a_500_before_execution_keeps_nothing(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(1000)
    standin.control.fault("error_before", path="/v1/transfers")
    with pytest.raises(stripe.APIError):
        a_transfer(client, account_id, key="k1")
    assert not replayed(a_transfer(client, account_id, key="k1"))


def test_a_second_call_while_the_first_executes_is_a_conflict(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(1000)
    standin.control.fault("hold_before", method="POST", path="/v1/transfers")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(a_transfer, standin.client(), account_id, key="k1")
        standin.control.wait_until_held()
        with pytest.raises(stripe.APIError) as caught:
            a_transfer(client, account_id, key="k1")
        assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
        standin.control.release_held_calls()
        made = first.result()
    assert a_transfer(client, account_id, key="k1").id == made.id


def test_a_crowd_with_few_keys_makes_one_transfer_a_key_and_never_overdraws(standin):
    account_id = an_active_account(standin)
    standin.control.fund(1000)

    def outcome(number):
        try:
            return a_transfer(standin.client(), account_id, 100, key=f"k{number % 12}").id
        except stripe.StripeError as error:
            return error.error.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(outcome, range(36)))
    refusals = {"balance_insufficient", "idempotency_key_in_use"}
    assert len(outcomes - refusals) == standin.control.counters()["transfer"] == 10
    assert standin.client().v1.balance.retrieve().available[0].amount == 0


def test_a_key_is_forgotten_after_a_day(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(2000)
    first = a_transfer(client, account_id, key="k1")
    standin.control.advance_clock(DAY_SECONDS - 60)
    assert a_transfer(client, account_id, key="k1").id == first.id
    standin.control.advance_clock(120)
    assert a_transfer(client, account_id, key="k1").id != first.id


def test_keys_can_be_made_to_expire(standin, client):
    account_id = an_active_account(standin)
    standin.control.fund(2000)
    first = a_transfer(client, account_id, key="k1")
    assert standin.control.expire_keys() >= 1
    assert a_transfer(client, account_id, key="k1").id != first.id


def test_v2_replays_a_success_even_after_a_day(standin, client):
    given = {"display_name": "D", "identity": {"country": "us"}, "configuration": RECIPIENT}
    options = {"idempotency_key": "k1"}
    first = client.v2.core.accounts.create(given, options=options)
    standin.control.advance_clock(2 * DAY_SECONDS)
    assert client.v2.core.accounts.create(given, options=options).id == first.id
    with pytest.raises(stripe.IdempotencyError):
        client.v2.core.accounts.create({**given, "display_name": "E"}, options=options)


def test_v2_executes_a_failed_call_again(standin, client):
    standin.control.fault("error_kept", path="/v2/core/accounts")
    options = {"idempotency_key": "k1"}
    with pytest.raises(stripe.APIError):
        client.v2.core.accounts.create({"display_name": "D"}, options=options)
    assert client.v2.core.accounts.create({"display_name": "D"}, options=options).id.startswith("acct_")


def test_reading_needs_no_key_and_is_never_replayed(client):
    an_account(client)
    first = client.v1.customers.list(options={"idempotency_key": "k1"})
    client.v1.customers.create({"name": "N"})
    again = client.v1.customers.list(options={"idempotency_key": "k1"})
    assert (len(first.data), len(again.data)) == (0, 1)


def test_a_key_too_long_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"name": "N"}, options={"idempotency_key": "k" * 256})
