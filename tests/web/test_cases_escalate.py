"""Escalating in the browser: find the system, say what is wrong, see cover and price, send; nothing typed is lost."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import select

from portal.cases.models import Attachment, SupportCase, Upload
from portal.entitlement.actions import open_plan
from portal.entitlement.models import AuthorizationRequest
from tests.support.cast import NOW, everything
from tests.support.versions import signed_policy

SAID = {
    "severity": "2",
    "title": "Doors stay locked",
    "symptom": "Since this morning no card opens the ward's doors.",
    "answers.serial": "NA-1001",
    "answers.firmware": "4.2.1",
    "answers.leds": "red",
    "task_class": "support",
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def plan(work_session, cast):
    open_plan(work_session, cast.plan_choice.id, now=NOW)
    work_session.commit()


def hidden(page, name):
    return re.search(rf'name="{name}" type="hidden" value="([^"]*)"', page.text).group(1)


def priced(browser, path, **said):
    """The page of cover and price, and the fields that send exactly what it shows."""
    fields = {**SAID, **said}
    once = hidden(browser.get(path), "once")
    shown = browser.post(path, {**fields, "once": once})
    assert shown.status_code == 200, shown.text
    kept = re.findall(r'checked[^>]* value="([0-9a-f-]{36})"', shown.text)
    nte = re.search(r'name="nte" type="text" value="([^"]*)"', shown.text)
    fields |= {"nte": nte.group(1)} if nte else {}
    return shown, {**fields, "once": once, "shown": hidden(shown, "shown"), "kept": kept, "step": "send"}


def test_system_is_found_by_a_part_of_its_serial(visit, cast):
    tom = visit(cast.tom)
    page = tom.get("/escalate?q=a-10")
    assert "NA-1001" in page.text
    assert "NA-2002" not in page.text
    assert "No system of yours" in tom.get("/escalate?q=%3Cscript%3E").text
    assert "<script>" not in tom.get("/escalate?q=%3Cscript%3Ex").text.split("<main")[1]


def test_escalating_shows_cover_and_price_and_then_sends_one_case(visit, cast, plan, work_session):
    tom = visit(cast.tom)
    shown, fields = priced(tom, f"/escalate/{cast.system.id}")
    assert "The first 1 h 30 min cost nothing" in shown.text
    assert "Klinikum Ostufer" in shown.text
    assert "€150.00" in shown.text
    assert "1 h, counted Monday to Friday, 08:00 to 17:00" in shown.text
    sent = tom.post(f"/escalate/{cast.system.id}", fields)
    case = work_session.scalars(select(SupportCase)).one()
    assert sent.status_code == 303
    assert sent.location == f"/cases/{case.name}"
    assert (case.severity, case.state, case.intake["firmware"]) == (2, "offered", "4.2.1")


def test_form_sent_twice_opens_one_case(visit, cast, plan, work_session):
    tom = visit(cast.tom)
    _, fields = priced(tom, f"/escalate/{cast.system.id}")
    answers = [tom.post(f"/escalate/{cast.system.id}", fields) for _ in range(2)]
    assert len({answer.location for answer in answers}) == 1
    assert len(everything(work_session, "support_case")) == 1


def test_what_is_missing_is_said_at_the_field_and_nothing_typed_is_lost(visit, cast, work_session):
    tom = visit(cast.tom)
    path = f"/escalate/{cast.system.id}"
    tom.get(path)
    refused = tom.post(path, {**SAID, "answers.leds": "", "title": 'Doors "stay" <locked>'})
    assert refused.status_code == 422
    assert "Status light is missing." in refused.text
    assert 'href="#answers.leds"' in refused.text
    assert "Doors &#34;stay&#34; &lt;locked&gt;" in refused.text
    assert "no card opens" in refused.text
    assert everything(work_session, "support_case") == []


def test_files_outlive_an_error_and_go_with_the_case(visit, cast, plan, work_session):
    tom = visit(cast.tom)
    path = f"/escalate/{cast.system.id}"
    tom.get(path)
    files = {
        "files": [(io.BytesIO(SVG), "../../<b>photo.svg"), (io.BytesIO(b"x"), "page.html")],
        "answers.log": (io.BytesIO(b"log"), "door.log"),
    }
    refused = tom.post(path, {**SAID, "title": "", **files}, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert "Say in a few words" in refused.text
    assert "&lt;b&gt;photo.svg (" in refused.text
    assert "<b>photo" not in refused.text
    kept = list(work_session.scalars(select(Upload)))
    assert {row.purpose for row in kept} == {"", "log"}
    ids = [str(row.id) for row in kept]
    _, fields = priced(tom, path, kept=ids)
    assert tom.post(path, {**fields, "kept": ids}).status_code == 303
    attached = list(work_session.scalars(select(Attachment)))
    assert sorted(row.size_bytes for row in attached) == [1, 3, len(SVG)]
    assert list(work_session.scalars(select(Upload))) == []


def test_file_that_is_too_large_is_said_at_its_field(visit, cast, work_session):
    tom = visit(cast.tom)
    path = f"/escalate/{cast.system.id}"
    tom.get(path)
    huge = io.BytesIO(b"\0" * (25 * 1024 * 1024 + 1))
    refused = tom.post(path, {**SAID, "files": (huge, "dump.bin")}, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert "dump.bin: The file is larger than 25 MB." in refused.text
    assert everything(work_session, "upload") == []


def test_ten_megabytes_of_text_are_answered_clearly(visit, cast, work_session):
    tom = visit(cast.tom)
    path = f"/escalate/{cast.system.id}"
    tom.get(path)
    refused = tom.post(path, {**SAID, "symptom": "x" * 10_000_000})
    assert refused.status_code == 422
    assert "At most 20,000 characters" in refused.text
    assert everything(work_session, "support_case") == []


def test_price_that_changed_since_it_was_shown_is_shown_again(visit, cast, plan, clock, work_session):
    tom = visit(cast.tom)
    path = f"/escalate/{cast.plain_system.id}"
    shown, fields = priced(tom, path)
    assert "€150.00" in shown.text
    clock.advance(hours=9)
    again = tom.post(path, fields)
    assert again.status_code == 200
    assert "Cover or price has changed" in again.text
    assert everything(work_session, "support_case") == []
    assert tom.post(path, {**fields, "shown": hidden(again, "shown")}).status_code == 303


def test_the_payer_is_asked_up_to_the_amount_that_was_typed(visit, cast, work_session):
    tom = visit(cast.tom)
    path = f"/escalate/{cast.plain_system.id}"
    shown, fields = priced(tom, path)
    assert "Klinikum Ostufer says yes" in shown.text
    for typed, sentence in (("a lot", "Write an amount as digits"), ("10", "Authorize at least 75.00")):
        refused = tom.post(path, {**fields, "nte": typed})
        assert refused.status_code == 422
        assert sentence in refused.text
        assert 'id="nte"' in refused.text
    assert tom.post(path, {**fields, "nte": "200"}).status_code == 303
    assert work_session.scalars(select(AuthorizationRequest)).one().nte_minor == 20_000


def test_a_customer_reads_what_it_pays_and_where_the_case_starts(visit, cast, plan, work_session):
    cal = visit(cast.cal)
    path = f"/cases/new/{cast.system.id}"
    shown, fields = priced(cal, path)
    assert "Nordlicht Access" in shown.text.split("Starts with")[1][:120]
    sent = cal.post(path, fields)
    assert sent.status_code == 303
    assert work_session.scalars(select(SupportCase)).one().opener_side == "customer"


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_find_nothing(visit, cast, who):
    browser = visit(getattr(cast, who))
    for path in (f"/escalate/{cast.system.id}", f"/cases/new/{cast.system.id}"):
        for answer in (browser.get(path), browser.post(path, SAID)):
            assert answer.status_code == 404
            assert answer.text == browser.get("/escalate/999999").text
    assert "NA-1001" not in browser.get("/escalate").text


def test_the_other_roles_are_sent_nowhere(visit, cast):
    assert visit(cast.ivo).get("/escalate").status_code == 404
    assert visit(cast.ana).get("/escalate").status_code == 404
    assert visit(cast.tom).get("/cases/new").status_code == 404
    assert visit(cast.tom).post("/escalate").status_code == 405


ENTRY = """[[entry]]
outside = "business"
decision = "wait"

[[entry]]
openers = ["technician"]
requires = ["purchase_order"]
decision = "accept"

[[entry]]
decision = "refuse"
because = "Ask your integrator."

[lifecycle]"""


def test_entry_says_what_is_needed_first_and_refuses_the_others(visit, cast, plan, work_session):
    signed_policy(work_session, cast, ("[lifecycle]", ENTRY))
    work_session.commit()
    shown, _ = priced(visit(cast.tom), f"/escalate/{cast.system.id}")
    assert "Before work begins" in shown.text
    assert "A purchase order" in shown.text
    cal = visit(cast.cal)
    refused, fields = priced(cal, f"/cases/new/{cast.system.id}")
    assert "Ask your integrator." in refused.text
    assert cal.post(f"/cases/new/{cast.system.id}", fields).status_code == 403
    assert work_session.query(SupportCase).count() == 0
