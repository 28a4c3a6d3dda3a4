"""Resolving and what follows: the signed table, confirming, disputing, the customer's word, reopening."""

from __future__ import annotations

import pytest

from portal.cases import actions
from portal.metering import actions as metering
from portal.metering.actions import Work
from tests.support.cases import event_kinds
from tests.support.cast import NOW, everything, hours_later

SAID = {"cause": "configuration", "last_action": "remote_configuration", "summary": "Door <i>groups</i> set again."}
SPLIT = {"subject": "split", "reason": "We found it on site.", "weights": "62.5"}


def _seq(work_session, case):
    work_session.rollback()
    work_session.refresh(case)
    return case.seq


def test_resolving_takes_the_weights_of_the_signed_table(visit, cast, accepted, work_session):
    ana = visit(cast.ana)
    assert "The signed table" in ana.get(f"/cases/{accepted.name}/resolutions").text
    assert ana.post(f"/cases/{accepted.name}/resolutions", {"seq": accepted.seq, **SAID}).status_code == 303
    (row,) = everything(work_session, "resolution")
    assert (row["cause"], row["off_table_reason"]) == ("configuration", "")
    assert row["integrator_bp"] + row["manufacturer_bp"] == 10_000
    shown = ana.get(f"/cases/{accepted.name}").text
    assert "Door &lt;i&gt;groups&lt;/i&gt; set again." in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cause": ""}, "Choose the cause."),
        ({"cause": "magic"}, "Not a valid choice"),
        ({"last_action": ""}, "Choose what was done last."),
        ({"summary": " "}, "The customer reads this: say what was done."),
        ({"weights": "101"}, "Type a share between 0 and 100 percent"),
        ({"weights": "a"}, "Type a share between 0 and 100 percent"),
        ({"weights": "nan"}, "Type a share between 0 and 100 percent"),
        ({"weights": "1e400"}, "Type a share between 0 and 100 percent"),
        ({"weights": "33.333"}, "Type a share between 0 and 100 percent"),
        ({"weights": "37"}, "Say why the table does not fit."),
    ],
)
def test_what_cannot_be_taken_is_said_at_the_field_and_kept(visit, cast, accepted, work_session, change, words):
    fields = {"seq": accepted.seq, **SAID, **change}
    refused = visit(cast.ana).post(f"/cases/{accepted.name}/resolutions", fields)
    assert refused.status_code == 422
    assert words in refused.text
    if "summary" not in change:
        assert "Door &lt;i&gt;groups" in refused.text
    assert everything(work_session, "resolution") == []


def test_leaving_the_table_needs_a_reason_and_shows(visit, cast, accepted, work_session):
    ana = visit(cast.ana)
    fields = {"seq": accepted.seq, **SAID, "weights": "37.5", "reason": "Tom had found the relay."}
    assert ana.post(f"/cases/{accepted.name}/resolutions", fields).status_code == 303
    (row,) = everything(work_session, "resolution")
    assert (row["integrator_bp"], row["manufacturer_bp"], row["resolved_by"]) == (3750, 6250, "jointly")
    assert "Outside the signed table" in visit(cast.mia).get(f"/cases/{accepted.name}").text


def test_repeated_resolving_changes_nothing(visit, cast, accepted, work_session):
    ana = visit(cast.ana)
    fields = {"seq": accepted.seq, **SAID}
    assert ana.post(f"/cases/{accepted.name}/resolutions", fields).status_code == 303
    assert ana.post(f"/cases/{accepted.name}/resolutions", fields).status_code == 409
    assert len(everything(work_session, "resolution")) == 1


def test_technician_resolves_without_reading_weights(visit, cast, accepted, work_session):
    tom = visit(cast.tom)
    tom.post(f"/cases/{accepted.name}/take-backs", {"seq": accepted.seq})
    form = tom.get(f"/cases/{accepted.name}/resolutions").text
    assert "%" not in form.split("<main", 1)[1]
    fields = {"seq": _seq(work_session, accepted), **SAID, "weights": "100", "reason": "Ours"}
    assert tom.post(f"/cases/{accepted.name}/resolutions", fields).status_code == 303
    (row,) = everything(work_session, "resolution")
    assert row["off_table_reason"] == ""


@pytest.mark.parametrize(("who", "sees"), [("mia", True), ("ana", True), ("leo", True), ("tom", False), ("cal", False)])
def test_weights_are_shown_to_those_who_may_see_them(visit, cast, resolved, who, sees):
    shown = visit(getattr(cast, who)).get(f"/cases/{resolved.name}").text
    assert ("factory 70 %" in shown or "factory 100 %" in shown or ": integrator " in shown) == sees


def test_other_company_confirms_once(visit, cast, resolved, work_session):
    mia = visit(cast.mia)
    assert f'action="/cases/{resolved.name}/confirmations"' in mia.get(f"/cases/{resolved.name}").text
    assert mia.post(f"/cases/{resolved.name}/confirmations", {"seq": resolved.seq}).status_code == 303
    assert mia.post(f"/cases/{resolved.name}/confirmations", {"seq": resolved.seq}).status_code == 409
    again = mia.post(f"/cases/{resolved.name}/confirmations", {"seq": _seq(work_session, resolved)})
    assert again.status_code == 409
    assert event_kinds(work_session, resolved).count("confirmed") == 1


