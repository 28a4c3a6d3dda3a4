"""The pages of finance with money on them: accessible, and drawn right at both widths."""

from __future__ import annotations

import pytest

from portal.db import open_session
from tests.support.browsing import assert_pleasant
from tests.web.support import money


@pytest.fixture(scope="module")
def billed(site):
    """A billed case, its invoice, a payment that waits, a question; for all tests of this module."""
    with open_session(site.work_engine) as session:
        found = {
            "item": money.billed_item(session, site.cast).id,
            "line": money.bill_line(session, site.cast).id,
            "query": money.asked_question(session, site.cast).id,
            "invoice": money.issued_invoice(session, site.cast).id,
            "payment": money.recorded_payment(session, site.cast).id,
            "account": money.some_account(session, site.cast).id,
            "transaction": money.some_transaction(session, site.cast).id,
        }
        session.commit()
    return found


def test_the_manufacturers_bills_and_books_are_pleasant(site, enter, billed):
    page = enter(site.cast.fay)
    for name, path in (
        ("invoices", "/invoices"),
        ("invoice", f"/invoices/{billed['invoice']}"),
        ("record payment", f"/invoices/{billed['invoice']}/payments/new"),
        ("adjust", f"/invoices/{billed['invoice']}/adjustments/new"),
        ("bill items", "/bill-items"),
        ("bill item", f"/bill-items/{billed['item']}"),
        ("answer", f"/line-questions/{billed['query']}/answer"),
        ("receivables", "/receivables"),
        ("unbilled", "/unbilled-work"),
        ("undetermined", "/undetermined-shares"),
        ("ledger", "/ledger?period=2026-03"),
        ("account", f"/ledger/accounts/{billed['account']}"),
        ("transaction", f"/ledger/transactions/{billed['transaction']}"),
        ("ledger periods", "/ledger/periods"),
        ("check books", "/ledger/check"),
    ):
        assert page.goto(path).status == 200, path
        assert_pleasant(page, name)
    page.goto(f"/invoices/{billed['invoice']}/payments/new")
    page.get_by_role("button", name="Note the payment").click()
    page.get_by_text("Say how much came in.").first.wait_for()
    assert_pleasant(page, "record payment refused")


def test_a_payers_bills_are_pleasant(site, enter, billed):
    page = enter(site.cast.flo)
    for name, path in (
        ("payer invoice", f"/invoices/{billed['invoice']}"),
        ("payer item", f"/bill-items/{billed['item']}"),
        ("ask", f"/bill-lines/{billed['line']}/question"),
        ("value", "/value"),
    ):
        assert page.goto(path).status == 200, path
        assert_pleasant(page, name)


def test_payouts_are_pleasant(site, enter):
    page = enter(site.cast.ivo)
    page.goto("/payouts")
    assert_pleasant(page, "payouts")


@pytest.fixture(scope="module")
def settled(site, billed):
    """The month of that case closed, a line contested, another statement prepared."""
    with open_session(site.work_engine) as session:
        contest = money.raised_contest(session, site.cast)
        statement = money.closed_statement(session, site.cast)
        found = {
            "period": statement.period_id,
            "statement": statement.id,
            "line": contest.statement_line_id,
            "contest": contest.id,
            "preparation": money.preparation(session, site.cast).id,
        }
        session.commit()
    return found


def test_the_manufacturers_settlement_is_pleasant(site, enter, settled):
    page = enter(site.cast.fin)
    for name, path in (
        ("periods", "/periods"),
        ("period", f"/periods/{settled['period']}"),
        ("period moving", f"/periods/{settled['period']}?asked=1"),
        ("statements", "/statements"),
        ("statement", f"/statements/{settled['statement']}"),
        ("prepare", f"/statements/{settled['statement']}/preparation"),
        ("approve", f"/preparations/{settled['preparation']}/approval"),
        ("statement line", f"/statement-lines/{settled['line']}"),
        ("contests", "/contests"),
        ("contest", f"/contests/{settled['contest']}"),
        ("transfers", "/transfers"),
    ):
        assert page.goto(path).status == 200, path
        assert_pleasant(page, name)
    page.goto(f"/preparations/{settled['preparation']}/approval")
    page.get_by_role("button", name="Approve exactly this").click()
    page.get_by_text("Open each of these lines").first.wait_for()
    assert_pleasant(page, "approve refused")


def test_a_partys_statement_is_pleasant_and_opens_to_the_work_in_one_click(site, enter, settled):
    page = enter(site.cast.ivo)
    page.goto(f"/statements/{settled['statement']}")
    assert_pleasant(page, "party statement")
    page.get_by_role("link", name="Line 1", exact=True).click()
    page.get_by_text("Looked into the door controller").first.wait_for()
    assert_pleasant(page, "party line")
    page.goto(f"/statement-lines/{settled['line']}/contest")
    assert_pleasant(page, "contest form")


def test_the_first_pages_of_money_are_pleasant(site, enter, settled):
    for who in ("fay", "ivo", "flo"):
        page = enter(getattr(site.cast, who))
        assert_pleasant(page, f"today {who}")
