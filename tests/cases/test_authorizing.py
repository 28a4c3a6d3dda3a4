"""The payer's yes: by account, by mailed link, spoken, standing, after the fact; and its no."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.access import Actor, OneAct
from portal.cases import actions
from portal.contracts.blocks import Payer
from portal.contracts.queries import policy_of
from portal.entitlement import queries as cover
from portal.entitlement.rules import SpokenYes
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from tests.support.cases import escalated, event_kinds, scope_of
from tests.support.cast import NOW, everything, hours_later


def asked(session, cast, **changes):
    """A case at the site without a plan, whose payer has been asked."""
    case = escalated(session, cast, system_id=cast.plain_system.id, **changes)
    return case, everything(session, "authorization_request")[-1]["id"]


def by_link(actor: Actor, request_id: int, version: int = 1) -> Actor:
    act = OneAct("authorize", "authorization_request", str(request_id), version)
    return Actor(actor.person_id, actor.organisation_id, actor.side, frozenset(), act=act, display_name="Bea")


def authorized(session, cast, case) -> int:
    policy = policy_of(cast.policy_version)
    return cover.authorized_amount(session, case, Payer.CUSTOMER, policy=policy, now=hours_later(20))


def test_buyer_authorizes_under_row_security(work_session, web_session, cast):
    case, request_id = asked(work_session, cast)
    work_session.commit()
    session = web_session(scope_of(cast.bea))
    actions.authorize(session, cast.bea, request_id, nte_minor=30_000, now=hours_later(1))
    session.commit()

    assert authorized(work_session, cast, case) == 30_000
    assert [row["left_minor"] for row in everything(work_session, "authorization_balance")] == [30_000]
    assert event_kinds(work_session, case)[-1] == "authorized"
    with pytest.raises(Conflict):
        actions.authorize(session, cast.bea, request_id, nte_minor=30_000, now=hours_later(1))


def test_mailed_link_authorizes_its_own_request_only(work_session, cast):
    _, request_id = asked(work_session, cast)
    for wrong in (by_link(cast.bea, request_id + 1), by_link(cast.bea, request_id, 2), by_link(cast.mia, request_id)):
        with pytest.raises((NotFound, NotAllowed)):
            actions.authorize(work_session, wrong, request_id, nte_minor=30_000, now=hours_later(1))
    given = actions.authorize(
        work_session, by_link(cast.bea, request_id), request_id, nte_minor=30_000, now=hours_later(1)
    )

    assert (given.basis, given.person_name) == ("link", "Bea")


@pytest.mark.parametrize("who", ["cal", "flo", "mia", "leo"])
def test_nobody_else_authorizes(work_session, cast, who):
    _, request_id = asked(work_session, cast)
    with pytest.raises(NotAllowed):
        actions.authorize(work_session, getattr(cast, who), request_id, nte_minor=30_000, now=hours_later(1))


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_find_no_request(work_session, web_session, cast, who):
    _, request_id = asked(work_session, cast)
    work_session.commit()
    actor = getattr(cast, who)
    for session in (work_session, web_session(scope_of(actor))):
        with pytest.raises(NotFound):
            actions.authorize(session, actor, request_id, nte_minor=30_000, now=hours_later(1))


def test_amount_below_the_policys_least_is_refused(work_session, cast):
    _, request_id = asked(work_session, cast)
    with pytest.raises(Invalid) as refused:
        actions.authorize(work_session, cast.bea, request_id, nte_minor=100, now=hours_later(1))
    assert "nte" in refused.value.fields


def test_spoken_yes_needs_name_number_time_and_read_back(work_session, cast):
    case, request_id = asked(work_session, cast)
    with pytest.raises(Invalid) as refused:
        actions.authorize_spoken(
            work_session, cast.ana, request_id, SpokenYes("", "1", None, False), nte_minor=30_000, now=hours_later(1)
        )
    assert set(refused.value.fields) == {"name", "number", "said_at", "read_back"}
    spoken = SpokenYes("Bea Brandt", "+49 431 12345", hours_later(0.9), True)
    given = actions.authorize_spoken(work_session, cast.ana, request_id, spoken, nte_minor=30_000, now=hours_later(1))

    assert (given.basis, given.person_name, given.authorized_at) == ("spoken", "Bea Brandt", hours_later(0.9))
    assert authorized(work_session, cast, case) == 30_000


def test_refused_request_is_answered_and_can_be_asked_anew(work_session, cast):
    case, request_id = asked(work_session, cast)
    with pytest.raises(Conflict):
        actions.ask_authorization(work_session, cast.ana, case, nte_minor=30_000, reason="More", now=hours_later(1))
    actions.refuse_authorization(work_session, cast.bea, request_id, reason="Too much", now=hours_later(1))
    with pytest.raises(Conflict):
        actions.authorize(work_session, cast.bea, request_id, nte_minor=30_000, now=hours_later(2))
    anew = actions.ask_authorization(work_session, cast.ana, case, nte_minor=10_000, reason="Less", now=hours_later(2))

    assert anew.nte_minor == 10_000
    assert [state.is_open for state in cover.requests_of(work_session, case.id)] == [True, False]
    assert [state.request.id for state in cover.waiting_requests(work_session, cast.bea)] == [anew.id]
    assert list(cover.waiting_requests(work_session, cast.bob)) == []


def test_unanswered_emergency_goes_on_at_factory_risk_and_is_ratified(work_session, cast):
    case, request_id = asked(work_session, cast, severity=1)
    assert actions.begin_emergency(work_session, request_id, now=NOW + timedelta(minutes=14)) is None
    began = NOW + timedelta(minutes=15)
    emergency = actions.begin_emergency(work_session, request_id, now=began)
    assert actions.begin_emergency(work_session, request_id, now=began) is None
    assert authorized(work_session, cast, case) == 0
    given = actions.authorize(work_session, cast.bea, request_id, nte_minor=30_000, now=hours_later(10))

    assert (given.basis, given.covers_from, given.emergency_id) == ("ratified", began, emergency.id)
    assert event_kinds(work_session, case)[-2:] == ["emergency_begun", "ratified"]


def test_lesser_severity_waits_for_its_answer(work_session, cast):
    _, request_id = asked(work_session, cast, severity=2)

    assert actions.begin_emergency(work_session, request_id, now=hours_later(10)) is None


def test_work_at_factory_risk_is_not_ratified_after_its_days(work_session, cast):
    _, request_id = asked(work_session, cast, severity=1)
    emergency = actions.begin_emergency(work_session, request_id, now=hours_later(1))
    with pytest.raises(RuleBroken):
        actions.authorize(work_session, cast.bea, request_id, nte_minor=30_000, now=emergency.ratify_by)


def test_refused_ratification_stays_at_factory_risk(work_session, cast):
    case, request_id = asked(work_session, cast, severity=1)
    actions.begin_emergency(work_session, request_id, now=hours_later(1))
    actions.refuse_authorization(work_session, cast.bea, request_id, reason="No", now=hours_later(2))
    with pytest.raises(Conflict):
        actions.authorize(work_session, cast.bea, request_id, nte_minor=30_000, now=hours_later(3))

    assert event_kinds(work_session, case)[-1] == "ratification_refused"


def test_standing_authorization_says_yes_where_no_hours_cover(work_session, cast):
    case = escalated(work_session, cast, at=NOW + timedelta(hours=9))

    (given,) = everything(work_session, "authorization")
    assert (given["case_id"], given["basis"], given["nte_minor"]) == (case.id, "standing", 30_000)
    assert [row["used_minor"] for row in everything(work_session, "standing_month")] == [30_000]
    assert everything(work_session, "authorization_request") == []


def test_standing_authorization_ends_with_its_month(work_session, cast):
    late = NOW + timedelta(hours=9)
    for _ in range(3):
        escalated(work_session, cast, at=late)
    assert everything(work_session, "authorization_request") == []
    escalated(work_session, cast, at=late)

    assert [row["used_minor"] for row in everything(work_session, "standing_month")] == [90_000]
    assert len(everything(work_session, "authorization_request")) == 1


def test_standing_authorization_is_taken_once_per_case(work_session, cast):
    case = escalated(work_session, cast)
    assert everything(work_session, "authorization") == []
    for _ in range(2):
        actions.use_standing(work_session, case.id, now=hours_later(9))

    assert len(everything(work_session, "authorization")) == 1


def test_request_is_waited_for_no_longer_once_it_is_an_emergency(work_session, cast):
    case, request_id = asked(work_session, cast, severity=2)
    actions.change_severity(
        work_session, cast.tom, case, severity=1, reason="All doors", seq=case.seq, now=hours_later(1)
    )
    (row,) = work_session.execute(
        text("SELECT args, scheduled_at FROM procrastinate_jobs WHERE task_name = 'begin_emergency'")
    )
    assert (row.args["request_id"], row.scheduled_at) == (request_id, hours_later(1))
    assert actions.begin_emergency(work_session, request_id, now=hours_later(1)) is not None


def test_emergency_is_looked_after_by_job(work_session, cast):
    _, request_id = asked(work_session, cast, severity=1)
    (row,) = work_session.execute(
        text("SELECT args, scheduled_at FROM procrastinate_jobs WHERE task_name = 'begin_emergency'")
    )

    assert (row.args["request_id"], row.scheduled_at) == (request_id, NOW + timedelta(minutes=15))
