"""What holds for every call: keys, versions, addresses, paging, expansion, search, ids."""

import http.client
from urllib.parse import urlsplit

import pytest
import stripe

from tests.standin.builders import an_active_account, an_open_invoice


def raw(standin, method, path, body="", **headers):
    connection = http.client.HTTPConnection(urlsplit(standin.base_url).netloc, timeout=20)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Authorization": f"Bearer {standin.key}", **names})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_a_call_without_or_with_a_wrong_key_is_refused(standin):
    with pytest.raises(stripe.AuthenticationError) as caught:
        standin.client(key="sk_test_0123456789abcdef").v1.customers.list()
    assert "sk_test_************cdef" in str(caught.value)
    answer, _ = raw(standin, "GET", "/v1/customers", Authorization="")
    assert answer.status == 401


def test_the_key_may_come_as_basic_user_name(standin):
    answer, _ = raw(standin, "GET", "/v1/customers", Authorization="Basic c2tfdGVzdF9zdGFuZGluX3Rlc3RzOg==")
    assert answer.status == 200


def test_an_answer_names_request_and_version(standin):
    answer, _ = raw(standin, "GET", "/v1/customers")
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == stripe.api_version


def test_another_version_is_refused(standin):
    answer, text = raw(standin, "GET", "/v1/customers", Stripe_Version="2020-08-27")
    assert answer.status == 400
    assert "2020-08-27" in text
    assert raw(standin, "GET", "/v2/core/accounts")[0].status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/unicorns", 404), ("POST", "/v1/balance", 404), ("DELETE", "/v1/charges/ch_1", 404)],
)
def test_an_unknown_address_is_not_found(standin, method, path, status):
    answer, text = raw(standin, method, path)
    assert answer.status == status
    assert f"Unrecognized request URL ({method}: {path})" in text


def test_a_broken_body_is_refused(standin):
    headers = {"Stripe_Version": stripe.api_version, "Content_Type": "application/json"}
    assert raw(standin, "POST", "/v2/core/accounts", "{", **headers)[0].status == 400
    assert raw(standin, "POST", "/v2/core/accounts", "[]", **headers)[0].status == 400


def test_an_unknown_parameter_of_a_list_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.transfers.list({"colour": "red"})
    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "colour")


@pytest.mark.parametrize(
    "kind",
    ["customers", "charges", "payment_intents", "events", "topups", "payouts", "refunds", "invoice_items", "prices"],
)
def test_an_unknown_id_is_not_found(client, kind):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        getattr(client.v1, kind).retrieve("xx_unknown")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_lists_page_forwards_and_backwards_newest_first(client):
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(5)][::-1]
    first = client.v1.customers.list({"limit": 2})
    assert ([one.id for one in first.data], first.has_more) == (made[:2], True)
    assert [one.id for one in first.auto_paging_iter()] == made
    last = client.v1.customers.list({"limit": 2, "starting_after": made[2]})
    assert ([one.id for one in last.data], last.has_more) == (made[3:], False)
    before = client.v1.customers.list({"limit": 2, "ending_before": made[4]})
    assert [one.id for one in before.data] == made[2:4]
    for bad in ({"limit": 101}, {"limit": 0}, {"starting_after": "cus_unknown"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.list(bad)


def test_a_page_that_is_no_page_is_refused(client):
    for read in (client.v2.core.events.list, client.v2.core.accounts.list):
        with pytest.raises(stripe.InvalidRequestError):
            read({"page": "x"})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.search({"query": "name:'x'", "page": "x"})


def test_lists_expand_below_data(standin, client):
    invoice = an_open_invoice(client)
    standin.control.pay_invoice(invoice.id)
    [charge] = client.v1.charges.list({"expand": ["data.balance_transaction", "data.payment_intent"]}).data
    assert (charge.balance_transaction.fee, charge.payment_intent.status) == (320, "succeeded")


@pytest.mark.parametrize("path", ["nothing", "email", "customer.a.b.c.d"])
def test_what_cannot_be_expanded_is_refused(client, path):
    customer = client.v1.customers.create({"email": "a@b.example"})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.retrieve(customer.id, {"expand": [path]})


def test_customers_are_found_by_metadata_and_mail(client):
    wanted = client.v1.customers.create({"email": "a@b.example", "metadata": {"organisation": "7"}})
    client.v1.customers.create({"email": "c@d.example", "metadata": {"organisation": "8"}})
    for query in ("metadata['organisation']:'7'", 'email:"a@b.example" AND metadata["organisation"]:"7"'):
        assert [one.id for one in client.v1.customers.search({"query": query}).data] == [wanted.id]
    assert [one.id for one in client.v1.customers.list({"email": "a@b.example"}).data] == [wanted.id]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.search({"query": "everybody"})


def test_nothing_private_leaves_the_stand_in(standin, client):
    invoice = an_open_invoice(client)
    for path in (f"/v1/invoices/{invoice.id}", "/v1/invoiceitems", "/v1/events?limit=50"):
        assert '"_' not in raw(standin, "GET", path)[1]


def test_a_page_of_another_site_cannot_use_the_control_api(standin, client):
    an_open_invoice(client)
    answer, _ = raw(standin, "POST", "/_control/reset", Origin="https://elsewhere.example")
    assert answer.status == 403
    assert standin.control.counters()["invoice"] == 1


def test_live_mode_is_never_claimed(client):
    assert an_open_invoice(client).livemode is False
    assert client.v1.balance.retrieve().livemode is False


def test_an_account_that_is_not_ours_is_refused(client):
    with pytest.raises(stripe.PermissionError):
        client.v1.balance.retrieve(options={"stripe_account": "acct_unknown"})


def test_platform_only_addresses_are_refused_for_an_account(standin, client):
    options = {"stripe_account": an_active_account(standin)}
    assert client.v1.payouts.list(options=options).data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.transfers.list(options=options)