def test_resolver_does_not_confirm_its_own(visit, cast, resolved, work_session):
    assert visit(cast.ana).post(f"/cases/{resolved.name}/confirmations", {"seq": resolved.seq}).status_code == 409
    assert "confirmed" not in event_kinds(work_session, resolved)


def test_manager_challenges_the_split_with_two_clicks(visit, cast, resolved, work_session):
    mia = visit(cast.mia)
    path = f"/cases/{resolved.name}/challenges"
    assert f'href="{path}"' in mia.get(f"/cases/{resolved.name}").text
    assert "Who resolved it" in mia.get(path).text
    assert mia.post(path, {"seq": resolved.seq, **SPLIT}).status_code == 303
    assert mia.post(path, {"seq": resolved.seq, **SPLIT}).status_code == 409
    (raised,) = everything(work_session, "challenge")
    assert raised["proposal"] == {"integrator_bp": 6250, "manufacturer_bp": 3750}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": ""}, "Say why: the managers and the neutral read this."),
        ({"weights": ""}, "Say what it should be."),
        ({"weights": "-1"}, "Type a share between 0 and 100 percent"),
        ({"subject": "cause"}, "Say what it should be."),
        ({"subject": "all"}, "Not a valid choice"),
    ],
)
def test_incomplete_challenge_is_said_at_the_field(visit, cast, resolved, work_session, change, words):
    refused = visit(cast.mia).post(f"/cases/{resolved.name}/challenges", {"seq": resolved.seq, **SPLIT, **change})
    assert refused.status_code == 422
    assert words in refused.text
    assert everything(work_session, "challenge") == []


@pytest.fixture
def challenged(visit, cast, resolved, work_session):
    visit(cast.mia).post(f"/cases/{resolved.name}/challenges", {"seq": resolved.seq, **SPLIT})
    (raised,) = everything(work_session, "challenge")
    return f"/cases/{resolved.name}/challenges/{raised['id']}"


def test_same_proposal_of_both_companies_ends_the_challenge(visit, cast, resolved, challenged, work_session):
    leo = visit(cast.leo)
    assert "We found it on site." in leo.get(challenged).text
    seq = _seq(work_session, resolved)
    differs = leo.post(f"{challenged}/proposals", {"seq": seq, "weights": "50"})
    assert (differs.status_code, differs.location) == (303, challenged)
    assert leo.post(f"{challenged}/proposals", {"seq": seq, "weights": "62.5"}).status_code == 409
    seq = _seq(work_session, resolved)
    assert leo.post(f"{challenged}/proposals", {"seq": seq, "weights": "62,5"}).status_code == 303
    (decision,) = everything(work_session, "challenge_decision")
    assert (decision["basis"], decision["integrator_bp"]) == ("agreed", 6250)
    assert "Decided" in leo.get(challenged).text
    assert "Propose an outcome" not in leo.get(challenged).text


def test_challenger_withdraws(visit, cast, resolved, challenged, work_session):
    mia, leo = visit(cast.mia), visit(cast.leo)
    seq = _seq(work_session, resolved)
    assert leo.post(f"{challenged}/withdrawal", {"seq": seq}).status_code == 403
    assert mia.post(f"{challenged}/withdrawal", {"seq": seq}).status_code == 303
    assert mia.post(f"{challenged}/withdrawal", {"seq": seq}).status_code == 409
    (decision,) = everything(work_session, "challenge_decision")
    assert decision["basis"] == "withdrawn"


def test_customer_reads_nothing_of_a_challenge_of_the_split(visit, cast, resolved, challenged):
    bea = visit(cast.bea)
    assert bea.get(challenged).status_code == 404
    shown = bea.get(f"/cases/{resolved.name}").text
    assert "We found it on site." not in shown
    assert "62.5" not in shown


def test_payer_challenges_the_cause(visit, cast, resolved, work_session):
    bea = visit(cast.bea)
    path = f"/cases/{resolved.name}/challenges"
    form = bea.get(path).text
    assert "The cause" in form
    assert "split" not in form.split("<main", 1)[1]
    fields = {"seq": resolved.seq, "subject": "cause", "reason": "It was broken.", "cause": "hardware_defect"}
    assert bea.post(path, fields).status_code == 303
    (raised,) = everything(work_session, "challenge")
    assert raised["subject"] == "cause"
    assert bea.get(f"{path}/{raised['id']}").status_code == 200


@pytest.mark.parametrize("who", ["tom", "cal", "ana"])
def test_who_does_not_speak_for_a_company_challenges_nothing(visit, cast, resolved, who):
    assert visit(getattr(cast, who)).get(f"/cases/{resolved.name}/challenges").status_code == 404


