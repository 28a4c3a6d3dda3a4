"""Custody in the browser: every step works, strangers find nothing, stale and repeated forms change nothing."""

from __future__ import annotations

import re

import pytest

from portal.cases import actions
from tests.support.cases import event_kinds
from tests.support.cast import hours_later


def _seq(work_session, case):
    work_session.rollback()
    work_session.refresh(case)
    return case.seq


def test_engineer_accepts_with_one_click_from_the_queue(visit, cast, escalated):
    ana = visit(cast.ana)
    assert f'action="/cases/{escalated.name}/acceptances"' in ana.get("/queue").text
    assert f'action="/cases/{escalated.name}/acceptances"' in ana.get("/").text
    answer = ana.post(f"/cases/{escalated.name}/acceptances", {"seq": escalated.seq})
    assert (answer.status_code, answer.location) == (303, f"/cases/{escalated.name}")
    assert "With: factory (Ana)" in ana.get(f"/cases/{escalated.name}").text
    assert f'action="/cases/{escalated.name}/acceptances"' not in ana.get("/queue").text


def test_second_engineer_is_told_who_was_faster(visit, cast, escalated, work_session):
    ana, eli = visit(cast.ana), visit(cast.eli)
    fields = {"seq": escalated.seq}
    assert ana.post(f"/cases/{escalated.name}/acceptances", fields).status_code == 303
    late = eli.post(f"/cases/{escalated.name}/acceptances", fields)
    assert late.status_code == 409
    assert "<strong>Ana</strong> accepted the case at" in late.text
    assert event_kinds(work_session, escalated).count("accepted") == 1


def test_decline_needs_a_reason_and_leaves_the_case_where_it_is(visit, cast, escalated, work_session):
    ana = visit(cast.ana)
    path = f"/cases/{escalated.name}/declines"
    assert "The other company reads the reason" in ana.get(path).text
    refused = ana.post(path, {"seq": escalated.seq, "reason": " "})
    assert refused.status_code == 422
    assert "Say why." in refused.text
    assert ana.post(path, {"seq": escalated.seq, "reason": "Not <b>our</b> make"}).status_code == 303
    shown = visit(cast.tom).get(f"/cases/{escalated.name}").text
    assert "Not &lt;b&gt;our&lt;/b&gt; make" in shown
    assert "With: integrator" in shown


def test_stale_form_says_what_happened_and_keeps_what_was_typed(visit, cast, escalated, work_session):
    ana, tom = visit(cast.ana), visit(cast.tom)
    tom.post(f"/cases/{escalated.name}/notes", {"seq": escalated.seq, "body": "It is back", "audience": "companies"})
    stale = ana.post(f"/cases/{escalated.name}/declines", {"seq": escalated.seq, "reason": "Wrong product"})
    assert stale.status_code == 409
    assert "<strong>Tom</strong> wrote a note at" in stale.text
    assert "Wrong product" in stale.text
    fresh = re.search(r'name="seq"[^>]*value="(\d+)"', stale.text).group(1)
    assert int(fresh) == _seq(work_session, escalated)
    again = ana.post(f"/cases/{escalated.name}/declines", {"seq": fresh, "reason": "Wrong product"})
    assert again.status_code == 303


def test_repeated_decline_changes_nothing(visit, cast, escalated, work_session):
    ana = visit(cast.ana)
    fields = {"seq": escalated.seq, "reason": "No"}
    assert ana.post(f"/cases/{escalated.name}/declines", fields).status_code == 303
    assert ana.post(f"/cases/{escalated.name}/declines", fields).status_code == 409
    assert event_kinds(work_session, escalated).count("declined") == 1


def test_hand_back_and_take_back(visit, cast, accepted, work_session):
    ana, tom = visit(cast.ana), visit(cast.tom)
    fields = {"seq": accepted.seq, "reason": "Measure the bus", "new_information": "y"}
    assert ana.post(f"/cases/{accepted.name}/hand-backs", fields).status_code == 303
    assert "Offered to the integrator" in tom.get(f"/cases/{accepted.name}").text
    seq = _seq(work_session, accepted)
    assert tom.post(f"/cases/{accepted.name}/acceptances", {"seq": seq}).status_code == 303
    assert "With: integrator (Tom)" in tom.get(f"/cases/{accepted.name}").text


def test_integrator_takes_back_without_being_asked(visit, cast, accepted, work_session):
    tom = visit(cast.tom)
    assert tom.post(f"/cases/{accepted.name}/take-backs", {"seq": accepted.seq}).status_code == 303
    assert tom.post(f"/cases/{accepted.name}/take-backs", {"seq": accepted.seq}).status_code == 409
    assert event_kinds(work_session, accepted).count("taken_back") == 1


