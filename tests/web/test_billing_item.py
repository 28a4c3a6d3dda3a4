"""A bill item in the browser: from the amount to the note, shares for those who may see them, questions and answers."""

from __future__ import annotations

import pytest

from tests.support.beginnings import begins_with
from tests.support.cast import everything
from tests.web.support import money

pytestmark = begins_with(money.billed_item)


@pytest.fixture
def item(work_session, cast):
    made = money.billed_item(work_session, cast)
    work_session.commit()
    return made


@pytest.fixture
def line(work_session, cast, item):
    return money.bill_line(work_session, cast)


@pytest.fixture
def query(work_session, cast, item):
    asked = money.asked_question(work_session, cast)
    work_session.commit()
    return asked


def test_item_explains_itself_from_amount_to_note(visit, cast, item):
    page = visit(cast.fay).get(f"/bill-items/{item.id}").text
    assert "€225.00" in page
    assert 'href="#line-1"' in page
    assert "Looked into the door controller" in page
    assert "€150.00 an hour" in page
    assert "How it came about" in page


@pytest.mark.parametrize(("who", "sees"), [("fay", True), ("leo", True), ("mia", True), ("ivo", True), ("ian", True),
                                           ("ana", False), ("tom", False), ("bea", False), ("flo", False)])  # fmt: skip
def test_shares_show_to_those_who_may_see_them_only(visit, cast, item, who, sees):
    browser = visit(getattr(cast, who))
    page = browser.get(f"/bill-items/{item.id}")
    assert page.status_code == 200
    assert ('id="shares"' in page.text) is sees
    assert ("Payable so far" in page.text) is sees


def test_customer_reads_what_it_pays_and_the_list_leads_there(visit, cast, item):
    bea = visit(cast.bea)
    assert f"/bill-items/{item.id}" in bea.get("/bill-items").text
    assert "Looked into the door controller" in bea.get(f"/bill-items/{item.id}").text


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_find_no_item(visit, cast, item, line, who):
    browser = visit(getattr(cast, who))
    missing = browser.get("/bill-items/999999")
    for path in (f"/bill-items/{item.id}", f"/bill-lines/{line.id}/question"):
        found = browser.get(path)
        assert (found.status_code, found.text) == (404, missing.text)
    assert "Nothing is billed yet" in browser.get("/bill-items").text


def test_payer_asks_and_finance_answers(visit, cast, item, line, work_session):
    bea, fay = visit(cast.bea), visit(cast.fay)
    assert f"/bill-lines/{line.id}/question" in bea.get(f"/bill-items/{item.id}").text
    asked = bea.post(f"/bill-lines/{line.id}/question", {"question": "Why <b>65</b> minutes?"})
    assert (asked.status_code, asked.location) == (303, f"/bill-items/{item.id}")
    (query,) = everything(work_session, "line_query")
    shown = fay.get(f"/bill-items/{item.id}").text
    assert "Why &lt;b&gt;65&lt;/b&gt; minutes?" in shown
    assert f"/line-questions/{query['id']}/answer" in fay.get("/receivables").text
    answered = fay.post(f"/line-questions/{query['id']}/answer", {"answer": "The log took long."})
    assert answered.status_code == 303
    assert "The log took long." in bea.get(f"/bill-items/{item.id}").text


def test_asking_twice_is_refused_and_answering_twice_too(visit, cast, item, line, query, work_session):
    bea, leo = visit(cast.bea), visit(cast.leo)
    assert bea.post(f"/bill-lines/{line.id}/question", {"question": "Again?"}).status_code == 409
    said = {"answer": "So it was."}
    assert leo.post(f"/line-questions/{query.id}/answer", said).status_code == 303
    assert leo.post(f"/line-questions/{query.id}/answer", said).status_code == 409
    assert leo.get(f"/line-questions/{query.id}/answer").status_code == 303
    assert len(everything(work_session, "line_query_answer")) == 1


@pytest.mark.parametrize(("said", "words"), [("  ", "Say what you want to know."), ("x" * 2001, "At most 2,000")])
def test_question_is_refused_at_the_field_and_stays(visit, cast, line, said, words):
    refused = visit(cast.bea).post(f"/bill-lines/{line.id}/question", {"question": said})
    assert refused.status_code == 422
    assert words in refused.text
    assert said.strip() in refused.text


@pytest.mark.parametrize("who", ["cal", "ana", "fay", "mia", "tom"])
def test_those_who_do_not_pay_ask_nothing(visit, cast, line, who):
    browser = visit(getattr(cast, who))
    assert browser.post(f"/bill-lines/{line.id}/question", {"question": "Why?"}).status_code == 404


@pytest.mark.parametrize("who", ["bea", "ivo", "ana", "eve"])
def test_those_who_did_not_bill_answer_nothing(visit, cast, query, who):
    assert visit(getattr(cast, who)).post(f"/line-questions/{query.id}/answer", {"answer": "So."}).status_code == 404


def test_items_are_only_read(visit, cast, item):
    assert visit(cast.fay).post(f"/bill-items/{item.id}").status_code == 405