def test_customers_contact_says_that_it_works(visit, cast, resolved, work_session):
    cal = visit(cast.cal)
    assert "It works" in cal.get(f"/cases/{resolved.name}").text
    path = f"/cases/{resolved.name}/closing-confirmations"
    assert cal.get(path).status_code == 405
    assert cal.post(path, {"seq": resolved.seq}).status_code == 303
    assert cal.post(path, {"seq": resolved.seq}).status_code == 409
    assert event_kinds(work_session, resolved).count("fixed_confirmed") == 1
    assert visit(cast.ana).post(path, {"seq": _seq(work_session, resolved)}).status_code == 403


@pytest.mark.parametrize("who", ["cal", "tom", "ana"])
def test_each_side_reopens_within_the_window(visit, cast, resolved, work_session, who):
    browser = visit(getattr(cast, who))
    path = f"/cases/{resolved.name}/reopenings"
    assert "What is back" in browser.get(path).text
    assert browser.post(path, {"seq": resolved.seq, "reason": ""}).status_code == 422
    assert browser.post(path, {"seq": resolved.seq, "reason": "Locked again"}).status_code == 303
    assert browser.post(path, {"seq": resolved.seq, "reason": "Locked again"}).status_code == 409
    assert event_kinds(work_session, resolved).count("reopened") == 1


def test_severity_changes_with_a_reason(visit, cast, accepted, work_session):
    ana = visit(cast.ana)
    path = f"/cases/{accepted.name}/severity-changes"
    assert "System down" in ana.get(path).text
    fields = {"seq": accepted.seq, "severity": "1", "reason": "The whole ward"}
    assert ana.post(path, {**fields, "severity": "9"}).status_code == 422
    assert ana.post(path, {**fields, "severity": str(accepted.severity)}).status_code == 422
    assert ana.post(path, fields).status_code == 303
    assert ana.post(path, fields).status_code == 409
    assert "Sev 1" in ana.get(f"/cases/{accepted.name}").text


def test_factory_changes_the_kind_of_help(visit, cast, accepted, work_session):
    ana = visit(cast.ana)
    path = f"/cases/{accepted.name}/task-class-changes"
    fields = {"seq": accepted.seq, "task_class": "how_to", "reason": "Only a question"}
    assert visit(cast.tom).post(path, fields).status_code == 403
    assert ana.post(path, fields).status_code == 303
    assert "How-to help" in ana.get(f"/cases/{accepted.name}").text


@pytest.fixture
def worked(work_session, cast, accepted):
    """An hour of Ana's on the case, approved by nobody yet."""
    said = Work("remote", "support", "Set the door groups")
    started_at, ended_at = NOW.replace(hour=9, minute=30), NOW.replace(hour=10)
    now = hours_later(1)
    metering.enter_time(work_session, cast.ana, accepted, said, started_at=started_at, ended_at=ended_at, now=now)
    work_session.commit()
    return accepted


@pytest.mark.parametrize(
    ("who", "sees_shares"), [("ana", False), ("leo", True), ("tom", False), ("mia", True), ("bea", False)]
)
def test_money_is_shown_and_shares_only_to_those_who_may_see_them(visit, cast, worked, who, sees_shares):
    shown = visit(getattr(cast, who)).get(f"/cases/{worked.name}").text
    assert "What it comes to" in shown
    assert "not approved yet" in shown
    assert ("Share of" in shown) == sees_shares


def test_resolving_can_be_tried_without_saving_anything(visit, cast, worked, work_session):
    leo = visit(cast.leo)
    path = f"/cases/{worked.name}/resolutions"
    tried = leo.post(path, {"seq": worked.seq, **SAID, "step": "preview"})
    assert tried.status_code == 200
    assert "What it comes to" in tried.text
    assert "Door &lt;i&gt;groups" in tried.text
    incomplete = leo.post(path, {"seq": worked.seq, **SAID, "cause": "", "step": "preview"})
    assert incomplete.status_code == 422
    assert everything(work_session, "resolution") == []


def test_silence_is_taken_back_with_a_reason_by_the_company_that_was_silent(visit, cast, resolved, work_session):
    case = resolved
    resolution_id = everything(work_session, "resolution")[0]["id"]
    late = hours_later(30 * 24)
    actions.answer_silence(
        work_session, resolution_id, second_notice_delivered_at=hours_later(9 * 24), amount_minor=0, now=late
    )
    work_session.commit()
    path = f"/cases/{case.name}/silence-taken-back"
    assert "Take back the silence" not in visit(cast.ana).get(f"/cases/{case.name}").text
    mia = visit(cast.mia)
    assert "Take back the silence" in mia.get(f"/cases/{case.name}").text
    assert "Why the silence was no yes" in mia.get(path).text
    seq = _seq(work_session, case)
    assert mia.post(path, {"seq": seq, "reason": " "}).status_code == 422
    assert mia.post(path, {"seq": seq, "reason": "We were closed"}).status_code == 303
    assert [row["basis"] for row in everything(work_session, "resolution_answer")] == ["deemed", "undone"]
    assert "Take back the silence" not in mia.get(f"/cases/{case.name}").text
    assert visit(cast.cal).get(path).status_code == 404
