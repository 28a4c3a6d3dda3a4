"""Holds placed and ended in the browser; statements made again; the manifest as a file."""

from __future__ import annotations

import hashlib

import pytest

from portal.settlement import queries
from tests.support.beginnings import begins_with
from tests.support.cast import everything
from tests.support.queued import queued
from tests.support.settling import CLOSED_AT
from tests.web.support import money

pytestmark = begins_with(money.closed_statement)


@pytest.fixture
def statement(work_session, cast, clock):
    made = money.closed_statement(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT
    return made


def test_a_company_is_held_and_let_go(visit, cast, statement, work_session):
    fay = visit(cast.fay)
    assert "Nothing is held" in fay.get("/holds").text
    wrong = fay.post("/holds", {"kind": "party", "subject": "NOBODY", "reason": "Bank"})
    assert wrong.status_code == 422
    assert "The code of a company" in wrong.text
    assert fay.post("/holds", {"kind": "party", "subject": "KES", "reason": "Bank details"}).status_code == 303
    page = fay.get("/holds").text
    assert "Bank details" in page
    (hold,) = everything(work_session, "hold")
    assert "the party is on hold" in fay.get(f"/statements/{statement.id}/preparation").text.lower()
    assert fay.post(f"/holds/{hold['id']}/end", {"reason": ""}).status_code == 422
    assert fay.post(f"/holds/{hold['id']}/end", {"reason": "Checked"}).status_code == 303
    assert fay.post(f"/holds/{hold['id']}/end", {"reason": "Checked"}).status_code == 409
    assert "Nothing is held" in fay.get("/holds").text


@pytest.mark.parametrize("who", ["ana", "ivo", "flo", "eve"])
def test_others_see_no_holds(visit, cast, statement, who):
    browser = visit(getattr(cast, who))
    for path in ("/holds", f"/periods/{statement.period_id}/remaking", f"/periods/{statement.period_id}/manifest"):
        assert browser.get(path).status_code == 404


def test_statements_are_asked_for_again_with_a_reason(visit, cast, statement, work_session):
    fay = visit(cast.fay)
    path = f"/periods/{statement.period_id}/remaking"
    assert path in fay.get(f"/periods/{statement.period_id}").text
    assert fay.post(path, {"reason": ""}).status_code == 422
    assert fay.post(path, {"reason": "Signed late"}).status_code == 303
    ((_, ids),) = queued(work_session, "remake_statements")
    assert (ids["period_id"], ids["reason"]) == (statement.period_id, "Signed late")


def test_the_manifest_is_the_text_of_its_hash(visit, cast, statement, work_session):
    fay = visit(cast.fay)
    answer = fay.get(f"/periods/{statement.period_id}/manifest")
    (kept,) = queries.manifests_of(work_session, statement.period_id)
    assert hashlib.sha256(answer.data).hexdigest() == kept.sha256
    assert {"tie_out", "open", "chain_head", "balances", "statements"} <= answer.json.keys()
    assert "Stripe" in fay.get(f"/periods/{statement.period_id}").text
