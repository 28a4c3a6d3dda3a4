"""Refunds, credits, chargebacks and warnings in the browser: shown before the act, two people, each sees its own."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from portal.adjustments.actions import carrying_out, evidence
from portal.adjustments.models import Adjustment
from portal.payments.models import CashReceipt, Intent
from tests.support.beginnings import begins_with
from tests.support.cast import everything
from tests.support.queued import queued
from tests.support.settling import CLOSED_AT
from tests.web.support import money

pytestmark = begins_with(money.closed_statement)

ASKED_AT = CLOSED_AT + timedelta(days=1)
DECIDE = "1 refund or credit waits for a second person"
ANSWER = "1 chargeback has to be answered"
YES = "1 gift to a payer lowers your share"


@pytest.fixture
def payment(work_session, cast, clock) -> CashReceipt:
    """The payment of an invoice that came through the bank."""
    money.closed_statement(work_session, cast)
    work_session.commit()
    clock.now = ASKED_AT
    return work_session.scalars(select(CashReceipt)).one()


def fields(payment: CashReceipt, amount: str = "100.00") -> dict[str, str]:
    return {
        "kind": "refund", "amount": amount, "line": "", "receipt": str(payment.id), "bearer": "signed",
        "reason": "Billed twice", "reference": "W-77",
    }  # fmt: skip


def asked(visit, cast, payment, work_session) -> Adjustment:
    """Fay asks for 100.00 back."""
    fay = visit(cast.fay)
    fay.get(f"/invoices/{payment.invoice_id}/adjustments/new")
    assert fay.post(f"/invoices/{payment.invoice_id}/adjustments", fields(payment)).status_code == 303
    return work_session.scalars(select(Adjustment)).one()


def test_what_a_refund_takes_from_whom_is_shown_before_it_is_asked_for(visit, cast, payment, work_session):
    fay = visit(cast.fay)
    new = f"/invoices/{payment.invoice_id}/adjustments/new"
    assert new in fay.get(f"/invoices/{payment.invoice_id}").text
    fay.get(new)
    refused = fay.post(new, fields(payment, "9999.00"))
    assert refused.status_code == 422
    assert "at most what of this payment can still go back" in refused.text
    shown = fay.post(new, fields(payment)).text
    assert cast.integrator.name in shown
    assert cast.factory.name in shown
    assert "Somebody else of finance has to approve" in shown
    assert everything(work_session, "adjustment") == []
    assert visit(cast.leo).get(new).status_code == 200
    for stranger in (cast.ivo, cast.flo, cast.ana):
        assert visit(stranger).get(new).status_code == 404


def test_a_form_that_is_sent_twice_asks_once(visit, cast, payment, work_session):
    fay, act = visit(cast.fay), f"/invoices/{payment.invoice_id}/adjustments"
    shown = fay.post(f"{act}/new", fields(payment)).text
    keys = set(re.findall(r'name="form_key"[^>]* value="([^"]+)"', shown))
    sent = {**fields(payment), "form_key": keys.pop()}
    assert keys == set()
    places = {fay.post(act, each).location for each in (sent, sent)}
    assert len(places) == len(everything(work_session, "adjustment")) == 1
    # The page again is another form, and asks for more.
    again = {**sent, "form_key": str(uuid4())}
    assert fay.post(act, again).location not in places


def test_a_second_person_approves_and_everybody_sees_what_is_theirs(visit, cast, payment, work_session):
    made = asked(visit, cast, payment, work_session)
    page = f"/adjustments/{made.id}"
    fay, fin = visit(cast.fay), visit(cast.fin)
    assert "Waits for an answer." in fay.get(page).text
    assert DECIDE in fin.get("/").text
    assert DECIDE not in fay.get("/").text
    fay.get(f"{page}/decision")
    assert fay.post(f"{page}/decision", {"outcome": "yes"}).status_code == 403
    assert "Approve or decline" in fin.get(page).text
    fin.get(f"{page}/decision")
    assert fin.post(f"{page}/decision", {"outcome": "no", "explanation": ""}).status_code == 422
    assert fin.post(f"{page}/decision", {"outcome": "yes"}).status_code == 303
    assert DECIDE not in fin.get("/").text
    assert fin.post(f"{page}/decision", {"outcome": "no", "explanation": "Late"}).status_code == 409
    carrying_out.advance(work_session, made.id, now=ASKED_AT)
    work_session.commit()
    for reader in (cast.fay, cast.flo):
        assert "Done" in visit(reader).get(page).text
    payer = visit(cast.flo).get(page).text
    assert "Billed twice" in payer
    assert "Who loses what" not in payer
    assert cast.integrator.name not in payer
    own = visit(cast.ivo).get("/adjustments").text
    assert "What your shares lost" in own
    assert "Billed twice" in own
    assert visit(cast.ivo).get(page).status_code == 404
    assert visit(cast.tom).get("/adjustments").status_code == 404
    assert "Went back" in visit(cast.flo).get(f"/invoices/{payment.invoice_id}").text


@begins_with(None)
def test_an_integrator_answers_for_its_share(visit, cast, work_session, clock):
    invoice = money.issued_invoice(work_session, cast)
    work_session.commit()
    fay, ivo = visit(cast.fay), visit(cast.ivo)
    fay.get(f"/invoices/{invoice.id}/adjustments/new")
    wanted = {
        "kind": "goodwill", "amount": "50", "line": "", "receipt": "", "bearer": "signed", "reason": "A long wait",
        "reference": "",
    }  # fmt: skip
    assert "has to agree first" in fay.post(f"/invoices/{invoice.id}/adjustments/new", wanted).text
    assert fay.post(f"/invoices/{invoice.id}/adjustments", wanted).status_code == 303
    (row,) = everything(work_session, "adjustment")
    page = f"/adjustments/{row['id']}"
    assert f"{page}/consent" in ivo.get(page).text
    assert YES in ivo.get("/").text
    ivo.get(f"{page}/consent")
    assert ivo.post(f"{page}/consent", {"outcome": "no", "explanation": "Not ours."}).status_code == 303
    assert YES not in ivo.get("/").text
    assert ivo.post(f"{page}/consent", {"outcome": "yes"}).status_code == 409
    assert visit(cast.fay).get(f"{page}/consent").status_code == 404
    assert ("advance_adjustment", {"adjustment_id": row["id"]}) in queued(work_session, "advance_adjustment")


def test_the_administrator_sets_the_limits(visit, cast, work_session):
    adam = visit(cast.adam)
    assert "Every refund and credit takes two people." in adam.get("/adjustment-limits").text
    assert adam.post("/adjustment-limits", {"role": "finance", "amount": "x"}).status_code == 422
    assert adam.post("/adjustment-limits", {"role": "finance", "amount": "250"}).status_code == 303
    assert "250.00" in adam.get("/adjustment-limits").text
    assert visit(cast.fay).get("/adjustment-limits").status_code == 404


def test_a_chargeback_is_answered_by_what_the_record_says(visit, cast, work_session, clock):
    made = money.chargeback(work_session, cast)
    work_session.commit()
    clock.now = ASKED_AT
    fay = visit(cast.fay)
    assert f"/chargebacks/{made.id}" in fay.get("/chargebacks").text
    assert ANSWER in fay.get("/").text
    page = fay.get(f"/chargebacks/{made.id}").text
    assert "Hand the evidence to the bank" in page
    assert cast.policy_version.sha256 in page
    pdf = fay.get(f"/chargebacks/{made.id}/evidence")
    assert (pdf.mimetype, pdf.data[:5]) == ("application/pdf", b"%PDF-")
    assert fay.post(f"/chargebacks/{made.id}/evidence").status_code == 303
    assert fay.post(f"/chargebacks/{made.id}/evidence").status_code == 409
    (sent,) = evidence.sent_evidence(work_session, made.id)
    assert fay.get(f"/chargebacks/{made.id}/evidence").data == sent.content
    assert work_session.scalars(select(Intent.kind).where(Intent.kind == "evidence")).all() == ["evidence"]
    for other in (cast.leo, cast.ivo, cast.flo):
        assert visit(other).get(f"/chargebacks/{made.id}").status_code == 404


def test_a_warning_is_kept_with_a_reason(visit, cast, work_session, clock):
    made = money.fraud_warning(work_session, cast)
    work_session.commit()
    clock.now = ASKED_AT
    fay = visit(cast.fay)
    end = f"/fraud-warnings/{made.id}/end"
    assert end in fay.get("/chargebacks").text
    fay.get(end)
    assert fay.post(end, {"explanation": ""}).status_code == 422
    assert fay.post(end, {"explanation": "We know them."}).status_code == 303
    assert end not in fay.get("/chargebacks").text
    assert fay.post(end, {"explanation": "Again"}).status_code == 409