def test_offer_again_and_withdraw(visit, cast, accepted, work_session):
    tom = visit(cast.tom)
    tom.post(f"/cases/{accepted.name}/take-backs", {"seq": accepted.seq})
    fields = {"seq": _seq(work_session, accepted), "reason": "Still locked"}
    assert tom.post(f"/cases/{accepted.name}/offers", fields).status_code == 303
    fields = {"seq": _seq(work_session, accepted)}
    assert tom.post(f"/cases/{accepted.name}/offers/withdrawal", fields).status_code == 303
    assert event_kinds(work_session, accepted)[-2:] == ["offered", "offer_withdrawn"]


def test_question_waits_for_its_answer(visit, cast, accepted, work_session):
    ana, tom = visit(cast.ana), visit(cast.tom)
    fields = {"seq": accepted.seq, "question": "Which firmware?", "audience": "companies"}
    assert ana.post(f"/cases/{accepted.name}/questions", fields).status_code == 303
    shown = tom.get(f"/cases/{accepted.name}/answers").text
    assert "Which firmware?" in shown
    fields = {"seq": _seq(work_session, accepted), "answer": "4.2.1"}
    assert tom.post(f"/cases/{accepted.name}/answers", fields).status_code == 303
    assert "4.2.1" in ana.get(f"/cases/{accepted.name}").text
    assert tom.post(f"/cases/{accepted.name}/answers", fields).status_code == 409


def test_question_to_the_companies_is_not_shown_to_the_customer(visit, cast, accepted):
    fields = {"seq": accepted.seq, "question": "Did they pay?", "audience": "companies"}
    visit(cast.ana).post(f"/cases/{accepted.name}/questions", fields)
    assert "Did they pay?" not in visit(cast.cal).get(f"/cases/{accepted.name}").text


def test_pause_and_resume(visit, cast, accepted, work_session):
    ana = visit(cast.ana)
    fields = {"seq": accepted.seq, "reason": "A spare part is on its way"}
    assert ana.post(f"/cases/{accepted.name}/pauses", fields).status_code == 303
    assert "Stands still" in ana.get(f"/cases/{accepted.name}").text
    assert ana.post(f"/cases/{accepted.name}/pauses/end", {"seq": _seq(work_session, accepted)}).status_code == 303
    assert event_kinds(work_session, accepted)[-2:] == ["paused", "resumed"]


def test_acceptance_by_phone_names_who_said_yes(visit, cast, escalated):
    tom = visit(cast.tom)
    fields = {"seq": escalated.seq, "accepted_name": "Eli at the factory"}
    assert tom.post(f"/cases/{escalated.name}/acceptances/by-phone", fields).status_code == 303
    assert "With: factory (Eli at the factory)" in tom.get(f"/cases/{escalated.name}").text


POSTS = ["acceptances", "take-backs", "offers/withdrawal", "questions/withdrawal", "pauses/end", "confirmations"]
FORMS = [
    "offers",
    "declines",
    "hand-backs",
    "questions",
    "answers",
    "pauses",
    "severity-changes",
    "notes",
    "references",
]


@pytest.mark.parametrize("noun", POSTS)
def test_steps_without_typing_are_posts(visit, cast, escalated, noun):
    assert visit(cast.ana).get(f"/cases/{escalated.name}/{noun}").status_code == 405


@pytest.mark.parametrize("noun", [*POSTS, *FORMS, "references", "resolutions"])
@pytest.mark.parametrize("who", ["eve", "sam"])
def test_outsiders_steps_read_as_an_unknown_case(visit, cast, escalated, work_session, noun, who):
    stranger = visit(getattr(cast, who))
    unknown = stranger.post(f"/cases/NOR-99999/{noun}", {"seq": 1})
    found = stranger.post(f"/cases/{escalated.name}/{noun}", {"seq": escalated.seq})
    assert (found.status_code, found.text) == (404, unknown.text)


@pytest.mark.parametrize("noun", ["acceptances", "declines", "hand-backs", "take-backs", "resolutions"])
def test_customers_never_hold_custody(visit, cast, escalated, noun):
    assert visit(cast.cal).post(f"/cases/{escalated.name}/{noun}", {"seq": escalated.seq}).status_code == 404


def test_form_of_a_step_that_is_not_open_is_not_shown(visit, cast, accepted):
    assert visit(cast.tom).get(f"/cases/{accepted.name}/declines").status_code == 409


def test_page_without_a_version_is_refused(visit, cast, escalated, work_session):
    assert visit(cast.ana).post(f"/cases/{escalated.name}/acceptances").status_code == 422
    assert "accepted" not in event_kinds(work_session, escalated)


def test_leavers_case_can_be_taken_up_by_a_colleague(visit, cast, accepted, work_session):
    now = hours_later(2)
    actions.return_offers_of(
        work_session, person_id=cast.ana.person_id, organisation_id=cast.ana.organisation_id, now=now
    )
    work_session.commit()
    eli = visit(cast.eli)
    assert "Take it up" in eli.get(f"/cases/{accepted.name}").text
    assert eli.post(f"/cases/{accepted.name}/acceptances", {"seq": accepted.seq}).status_code == 303
    assert "With: factory (Eli)" in eli.get(f"/cases/{accepted.name}").text
