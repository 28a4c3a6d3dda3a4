"""The books in the browser: every amount leads to its postings, to their transaction, to the document; strangers."""

from __future__ import annotations

import csv
import html
import io
import re
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from portal.access import Role
from portal.billing.actions import rebill
from portal.ledger.models import JournalTransaction
from portal.worker.registry import TASKS
from tests.support.beginnings import begins_with
from tests.support.cast import NOW, add_person, everything
from tests.support.checkers import BOTH, complaint
from tests.support.queued import queued
from tests.web.support import money

pytestmark = begins_with(money.issued_invoice)


@pytest.fixture
def item(work_session, cast):
    made = money.billed_item(work_session, cast)
    money.issued_invoice(work_session, cast)
    work_session.commit()
    return made


def links(page, pattern):
    return re.findall(rf'href="({pattern})"', page.text)


def test_trial_balance_sums_to_zero_and_leads_to_postings(visit, cast, item):
    fay = visit(cast.fay)
    page = fay.get("/ledger")
    assert "Assets:Receivable:Invoiced:" in page.text
    assert "€225.00" in page.text
    assert re.search(r'money-total" data-label="Held"><span><a href="#balance">€0.00', page.text)
    account = fay.get(links(page, r"/ledger/accounts/\d+")[0])
    transaction = fay.get(links(account, r"/ledger/transactions/\d+")[0])
    assert "They sum to zero" in transaction.text
    assert links(transaction, r"/ledger/documents/\w+/\d+")


def test_document_of_a_posting_leads_to_its_page(visit, cast, item, work_session):
    fay = visit(cast.fay)
    share_id = work_session.scalar(text("SELECT min(id) FROM share"))
    assert fay.get(f"/ledger/documents/share/{share_id}").location == f"/bill-items/{item.id}"
    assert fay.get(f"/ledger/documents/bill_item/{item.id}").location == f"/bill-items/{item.id}"


@pytest.mark.parametrize("address", ["share/x", "share/0", f"share/{10**30}", "person/1", "intent/1", "intent/%27"])
def test_odd_documents_are_nothing(visit, cast, item, address):
    assert visit(cast.fay).get(f"/ledger/documents/{address}").status_code == 404


def test_period_and_currency_come_from_the_address(visit, cast, item):
    fay = visit(cast.fay)
    assert fay.get("/ledger?period=2026-03&currency=EUR").status_code == 200
    assert fay.get("/ledger?period=2025-01").status_code == 404
    assert "EUR" in fay.get("/ledger?currency=XXX").text


def test_reversal_and_what_it_takes_back_lead_to_each_other(visit, cast, item, work_session):
    rebill(work_session, item.cut_id, reason="Test", now=item.recorded_at)
    work_session.commit()
    taken = work_session.scalars(
        select(JournalTransaction).where(JournalTransaction.reverses_id.is_not(None)).limit(1)
    ).one()
    fay = visit(cast.fay)
    assert f"/ledger/transactions/{taken.reverses_id}" in fay.get(f"/ledger/transactions/{taken.id}").text
    assert f"/ledger/transactions/{taken.id}" in fay.get(f"/ledger/transactions/{taken.reverses_id}").text


def test_postings_are_paged_and_a_made_up_cursor_begins_anew(visit, cast, item, work_session):
    account = money.some_account(work_session, cast)
    fay = visit(cast.fay)
    assert "/ledger/transactions/" in fay.get(f"/ledger/accounts/{account.id}?after=nonsense").text
    assert "No postings after this point" in fay.get(f"/ledger/accounts/{account.id}?after=WzEwMDAwMDBd").text


