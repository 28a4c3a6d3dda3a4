"""The tasks of cases do what a date or another company's act sets off."""

from __future__ import annotations

from datetime import timedelta

import portal.worker.tasks  # noqa: F401  registers every task
from portal.cases import actions as cases
from portal.cases.actions import NewCase
from portal.cases.models import CaseEvent, Resolution, ResolutionAnswer, SupportCase
from portal.entitlement.models import AuthorizationRequest, Emergency, GrantBalance
from portal.notifications.actions import Recipient, queue_letter
from portal.notifications.models import Delivery
from portal.worker.registry import TASKS, Edges
from tests.support.cast import NOW


def escalated(work_session, cast, *, severity: int = 2, plain: bool = False) -> SupportCase:
    new = NewCase(
        system_id=(cast.plain_system if plain else cast.system).id,
        severity=severity,
        title="Door 4 stays locked",
        symptom="The reader blinks red.",
        answers={"serial": "NA-1001", "firmware": "4.2", "leds": "red"},
        nte_minor=40_000 if plain else None,
    )
    case = cases.escalate(work_session, cast.tom, new, now=NOW)
    work_session.commit()
    return case


def test_month_opens_its_hours_once(work_session, work_engine, settings, cast) -> None:
    edges = Edges(settings, work_engine, lambda: NOW)
    for _ in range(2):
        TASKS["open_monthly_grants"].run(edges, NOW)
    (balance,) = work_session.query(GrantBalance).all()
    assert (balance.free_seconds, balance.reserved_seconds) == (7200, 0)


def test_severity_one_goes_on_at_factory_risk_when_nobody_answers(work_session, cast) -> None:
    escalated(work_session, cast, severity=1, plain=True)
    request = work_session.query(AuthorizationRequest).one()
    for minutes, begun in ((14, 0), (15, 1), (16, 1)):
        TASKS["begin_emergency"].run(work_session, NOW + timedelta(minutes=minutes), request_id=request.id)
        work_session.commit()
        assert work_session.query(Emergency).count() == begun


def test_silence_is_not_taken_for_a_yes_before_the_notice_was_delivered(work_session, cast) -> None:
    case = escalated(work_session, cast)
    at = NOW + timedelta(minutes=5)
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=at)
    said = cases.resolve(
        work_session,
        cast.ana,
        case,
        cases.Resolving(cause="configuration", last_action="remote_configuration", summary="Reset the reader."),
        seq=case.seq,
        now=at,
    )
    work_session.commit()
    for days in (4, 40):
        TASKS["answer_silence"].run(work_session, NOW + timedelta(days=days), resolution_id=said.id)
    assert work_session.query(ResolutionAnswer).count() == 0
    kinds = [event.kind for event in work_session.query(CaseEvent).filter_by(case_id=case.id)]
    assert kinds.count("second_notice") == 1


def test_silence_is_a_yes_some_days_after_the_notice_was_delivered(work_session, cast) -> None:
    test_silence_is_not_taken_for_a_yes_before_the_notice_was_delivered(work_session, cast)
    reminder = work_session.query(CaseEvent).filter_by(kind="second_notice").one()
    delivered_at = NOW + timedelta(days=4)
    delivery_id = queue_letter(
        work_session,
        Recipient(cast.integrator.id, "tom@kes.example", cast.tom.person_id),
        "case_news",
        about=("case_event", reminder.id),
        now=delivered_at,
    )
    work_session.get_one(Delivery, delivery_id).state = "sent"
    work_session.get_one(Delivery, delivery_id).sent_at = delivered_at
    work_session.commit()
    said = work_session.query(Resolution).one()
    for days, answers in ((5, 0), (20, 1), (21, 1)):
        TASKS["answer_silence"].run(work_session, NOW + timedelta(days=days), resolution_id=said.id)
        work_session.commit()
        assert work_session.query(ResolutionAnswer).filter_by(basis="deemed").count() == answers
