"""Files before their case: kept, handed back to whoever chose them as a download, removed."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select

from portal.cases.models import Upload

HTML = b"<script>alert(document.cookie)</script>"


def send(browser, content=HTML, name="index.html", purpose=""):
    fields = {"file": (io.BytesIO(content), name, "text/html"), "purpose": purpose}
    return browser.post("/uploads", fields, content_type="multipart/form-data")


@pytest.fixture
def kept(visit, cast, work_session):
    tom = visit(cast.tom)
    answer = send(tom)
    assert answer.status_code == 201
    assert "index.html" in answer.text
    return tom, work_session.scalars(select(Upload)).one()


def test_own_file_comes_back_as_a_download_only(kept):
    tom, row = kept
    answer = tom.get(f"/uploads/{row.id}")
    assert answer.data == HTML
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.mimetype == "application/octet-stream"


@pytest.mark.parametrize("who", ["tia", "ana", "sam", "bob"])
def test_another_person_finds_nothing(kept, visit, cast, work_session, who):
    _, row = kept
    other = visit(getattr(cast, who))
    assert other.get(f"/uploads/{row.id}").status_code == 404
    assert other.post(f"/uploads/{row.id}/removal").status_code == 404
    assert other.get(f"/uploads/{row.id}").text == other.get("/uploads/00000000-0000-0000-0000-000000000000").text
    assert work_session.scalars(select(Upload)).one() is not None


def test_removing_twice_is_harmless(kept, work_session):
    tom, row = kept
    assert tom.get(f"/uploads/{row.id}/removal").status_code == 405
    assert tom.post(f"/uploads/{row.id}/removal").status_code == 303
    assert tom.post(f"/uploads/{row.id}/removal").status_code == 404
    assert list(work_session.scalars(select(Upload))) == []


def test_too_large_and_missing_files_are_refused(visit, cast, work_session):
    tom = visit(cast.tom)
    assert send(tom, b"\0" * (25 * 1024 * 1024 + 1)).status_code == 422
    assert tom.post("/uploads", {"purpose": ""}).status_code == 422
    assert send(tom, purpose="x" * 41).status_code == 422
    assert list(work_session.scalars(select(Upload))) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\tb;x.html", "\u202egpj.exe", "CON", "x" * 3000])
def test_hostile_names_are_made_harmless(visit, cast, work_session, name):
    tom = visit(cast.tom)
    assert send(tom, name=name).status_code == 201
    row = work_session.scalars(select(Upload)).one()
    answer = tom.get(f"/uploads/{row.id}")
    disposition = answer.headers["Content-Disposition"]
    assert "/" not in row.file_name
    assert "\n" not in disposition


@pytest.mark.parametrize("who", ["cal", "bea", "mia", "leo"])
def test_files_of_a_reply_are_kept_as_they_are_chosen_by_everybody_who_may_write(visit, cast, accepted, who):
    browser = visit(getattr(cast, who))
    for path in ("", "/notes"):
        page = browser.get(f"/cases/{accepted.name}{path}").text
        assert 'data-keeps-at="/uploads"' in page
        assert "data-kept-files hidden" in page
        assert "keep-files.js" in page
    assert send(browser).status_code == 201
