"""A technician escalates: what is kept, what is refused, what is asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.cases import actions
from portal.cases.actions import NewUpload
from portal.errors import Invalid, NotAllowed, NotFound
from tests.support.cases import ANSWERS, escalated, event_kinds, new_case, scope_of
from tests.support.cast import NOW, everything


def jobs(session) -> list[str]:
    return list(session.scalars(text("SELECT task_name FROM procrastinate_jobs ORDER BY id")))


def test_case_is_offered_to_the_factory_when_the_technician_escalates(work_session, cast):
    case = escalated(work_session, cast)

    assert case.name == "NOR-1"
    assert (case.state, case.holder_side, case.offered_to_id) == ("offered", "integrator", cast.factory.id)
    assert event_kinds(work_session, case) == ["opened", "offered"]
    assert (case.due_kind, case.due_at) == ("response", NOW + timedelta(hours=1))
    assert [row["channel"] for row in everything(work_session, "custody_acceptance")] == ["opening"]
    assert [row["kind"] for row in everything(work_session, "case_clock")] == ["response", "resolution"]
    assert everything(work_session, "coverage_decision")[0]["decision"]["plan_code"] == "assured"
    assert jobs(work_session).count("notify_case_event") == 2


def test_escalation_works_under_row_security(work_session, web_session, cast):
    work_session.commit()
    session = web_session(scope_of(cast.tom))
    case = actions.escalate(session, cast.tom, new_case(cast), now=NOW)
    session.commit()

    assert case.state == "offered"
    assert case.plan_code == "assured"


def test_every_missing_answer_is_named(work_session, cast):
    with pytest.raises(Invalid) as refused:
        escalated(work_session, cast, title=" ", answers={"leds": "purple"})

    assert set(refused.value.fields) == {"title", "answers.serial", "answers.firmware", "answers.leds"}
    assert everything(work_session, "support_case") == []


def test_files_stored_before_are_attached(work_session, cast):
    stored = NewUpload("ab/cd", "0" * 64, 12, "C:\\logs\\door.log", "text/plain", purpose="log")
    upload = actions.keep_upload(work_session, cast.tom, stored, now=NOW)
    case = escalated(work_session, cast, upload_ids=[upload.id])

    (attachment,) = everything(work_session, "attachment")
    assert (attachment["case_id"], attachment["file_name"], attachment["purpose"]) == (case.id, "door.log", "log")
    assert everything(work_session, "upload") == []


def test_another_persons_file_is_not_taken(work_session, cast):
    stored = NewUpload("ab/cd", "0" * 64, 12, "door.log", "text/plain")
    upload = actions.keep_upload(work_session, cast.tia, stored, now=NOW)

    with pytest.raises(Invalid):
        escalated(work_session, cast, upload_ids=[upload.id])


def test_outsiders_system_does_not_exist_for_them(work_session, cast):
    with pytest.raises(NotFound):
        actions.escalate(work_session, cast.sam, new_case(cast), now=NOW)


@pytest.mark.parametrize("who", ["ana", "cal", "ivo"])
def test_only_the_integrators_service_people_escalate(work_session, cast, who):
    with pytest.raises(NotAllowed):
        actions.escalate(work_session, getattr(cast, who), new_case(cast), now=NOW)


def test_informing_the_factory_offers_nothing_and_promises_nothing(work_session, cast):
    case = escalated(work_session, cast, is_fyi=True)

    assert (case.state, case.offered_to_id, case.due_at) == ("open", None, None)
    assert event_kinds(work_session, case) == ["opened"]
    assert everything(work_session, "case_clock") == []


def test_payer_is_asked_when_it_can_cost_money(work_session, cast):
    case = escalated(work_session, cast, system_id=cast.plain_system.id, answers=ANSWERS)

    (request,) = everything(work_session, "authorization_request")
    assert (request["case_id"], request["payer_id"], request["nte_minor"]) == (case.id, cast.customer.id, 45_000)
    assert event_kinds(work_session, case) == ["opened", "offered", "authorization_asked"]
    assert "notify_authorization_request" in jobs(work_session)


def test_numbers_count_up_per_manufacturer(work_session, cast):
    assert [escalated(work_session, cast).name for _ in range(2)] == ["NOR-1", "NOR-2"]
