"""Invoices in the browser: both sides' lists, the page, Stripe's page fetched fresh, payments on two people's word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.payments import calls
from portal.payments.gateway import connect
from tests.support.beginnings import begins_with
from tests.support.billed import BILLED_AT
from tests.support.cast import everything
from tests.web.conftest import changed
from tests.web.support import money

pytestmark = begins_with(money.issued_invoice)

PAYMENT = {"amount": "225.00", "method": "wire", "reference": "Wire <b>4711</b>", "received_at": "2026-03-19"}


@pytest.fixture
def invoice(work_session, cast, clock):
    clock.now = BILLED_AT + timedelta(days=1)
    made = money.issued_invoice(work_session, cast)
    work_session.commit()
    return made


@pytest.fixture
def record(work_session, cast, invoice):
    made = money.recorded_payment(work_session, cast)
    work_session.commit()
    return made


def test_both_sides_find_the_invoice_and_what_it_is_for(visit, cast, invoice):
    for actor in (cast.fay, cast.bea, cast.flo):
        browser = visit(actor)
        assert f"/invoices/{invoice.id}" in browser.get("/invoices").text
        page = browser.get(f"/invoices/{invoice.id}").text
        assert invoice.name in page
        assert "€225.00" in page
        assert "/bill-items/" in page


@pytest.mark.parametrize("who", ["ivo", "mia", "eve", "bob"])
def test_others_find_no_invoice(visit, cast, invoice, who):
    browser = visit(getattr(cast, who))
    missing = browser.get("/invoices/999999")
    for path in (f"/invoices/{invoice.id}", f"/invoices/{invoice.id}/payment-page"):
        found = browser.get(path)
        assert (found.status_code, found.text) == (404, missing.text)


@pytest.mark.parametrize("who", ["ana", "tom", "cal"])
def test_those_without_office_have_no_invoices(visit, cast, invoice, who):
    assert visit(getattr(cast, who)).get("/invoices").status_code == 404


def test_two_people_record_a_payment(visit, cast, invoice, work_session):
    fay, fin = visit(cast.fay), visit(cast.fin)
    noted = fay.post(f"/invoices/{invoice.id}/payments/new", PAYMENT)
    assert (noted.status_code, noted.location) == (303, f"/invoices/{invoice.id}")
    (record,) = everything(work_session, "payment_record")
    page = fay.get(f"/invoices/{invoice.id}").text
    assert "Wire &lt;b&gt;4711&lt;/b&gt;" in page
    assert f"/payments/{record['id']}/confirmation" not in page
    assert fay.post(f"/payments/{record['id']}/confirmation").status_code == 403
    assert "Wire" in fin.get("/receivables").text
    assert f"/payments/{record['id']}/confirmation" in fin.get(f"/invoices/{invoice.id}").text
    assert fin.post(f"/payments/{record['id']}/confirmation").status_code == 303
    assert "Paid" in fin.get(f"/invoices/{invoice.id}").text
    assert "Nobody owes anything" in fin.get("/receivables").text


def test_confirming_twice_is_one_payment(visit, cast, record, work_session):
    fin = visit(cast.fin)
    assert fin.post(f"/payments/{record.id}/confirmation").status_code == 303
    assert fin.post(f"/payments/{record.id}/confirmation").status_code == 409
    assert len(everything(work_session, "cash_receipt")) == 1


def test_recording_the_same_reference_twice_is_one_record(visit, cast, invoice, work_session):
    fay = visit(cast.fay)
    assert fay.post(f"/invoices/{invoice.id}/payments/new", PAYMENT).status_code == 303
    assert fay.post(f"/invoices/{invoice.id}/payments/new", PAYMENT).status_code == 409
    assert len(everything(work_session, "payment_record")) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": "1,5"}, "Write an amount as digits"),
        ({"amount": "225.01"}, "at most what is still open"),
        ({"amount": "-1"}, "more than zero"),
        ({"amount": "2.255"}, "2 digits after the point"),
        ({"reference": ""}, "The bank&#39;s or the check&#39;s reference."),
        ({"reference": "x" * 101}, "At most 100 characters"),
        ({"received_at": "2026-04-19"}, "in the future"),
        ({"received_at": "soon"}, "Not a valid date value"),
        ({"method": "coins"}, "Not a valid choice"),
    ],
)
def test_payment_is_refused_at_the_field_and_stays(visit, cast, invoice, work_session, change, words):
    refused = visit(cast.fay).post(f"/invoices/{invoice.id}/payments/new", {**PAYMENT, **change})
    assert refused.status_code == 422
    assert words in refused.text
    assert everything(work_session, "payment_record") == []


def test_receivables_lead_to_the_invoices_of_their_payer(visit, cast, invoice):
    fay = visit(cast.fay)
    assert f"/invoices?payer={cast.customer.id}" in fay.get("/receivables").text
    assert invoice.name in fay.get(f"/invoices?payer={cast.customer.id}").text
    for other in (cast.integrator.id, 2**63):
        assert (invoice.name in fay.get(f"/invoices?payer={other}").text) is (other == 2**63)


@pytest.mark.parametrize("who", ["flo", "bea", "ivo", "leo", "ana", "eve"])
def test_payments_are_for_the_manufacturers_finance(visit, cast, invoice, record, who):
    browser = visit(getattr(cast, who))
    assert browser.post(f"/invoices/{invoice.id}/payments/new", PAYMENT).status_code == 404
    assert browser.post(f"/payments/{record.id}/confirmation").status_code == 404


def test_confirming_is_a_post(visit, cast, record):
    assert visit(cast.fin).get(f"/payments/{record.id}/confirmation").status_code == 405


def test_payment_page_waits_while_the_invoice_is_not_at_stripe(visit, cast, invoice):
    assert visit(cast.flo).get(f"/invoices/{invoice.id}/payment-page").status_code == 503


class TestWithStripe:
    @pytest.fixture
    def gateway(self, standin):
        return connect(standin.key, standin.base_url)

    @pytest.fixture
    def app(self, app, gateway):
        return changed(app, gateway=gateway)

    def test_payer_is_led_to_stripes_page(self, visit, cast, invoice, work_engine, gateway, standin, clock):
        calls.perform(work_engine, gateway, invoice.intent_id, clock())
        flo = visit(cast.flo)
        assert "Pay at Stripe" in flo.get(f"/invoices/{invoice.id}").text
        led = flo.get(f"/invoices/{invoice.id}/payment-page")
        assert led.status_code == 303
        assert led.location.startswith(standin.base_url)

    def test_payer_reads_that_it_waits_when_stripe_is_down(
        self, visit, cast, invoice, work_engine, gateway, standin, clock
    ):
        calls.perform(work_engine, gateway, invoice.intent_id, clock())
        standin.control.fault("error_before", method="GET", path="/v1/invoices/.*")
        assert visit(cast.flo).get(f"/invoices/{invoice.id}/payment-page").status_code == 503
