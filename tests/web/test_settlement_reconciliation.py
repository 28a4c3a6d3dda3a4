"""Reconciliation in the browser: differences are taken, accepted, booked; the bank's lines are recorded."""

from __future__ import annotations

from io import BytesIO

import pytest

from portal.worker.registry import TASKS, Edges
from tests.support.beginnings import begins_with
from tests.support.cast import NOW, everything
from tests.support.queued import queued
from tests.web.support import money

pytestmark = begins_with(money.difference)


@pytest.fixture
def difference(work_session, cast):
    made = money.difference(work_session, cast)
    work_session.commit()
    return made


def test_finance_takes_a_difference_and_has_it_booked(visit, cast, difference, work_session, work_engine, settings):
    fay, where = visit(cast.fay), f"/differences/{difference.id}"
    listed = fay.get("/reconciliation").text
    assert "Moved at Stripe, not in the journal" in listed
    assert "Nobody yet" in listed
    assert fay.post(f"{where}/owner").status_code == 303
    assert "Nobody yet" not in fay.get(where).text
    assert fay.post(f"{where}/booking", {"explanation": " "}).status_code == 422
    assert fay.post(f"{where}/booking", {"explanation": "A fee <b>"}).location == "/reconciliation"
    ((_, asked),) = queued(work_session, "book_difference")
    edges = Edges(settings, work_engine, lambda: NOW)
    for _ in range(2):
        TASKS["book_difference"].run(edges, NOW, **asked)
    assert "A fee &lt;b&gt;" in fay.get(where).text
    assert "Nothing is waiting for anybody" in fay.get("/reconciliation").text
    assert [row["kind"] for row in everything(work_session, "journal_transaction")].count("reconciled") == 1


def test_accepted_difference_leaves_the_list(visit, cast, difference):
    fay, where = visit(cast.fay), f"/differences/{difference.id}/acceptance"
    assert fay.post(where, {"explanation": ""}).status_code == 422
    assert fay.post(where, {"explanation": "Known to Stripe"}).status_code == 303
    assert fay.post(where, {"explanation": "Again"}).status_code == 409
    assert "Accepted as it is" in fay.get(f"/differences/{difference.id}").text


def test_banks_line_is_recorded_once(visit, cast, difference, work_session):
    fay, posting = visit(cast.fay), money.bank_posting(work_session, cast)
    where = f"/bank-postings/{posting.id}/line"
    assert where in fay.get("/reconciliation").text
    line = {"amount": "1x", "booked_on": "2026-03-10", "reference": "SEPA 7"}
    assert fay.post(where, line).status_code == 422
    assert fay.post(
        where, {**line, "amount": f"{posting.amount_minor // 100}.{posting.amount_minor % 100:02}"}
    ).location
    assert fay.post(where, {**line, "amount": "1.00"}).status_code == 409
    (row,) = everything(work_session, "bank_line")
    assert (row["amount_minor"], row["reference"]) == (posting.amount_minor, "SEPA 7")
    assert where not in fay.get("/reconciliation").text


def test_the_banks_file_is_uploaded(visit, cast, difference, work_session):
    fay, posting = visit(cast.fay), money.bank_posting(work_session, cast)
    assert "/bank-statement" in fay.get("/reconciliation").text
    for body, says in ((b"", "Choose the bank"), (b"date,amount\n", "missing: currency, reference")):
        answer = fay.post("/bank-statement", {"file": (BytesIO(body), "bank.csv")})
        assert answer.status_code == 422
        assert says in answer.text
    amount = f"{posting.amount_minor // 100}.{posting.amount_minor % 100:02}"
    lines = f"date,amount,currency,reference\n2026-03-10,{amount},{posting.currency},SEPA 7\n".encode()
    answer = fay.post("/bank-statement", {"file": (BytesIO(lines), "bank.csv")})
    assert answer.location == "/reconciliation"
    assert "1 lines read: 1 matched" in fay.get("/reconciliation").text
    (row,) = everything(work_session, "bank_line")
    assert (row["posting_id"], row["reference"]) == (posting.id, "SEPA 7")


@pytest.mark.parametrize("who", ["leo", "ana", "ivo", "mia", "flo", "eve"])
def test_others_find_nothing(visit, cast, difference, who):
    browser = visit(getattr(cast, who))
    assert browser.get("/reconciliation").status_code == 404
    assert browser.get("/bank-statement").status_code == 404
    assert browser.get(f"/differences/{difference.id}").status_code == 404
    assert browser.post(f"/differences/{difference.id}/owner").status_code == 404
