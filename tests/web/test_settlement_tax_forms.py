"""Forms of a year in the browser: what was paid, opened into transfers; a certification whose number nobody reads."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from portal.db import Scope
from portal.identity import sealing
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.payments.models import Intent
from portal.settlement import yearly
from portal.taxes.certifying import SEALED_FOR, certify
from portal.taxes.models import TaxpayerForm
from portal.taxes.queries import taxpayer_known
from portal.worker.registry import TASKS
from tests.support import self_billing
from tests.support.cast import NOW
from tests.web.support import money

SAID = {
    "form": "W-9", "classification": "llc", "certified_name": "Kessler <b>LLC</b>", "number_type": "EIN",
    "number": "12-3456789", "certified_on": "2026-01-05",
}  # fmt: skip
PAID_ON = NOW + timedelta(days=40)


@pytest.fixture
def paid(work_session, cast, clock):
    """A transfer of 2,500.00 dollars to the integrator, of which 100.00 came back, and one of euros the year before."""
    money.closed_statement(work_session, cast)
    rows = (
        ("transfer", "USD", 250_000, PAID_ON), ("transfer_reversal", "USD", 10_000, PAID_ON + timedelta(days=1)),
        ("transfer", "EUR", 5_000, NOW - timedelta(days=120)),
    )  # fmt: skip
    for number, (kind, currency, minor, at) in enumerate(rows):
        work_session.add(
            Intent(
                kind=kind, manufacturer_id=cast.factory.id, organisation_id=cast.integrator.id, document_type="test",
                document_id=str(number), currency=currency, amount_minor=minor, request={}, progress={},
                state="succeeded", provider_object_id=f"tr_{number}", livemode=False, created_at=at, finished_at=at,
            )
        )  # fmt: skip
    self_billing.details(work_session, cast.fay, country="US")
    work_session.commit()
    clock.now = PAID_ON + timedelta(days=2)


def test_each_sum_opens_into_its_transfers_and_says_what_is_missing(visit, cast, paid):
    fay = visit(cast.fay)
    page = fay.get("/tax-forms?year=2026").text
    assert "$2,400.00" in page
    assert "legal name and address, tax number, certification (W-9)" in page
    assert "The payer" in page
    href = f"/tax-forms/2026/{cast.integrator.id}/USD"
    assert href in page
    opened = fay.get(href).text
    assert all(amount in opened for amount in ("$2,500.00", "-$100.00", "$2,400.00"))
    assert "1099-NEC" in opened
    assert "paid in EUR" in fay.get("/tax-forms?year=2025").text
    rows = list(csv.DictReader(io.StringIO(fay.get("/tax-forms/2026/csv").text.lstrip("\ufeff"))))
    assert [(row["currency"], row["paid_minor"], row["outcome"]) for row in rows] == [("USD", "240000", "To file")]
    assert "Nothing was paid in 2030" in fay.get("/tax-forms?year=2030").text
    for wrong in ("/tax-forms?year=x", "/tax-forms?year=99999", f"/tax-forms/2027/{cast.integrator.id}/USD"):
        assert fay.get(wrong).status_code == 404
    for stranger in (cast.ivo, cast.eve, cast.adam, cast.flo):
        assert visit(stranger).get(href).status_code == 404
        assert visit(stranger).get("/tax-forms/2026/csv").status_code == 404


def test_a_number_is_sealed_and_only_its_end_is_seen(visit, cast, paid, work_session, web_session, settings, capsys):
    ivo = visit(cast.ivo)
    refused = ivo.post("/finance-details/tax-form", {**SAID, "number": "123"})
    assert refused.status_code == 422
    assert "nine digits" in refused.text
    assert ivo.post("/finance-details/tax-form", SAID).status_code == 303
    assert "EIN •••• 6789" in ivo.get("/finance-details").text
    shown = [ivo.get("/finance-details").text, ivo.get("/finance-details/tax-form").text]
    shown += [visit(cast.fay).get(f"/tax-forms/2026/{cast.integrator.id}/USD").text]
    shown += [visit(cast.fay).get("/tax-forms/2026/csv").text, capsys.readouterr().out]
    shown += [str(row) for row in work_session.execute(text("SELECT * FROM audit_entry"))]
    assert not any("3456789" in each or "12-345" in each for each in shown)
    assert "6789" in shown[2]
    assert "&lt;b&gt;LLC" not in shown[0]
    row = work_session.scalars(select(TaxpayerForm)).one()
    kept = {"secret": settings.secret_key, "purpose": SEALED_FOR}
    assert sealing.unseal(row.number_sealed, row=str(cast.integrator.id), **kept) == "123456789"
    for reader, sees in ((cast.fay, True), (cast.ivo, True), (cast.bea, False), (cast.eve, False), (cast.sam, False)):
        with web_session(Scope(reader.organisation_id, reader.person_id)) as session:
            assert (taxpayer_known(session, cast.integrator.id) is not None) is sees


def test_a_party_is_reminded_once_a_month_until_nothing_is_missing(work_session, cast, paid):
    october = PAID_ON.replace(month=10)
    for _ in range(2):
        TASKS["remind_tax_forms"].run(work_session, october)
    told = work_session.scalars(select(Delivery).where(Delivery.template == "tax_form_missing")).all()
    assert [each.organisation_id for each in told] == [cast.integrator.id]
    writing = Writing(work_session, told[0], "https://p.example", "s" * 32, october)
    assert "W-9" in LETTERS["tax_form_missing"](writing).sentences[0]
    self_billing.details(work_session, cast.ivo, country="US")
    said = {**SAID, "certified_on": date(2026, 1, 5)}
    certify(work_session, cast.ivo, **said, secret="s" * 32, now=NOW)
    assert LETTERS["tax_form_missing"](writing) is None
    assert [one.is_unready for one in yearly.recipients(work_session, cast.fay, 2026)] == [False]
