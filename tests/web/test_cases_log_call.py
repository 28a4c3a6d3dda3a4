"""Logging a call: the timer runs from the first click, the price is read aloud, the case is the factory's at once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from portal.cases.models import CaseEvent, SupportCase
from portal.entitlement.actions import open_plan
from tests.support.builders import opened_case
from tests.support.cast import NOW, everything
from tests.support.versions import signed_policy

SAID = {
    "serial": "na-1001",
    "caller_name": "Tom",
    "caller_phone": "+49 431 1234",
    "caller_kind": "technician",
    "verified_by": "certificate number",
    "certificate": "C-100",
    "severity": "2",
    "task_class": "support",
    "title": "Doors stay locked",
    "symptom": "Since this morning.",
}


@pytest.fixture(autouse=True)
def plan(work_session, cast):
    open_plan(work_session, cast.plan_choice.id, now=NOW)
    work_session.commit()


def hidden(page, name):
    return re.search(rf'name="{name}" type="hidden" value="([^"]*)"', page.text).group(1)


def found(browser, **said):
    once = hidden(browser.get("/calls/new"), "once")
    page = browser.post("/calls/new", {**SAID, **said, "once": once, "step": "find"})
    shown = hidden(page, "shown") if page.status_code == 200 else ""
    return page, {**SAID, **said, "once": once, "shown": shown, "step": "send"}


def test_the_call_is_timed_priced_and_saved_on_one_screen(visit, cast, clock, work_session):
    ana = visit(cast.ana)
    assert ana.post("/calls").status_code == 303
    clock.advance(minutes=2)
    page, fields = found(ana)
    assert "Klinikum Ostufer" in page.text
    assert "€150.00" in page.text
    assert "Call without a case" in page.text
    saved = ana.post("/calls/new", fields)
    assert saved.status_code == 303
    case = work_session.scalars(select(SupportCase)).one()
    assert (case.holder_side, case.assignee_name) == ("manufacturer", "Ana")
    (timer,) = everything(work_session, "running_timer")
    assert (timer["case_id"], timer["started_at"]) == (case.id, NOW)
    told = work_session.scalars(select(CaseEvent.details).where(CaseEvent.kind == "call_logged")).one()
    assert told == {"caller_name": "Tom", "caller_phone": "+49 431 1234", "verified_by": "certificate number"}


def test_saving_twice_keeps_one_case(visit, cast, work_session):
    ana = visit(cast.ana)
    _, fields = found(ana)
    first, second = (ana.post("/calls/new", fields) for _ in range(2))
    assert first.location == second.location
    assert len(everything(work_session, "support_case")) == 1


def test_price_is_read_before_the_call_is_saved(visit, cast, work_session):
    ana = visit(cast.ana)
    _, fields = found(ana)
    changed = ana.post("/calls/new", {**fields, "serial": "NA-2002"})
    assert changed.status_code == 422
    assert "Read it again" in changed.text
    assert everything(work_session, "support_case") == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"serial": "nothing"}, "No system of yours"),
        ({"serial": ""}, "Type the serial number."),
        ({"serial": "NA-"}, "Several systems fit: NA-1001, NA-2002."),
        ({"certificate": "C-999"}, "no valid certificate"),
    ],
)
def test_what_cannot_be_found_is_said_at_the_field(visit, cast, said, sentence):
    page, _ = found(visit(cast.ana), **said)
    assert page.status_code == 422
    assert sentence in page.text
    assert "Doors stay locked" in page.text


def test_what_is_missing_is_said_when_the_call_is_saved(visit, cast, work_session):
    ana = visit(cast.ana)
    _, fields = found(ana)
    refused = ana.post("/calls/new", {**fields, "caller_name": "", "verified_by": "", "title": "x" * 300})
    assert refused.status_code == 422
    for sentence in ("Say who calls.", "Say how the caller was verified.", "At most 200 characters"):
        assert sentence in refused.text
    assert everything(work_session, "support_case") == []


def test_timer_of_another_case_is_left_alone(visit, cast, work_session):
    case = opened_case(work_session, cast)
    work_session.commit()
    ana = visit(cast.ana)
    ana.post("/timer", {"case": case.name})
    _, fields = found(ana)
    assert "Your timer runs on" in ana.get("/calls/new").text
    assert ana.post("/calls/new", fields).status_code == 303
    (timer,) = everything(work_session, "running_timer")
    assert timer["case_id"] == case.id


def test_others_find_no_such_page_and_no_system(visit, cast):
    assert visit(cast.tom).get("/calls/new").status_code == 404
    assert visit(cast.fay).post("/calls").status_code == 404
    assert visit(cast.ana).get("/calls").status_code == 405
    page, _ = found(visit(cast.eve))
    assert "No system of yours" in page.text
    assert "Klinikum" not in page.text


ASKS = """
[[customer_classes]]
code = "members"
label = "Members"

[[requests]]
code = "rush"
label = "Same day"

[[surcharges]]
requested = ["rush"]
percent = "50"

[[fees]]
code = "way"
label = "Way"
per = "visit"
per_distance = "1.00"

[[entry]]
channels = ["chat"]
levels = [2]
decision = "refuse"
because = "Level 2 is not served by chat."

[[rates]]
customer_classes = ["members"]
per_hour = "100.00"

"""
BEFORE = '[[rates]]\nmodes = ["travel"]'


def test_policy_asks_what_its_prices_depend_on(visit, cast, work_session):
    plain = found(visit(cast.ana))[0]
    assert not any(label in plain.text for label in ("Customer class", "Asked for", "Distance", "How they asked"))
    signed_policy(work_session, cast, (BEFORE, ASKS + BEFORE))
    work_session.commit()
    ana = visit(cast.ana)
    page, fields = found(ana, serial="NA-2002")
    for label in ("Customer class", "Members", "Asked for", "Same day", "Distance", "Support level", "How they asked"):
        assert label in page.text
    told = {"customer_class": "members", "requested": "rush", "distance": "12,5", "channel": "email"}
    wrong, _ = found(ana, serial="NA-2002", **told | {"distance": "far"})
    assert (wrong.status_code, "Write the distance" in wrong.text) == (422, True)
    page, fields = found(ana, serial="NA-2002", **told)
    assert "customers of the class Members; asked for: Same day" in page.text
    saved = ana.post("/calls/new", fields)
    assert saved.status_code == 303
    case = work_session.scalars(select(SupportCase)).one()
    assert (case.customer_class, case.requested, case.distance) == ("members", ["rush"], "12.5")
    assert (case.channel, case.support_level) == ("email", None)
    assert "Distance, one way" in ana.get(saved.location).text
    refused = ana.post("/calls/new", {**found(ana, **told)[1], "channel": "chat", "level": "2"})
    assert "Level 2 is not served by chat." in refused.text
