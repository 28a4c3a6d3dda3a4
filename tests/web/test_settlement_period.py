"""The close cockpit: what a period waits for; closing by job, once; closing for good; strangers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.jobs import JobFailure
from portal.ledger.models import Period
from portal.settlement.models import Statement
from portal.worker.registry import Edges
from portal.worker.running import perform
from tests.support.beginnings import begins_with
from tests.support.cast import everything
from tests.support.queued import queued
from tests.support.settling import CLOSED_AT, REVIEWED_AT, approved_and_disposed
from tests.web.support import money

pytestmark = begins_with(money.billed_item)


@pytest.fixture
def period(work_session, cast):
    made = money.open_period(work_session, cast)
    work_session.commit()
    return made


@pytest.fixture
def run_job(work_session, settings, work_engine, clock):
    """Run the queued jobs of a name, and no others: what they enqueue is not of these pages."""

    def run(name):
        for _, ids in queued(work_session, name):
            perform(Edges(settings, work_engine, clock), name, ids)

    return run


def test_period_is_not_closed_before_it_ends(visit, cast, period, work_session):
    fay = visit(cast.fay)
    page = fay.get(f"/periods/{period.id}").text
    assert "It takes postings until its last instant." in page
    assert "Close the period" not in page
    answer = fay.post(f"/periods/{period.id}/close")
    assert answer.status_code == 303
    assert "has not ended yet" in fay.get(answer.location).text
    assert queued(work_session, "close_period") == []


def test_period_is_closed_by_a_job_and_its_progress_shows(visit, cast, period, clock, run_job, work_session):
    clock.now = CLOSED_AT
    fay = visit(cast.fay)
    assert "Close the period" in fay.get(f"/periods/{period.id}").text
    asked = fay.post(f"/periods/{period.id}/close")
    assert asked.location == f"/periods/{period.id}?asked=1"
    moving = fay.get(asked.location).text
    assert "data-looks-again" in moving
    assert "Close the period" not in moving
    run_job("close_period")
    work_session.expire_all()
    page = fay.get(f"/periods/{period.id}").text
    assert "In review" in page
    assert "What the review close froze" in page
    assert f"/periods/{period.id}" in fay.get("/periods").text


def test_closing_twice_makes_one_set_of_statements(visit, cast, clock, work_session, run_job):
    statement = money.closed_statement(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT + timedelta(hours=1)
    fay = visit(cast.fay)
    for _ in range(2):
        assert fay.post(f"/periods/{statement.period_id}/close").status_code == 303
    before = len(everything(work_session, "statement"))
    run_job("close_period")
    assert len(everything(work_session, "statement")) == before


def test_period_is_closed_for_good_when_everything_is_settled(visit, cast, clock, work_session, run_job):
    statement = money.closed_statement(work_session, cast)
    work_session.commit()
    clock.now = REVIEWED_AT
    fay, path = visit(cast.fay), f"/periods/{statement.period_id}"
    assert fay.post(f"{path}/hard-close").status_code == 409
    for one in work_session.scalars(select(Statement)).all():
        approved_and_disposed(work_session, cast, one)
    work_session.commit()
    page = fay.get(path).text
    assert "Close it for good" in page
    assert "What became of what was approved" in page
    assert fay.post(f"{path}/hard-close").status_code == 303
    run_job("hard_close_period")
    work_session.expire_all()
    assert work_session.get_one(Period, statement.period_id).state == "hard_closed"
    assert fay.post(f"{path}/hard-close").status_code == 409


@pytest.mark.parametrize("who", ["leo", "adam", "ana", "ivo", "flo", "bea"])
def test_closing_is_for_the_manufacturers_finance(visit, cast, period, who, work_session):
    browser = visit(getattr(cast, who))
    missing = browser.get("/periods/999999")
    found = browser.get(f"/periods/{period.id}")
    assert (found.status_code, found.text) == (404, missing.text)
    for act in ("close", "hard-close"):
        assert browser.post(f"/periods/{period.id}/{act}").status_code == 404
    assert queued(work_session, "close_period") == []


@pytest.mark.parametrize("act", ["close", "hard-close"])
def test_closing_is_a_post(visit, cast, period, act):
    assert visit(cast.fay).get(f"/periods/{period.id}/{act}").status_code == 405


def test_those_who_settle_nothing_are_led_to_their_statements(visit, cast):
    assert visit(cast.ivo).get("/periods").location == "/statements"
    assert visit(cast.flo).get("/periods").status_code == 404


def test_why_a_close_failed_stands_on_its_period_until_it_succeeds(visit, cast, period, clock, work_session):
    clock.now = CLOSED_AT
    fay = visit(cast.fay)
    fay.post(f"/periods/{period.id}/close")
    number = work_session.scalar(text("SELECT id FROM procrastinate_jobs WHERE task_name = 'close_period'"))
    failed = {"job_id": number, "name": "close_period", "attempt": 1, "is_final": False}
    work_session.add(JobFailure(**failed, error="RuleBroken: Nobody here is known as distributor."))
    work_session.commit()
    page = fay.get(f"/periods/{period.id}").text
    assert "Nobody here is known as distributor." in page
    assert "It is tried again by itself." in page
    work_session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": number})
    work_session.commit()
    assert "Nobody here is known" not in fay.get(f"/periods/{period.id}").text
