"""A statement in the browser: each line opens into what earned it, CSV, acceptance, contests and their decision."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.support.beginnings import begins_with
from tests.support.cast import everything
from tests.support.settling import CLOSED_AT, REVIEWED_AT
from tests.web.support import money

pytestmark = begins_with(money.closed_statement)


@pytest.fixture
def statement(work_session, cast, clock):
    made = money.closed_statement(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT + timedelta(days=1)
    return made


@pytest.fixture
def line(work_session, cast, statement):
    return money.statement_line(work_session, cast)


@pytest.fixture
def contest(work_session, cast, statement):
    raised = money.raised_contest(work_session, cast)
    work_session.commit()
    return raised


def test_line_leads_to_the_work_entry_within_two_clicks(visit, cast, statement, line):
    for actor in (cast.ivo, cast.fay):
        browser = visit(actor)
        page = browser.get(f"/statements/{statement.id}").text
        assert f"/statement-lines/{line.id}" in page
        opened = browser.get(f"/statement-lines/{line.id}").text
        assert "The share" in opened
        assert "Bill line 1" in opened
        assert "Looked into the door controller" in opened
        assert "/bill-items/" in opened


def test_posting_behind_a_line_shows_to_the_manufacturers_finance_only(visit, cast, line):
    assert "/ledger/transactions/" in visit(cast.fay).get(f"/statement-lines/{line.id}").text
    assert "/ledger/transactions/" not in visit(cast.ivo).get(f"/statement-lines/{line.id}").text


def test_an_adjustment_says_which_closed_month_it_is_of(visit, cast, line, owner_session):
    owner_session.execute(text("ALTER TABLE statement_line DISABLE TRIGGER USER"))
    owner_session.execute(
        text("UPDATE statement_line SET origin_period_id = (SELECT min(id) FROM period) WHERE id = :id"),
        {"id": line.id},
    )
    owner_session.commit()
    for actor in (cast.ivo, cast.fay):
        opened = visit(actor).get(f"/statement-lines/{line.id}").text
        assert "An adjustment of 2026-03" in opened
        assert "nothing of 2026-03 has changed" in opened


def test_csv_has_every_line_and_no_formula(visit, cast, statement, owner_session):
    owner_session.execute(text("ALTER TABLE statement_line DISABLE TRIGGER USER"))
    owner_session.execute(text("UPDATE statement_line SET description = '=HYPERLINK(\"http://x\")', case_name = '+1'"))
    owner_session.commit()
    answer = visit(cast.ivo).get(f"/statements/{statement.id}/csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{statement.name}.csv"'
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == statement.line_count
    assert sum(int(row["amount_minor"]) for row in rows) == statement.net_minor
    assert rows[0]["description"].startswith("'=")
    assert rows[0]["case"] == "'+1"


def test_pdf_speaks_the_readers_language(visit, cast, statement):
    ivo = visit(cast.ivo)
    assert f"/statements/{statement.id}/pdf" in ivo.get(f"/statements/{statement.id}").text
    answer = ivo.get(f"/statements/{statement.id}/pdf", headers={"Accept-Language": "tlh, de-DE;q=0.8"})
    assert (answer.status_code, answer.mimetype, answer.data[:5]) == (200, "application/pdf", b"%PDF-")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{statement.name}.pdf"'


def test_party_accepts_what_it_was_shown_once(visit, cast, statement, work_session):
    ivo = visit(cast.ivo)
    assert "Accept the statement" in ivo.get(f"/statements/{statement.id}").text
    shown = {"sha256": statement.content_sha256}
    for _ in range(2):
        assert ivo.post(f"/statements/{statement.id}/acceptance", shown).status_code == 303
    assert len(everything(work_session, "statement_acceptance")) == 1
    assert "Accepted" in ivo.get(f"/statements/{statement.id}").text


@pytest.mark.parametrize("shown", [{"sha256": "0" * 64}, {}])
def test_acceptance_of_something_else_is_refused(visit, cast, statement, work_session, shown):
    assert visit(cast.ivo).post(f"/statements/{statement.id}/acceptance", shown).status_code == 409
    assert everything(work_session, "statement_acceptance") == []


def test_party_contests_a_line_and_the_manufacturer_decides(visit, cast, statement, line, work_session):
    ivo, fay = visit(cast.ivo), visit(cast.fay)
    raised = ivo.post(f"/statement-lines/{line.id}/contest", {"reason": "Not <b>ours</b>"})
    assert (raised.status_code, raised.location) == (303, f"/statements/{statement.id}")
    (row,) = everything(work_session, "contest")
    shown = fay.get(f"/contests/{row['id']}").text
    assert "Not &lt;b&gt;ours&lt;/b&gt;" in shown
    assert "Withdraw it" not in shown
    decided = fay.post(f"/contests/{row['id']}", {"outcome": "stands", "explanation": "See the note."})
    assert decided.status_code == 303
    assert "The line stands" in ivo.get("/contests").text
    assert "See the note." in ivo.get(f"/statement-lines/{line.id}").text


def test_contesting_twice_and_deciding_twice_is_refused(visit, cast, line, contest, work_session):
    ivo, fay = visit(cast.ivo), visit(cast.fay)
    assert ivo.post(f"/statement-lines/{line.id}/contest", {"reason": "Again"}).status_code == 409
    said = {"outcome": "stands", "explanation": "So."}
    assert fay.post(f"/contests/{contest.id}", said).status_code == 303
    assert fay.post(f"/contests/{contest.id}", said).status_code == 409
    assert len(everything(work_session, "contest_decision")) == 1


def test_party_withdraws_and_decides_nothing_else(visit, cast, contest, work_session):
    ivo = visit(cast.ivo)
    assert ivo.post(f"/contests/{contest.id}", {"outcome": "stands", "explanation": "So."}).status_code == 422
    assert everything(work_session, "contest_decision") == []
    assert ivo.post(f"/contests/{contest.id}", {"outcome": "withdrawn", "explanation": "Seen."}).status_code == 303


def test_manufacturer_does_not_withdraw(visit, cast, contest):
    said = {"outcome": "withdrawn", "explanation": "So."}
    assert visit(cast.fay).post(f"/contests/{contest.id}", said).status_code == 422


def test_contest_is_refused_after_the_review(visit, cast, line, clock, work_session):
    clock.now = REVIEWED_AT
    ivo = visit(cast.ivo)
    assert "Contest the line" not in ivo.get(f"/statement-lines/{line.id}").text
    assert ivo.post(f"/statement-lines/{line.id}/contest", {"reason": "Late"}).status_code == 409
    assert everything(work_session, "contest") == []


@pytest.mark.parametrize("reason", ["  ", "x" * 2001])
def test_contest_needs_its_reason(visit, cast, line, reason):
    refused = visit(cast.ivo).post(f"/statement-lines/{line.id}/contest", {"reason": reason})
    assert refused.status_code == 422
    assert reason.strip() in refused.text


@pytest.mark.parametrize("who", ["sam", "eve", "bob", "bea", "flo", "ana", "tom"])
def test_others_find_no_statement(visit, cast, statement, line, contest, who):
    browser = visit(getattr(cast, who))
    missing = browser.get("/statements/999999")
    for path in (f"/statements/{statement.id}", f"/statements/{statement.id}/csv", f"/statement-lines/{line.id}",
                 f"/statements/{statement.id}/pdf",
                 f"/statement-lines/{line.id}/contest", f"/contests/{contest.id}"):  # fmt: skip
        found = browser.get(path)
        assert (found.status_code, found.text) == (404, missing.text)


@pytest.mark.parametrize("who", ["mia", "ian", "leo", "adam"])
def test_managers_read_and_answer_nothing(visit, cast, statement, line, who, work_session):
    browser = visit(getattr(cast, who))
    assert browser.get(f"/statements/{statement.id}").status_code == 200
    shown = {"sha256": statement.content_sha256}
    assert browser.post(f"/statements/{statement.id}/acceptance", shown).status_code == 404
    assert browser.post(f"/statement-lines/{line.id}/contest", {"reason": "No"}).status_code == 404


def test_manufacturer_neither_accepts_nor_contests_for_the_party(visit, cast, statement, line):
    fay = visit(cast.fay)
    shown = {"sha256": statement.content_sha256}
    assert fay.post(f"/statements/{statement.id}/acceptance", shown).status_code == 403
    assert fay.post(f"/statement-lines/{line.id}/contest", {"reason": "No"}).status_code == 403


def test_acts_on_a_statement_are_posts(visit, cast, statement):
    assert visit(cast.ivo).get(f"/statements/{statement.id}/acceptance").status_code == 405
    assert visit(cast.ivo).post(f"/statements/{statement.id}").status_code == 405
