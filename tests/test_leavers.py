"""What a leaver held passes on: the timer ends, cases go back to the team, whoever holds the purse now is asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.access import Role
from portal.identity import people
from portal.metering import actions as metering
from portal.metering.models import RunningTimer, TimeEntry
from portal.notifications.models import Delivery
from portal.worker.registry import TASKS, Edges
from portal.worker.running import perform
from tests.support.billed import paid_case
from tests.support.cases import accepted, event_kinds
from tests.support.cast import add_person, hours_later
from tests.support.queued import queued
from tests.support.sign_in import membership_of

LEFT_AT = hours_later(1)


@pytest.fixture
def after_leaving(settings, work_engine, work_session):
    """Let somebody go and run what follows, hours later."""

    def run(by, who, *, name: str) -> None:
        place = people.end_membership(work_session, by, membership_of(work_session, who).id, LEFT_AT)
        work_session.commit()
        assert name in dict(queued(work_session, "%_of_leaver"))
        edges = Edges(settings, work_engine, lambda: LEFT_AT + timedelta(hours=3))
        for _ in range(2):
            perform(edges, name, {"membership_id": place.id})
        for job, ids in queued(work_session, "notify_authorization_request"):
            perform(edges, job, ids)
        work_session.expire_all()

    return run


def test_timer_ends_as_of_leaving_when_the_job_runs_later(work_session, cast, after_leaving):
    case = accepted(work_session, cast)
    metering.start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=hours_later(0.5))
    after_leaving(cast.adam, cast.ana, name="stop_timer_of_leaver")

    (entry,) = work_session.scalars(select(TimeEntry))
    assert (entry.ended_at, entry.flag) == (LEFT_AT, metering.AS_OF_LEAVING)
    assert work_session.scalars(select(RunningTimer)).all() == []


def test_leavers_cases_go_back_to_the_team_and_stay_with_the_company(work_session, cast, after_leaving):
    case = accepted(work_session, cast)
    after_leaving(cast.adam, cast.ana, name="return_offers_of_leaver")

    assert (case.assignee_id, case.assignee_name) == (None, "")
    assert case.holder_id == cast.factory.id
    assert event_kinds(work_session, case).count("taken_up") == 1


def test_deputy_is_asked_when_the_approver_has_left_and_the_leaver_is_not(work_session, cast, after_leaving):
    paid_case(work_session, cast, nte_minor=None)
    work_session.commit()
    dora = add_person(work_session, cast.customer, "dora", Role.BUYER)
    administrator = add_person(work_session, cast.customer, "kim", Role.ADMINISTRATOR)
    after_leaving(administrator, cast.bea, name="pass_on_approvals_of_leaver")

    asked = work_session.scalars(select(Delivery.person_id).where(Delivery.template == "authorization_request")).all()
    assert asked == [dora.person_id]


def test_answered_requests_are_not_asked_again(work_session, cast, after_leaving):
    paid_case(work_session, cast)
    work_session.commit()
    add_person(work_session, cast.customer, "dora", Role.BUYER)
    administrator = add_person(work_session, cast.customer, "kim", Role.ADMINISTRATOR)
    before = len(queued(work_session, "notify_authorization_request"))
    after_leaving(administrator, cast.bea, name="pass_on_approvals_of_leaver")

    assert len(queued(work_session, "notify_authorization_request")) == before


def test_every_leaver_job_has_its_task():
    assert set(people.LEAVER_JOBS) <= TASKS.keys()
