"""The hosted pages: what a person at them sees and does, without a browser."""

import re

import pytest
import requests

from tests.standin.builders import an_account, an_open_invoice, status_of
from tests.standin.test_checkout import a_session

NO_MONEY = "No money moves"
RETURN, REFRESH = "https://portal.example/return", "https://portal.example/refresh"


def a_link(client, account_id):
    flow = {"refresh_url": REFRESH, "return_url": RETURN}
    use_case = {"type": "account_onboarding", "account_onboarding": flow}
    return client.v2.core.account_links.create({"account": account_id, "use_case": use_case})


def at(url, **form):
    if form:
        return requests.post(url, form, allow_redirects=False, timeout=20)
    return requests.get(url, allow_redirects=False, timeout=20)


def a_page(url):
    page = requests.get(url, timeout=20)
    assert page.status_code == 200
    return page


def status_now(client, account_id):
    return status_of(client.v2.core.accounts.retrieve(account_id, {"include": ["configuration.recipient"]}))


FILLED = {"business_name": "Integrator Inc.", "account_number": "000123456789"}


@pytest.mark.parametrize(("choice", "status"), [("active", "active"), ("pending", "pending"), ("leave", "pending")])
def test_onboarding_returns_with_the_chosen_outcome(client, choice, status):
    account_id = an_account(client).id
    page = a_page(a_link(client, account_id).url)
    assert NO_MONEY in page.text
    answer = at(page.url, choice=choice, **FILLED)
    assert (answer.status_code, answer.headers["Location"]) == (303, RETURN)
    assert status_now(client, account_id) == status


def test_onboarding_shows_what_is_wrong_and_keeps_what_was_typed(client):
    account_id = an_account(client).id
    page = a_page(a_link(client, account_id).url)
    answer = at(page.url, choice="active", business_name="<b>Ours</b>", account_number="12")
    assert answer.status_code == 422
    assert "&lt;b&gt;Ours&lt;/b&gt;" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert status_now(client, account_id) == "pending"


def test_a_link_opens_once_and_for_minutes(standin, client):
    account_id = an_account(client).id
    used, late = a_link(client, account_id), a_link(client, account_id)
    assert requests.head(used.url, timeout=20).status_code == 200
    a_page(used.url)
    assert at(used.url).headers["Location"] == REFRESH
    standin.control.advance_clock(301)
    assert at(late.url).headers["Location"] == REFRESH


def test_an_invoice_is_paid_at_its_page(client):
    invoice = an_open_invoice(client, 123_456)
    page = a_page(invoice.hosted_invoice_url)
    assert NO_MONEY in page.text
    assert "1,234.56 USD" in page.text
    assert invoice.number in page.text
    answer = at(invoice.hosted_invoice_url, way="bank")
    assert answer.status_code == 303
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    paid = a_page(invoice.hosted_invoice_url).text
    assert "Paid" in paid
    assert "<form" not in paid


def test_paying_twice_at_the_page_pays_once(standin, client):
    invoice = an_open_invoice(client)
    for _ in range(2):
        assert at(invoice.hosted_invoice_url, way="card").status_code == 303
    assert standin.control.counters()["charge"] == 1


def test_a_declined_card_says_so_and_can_be_tried_again(client):
    invoice = an_open_invoice(client)
    at(invoice.hosted_invoice_url, way="card_declined")
    page = a_page(invoice.hosted_invoice_url).text
    assert "declined" in page
    assert "<form" in page


def test_a_bank_debit_on_its_way_cannot_be_paid_again(client):
    invoice = an_open_invoice(client)
    at(invoice.hosted_invoice_url, way="bank_processing")
    page = a_page(invoice.hosted_invoice_url).text
    assert "on its way" in page
    assert "<form" not in page


def test_a_void_invoice_cannot_be_paid_at_its_page(client):
    invoice = an_open_invoice(client)
    client.v1.invoices.void_invoice(invoice.id)
    assert "<form" not in a_page(invoice.hosted_invoice_url).text
    at(invoice.hosted_invoice_url, way="card")
    assert client.v1.invoices.retrieve(invoice.id).status == "void"


def test_checkout_leads_back_with_the_session_id(client):
    session = a_session(client)
    page = a_page(session.url)
    assert NO_MONEY in page.text
    assert "https://portal.example/back" in page.text
    for _ in range(2):
        answer = at(session.url, way="card")
        assert answer.headers["Location"] == f"https://portal.example/done?session={session.id}"
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_an_expired_checkout_cannot_be_paid(standin, client):
    session = a_session(client)
    standin.control.advance_clock(25 * 3600)
    assert "expired" in a_page(session.url).text
    assert at(session.url, way="card").status_code == 400


@pytest.mark.parametrize(
    "path", ["invoice/unknown", "checkout/unknown", "onboarding/unknown", "onboarding/session/unknown"]
)
def test_an_unknown_page_is_not_found(standin, path):
    page = at(f"{standin.base_url}/hosted/{path}")
    assert page.status_code == 404
    assert "not available" in page.text


def test_pages_are_english_labelled_and_bring_no_script_or_inline_style(client):
    invoice = an_open_invoice(client)
    onboarding = a_page(a_link(client, an_account(client).id).url)
    for page in (a_page(invoice.hosted_invoice_url), a_page(a_session(client).url), onboarding):
        assert '<html lang="en">' in page.text
        assert "width=device-width" in page.text
        assert not re.search(r"<script|style=", page.text)
        assert "style-src 'self'" in page.headers["Content-Security-Policy"]
        inputs = set(re.findall(r'<input id="(\w+)"', page.text))
        assert inputs == set(re.findall(r'<label for="(\w+)"', page.text))


def test_the_style_sheet_is_served(standin):
    sheet = at(f"{standin.base_url}/hosted/static/standin.css")
    assert sheet.headers["Content-Type"].startswith("text/css")
