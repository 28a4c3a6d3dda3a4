"""What is charged in one currency and settles in another: charges, refunds, disputes, transfers, payouts, steps."""

import pytest
import stripe

from tests.standin.builders import an_active_account, an_open_invoice


def paid_charge(standin, client, amount=10_000):
    invoice = an_open_invoice(client, amount)
    standin.control.pay_invoice(invoice.id)
    return client.v1.charges.list({"customer": invoice.customer}).data[0]


def movements(client, source):
    return [
        (one.amount, one.currency, one.fee, one.exchange_rate)
        for one in client.v1.balance_transactions.list({"source": source}).data[::-1]
    ]


def balances(client):
    return {each.currency: each.amount for each in client.v1.balance.retrieve().available}


@pytest.mark.parametrize(
    ("settled", "rate", "moved"),
    [
        ("eur", "0.9", (9_000, "eur", 291, 0.9)),
        ("jpy", "1.55235", (15_524, "jpy", 480, 1.55235)),
        ("kwd", "3.0731", (30_730, "kwd", 920, 3.0731)),
    ],
)
def test_a_charge_keeps_its_currency_and_the_balance_gets_the_other(standin, client, settled, rate, moved):
    standin.control.exchange("usd", settled, rate)
    charge = paid_charge(standin, client)
    assert (charge.amount, charge.currency) == (10_000, "usd")
    assert movements(client, charge.id) == [moved]
    assert balances(client) == {settled: moved[0] - moved[2]}


def test_what_goes_back_leaves_the_same_balance_at_the_rate_of_the_day(standin, client):
    standin.control.exchange("usd", "eur", "0.9")
    charge = paid_charge(standin, client)
    standin.control.exchange("usd", "eur", "0.95")
    refund = client.v1.refunds.create({"charge": charge.id, "amount": 4_000})
    assert (refund.amount, refund.currency, movements(client, refund.id)) == (4_000, "usd", [(-3_800, "eur", 0, 0.95)])
    standin.control.fail_refund(refund.id)
    assert movements(client, refund.id)[1:] == [(3_800, "eur", 0, 0.95)]
    dispute = standin.control.dispute(charge.id)
    standin.control.exchange("usd", "eur", "0.8")
    standin.control.decide(dispute, "won")
    assert movements(client, dispute) == [(-9_500, "eur", 1_500, 0.95), (8_000, "eur", 0, 0.8)]


def test_a_transfer_is_funded_by_what_the_charge_settled_in(standin, client):
    account = an_active_account(standin)
    standin.control.exchange("usd", "eur", "0.9")
    charge = paid_charge(standin, client)
    wanted = {"amount": 100, "destination": account, "source_transaction": charge.id}
    with pytest.raises(stripe.InvalidRequestError, match="same currency"):
        client.v1.transfers.create({**wanted, "currency": "usd"})
    client.v1.transfers.create({**wanted, "currency": "eur"})
    with pytest.raises(stripe.InvalidRequestError, match="must not exceed"):
        client.v1.transfers.create({**wanted, "amount": 8_901, "currency": "eur"})


def test_a_payout_leaves_the_balance_of_its_currency(standin, client):
    standin.control.fund(500, "usd")
    standin.control.exchange("usd", "eur", "0.9")
    paid_charge(standin, client)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payouts.create({"amount": 501, "currency": "usd"})
    assert caught.value.code == "balance_insufficient"
    client.v1.payouts.create({"amount": 8_709, "currency": "eur"})
    assert balances(client) == {"eur": 0, "usd": 500}


def test_a_rate_is_above_zero_between_two_currencies(standin):
    for presented, settled, rate in (("usd", "usd", "1"), ("usd", "eur", "0")):
        with pytest.raises(Exception, match="between two currencies"):
            standin.control.exchange(presented, settled, rate)
