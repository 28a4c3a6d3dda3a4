"""Invoices that wait for their payer's address: who sees them, who may say it, what each page says of the tax."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from portal.access import Role
from portal.billing.actions import gather_invoices
from portal.billing.models import Invoice
from portal.payments.models import Intent
from portal.payments.taxing.models import PayerAddress
from tests.support.billed import BILLED_AT
from tests.support.cast import add_person
from tests.support.queued import queued
from tests.web.support import money


@pytest.fixture
def invoice(work_session, cast) -> Invoice:
    """An invoice that Stripe has not taxed because it cannot place the payer."""
    item = money.billed_item(work_session, cast)
    (made,) = gather_invoices(work_session, item.period_id, now=BILLED_AT, automatic_tax=True)
    intent = work_session.get_one(Intent, made.intent_id)
    intent.progress = {"customer": "cus_1", "invoice": "in_1", "waiting": "address", "tried_address": 0}
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    work_session.commit()
    return made


def test_who_pays_and_who_issued_see_what_waits_and_either_may_say_where(visit, cast, invoice, work_session):
    said = {"line1": "Ringstr. 1", "postal_code": "10115", "city": "Berlin", "state": "", "country": "de"}
    for who, words in ((cast.fay, "Klinikum Ostufer"), (cast.bea, "needs your address")):
        page = visit(who).get("/").text
        assert "/invoices-without-address" in page
        assert words in page
    fay = visit(cast.fay)
    page = fay.get("/invoices-without-address").text
    assert f"Say the address for {invoice.name}" in page
    assert "until then the invoice is not sent" in fay.get(f"/invoices/{invoice.id}").text
    form = f"/invoices/{invoice.id}/payer-address"
    refused = visit(cast.bea).post(form, {**said, "country": "US", "postal_code": "1"})
    assert (refused.status_code, "Five digits" in refused.text) == (422, True)
    kept = visit(cast.bea).post(form, said)
    assert (kept.status_code, kept.location) == (303, "/invoices-without-address")
    row = work_session.scalars(select(PayerAddress)).one()
    assert (row.country, row.recorded_by) == ("DE", cast.bea.person_id)
    assert queued(work_session, "perform_intent") == [("perform_intent", {"intent_id": str(invoice.intent_id)})]
    assert "10115" in fay.get("/invoices-without-address").text


@pytest.mark.parametrize("who", ["leo", "ana", "tom", "cal"])
def test_addresses_are_for_those_who_pay_or_collect(visit, cast, invoice, who):
    for path in ("/invoices-without-address", f"/invoices/{invoice.id}/payer-address"):
        assert visit(getattr(cast, who)).get(path).status_code == 404


def test_another_manufacturers_finance_sees_and_says_nothing(visit, cast, invoice, work_session):
    stranger = add_person(work_session, cast.other_factory, "stranger", Role.FINANCE)
    work_session.commit()
    assert invoice.name not in visit(stranger).get("/invoices-without-address").text
    assert visit(stranger).post(f"/invoices/{invoice.id}/payer-address", {"country": "DE"}).status_code == 404
