"""Calls that engineers log, cases that contacts open, and cases that belong together."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from portal.cases import actions, queries
from portal.contracts import actions as contracts
from portal.contracts.blocks import TaskClass
from portal.directory import actions as directory
from portal.directory.actions import NewSystem
from portal.entitlement.queries import decision_of, latest_coverage
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.support.cases import ANSWERS, escalated, event_kinds, new_case, scope_of
from tests.support.cast import DOCUMENTS, NOW, SIGNED_AT, add_person, everything, hours_later


def call(cast, **changes):
    return new_case(cast, answers={}, caller_name="Tom", caller_phone="+49 1", **changes)


def test_logged_call_is_with_the_engineer_from_its_first_second(work_session, web_session, cast):
    work_session.commit()
    session = web_session(scope_of(cast.ana))
    case = actions.log_call(session, cast.ana, call(cast), now=NOW)
    session.commit()

    assert (case.state, case.holder_side, case.assignee_name) == ("open", "manufacturer", "Ana")
    assert (case.due_kind, event_kinds(work_session, case)[:1]) == ("resolution", ["call_logged"])
    assert "response" not in [row["kind"] for row in everything(work_session, "case_clock")]
    (told, *_) = queries.timeline(work_session, cast.tom, case)
    assert told.details["caller_name"] == "Tom"


@pytest.mark.parametrize("who", ["tom", "cal", "fay"])
def test_calls_are_logged_by_engineers(work_session, cast, who):
    with pytest.raises(NotAllowed):
        actions.log_call(work_session, getattr(cast, who), call(cast), now=NOW)


def test_other_factory_knows_no_such_system(work_session, cast):
    with pytest.raises(NotFound):
        actions.log_call(work_session, cast.eve, call(cast), now=NOW)


def test_uncertified_callers_how_to_help_is_the_integrators_to_pay(work_session, cast):
    wanted = call(cast, task_class=TaskClass.HOW_TO, caller_certified=False)
    case = actions.log_call(work_session, cast.ana, wanted, now=NOW)

    (kept,) = everything(work_session, "coverage_decision")
    assert (kept["audience"], kept["decision"]["payer"]) == ("companies", "integrator")
    assert everything(work_session, "authorization_request")[0]["payer_id"] == case.integrator_id


def test_contacts_case_starts_where_the_plan_says(work_session, web_session, cast):
    work_session.commit()
    session = web_session(scope_of(cast.cal))
    with_factory = actions.open_by_contact(session, cast.cal, new_case(cast, answers={}), now=NOW)
    plain = new_case(cast, answers={}, system_id=cast.plain_system.id)
    with_integrator = actions.open_by_contact(session, cast.cal, plain, now=NOW)
    session.commit()

    assert (with_factory.holder_side, with_factory.due_at) == ("manufacturer", NOW + timedelta(hours=1))
    assert (with_integrator.holder_side, with_integrator.due_at) == ("integrator", None)
    assert queries.integrator_cases(work_session, cast.mia)[0].id in {with_factory.id, with_integrator.id}
    case = queries.case_by_name(work_session, cast.ana, with_factory.name)
    actions.accept_custody(work_session, cast.ana, case, seq=case.seq, now=hours_later(0.5))
    assert (case.assignee_name, case.due_kind) == ("Ana", "resolution")


def test_contacts_case_before_day_one_is_priced_by_job_for_the_integrator(work_session, web_session, cast):
    cast.system.day_one_on = date(2026, 5, 1)
    work_session.commit()
    session = web_session(scope_of(cast.cal))
    case = actions.open_by_contact(session, cast.cal, new_case(cast, answers={}), now=NOW)
    session.commit()
    assert everything(work_session, "coverage_decision") == []
    for _ in range(2):
        actions.record_coverage(work_session, case.id, now=NOW)
    work_session.commit()

    assert case.task_class == "commissioning"
    assert [row["decision"]["payer"] for row in everything(work_session, "coverage_decision")] == ["integrator"]
    assert [row["payer_id"] for row in everything(work_session, "authorization_request")] == [case.integrator_id]
    session.rollback()
    assert session.execute(text("SELECT count(*) FROM coverage_decision")).scalar() == 0
    assert session.execute(text("SELECT count(*) FROM authorization_request")).scalar() == 0


def test_buyer_opens_and_authorizes_in_one_act(work_session, web_session, cast):
    work_session.commit()
    session = web_session(scope_of(cast.bea))
    wanted = new_case(cast, answers={}, system_id=cast.plain_system.id, nte_minor=20_000)
    case = actions.open_by_contact(session, cast.bea, wanted, now=NOW)
    session.commit()

    assert event_kinds(work_session, case) == ["opened", "authorization_asked", "authorized"]


def test_page_before_the_act_shows_what_the_act_keeps(work_session, web_session, cast):
    work_session.commit()
    session = web_session(scope_of(cast.tom))
    shown = actions.coverage_before(session, cast.tom, new_case(cast), now=NOW).decision
    assert everything(work_session, "coverage_decision") == []
    case = actions.escalate(session, cast.tom, new_case(cast), now=NOW)
    session.commit()

    assert decision_of(latest_coverage(work_session, case.id)) == shown


def test_both_companies_and_the_customer_are_shown_the_same_cover(work_session, web_session, cast):
    work_session.commit()
    seen = []
    for who in (cast.tom, cast.ana, cast.cal):
        session = web_session(scope_of(who))
        decision = actions.coverage_before(session, who, new_case(cast), now=NOW).decision
        seen.append((decision.plan_code, decision.payer, decision.least_minor, decision.free_seconds))
        session.rollback()

    assert len(set(seen)) == 1


def other_make(session, cast):
    """A system of the other factory at the same site, serviced by the same integrator, with documents of its own."""
    boss = add_person(session, cast.other_factory, "boss", *cast.adam.roles)
    line = directory.add_product_line(session, boss, code="DoorController", name="Speakers", now=SIGNED_AT)
    directory.begin_service(
        session,
        boss,
        site_id=cast.site.id,
        product_line_id=line.id,
        integrator_id=cast.integrator.id,
        from_on=date(2026, 1, 1),
        letter_reference="Letter",
        now=SIGNED_AT,
    )
    system = directory.add_system(session, boss, NewSystem(cast.site.id, line.id, "MA-1", "Speakers"), SIGNED_AT)
    policy = contracts.open_document(session, boss, kind="policy", title="Policy", now=SIGNED_AT)
    version = contracts.propose_version(
        session,
        boss,
        policy,
        body_toml=(DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8"),
        effective_from=SIGNED_AT,
        now=SIGNED_AT,
    )
    contracts.sign_version(session, boss, version, shown_sha256=version.sha256, now=SIGNED_AT)
    return system


def test_sister_case_is_linked_and_each_maker_sees_its_own_only(work_session, web_session, cast):
    first = escalated(work_session, cast)
    system = other_make(work_session, cast)
    wanted = new_case(cast, system_id=system.id)
    sister = actions.open_sister(work_session, cast.tom, first, wanted, now=NOW)
    work_session.commit()

    assert sister.name == "MER-1"
    assert len(everything(work_session, "case_link")) == 2
    session = web_session(scope_of(cast.ana))
    assert session.execute(text("SELECT count(*) FROM case_link")).scalar() == 1
    with pytest.raises(NotFound):
        queries.case_by_name(session, cast.ana, sister.name)


def test_open_case_has_no_follow_up(work_session, cast):
    first = escalated(work_session, cast)
    with pytest.raises(Conflict):
        actions.follow_up(work_session, cast.tom, first, new_case(cast), now=hours_later(1))


def test_answers_nobody_asked_for_are_not_kept(work_session, cast):
    case = escalated(work_session, cast, answers={**ANSWERS, "extra": "?"})

    assert case.intake == ANSWERS


def test_sister_case_needs_another_make(work_session, cast):
    first = escalated(work_session, cast)
    with pytest.raises(Invalid):
        actions.open_sister(work_session, cast.tom, first, new_case(cast), now=NOW)


def test_new_integrator_is_shown_the_plan_the_old_one_sold(work_session, web_session, cast):
    directory.begin_service(
        work_session,
        cast.adam,
        site_id=cast.site.id,
        product_line_id=cast.product_line.id,
        integrator_id=cast.other_integrator.id,
        from_on=date(2026, 3, 1),
        letter_reference="Letter of change",
        now=NOW,
    )
    work_session.commit()
    session = web_session(scope_of(cast.sam))
    decision = actions.coverage_before(session, cast.sam, new_case(cast), now=NOW).decision
    assert decision.plan_code == "assured"
    with pytest.raises(NotFound):
        actions.coverage_before(work_session, cast.tom, new_case(cast), now=NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"severity": 0}, "severity"),
        ({"title": "x" * 201}, "title"),
        ({"symptom": "x" * 20_001}, "symptom"),
        ({"answers": {**ANSWERS, "serial": "x" * 4001}}, "answers.serial"),
    ],
)
def test_impossible_input_is_named(work_session, cast, changes, field):
    with pytest.raises(Invalid) as refused:
        escalated(work_session, cast, **changes)
    assert field in refused.value.fields
