"""The first page of finance: what the month waits for, reviews, contests, transfers, what is owed; nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.settling import CLOSED_AT
from tests.web.support import money


def test_finance_reads_what_the_month_waits_for(visit, cast, work_session):
    money.issued_invoice(work_session, cast)
    work_session.commit()
    page = visit(cast.fay).get("/").text
    assert "The month at hand" in page
    assert "Period 2026-03" in page
    assert "It takes postings until its last instant." in page
    assert "€225.00" in page


def test_party_reads_its_statement_and_both_the_contest(visit, cast, work_session, clock):
    money.raised_contest(work_session, cast)
    statement = money.closed_statement(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT + timedelta(days=1)
    party = visit(cast.ivo).get("/").text
    assert f"/statements/{statement.id}" in party
    assert "Not &lt;b&gt;ours&lt;/b&gt;" in party
    assert "Not &lt;b&gt;ours&lt;/b&gt;" in visit(cast.fay).get("/").text


def test_payer_reads_what_it_owes(visit, cast, work_session):
    invoice = money.issued_invoice(work_session, cast)
    work_session.commit()
    for actor in (cast.flo, cast.bea):
        assert f"/invoices/{invoice.id}" in visit(actor).get("/").text
    assert "/invoices/" not in visit(cast.ivo).get("/").text.split("<main")[1]


def test_empty_sections_say_so(visit, cast):
    page = visit(cast.fay).get("/").text
    for words in ("No books are open yet", "Nothing is contested", "No transfer waits", "Nobody owes anything"):
        assert words in page
    assert "None in the last seven days" in visit(cast.leo).get("/").text


@pytest.mark.parametrize("who", ["tom", "ana", "cal", "mia"])
def test_others_read_no_money_on_their_first_page(visit, cast, work_session, who):
    money.raised_contest(work_session, cast)
    work_session.commit()
    page = visit(getattr(cast, who)).get("/").text
    for words in ("The month at hand", "Statements to review", "Invoices to pay", "Owed and unbilled"):
        assert words not in page
