"""The facts of a decision: gathered alike for every side, kept with the case, told to nobody else."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import text

from portal.cases import actions
from portal.contracts.blocks import Payer, TaskClass
from portal.entitlement import queries
from portal.entitlement.actions import Wanted, decide_again, decide_coverage, open_plan
from portal.errors import NotFound
from tests.support.cases import escalated, new_case, scope_of
from tests.support.cast import NOW, everything, hours_later

MONTH = date(2026, 3, 1)


def seen_by(session, cast) -> list:
    """What the look-up of a site's cover tells this session."""
    found = session.execute(
        text("SELECT * FROM cover_of_site(:site, :maker, :at, :month)"),
        {"site": cast.site.id, "maker": cast.factory.id, "at": NOW, "month": MONTH},
    )
    return [tuple(row) for row in found]


def test_cover_is_told_to_the_sites_companies_and_nobody_else(work_session, web_session, cast):
    open_plan(work_session, cast.plan_choice.id, now=NOW)
    work_session.commit()
    told = {name: seen_by(web_session(scope_of(getattr(cast, name))), cast) for name in ("ana", "tom", "cal")}

    assert told["ana"] == told["tom"] == told["cal"]
    assert told["tom"][0][1:4] == ("assured", 7200, True)
    for name in ("sam", "eve", "bob"):
        assert seen_by(web_session(scope_of(getattr(cast, name))), cast) == []
    assert seen_by(web_session(None), cast) == []
    assert seen_by(work_session, cast) == told["tom"]


def test_month_that_no_job_has_opened_yet_is_whole(work_session, cast):
    before = decide_coverage(work_session, cast.tom, cast.system.id, Wanted(2), now=NOW).decision
    open_plan(work_session, cast.plan_choice.id, now=NOW)
    after = decide_coverage(work_session, cast.tom, cast.system.id, Wanted(2), now=NOW).decision

    assert before.included_seconds_left == after.included_seconds_left == 90 * 60


def test_uncertified_technicians_how_to_help_is_the_integrators(work_session, cast):
    wanted = Wanted(3, TaskClass.HOW_TO)

    assert decide_coverage(work_session, cast.tia, cast.system.id, wanted, now=NOW).decision.payer is Payer.INTEGRATOR
    assert decide_coverage(work_session, cast.tom, cast.system.id, wanted, now=NOW).decision.payer is Payer.CUSTOMER


@pytest.mark.parametrize("who", ["tom", "tia", "cal", "ana"])
@pytest.mark.parametrize("wanted", [Wanted(1), Wanted(4), Wanted(2, TaskClass.HOW_TO)])
def test_decision_from_gathered_facts_is_the_one_from_fresh_facts(work_session, cast, who, wanted):
    open_plan(work_session, cast.plan_choice.id, now=NOW)
    gathered = decide_coverage(work_session, getattr(cast, who), cast.system.id, Wanted(3), now=NOW)
    fresh = decide_coverage(work_session, getattr(cast, who), cast.system.id, wanted, now=NOW)

    assert decide_again(gathered, wanted, now=NOW) == fresh


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_system_is_unknown(work_session, web_session, cast, who):
    actor = getattr(cast, who)
    work_session.commit()
    for session in (work_session, web_session(scope_of(actor))):
        with pytest.raises(NotFound):
            decide_coverage(session, actor, cast.system.id, Wanted(2), now=NOW)


def test_under_house_terms_the_manufacturer_stands_in(work_session, cast):
    work_session.execute(text("UPDATE service_relationship SET to_on = '2026-02-01'"))
    case = actions.open_by_contact(work_session, cast.cal, new_case(cast, answers={}), now=NOW)

    assert case.integrator_id == case.manufacturer_id == cast.factory.id
    assert case.holder_side == "manufacturer"
    kept = queries.latest_coverage(work_session, case.id)
    assert (kept.agreement_version_id, kept.facts["has_integrator"]) == (None, False)


def test_kept_facts_hold_the_payers_amounts_only(work_session, cast):
    case = escalated(work_session, cast, actor=cast.tia, task_class=TaskClass.HOW_TO)
    (request,) = everything(work_session, "authorization_request")
    actions.authorize(work_session, cast.mia, request["id"], nte_minor=20_000, now=hours_later(1))
    actions.change_severity(
        work_session, cast.tom, case, severity=3, reason="One door", seq=case.seq, now=hours_later(2)
    )

    first, second = everything(work_session, "coverage_decision")
    assert first["facts"]["authorized_minor"] == {}
    assert (second["audience"], second["facts"]["authorized_minor"]) == ("companies", {"integrator": 20_000})


def test_integrators_requests_are_hidden_from_the_customer(work_session, web_session, cast):
    case = escalated(work_session, cast, actor=cast.tia, task_class=TaskClass.HOW_TO)
    work_session.commit()
    session = web_session(scope_of(cast.bea))

    assert queries.requests_of(session, case.id) == []
    assert queries.latest_coverage(session, case.id) is None
    assert list(queries.waiting_requests(session, cast.bea)) == []
    assert len(queries.waiting_requests(web_session(scope_of(cast.mia)), cast.mia)) == 1
