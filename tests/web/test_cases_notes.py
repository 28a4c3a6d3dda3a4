"""Notes, files and numbers on a case: their readers, hostile names and contents, nothing typed is lost."""

from __future__ import annotations

import io
import re

import pytest

from tests.support.cast import everything

HOSTILE = '<script>alert("x")</script>'


def _note(browser, case, **fields):
    said = {"seq": case.seq, "body": "Read the log", "audience": "companies", **fields}
    return browser.post(f"/cases/{case.name}/notes", said, content_type="multipart/form-data")


def test_usual_readers_of_a_note_leave_the_customer_out(visit, cast, accepted):
    for who in (cast.ana, cast.tom):
        shown = visit(who).get(f"/cases/{accepted.name}").text
        assert re.search(r'<input[^>]*checked[^>]*value="companies"', shown)
    assert 'value="companies"' not in visit(cast.cal).get(f"/cases/{accepted.name}").text


@pytest.mark.parametrize(
    ("audience", "readers"),
    [("own", {"ana"}), ("companies", {"ana", "tom"}), ("customer", {"ana", "tom", "cal"})],
)
def test_note_is_read_by_its_audience_only(visit, cast, accepted, audience, readers):
    assert _note(visit(cast.ana), accepted, audience=audience).status_code == 303
    for who in ("ana", "tom", "cal"):
        shown = visit(getattr(cast, who)).get(f"/cases/{accepted.name}").text
        assert ("Read the log" in shown) == (who in readers), who


def test_customer_cannot_write_to_readers_that_are_not_its_own(visit, cast, accepted, work_session):
    refused = _note(visit(cast.cal), accepted, audience="companies")
    assert refused.status_code == 422
    assert "Read the log" in refused.text
    assert everything(work_session, "note") == []


def test_hostile_text_and_file_names_are_escaped(visit, cast, accepted):
    ana = visit(cast.ana)
    name = f"{HOSTILE}.svg".replace("/", "_")
    assert _note(ana, accepted, body=HOSTILE, files=(io.BytesIO(b"<svg onload=x>"), name)).status_code == 303
    shown = ana.get(f"/cases/{accepted.name}").text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "../../etc/passwd", 'a".exe'])
def test_file_is_a_download_whatever_it_holds(visit, cast, accepted, name):
    ana = visit(cast.ana)
    _note(ana, accepted, files=(io.BytesIO(b"<html><script>1</script>"), name, "text/html"))
    path = re.search(rf"/cases/{accepted.name}/files/[0-9a-f-]+", ana.get(f"/cases/{accepted.name}").text).group(0)
    answer = ana.get(path)
    assert answer.data == b"<html><script>1</script>"
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment;")
    assert "/" not in disposition.replace("UTF-8''", "")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_file_is_for_its_audience_only(visit, cast, accepted):
    ana = visit(cast.ana)
    _note(ana, accepted, audience="own", files=(io.BytesIO(b"ours"), "ours.txt"))
    path = re.search(rf"/cases/{accepted.name}/files/[0-9a-f-]+", ana.get(f"/cases/{accepted.name}").text).group(0)
    missing = f"/cases/{accepted.name}/files/00000000-0000-4000-8000-000000000000"
    for who in (cast.tom, cast.cal, cast.eve):
        browser = visit(who)
        found = browser.get(path)
        assert (found.status_code, found.text) == (404, browser.get(missing).text)


def test_files_alone_are_attached(visit, cast, accepted, work_session):
    answer = _note(visit(cast.tom), accepted, body="", files=(io.BytesIO(b"log"), "bus.log"))
    assert answer.status_code == 303
    (file,) = everything(work_session, "attachment")
    assert (file["file_name"], file["note_id"]) == ("bus.log", None)


def test_empty_note_is_said_at_the_field(visit, cast, accepted, work_session):
    refused = _note(visit(cast.tom), accepted, body=" ")
    assert refused.status_code == 422
    assert "Write something." in refused.text


def test_stale_note_keeps_text_and_files_and_can_be_sent_again(visit, cast, accepted, work_session):
    ana, tom = visit(cast.ana), visit(cast.tom)
    assert _note(ana, accepted, body="First").status_code == 303
    stale = _note(tom, accepted, body="Mine", files=(io.BytesIO(b"log"), "bus.log"))
    assert stale.status_code == 409
    assert "<strong>Ana</strong> wrote a note at" in stale.text
    assert "Mine</textarea>" in stale.text
    assert "bus.log (3 bytes)" in stale.text
    seq = re.search(r'name="seq"[^>]*value="(\d+)"', stale.text).group(1)
    kept = re.search(r'name="kept"[^>]*value="([^"]+)"', stale.text).group(1)
    assert _note(tom, accepted, seq=seq, body="Mine", kept=kept).status_code == 303
    assert [row["body"] for row in everything(work_session, "note")] == ["First", "Mine"]
    assert len(everything(work_session, "attachment")) == 1


def test_somebody_elses_stored_file_is_not_attached(visit, cast, accepted, work_session):
    ana, tom = visit(cast.ana), visit(cast.tom)
    refused = _note(ana, accepted, body="", files=(io.BytesIO(b"ours"), "ours.txt"), audience="nobody")
    kept = re.search(r'name="kept"[^>]*value="([^"]+)"', refused.text).group(1)
    _note(tom, accepted, kept=kept)
    assert everything(work_session, "attachment") == []


def test_huge_note_is_refused_and_kept(visit, cast, accepted, work_session):
    refused = _note(visit(cast.tom), accepted, body="x" * 60_000)
    assert refused.status_code == 422
    assert "x" * 60_000 in refused.text
    assert everything(work_session, "note") == []


def test_each_company_gives_its_own_number(visit, cast, accepted, work_session):
    tom, ana = visit(cast.tom), visit(cast.ana)
    path = f"/cases/{accepted.name}/references"
    assert "Your own number" in tom.get(path).text
    assert tom.post(path, {"seq": accepted.seq, "reference": "KES <7>"}).status_code == 303
    assert tom.post(path, {"seq": accepted.seq, "reference": "KES <7>"}).status_code == 409
    work_session.refresh(accepted)
    assert ana.post(path, {"seq": accepted.seq, "reference": "F-12"}).status_code == 303
    shown = visit(cast.cal).get(f"/cases/{accepted.name}").text
    assert "Kessler Sicherheit: KES &lt;7&gt;" in shown
    assert "Nordlicht Access: F-12" in shown
