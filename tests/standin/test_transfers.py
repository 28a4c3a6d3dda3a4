"""Transfers need an active destination and available money; reversals need the destination to have it still."""

import pytest
import stripe

from tests.standin.builders import a_transfer, an_account, an_active_account, an_open_invoice


@pytest.fixture
def destination(standin):
    return an_active_account(standin)


def available(client, account=None):
    options = {"stripe_account": account} if account else {}
    return client.v1.balance.retrieve(options=options).available[0].amount


def paid_charge(standin, client, amount=10_000):
    invoice = an_open_invoice(client, amount)
    standin.control.pay_invoice(invoice.id)
    return client.v1.charges.list({"customer": invoice.customer}).data[0]


def test_a_transfer_moves_money_from_one_balance_to_the_other(standin, client, destination):
    standin.control.fund(1000)
    transfer = a_transfer(client, destination, 700, transfer_group="st-1", metadata={"intent": "i1"})
    assert (transfer.transfer_group, transfer.metadata["intent"], transfer.livemode) == ("st-1", "i1", False)
    assert (available(client), available(client, destination)) == (300, 700)
    moved = client.v1.balance_transactions.retrieve(transfer.balance_transaction)
    assert (moved.amount, moved.net, moved.type, moved.source) == (-700, -700, "transfer", transfer.id)


def test_a_transfer_beyond_the_available_balance_is_refused(standin, client, destination):
    standin.control.fund(699)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        a_transfer(client, destination, 700)
    assert (caught.value.http_status, caught.value.code) == (400, "balance_insufficient")
    assert standin.control.counters()["transfer"] == 0


def test_pending_money_does_not_cover_a_transfer_until_it_is_available(standin, client, destination):
    standin.control.available_after(2 * 24 * 3600)
    paid_charge(standin, client)
    balance = client.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (0, 9680)
    with pytest.raises(stripe.InvalidRequestError):
        a_transfer(client, destination)
    standin.control.advance_clock(2 * 24 * 3600)
    assert a_transfer(client, destination).amount == 700


@pytest.mark.parametrize("status", ["pending", "restricted", "unsupported"])
def test_a_transfer_to_an_account_that_is_not_active_is_refused(standin, client, destination, status):
    standin.control.fund(1000)
    standin.control.set_capability(destination, status)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        a_transfer(client, destination)
    assert caught.value.code == "insufficient_capabilities_for_transfer"


def test_a_transfer_to_an_account_not_yet_onboarded_is_refused(standin, client):
    standin.control.fund(1000)
    with pytest.raises(stripe.InvalidRequestError):
        a_transfer(client, an_account(client).id)


def test_transfers_are_found_by_group_and_destination(standin, client, destination):
    standin.control.fund(10_000)
    mine = [a_transfer(client, destination, 100 + number, transfer_group="g").id for number in range(3)]
    a_transfer(client, destination, transfer_group="other")
    assert [one.id for one in client.v1.transfers.list({"transfer_group": "g"})] == mine[::-1]
    assert len(client.v1.transfers.list({"destination": destination}).data) == 4
    assert client.v1.transfers.list({"destination": "acct_other"}).data == []


def test_metadata_of_a_transfer_can_be_changed_but_not_its_amount(standin, client, destination):
    standin.control.fund(1000)
    transfer = a_transfer(client, destination, metadata={"a": "1", "b": "2"})
    changed = client.v1.transfers.update(transfer.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.transfers.update(transfer.id, {"amount": 1})


def test_a_transfer_with_a_source_waits_for_the_charge_and_never_exceeds_it(standin, client, destination):
    standin.control.available_after(3600)
    charge = paid_charge(standin, client, 1000)
    first = a_transfer(client, destination, 700, source_transaction=charge.id)
    assert first.transfer_group == f"group_{charge.id}"
    assert available(client, destination) == 0
    with pytest.raises(stripe.InvalidRequestError):
        a_transfer(client, destination, 301, source_transaction=charge.id)
    standin.control.advance_clock(3600)
    assert available(client, destination) == 700


def test_a_reversal_in_parts_brings_the_money_back(standin, client, destination):
    standin.control.fund(700)
    transfer = a_transfer(client, destination, 700)
    client.v1.transfers.reversals.create(transfer.id, {"amount": 200, "metadata": {"why": "refund"}})
    rest = client.v1.transfers.reversals.create(transfer.id)
    assert rest.amount == 500
    found = client.v1.transfers.retrieve(transfer.id)
    assert (found.amount_reversed, found.reversed, len(found.reversals.data)) == (700, True, 2)
    assert available(client) == 700
    assert client.v1.transfers.reversals.retrieve(transfer.id, rest.id).id == rest.id
    assert len(client.v1.transfers.reversals.list(transfer.id).data) == 2
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.transfers.reversals.create(transfer.id)


def test_a_reversal_of_more_than_is_left_is_refused(standin, client, destination):
    standin.control.fund(700)
    transfer = a_transfer(client, destination, 700)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.transfers.reversals.create(transfer.id, {"amount": 701})


def test_a_reversal_is_refused_when_the_account_has_taken_its_money_out(standin, client, destination):
    standin.control.fund(700)
    transfer = a_transfer(client, destination, 700)
    standin.control.pay_out(destination, 600)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.transfers.reversals.create(transfer.id, {"amount": 101})
    assert caught.value.code == "balance_insufficient"
    assert client.v1.transfers.reversals.create(transfer.id, {"amount": 100}).amount == 100


def test_the_balance_is_the_sum_of_its_transactions(standin, client, destination):
    charge = paid_charge(standin, client)
    client.v1.topups.create({"amount": 500, "currency": "usd", "description": "Top-up"})
    a_transfer(client, destination)
    client.v1.payouts.create({"amount": 300, "currency": "usd"})
    client.v1.refunds.create({"charge": charge.id, "amount": 1000})
    standin.control.set_available(5000)
    moved = list(client.v1.balance_transactions.list({"limit": 2}).auto_paging_iter())
    assert sum(one.net for one in moved) == available(client) == 5000
    assert [one.type for one in moved] == ["adjustment", "refund", "payout", "transfer", "topup", "charge"]
    assert client.v1.balance_transactions.list({"source": charge.id}).data[0].fee == 320


def test_a_payout_beyond_the_balance_is_refused(standin, client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payouts.create({"amount": 1, "currency": "usd"})
    assert caught.value.code == "balance_insufficient"
    standin.control.fund(10)
    payout = client.v1.payouts.create({"amount": 10, "currency": "usd"})
    assert (payout.status, client.v1.payouts.retrieve(payout.id).id) == ("paid", payout.id)
    assert [one.id for one in client.v1.payouts.list()] == [payout.id]
