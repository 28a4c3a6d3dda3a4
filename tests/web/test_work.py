"""Worked time in the browser: the timer from any page, the timesheet, corrections, approval, strangers."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from portal.metering import actions
from portal.metering.actions import Work
from portal.metering.models import TimeEntry
from tests.support.builders import opened_case
from tests.support.cast import NOW, everything
from tests.support.versions import signed_policy


@pytest.fixture
def case(work_session, cast):
    opened = opened_case(work_session, cast)
    work_session.commit()
    return opened


@pytest.fixture
def entry(work_session, cast, case):
    work = Work("remote", "support", "Read the <b>log</b>")
    logged = actions.enter_time(
        work_session, cast.ana, case, work, started_at=NOW.replace(hour=7), ended_at=NOW.replace(hour=8), now=NOW
    )
    work_session.commit()
    return logged


SAID = {"mode": "phone", "task_class": "support", "note": "Called the site"}


def test_timer_shows_on_every_page_and_stops_with_one_click(visit, cast, case, clock, work_session):
    ana = visit(cast.ana)
    assert ana.post("/timer", {"case": case.name}).status_code == 303
    clock.advance(minutes=12)
    assert f"{case.name}</span>" in ana.get("/time").text
    stopped = ana.post("/timer/stop")
    assert stopped.status_code == 200
    assert "What was done" in stopped.text
    clock.advance(minutes=5)
    clicked = (NOW.replace(minute=12)).isoformat()
    assert ana.post("/timer/stop", {**SAID, "stopped_at": clicked}).status_code == 303
    (logged,) = everything(work_session, "time_entry")
    assert (logged["seconds"], logged["note"]) == (720, "Called the site")


def test_stop_is_refused_when_the_page_was_made_for_another_timer(visit, cast, case, clock, work_session):
    ana = visit(cast.ana)
    ana.post("/timer", {"case": case.name})
    clock.advance(minutes=1)
    early = NOW.replace(hour=2).isoformat()
    assert ana.post("/timer/stop", {**SAID, "stopped_at": early}).status_code == 409
    assert everything(work_session, "time_entry") == []


def test_what_was_typed_stays_when_the_note_is_missing(visit, cast, case, clock):
    ana = visit(cast.ana)
    ana.post("/timer", {"case": case.name})
    clock.advance(minutes=1)
    refused = ana.post("/timer/stop", {**SAID, "note": " "})
    assert refused.status_code == 422
    assert "Say what you did" in refused.text
    assert re.search(r'<input[^>]*checked[^>]*value="phone"', refused.text)


def test_repeated_stop_is_harmless(visit, cast, case, clock, work_session):
    ana = visit(cast.ana)
    ana.post("/timer", {"case": case.name})
    clock.advance(minutes=3)
    assert ana.post("/timer/stop", SAID).status_code == 303
    assert ana.post("/timer/stop", SAID).status_code == 404
    assert len(everything(work_session, "time_entry")) == 1


def test_discarded_timer_logs_nothing(visit, cast, case, work_session):
    ana = visit(cast.ana)
    ana.post("/timer", {"case": case.name})
    assert ana.post("/timer/discard").status_code == 303
    assert "No timer is running" in ana.get("/timer").text
    assert everything(work_session, "time_entry") == []


def test_time_is_entered_in_the_viewers_zone(visit, cast, case, work_session):
    ana = visit(cast.ana)
    fields = {**SAID, "case": case.name.lower(), "started_at": "2026-03-10T08:00", "ended_at": "2026-03-10T08:30"}
    answer = ana.post("/time/new", fields)
    assert (answer.status_code, answer.location) == (303, "/time?week=2026-W11")
    (logged,) = everything(work_session, "time_entry")
    assert str(logged["started_at"]).startswith("2026-03-10 07:00:00")
    assert "30 min" in ana.get("/time?week=2026-W11").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": "NOR-99999"}, "No case of yours has this name."),
        ({"ended_at": "2026-03-10T07:30"}, "Work ends after it starts."),
        ({"ended_at": "2026-03-10T18:30"}, "This is in the future."),
        ({"started_at": "yesterday"}, "Not a valid datetime value."),
        ({"note": "x" * 4001}, "At most 4,000 characters"),
    ],
)
def test_entry_is_refused_at_the_field_and_keeps_what_was_typed(visit, cast, case, work_session, change, words):
    fields = {**SAID, "case": case.name, "started_at": "2026-03-10T08:00", "ended_at": "2026-03-10T08:30", **change}
    refused = visit(cast.ana).post("/time/new", fields)
    assert refused.status_code == 422
    assert words in refused.text
    assert fields["note"] in refused.text
    assert everything(work_session, "time_entry") == []


def test_overlap_is_said_at_the_field(visit, cast, case, entry):
    fields = {**SAID, "case": case.name, "started_at": "2026-03-10T08:30", "ended_at": "2026-03-10T09:30"}
    refused = visit(cast.ana).post("/time/new", fields)
    assert "This overlaps time that is already logged" in refused.text


def test_note_is_escaped(visit, cast, entry):
    shown = visit(cast.ana).get(f"/time/entries/{entry.id}").text
    assert "<b>log" not in shown
    assert "&lt;b&gt;log" in shown


def test_correction_keeps_unchanged_seconds_and_shows_both(visit, cast, case, entry, work_session):
    ana = visit(cast.ana)
    fields = {
        **SAID,
        "case": case.name,
        "started_at": "2026-03-10T08:00",
        "ended_at": "2026-03-10T08:40",
        "reason": "Shorter",
    }
    answer = ana.post(f"/time/entries/{entry.id}/correction", fields)
    assert answer.status_code == 303
    assert "40 min" in ana.get(answer.location).text
    assert "Shorter" in ana.get(f"/time/entries/{entry.id}").text
    assert ana.post(f"/time/entries/{entry.id}/correction", fields).status_code == 409


def test_reversal_needs_a_reason(visit, cast, entry, work_session):
    ana = visit(cast.ana)
    ana.post(f"/time/entries/{entry.id}/reversal", {"reason": " "})
    assert everything(work_session, "time_reversal") == []
    ana.post(f"/time/entries/{entry.id}/reversal", {"reason": "Other case"})
    assert len(everything(work_session, "time_reversal")) == 1


def test_lead_approves_ticked_entries(visit, cast, entry, work_session):
    leo = visit(cast.leo)
    assert "Ana" in leo.get("/time/approvals").text
    assert leo.post("/time/approvals", {}).status_code == 422
    assert leo.post("/time/approvals", {"entries": [entry.id]}).status_code == 303
    assert "No time waits" in leo.get("/time/approvals").text
    assert len(everything(work_session, "time_approval")) == 1


@pytest.mark.parametrize("who", ["tom", "eve", "sam", "bea", "mia"])
def test_other_companies_find_no_entry(visit, cast, entry, who):
    stranger = visit(getattr(cast, who))
    missing = stranger.get("/time/entries/999999")
    found = stranger.get(f"/time/entries/{entry.id}")
    assert (found.status_code, found.text) == (404, missing.text)


@pytest.mark.parametrize("who", ["sam", "eve"])
def test_stranger_starts_no_timer_on_the_case(visit, cast, case, who, work_session):
    assert visit(getattr(cast, who)).post("/timer", {"case": case.name}).status_code == 404
    assert work_session.scalar(text("SELECT count(*) FROM running_timer")) == 0


@pytest.mark.parametrize("path", ["/time/approvals", "/time", "/timer", "/time/new"])
def test_customers_have_no_time_pages(visit, cast, path):
    assert visit(cast.bea).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/timer/stop", "/timer/discard", "/timer/note"])
def test_acts_on_the_timer_are_posts(visit, cast, path):
    assert visit(cast.ana).get(path).status_code == 405


@pytest.mark.parametrize("week", ["2026-W99", "x", "9999-W53", "0000-W01"])
def test_unknown_week_shows_the_present_one(visit, cast, week):
    assert "2026-W11" in visit(cast.ana).get(f"/time?week={week}").text


def test_engineer_has_no_approvals(visit, cast, entry, work_session):
    assert visit(cast.ana).post("/time/approvals", {"entries": [entry.id]}).status_code == 404
    assert work_session.query(TimeEntry).count() == 1


def test_role_is_asked_for_where_the_policy_prices_it_apart(visit, work_session, cast):
    roles = '[[roles]]\ncode = "master"\nlabel = "Master"\n\n[[rates]]\nroles = ["master"]\nper_hour = "300.00"\n\n'
    travel = '[[rates]]\nmodes = ["travel"]'
    signed_policy(work_session, cast, (travel, roles + travel))
    case = opened_case(work_session, cast)
    work_session.commit()
    ana = visit(cast.ana)
    assert "Master" in ana.get(f"/time/new?case={case.name}").text
    ana.post("/timer", {"case": case.name})
    assert ana.post("/timer/stop", {**SAID, "role": "gardener"}).status_code == 422
    assert ana.post("/timer/stop", {**SAID, "role": "master"}).status_code in (303, 422)