def test_all_books_are_checked_by_a_job_and_the_operator_reads_its_result(
    visit, cast, item, owner_session, work_session
):
    fay = visit(cast.fay)
    assert "Not checked yet" in fay.get("/ledger/check").text
    assert fay.post("/ledger/checks").status_code == 303
    assert queued(work_session, "check_all_books")
    TASKS["check_all_books"].run(work_session, NOW)
    work_session.commit()
    assert "The books are right" in fay.get("/ledger/check").text
    owner_session.execute(text("ALTER TABLE bill_line DISABLE TRIGGER USER"))
    owner_session.execute(text("UPDATE bill_line SET amount_minor = amount_minor + 1"))
    owner_session.commit()
    assert "The books are right" in fay.get("/ledger/check").text
    TASKS["check_all_books"].run(work_session, NOW)
    work_session.commit()
    assert "Lines sum to their item" in fay.get("/ledger/check").text


def test_another_manufacturer_checks_its_own_books_on_the_page(visit, cast, item, work_session):
    theirs = add_person(work_session, cast.other_factory, "ulf", Role.FINANCE)
    work_session.commit()
    browser = visit(theirs)
    assert "Every check was made just now" in browser.get("/ledger/check").text
    assert browser.post("/ledger/checks").status_code == 404


def test_periods_are_listed(visit, cast, item):
    page = visit(cast.fay).get("/ledger/periods").text
    assert "2026-03" in page
    assert "Open" in page


@pytest.mark.parametrize("syntax", BOTH)
def test_journal_is_taken_away_for_a_program_that_accepts_it(visit, cast, item, tmp_path, syntax):
    fay = visit(cast.fay)
    (address,) = links(fay.get("/ledger/periods"), rf"/ledger/periods/\d+/journal\?format={syntax}")
    answer = fay.get(address)
    name = f"NOR-2026-03.{'journal' if syntax == 'hledger' else syntax}"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert complaint(tmp_path, name, answer.text) == ""
    assert fay.get(address.replace(syntax, "quicken")).status_code == 422
    assert visit(cast.eve).get(address).status_code == 404


@pytest.mark.parametrize(
    ("shape", "amounts", "groups"),
    [("xero", ("*Amount",), ("*Narration", "*Date")), ("quickbooks", ("Debits", "Credits"), ("JournalNo",))],
)
def test_month_is_taken_away_in_the_shape_of_an_accounting_program(visit, cast, item, shape, amounts, groups):
    fay = visit(cast.fay)
    (address,) = links(fay.get("/ledger"), rf"/ledger/periods/\d+/journal\?format={shape}&amp;currency=EUR")
    answer = fay.get(html.unescape(address))
    assert answer.headers["Content-Disposition"] == f"attachment; filename=NOR-2026-03-EUR-{shape}.csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    sums: dict[tuple, Decimal] = {}
    for row in rows:
        signed = [Decimal(row[name] or 0) * sign for name, sign in zip(amounts, (1, -1), strict=False)]
        key = tuple(row[name] for name in groups)
        sums[key] = sums.get(key, Decimal(0)) + sum(signed)
    assert len(sums) > 1
    assert set(sums.values()) == {0}
    assert fay.get(html.unescape(address).replace("EUR", "USD")).status_code == 404


@begins_with(None)
def test_ledger_without_postings_says_so(visit, cast):
    fay = visit(cast.fay)
    assert "Nothing is posted yet" in fay.get("/ledger").text
    assert "No books are open yet" in fay.get("/ledger/periods").text


@pytest.mark.parametrize("who", ["leo", "ana", "adam", "ivo", "mia", "flo", "bea"])
@pytest.mark.parametrize("path", ["/ledger", "/ledger/periods", "/ledger/check"])
def test_ledger_is_for_the_manufacturers_finance(visit, cast, who, path):
    assert visit(getattr(cast, who)).get(path).status_code == 404


def test_ledger_only_reads(visit, cast, item, work_session):
    fay = visit(cast.fay)
    before = len(everything(work_session, "posting"))
    for path in ("/ledger", "/ledger/check", "/ledger/periods"):
        assert fay.post(path).status_code == 405
    assert len(everything(work_session, "posting")) == before
