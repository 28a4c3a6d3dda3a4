"""Known issues: the factory names, confirms and links them; cases of one issue do not see each other."""

from __future__ import annotations

import pytest

from tests.support.cast import everything

SAID = {"title": "Readers <b>freeze</b>", "cause": "firmware_defect", "advice": "Update to 4.3."}


@pytest.fixture
def issue(visit, cast, work_session):
    fields = {**SAID, "product_line": cast.product_line.id}
    assert visit(cast.ana).post("/known-issues/new", fields).status_code == 303
    (row,) = everything(work_session, "known_issue")
    return row


def test_issue_is_named_and_listed(visit, cast, issue):
    ana = visit(cast.ana)
    shown = ana.get("/known-issues").text
    assert "Readers &lt;b&gt;freeze&lt;/b&gt;" in shown
    assert "Suspected" in shown
    assert "Update to 4.3." in ana.get(f"/known-issues/{issue['id']}").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": ""}, "Name the issue."),
        ({"advice": " "}, "Say what to do about it."),
        ({"cause": "x"}, "Not a valid choice"),
        ({"product_line": "999999"}, "Not a valid choice"),
    ],
)
def test_incomplete_issue_is_said_at_the_field(visit, cast, work_session, change, words):
    fields = {**SAID, "product_line": cast.product_line.id, **change}
    refused = visit(cast.ana).post("/known-issues/new", fields)
    assert refused.status_code == 422
    assert words in refused.text
    assert everything(work_session, "known_issue") == []


def test_issue_is_linked_once_and_read_by_every_party(visit, cast, issue, accepted, work_session):
    ana = visit(cast.ana)
    path = f"/cases/{accepted.name}/known-issues"
    assert "Readers" in ana.get(path).text
    fields = {"seq": accepted.seq, "issue": issue["id"]}
    assert ana.post(path, fields).status_code == 303
    assert ana.post(path, fields).status_code == 409
    for who in (cast.tom, cast.cal):
        shown = visit(who).get(f"/cases/{accepted.name}").text
        assert "Update to 4.3." in shown
        assert visit(who).get(f"/known-issues/{issue['id']}").status_code == 404
    assert accepted.name in ana.get(f"/known-issues/{issue['id']}").text


def test_confirming_is_harmless_again(visit, cast, issue):
    ana = visit(cast.ana)
    path = f"/known-issues/{issue['id']}/confirmation"
    assert ana.get(path).status_code == 405
    assert [ana.post(path).status_code for _ in range(2)] == [303, 303]
    assert "Confirmed" in ana.get("/known-issues").text


@pytest.mark.parametrize("who", ["eve", "tom", "cal", "fay"])
def test_issues_are_the_factorys_own(visit, cast, issue, who):
    browser = visit(getattr(cast, who))
    assert browser.post(f"/known-issues/{issue['id']}/confirmation").status_code == 404
    assert browser.get(f"/known-issues/{issue['id']}").status_code == 404
    listed = browser.get("/known-issues")
    assert listed.status_code == (200 if who == "eve" else 404)
    assert "Readers" not in listed.text
