"""Cash needed by currency in the browser, and both sides of a payment in another currency leading to each other."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

import pytest

from portal.payments.cash import take_cash
from portal.payments.exchanges.legs import Exchanged
from portal.payments.exchanges.models import Exchange
from portal.payments.models import BalanceMovement, ConnectedAccount, Intent
from portal.payments.provider import PaymentOfInvoice
from tests.support.beginnings import begins_with
from tests.support.cast import NOW
from tests.support.settling import REVIEWED_AT
from tests.web.support import money

pytestmark = begins_with(money.closed_statement)

PAGE = "/cash-needed"


def moved(cast, number: int, minor: int, days: int, currency: str = "EUR") -> BalanceMovement:
    return BalanceMovement(
        provider_id=f"txn_{number}",
        manufacturer_id=cast.factory.id,
        category="charge",
        currency=currency,
        amount_minor=minor,
        fee_minor=0,
        net_minor=minor,
        source_object_id="",
        livemode=False,
        available_at=REVIEWED_AT + timedelta(days=days),
        occurred_at=NOW,
        recorded_at=NOW,
    )


@pytest.fixture
def preparation(work_session, cast, clock):
    money.closed_statement(work_session, cast)
    account = ConnectedAccount(
        organisation_id=cast.integrator.id, provider_account_id="acct_1", transfers_state="active",
        requirements={"open": []}, livemode=False, created_at=NOW, checked_at=NOW,
    )  # fmt: skip
    work_session.add(account)
    made = money.preparation(work_session, cast)
    work_session.commit()
    clock.now = REVIEWED_AT
    return made


def test_the_gap_of_each_currency_is_said_with_what_to_do(visit, cast, preparation, work_session):
    wanted = preparation.plan["parts"][-1]["amount_minor"]
    fay = visit(cast.fay)
    page = fay.get(PAGE).text
    assert "Top up" in page
    assert f"/statements/{preparation.statement_id}" in page
    assert "Not covered" in page
    work_session.add_all([moved(cast, 1, wanted - 100, 0), moved(cast, 2, 500, 3), moved(cast, 3, 70_000, 0, "USD")])
    work_session.commit()
    page = fay.get(PAGE).text
    assert "€1.00</a> are missing until" in page
    assert "/reconciliation/2026-03-10/EUR" in page
    assert "No prepared or approved statement transfers USD" in page
    assert "$700.00" in page
    assert "Cash needed in EUR" in fay.get("/").text
    assert "Cash needed in USD" not in fay.get("/").text
    work_session.add(moved(cast, 4, 100, 0))
    work_session.commit()
    assert "The balance covers what the next transfers take" in fay.get(PAGE).text


def test_others_reach_no_cash_page_and_an_empty_one_says_so(visit, cast):
    assert "Nothing is needed" in visit(cast.fay).get(PAGE).text
    for stranger in (cast.ivo, cast.flo, cast.tom, cast.eve):
        assert visit(stranger).get(PAGE).status_code in (403, 404)


def test_both_sides_of_a_payment_in_another_currency_lead_to_each_other(visit, cast, work_session):
    invoice = money.issued_invoice(work_session, cast)
    intent = work_session.get_one(Intent, invoice.intent_id)
    total = invoice.total_minor
    exchanged = Exchanged("txn_<b>9", "EUR", total, "USD", total * 2, 349, Fraction(2))
    take_cash(work_session, intent, PaymentOfInvoice("ch_9", total, 349, "EUR", NOW, exchanged), NOW)
    work_session.commit()
    row = work_session.query(Exchange).one()
    fay = visit(cast.fay)
    pages = [f"/ledger/transactions/{one}" for one in (row.transaction_id, row.settled_transaction_id)]
    for here, there in (pages, pages[::-1]):
        page = fay.get(here).text
        assert f'href="{there}"' in page
        assert "1 EUR = 2 USD" in page
        assert "txn_&lt;b&gt;9" in page
    shown = fay.get(f"/invoices/{invoice.id}").text
    assert all(f'href="{page}"' in shown for page in pages)
    assert "In another currency" not in visit(cast.flo).get(f"/invoices/{invoice.id}").text
    assert re.search(r"Paid\b", shown)
