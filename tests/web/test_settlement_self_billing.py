"""Self-billing in the browser: details, agreements, documents and the own invoice, by both companies' finance."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.settlement.selfbilling import queries
from portal.settlement.selfbilling.actions import end_agreement
from portal.worker.registry import TASKS
from tests.support import self_billing
from tests.support.cast import NOW
from tests.support.settling import CLOSED_AT
from tests.web.support import money

HOSTILE = "<script>alert(1)</script> =1+1 " + "ü" * 150


@pytest.fixture
def document(work_session, cast, clock):
    made = money.self_billed_document(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT + timedelta(days=12)
    return made


def test_finance_says_who_the_company_is(visit, cast):
    ivo = visit(cast.ivo)
    assert "Nothing is said yet" in ivo.get("/finance-details").text
    said = {"legal_name": HOSTILE, "address": "Hafen 1\n24103 Kiel", "country": "DE"}
    assert ivo.post("/finance-details", {**said, "legal_name": " "}).status_code == 422
    assert ivo.post("/finance-details", said).status_code == 303
    page = ivo.get("/finance-details").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert visit(cast.tom).get("/finance-details").status_code == 404
    assert visit(cast.bea).get("/finance-details").status_code == 404


def test_a_registration_is_refused_at_its_field_and_ends(visit, cast):
    ivo = visit(cast.ivo)
    said = {"country": "DE", "number": "123", "valid_from": "2026-01-01"}
    refused = ivo.post("/finance-details/registrations", said)
    assert refused.status_code == 422
    assert "looks like DE123456789" in refused.text
    assert 'value="123"' in refused.text
    assert ivo.post("/finance-details/registrations", {**said, "number": "de 123456789"}).status_code == 303
    page = ivo.get("/finance-details").text
    assert "DE123456789" in page
    href = page.split('href="/finance-details/registrations/')[1].split('"')[0]
    assert ivo.post(f"/finance-details/registrations/{href}", {"ends_on": "2026-03-01"}).status_code == 303
    assert "Ended" in ivo.get("/finance-details").text


def test_an_agreement_is_offered_accepted_and_ended(visit, cast, work_session, clock):
    fay, ivo = visit(cast.fay), visit(cast.ivo)
    said = {"party_id": cast.integrator.id, "starts_on": "2026-01-01", "expires_on": "2027-01-01"}
    assert fay.post("/self-billing/offer", {**said, "expires_on": "2025-01-01"}).status_code == 422
    assert fay.post("/self-billing/offer", {**said, "party_id": 999_999}).status_code == 404
    offered = fay.post("/self-billing/offer", said).location
    assert visit(cast.ivo).get("/self-billing/offer").status_code == 404
    assert "Waits for a yes" in ivo.get("/").text
    page = ivo.get(offered)
    sha256 = page.text.split('name="sha256" type="hidden" value="')[1].split('"')[0]
    assert ivo.post(offered, {"sha256": "0" * 64}).status_code in (409, 422)
    assert ivo.post(offered, {"sha256": sha256}).status_code == 303
    assert "Ivo" in fay.get(offered).text
    clock.now = NOW + timedelta(days=280)
    fay, ivo = visit(cast.fay), visit(cast.ivo)
    for browser in (fay, ivo):
        assert "Ends soon" in browser.get("/").text
    assert ivo.post(f"{offered}/end", {"reason": ""}).status_code == 422
    assert ivo.post(f"{offered}/end", {"reason": HOSTILE}).status_code == 303
    assert "<script>alert" not in fay.get(offered).text
    assert visit(cast.flo).get(offered).status_code == 404


def test_a_document_leads_to_its_statement_and_back(visit, cast, document):
    for actor in (cast.fay, cast.ivo, cast.mia):
        browser = visit(actor)
        assert document.name in browser.get("/self-billed?period=2026-03").text
        assert document.name not in browser.get("/self-billed?period=2025-01").text
        page = browser.get(f"/self-billed/{document.id}").text
        assert f"/statements/{document.statement_id}" in page
        assert "Self-billing: issued by the customer" in page
        statement = browser.get(f"/statements/{document.statement_id}").text
        assert f"/self-billed/{document.id}" in statement
    rows = list(csv.DictReader(io.StringIO(visit(cast.ivo).get(f"/self-billed/{document.id}/csv").text)))
    by_row = {
        kind: sum(int(row["amount_minor"]) for row in rows if row["row"] == kind)
        for kind in ("line", "net", "tax", "gross")
    }
    assert by_row == {
        "line": document.net_minor, "net": document.net_minor, "tax": document.tax_minor, "gross": document.gross_minor,
    }  # fmt: skip
    paper = visit(cast.ivo).get(f"/self-billed/{document.id}/pdf")
    assert (paper.status_code, paper.data[:5]) == (200, b"%PDF-")
    tax = list(csv.DictReader(io.StringIO(visit(cast.ivo).get(f"/statements/{document.statement_id}/csv").text)))[-1]
    assert (tax["kind"], tax["amount_minor"]) == ("tax", str(document.tax_minor))
    assert visit(cast.ivo).get(f"/statements/{document.statement_id}/pdf").status_code == 200
    shown = visit(cast.fay).get(f"/ledger/documents/self_billed_document/{document.id}")
    assert shown.location.endswith(f"/self-billed/{document.id}")


def test_a_party_names_its_own_invoice(visit, cast, work_session, clock):
    statement = money.closed_statement(work_session, cast)
    self_billing.both_details(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT + timedelta(days=1)
    ivo, path = visit(cast.ivo), f"/statements/{statement.id}/own-invoice"
    assert path in ivo.get(f"/statements/{statement.id}").text
    assert path in ivo.get("/").text
    assert "not entered the number" in visit(cast.fay).get(f"/statements/{statement.id}").text
    assert ivo.post(path, {"number": "", "dated_on": "2026-04-01"}).status_code == 422
    assert ivo.post(path, {"number": HOSTILE[:30], "dated_on": "2026-04-01"}).status_code == 303
    assert "<script>alert" not in visit(cast.fay).get(f"/statements/{statement.id}").text
    assert visit(cast.fay).post(path, {"number": "R", "dated_on": "2026-04-01"}).status_code == 403


def test_finance_is_told_of_agreements(work_session, cast):
    agreement = self_billing.agreed(work_session, cast)
    TASKS["notify_self_billing"].run(work_session, NOW, agreement_id=agreement.id)
    soon = NOW.replace(month=12, day=26)
    assert len(queries.ending(work_session, soon)) == 1
    for _ in range(2):
        TASKS["remind_self_billing"].run(work_session, soon)
    end_agreement(work_session, cast.ivo, agreement.id, reason="We invoice again", now=soon)
    TASKS["notify_self_billing_end"].run(work_session, soon, agreement_id=agreement.id)
    told = work_session.query(Delivery).order_by(Delivery.id).all()
    assert [each.template for each in told].count("self_billing_expires") == 3
    for delivery in told:
        letter = LETTERS[delivery.template](Writing(work_session, delivery, "https://p.example", "s" * 32, soon))
        assert "Nordlicht" in letter.subject
        assert f"/self-billing/{agreement.id}" in letter.button[1]
