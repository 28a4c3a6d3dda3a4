"""Forms of a year in the browser: what was paid, opened into transfers; a certification whose number nobody reads."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from portal.db import Scope
from portal.errors import NotAllowed
from portal.identity import sealing
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.payments.models import Intent
from portal.settlement import filing, yearly
from portal.settlement.models import Statement
from portal.taxes.certifying import SEALED_FOR, certify
from portal.taxes.models import FilingRequest, TaxpayerForm
from portal.taxes.queries import taxpayer_known
from portal.taxes.rules.filing_layout import Read
from portal.worker.registry import TASKS
from tests.support import self_billing
from tests.support.beginnings import begins_with
from tests.support.cast import NOW
from tests.web.support import money
from tests.web.support.hostile import check_harmless, rename

pytestmark = begins_with(money.closed_statement)

SAID = {
    "form": "W-9", "classification": "llc", "certified_name": "=Kessler <script>alert(1)</script> 漢字 שלום",
    "number_type": "EIN", "number": "12-3456789", "certified_on": "2026-01-05",
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


def test_each_sum_opens_into_its_transfers_and_says_what_is_missing(visit, cast, paid, work_session):
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
    rename(work_session, cast)
    for path in ("/tax-forms?year=2026", href, "/tax-forms/2026/csv"):
        check_harmless(fay.get(path))
    # Beside it what waits for an account: its party has none.
    statement = work_session.scalars(select(Statement.id)).first()
    for path in (f"/statements/{statement}", f"/statements/{statement}/preparation", "/statements"):
        check_harmless(fay.get(path))
    check_harmless(visit(cast.ivo).get("/payouts"), names=False)
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
    assert "<script>alert" not in "".join(shown[:3])
    row = work_session.scalars(select(TaxpayerForm)).one()
    kept = {"secret": settings.secret_key, "purpose": SEALED_FOR}
    assert sealing.unseal(row.number_sealed, row=str(cast.integrator.id), **kept) == "123456789"
    for reader, sees in ((cast.fay, True), (cast.ivo, True), (cast.bea, False), (cast.eve, False), (cast.sam, False)):
        with web_session(Scope(reader.organisation_id, reader.person_id)) as session:
            assert (taxpayer_known(session, cast.integrator.id) is not None) is sees


PAYER = {**SAID, "certified_name": "Nordlicht Access Inc", "number": "98-7654321"}


def test_the_files_with_their_numbers_take_two_people_and_a_day(
    visit, cast, paid, work_session, owner_session, web_session, clock, settings
):
    fay, fin = visit(cast.fay), visit(cast.fin)
    assert fay.post("/tax-forms/2026/filing-requests").status_code == 422
    assert visit(cast.ivo).post("/finance-details/tax-form", SAID).status_code == 303
    said = {"legal_name": "Kessler", "address": "Ferry Street 1", "country": "US"}
    assert visit(cast.ivo).post("/finance-details", said).status_code == 303
    # Neither an address that is not divided nor a payer without number and phone goes into a file; the page says so.
    page = fay.get("/tax-forms?year=2026").text
    assert "Left out until it is mended" in page
    assert "an address in the US as street, then a line such as Troy, NY 12180" in page
    assert "your own tax number, certified by W-9; a phone number in the US with ten digits" in page
    self_billing.details(work_session, cast.ivo, country="US")
    work_session.commit()
    refused = fay.post("/tax-forms/2026/filing-requests")
    assert (refused.status_code, "a phone number in the US" in refused.text) == (422, True)
    assert fay.post("/finance-details/tax-form", PAYER).status_code == 303
    wrong = {"legal_name": "Nordlicht", "address": "1 Hill\nTroy, NY 12180", "country": "US", "phone": "none"}
    assert "Digits, with blanks or dashes" in fay.post("/finance-details", wrong).text
    assert fay.post("/finance-details", {**wrong, "phone": "(518) 555-0100"}).status_code == 303
    page = fay.get("/tax-forms?year=2026").text
    assert "1099-NEC: 1 return" in page
    assert "<script>alert" not in page
    assert "compared for tax years up to 2025" in page
    assert "Left out" not in page
    assert fay.post("/tax-forms/2026/filing-requests").status_code == 303
    request_id = work_session.scalars(select(FilingRequest.id)).one()
    page = f"/filing-requests/{request_id}"
    nec = {"form": "1099-NEC", "part": "1"}
    # Asked for and not allowed: neither the page nor the database gives a number out; who asked never allows it.
    assert fay.post(f"{page}/file", nec).status_code == 409
    assert fay.post(f"{page}/approval").status_code == 403
    for stranger in (cast.ivo, cast.eve, cast.adam):
        assert visit(stranger).post(f"{page}/file", nec).status_code == 404
        assert visit(stranger).post(f"{page}/approval").status_code == 404
    assert "Allow it" in fin.get("/tax-forms?year=2026").text
    assert fin.post(f"{page}/approval").status_code == 303
    assert fin.post(f"{page}/approval").status_code == 409
    assert "Take 1099-NEC (1)" in fin.get("/tax-forms?year=2026").text
    for nothing in ({}, {"form": "1099-MISC"}, {**nec, "part": "2"}, {**nec, "part": "x"}, {**nec, "part": "0"}):
        assert fay.post(f"{page}/file", nothing).status_code == 404
    taken = fay.post(f"{page}/file", nec)
    assert taken.data.startswith(b"Form Type,Tax Year,Payer TIN Type")
    (row,) = list(csv.DictReader(io.StringIO(taken.text)))
    assert {heading: cell for heading, cell in row.items() if cell} == {
        "Form Type": "1099-NEC", "Tax Year": "2026",
        "Payer TIN Type": "EIN", "Payer Taxpayer ID Number": "987654321", "Payer Name Type": "B",
        "Payer Business or Entity Name Line 1": "Nordlicht Access Inc", "Payer Country": "US",
        "Payer Address Line 1": "1 Hill", "Payer City/Town": "Troy", "Payer State/Province/Territory": "NY",
        "Payer ZIP/Postal Code": "12180", "Payer Phone Type": "D", "Payer Phone": "5185550100",
        "Recipient TIN Type": "EIN", "Recipient Taxpayer ID Number": "123456789", "Recipient Name Type": "B",
        "Recipient Business or Entity Name Line 1": "'=Kessler <script>alert(1)</script> 漢字",
        "Recipient Business or Entity Name Line 2": "שלום", "Recipient Country": "US",
        "Recipient Address Line 1": "1 Ferry Street", "Recipient City/Town": "Troy",
        "Recipient State/Province/Territory": "NY", "Recipient ZIP/Postal Code": "12180",
        "Form Account Number": str(cast.integrator.id), "2nd TIN Notice": "N",
        "Box 1 - Nonemployee Compensation": "2400.00", "Combined Federal/State Filing": "N",
        "Box 2 - Payer made direct sales totaling $5000 or more of consumer products to a recipient for resale": "N",
    }  # fmt: skip
    # A third person of the payer's finance is none of the two, for the portal and for the database.
    third = replace(cast.fay, person_id=cast.adam.person_id)
    for reader, numbers in ((third, 0), (cast.fay, 2), (cast.fin, 2)):
        with web_session(Scope(reader.organisation_id, reader.person_id)) as session:
            given = text("SELECT count(*) FROM sealed_taxpayer_numbers(:request, :at)")
            assert session.scalar(given, {"request": request_id, "at": clock.now}) == numbers
    with pytest.raises(NotAllowed, match="asked for it or who allowed it"):
        filing.take(work_session, third, request_id, form="1099-NEC", part=1, secret=settings.secret_key, now=clock.now)
    acts = work_session.execute(text("SELECT act, person_id, details FROM audit_entry WHERE act LIKE '%filing'"))
    said = {row.act: (row.person_id, row.details) for row in acts}
    assert said["take_filing"] == (
        cast.fay.person_id, {"year": 2026, "form": "1099-NEC", "part": 1, "numbers": 1},
    )  # fmt: skip
    assert said["allow_filing"][0] == cast.fin.person_id
    clock.now += timedelta(days=1)
    assert visit(cast.fay).post(f"{page}/file", nec).status_code == 409
    broken = (
        ("four_eyes", "INSERT INTO filing_approval (request_id, manufacturer_id, asked_by, approved_by, approved_at)"
         " SELECT id, manufacturer_id, asked_by, asked_by, asked_at FROM filing_request"),
        ("phone", "INSERT INTO finance_detail (organisation_id, legal_name, address, country, is_small_business, phone,"
         " recorded_by, recorded_at) SELECT organisation_id, legal_name, address, country, false, '=1+1',"
         " recorded_by, recorded_at FROM finance_detail"),
    )  # fmt: skip
    for name, statement in broken:
        with pytest.raises(IntegrityError, match=name):
            owner_session.execute(text(statement))
        owner_session.rollback()


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


def test_a_form_goes_into_files_of_at_most_a_hundred_returns():
    ready = filing.Prepared(Read(None), {"1099-MISC": [None] * 100, "1099-NEC": [None] * 201}, ())
    assert ready.files == [("1099-MISC", 1, 100), ("1099-NEC", 1, 100), ("1099-NEC", 2, 100), ("1099-NEC", 3, 1)]
    assert not ready.may_be_asked_for
