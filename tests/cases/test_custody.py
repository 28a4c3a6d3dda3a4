"""Custody passes by acceptance only, and each step does what it should to clocks, offers and the header."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal.access import Actor, Audience, OneAct, Side
from portal.cases import actions, queries, rules
from portal.cases.actions import NewNote
from portal.contracts.blocks import Company
from portal.errors import Conflict, Invalid, NotAllowed, RuleBroken
from tests.support.cases import accepted, escalated, event_kinds
from tests.support.cast import NOW, everything, hours_later


def closings(session) -> list[tuple[str, str, int]]:
    rows = session.execute(
        text(
            "SELECT kind, outcome, used_seconds FROM clock_closing JOIN case_clock ON case_clock.id = clock_id"
            " ORDER BY clock_closing.id"
        )
    )
    return [tuple(row) for row in rows]


def test_accepting_names_the_engineer_and_meets_the_response_clock(work_session, cast):
    case = accepted(work_session, cast)

    assert (case.state, case.holder_side, case.assignee_name, case.offered_to_id) == (
        "open",
        "manufacturer",
        "Ana",
        None,
    )
    assert closings(work_session) == [("response", "met", 1800)]
    assert (case.due_kind, case.due_at) == ("resolution", hours_later(0.5) + timedelta(hours=27 + 45))
    segments = queries.custody_segments(work_session, case, now=hours_later(1))
    assert [(each.company.value, each.start) for each in segments] == [
        ("integrator", NOW),
        ("manufacturer", hours_later(0.5)),
    ]


def test_late_acceptance_is_missed_and_kept(work_session, cast):
    accepted(work_session, cast, at=hours_later(2))

    assert closings(work_session) == [("response", "missed", 7200)]


def link_for(actor: Actor, offer, **changes) -> Actor:
    act = OneAct("accept_custody", "custody_offer", str(changes.get("offer_id", offer["id"])), offer["seq"])
    return Actor(0, actor.organisation_id, actor.side, frozenset(), act=act, display_name="Leo")


def test_mailed_link_accepts_its_own_offer_only(work_session, cast):
    case = escalated(work_session, cast)
    (offer,) = everything(work_session, "custody_offer")

    with pytest.raises(Conflict):
        actions.accept_by_link(work_session, link_for(cast.leo, offer, offer_id=0), case, now=hours_later(1))
    acceptance = actions.accept_by_link(work_session, link_for(cast.leo, offer), case, now=hours_later(1))

    assert (acceptance.channel, acceptance.accepted_name, acceptance.accepted_by) == ("link", "Leo", None)
    with pytest.raises(Conflict):
        actions.accept_by_link(work_session, link_for(cast.leo, offer), case, now=hours_later(2))


def test_link_of_another_side_accepts_nothing(work_session, cast):
    case = escalated(work_session, cast)
    (offer,) = everything(work_session, "custody_offer")
    own = Actor(0, cast.integrator.id, Side.INTEGRATOR, frozenset(), act=link_for(cast.leo, offer).act)

    with pytest.raises(Conflict):
        actions.accept_by_link(work_session, own, case, now=hours_later(1))


def test_acceptance_on_the_telephone_names_who_said_so(work_session, cast):
    case = escalated(work_session, cast)
    with pytest.raises(Invalid):
        actions.accept_by_phone(work_session, cast.tom, case, accepted_name=" ", seq=case.seq, now=hours_later(1))
    with pytest.raises(NotAllowed):
        actions.accept_by_phone(work_session, cast.fay, case, accepted_name="Ana", seq=case.seq, now=hours_later(1))
    acceptance = actions.accept_by_phone(
        work_session, cast.tom, case, accepted_name="Ana", seq=case.seq, now=hours_later(1)
    )

    assert (acceptance.channel, acceptance.accepted_name, case.holder_side) == ("phone", "Ana", "manufacturer")


def test_first_substantive_reply_accepts(work_session, cast):
    case = escalated(work_session, cast)
    for body, audience, substantive in (("Hm", Audience.OWN, True), ("Received", Audience.COMPANIES, False)):
        actions.add_note(
            work_session, cast.ana, case, NewNote(body, audience, substantive=substantive), now=hours_later(0.2)
        )
    assert case.state == "offered"
    actions.add_note(work_session, cast.ana, case, NewNote("Try a restart", Audience.COMPANIES), now=hours_later(0.5))

    assert (case.state, case.assignee_name) == ("open", "Ana")
    assert [row["channel"] for row in everything(work_session, "custody_acceptance")] == ["opening", "reply"]


def test_integrators_note_accepts_nothing(work_session, cast):
    case = escalated(work_session, cast)
    actions.add_note(work_session, cast.tom, case, NewNote("Still down", Audience.CUSTOMER), now=hours_later(0.5))

    assert case.state == "offered"


def test_declining_needs_a_reason_and_leaves_the_case_where_it_is(work_session, cast):
    case = escalated(work_session, cast)
    with pytest.raises(Invalid):
        actions.decline_custody(work_session, cast.ana, case, reason=" ", seq=case.seq, now=hours_later(0.5))
    actions.decline_custody(work_session, cast.ana, case, reason="Not our part", seq=case.seq, now=hours_later(0.5))

    assert (case.state, case.holder_side, case.due_at) == ("open", "integrator", None)
    assert closings(work_session) == [("response", "met", 1800)]


def test_offer_soon_after_hand_back_without_news_goes_on_with_the_old_clock(work_session, cast):
    case = accepted(work_session, cast)
    actions.take_back(work_session, cast.tom, case, seq=case.seq, now=hours_later(1))
    actions.offer_custody(work_session, cast.tom, case, new_information=False, seq=case.seq, now=hours_later(2))
    assert case.due_at == NOW + timedelta(hours=1)

    actions.withdraw_offer(work_session, cast.tom, case, seq=case.seq, now=hours_later(2.5))
    actions.offer_custody(work_session, cast.tom, case, new_information=True, seq=case.seq, now=hours_later(3))
    assert case.due_at == hours_later(4)


def test_hand_back_keeps_the_case_until_it_is_accepted(work_session, cast):
    case = accepted(work_session, cast)
    actions.hand_back(
        work_session, cast.ana, case, reason="Visit", new_information=True, seq=case.seq, now=hours_later(1)
    )
    assert (case.state, case.holder_side, case.offered_to_id) == ("offered", "manufacturer", cast.integrator.id)
    actions.accept_custody(work_session, cast.tia, case, seq=case.seq, now=hours_later(2))

    assert (case.state, case.holder_side, case.assignee_name, case.due_at) == ("open", "integrator", "Tia", None)


def test_clock_counts_the_factorys_time_only(work_session, cast):
    case = accepted(work_session, cast)
    actions.take_back(work_session, cast.tom, case, seq=case.seq, now=hours_later(1.5))
    (line,) = [
        line for line in queries.clock_lines(work_session, case, now=hours_later(5)) if line.clock.kind == "resolution"
    ]

    assert (line.reading.state, line.reading.used_seconds, line.reading.due_at) == (
        rules.ClockState.STANDING,
        3600,
        None,
    )


def test_question_waits_for_its_answer_and_leaves_the_offer(work_session, cast):
    case = escalated(work_session, cast)
    actions.ask_information(
        work_session, cast.ana, case, question="Which firmware?", seq=case.seq, now=hours_later(0.5)
    )
    assert (case.state, case.holder_side) == ("waiting", "integrator")
    assert closings(work_session) == [("response", "met", 1800)]
    actions.answer_information(work_session, cast.tom, case, answer="4.2.1", seq=case.seq, now=hours_later(1))

    assert (case.state, case.offered_to_id) == ("offered", cast.factory.id)
    assert event_kinds(work_session, case)[-2:] == ["asked", "answered"]


def test_pause_moves_the_due_time(work_session, cast):
    case = accepted(work_session, cast)
    due_at = case.due_at
    actions.pause(work_session, cast.ana, case, reason="No power", seq=case.seq, now=hours_later(1))
    assert case.due_at is None
    with pytest.raises(Conflict):
        actions.pause(work_session, cast.ana, case, reason="No power", seq=case.seq, now=hours_later(1.2))
    actions.resume(work_session, cast.ana, case, seq=case.seq, now=hours_later(2))

    assert case.due_at == due_at + timedelta(hours=1)


def test_case_the_factory_was_informed_of_makes_its_promises_when_it_is_offered(work_session, cast):
    case = escalated(work_session, cast, is_fyi=True)
    actions.offer_custody(work_session, cast.tom, case, seq=case.seq, now=hours_later(1))

    assert (case.is_fyi, case.state, case.due_kind, case.due_at) == (False, "offered", "response", hours_later(2))
    assert [row["kind"] for row in everything(work_session, "case_clock")] == ["response", "resolution"]


def test_only_the_holder_pauses(work_session, cast):
    case = accepted(work_session, cast)
    with pytest.raises(Conflict):
        actions.pause(work_session, cast.tom, case, reason="No power", seq=case.seq, now=hours_later(1))


def test_colleague_takes_the_case_up(work_session, cast):
    case = accepted(work_session, cast)
    assert actions.accept_custody(work_session, cast.eli, case, seq=case.seq, now=hours_later(1)) is None

    assert case.assignee_name == "Eli"
    assert len(everything(work_session, "custody_acceptance")) == 2


def test_leavers_cases_go_back_to_the_team(work_session, cast):
    case = accepted(work_session, cast)
    count = actions.return_offers_of(
        work_session, person_id=cast.ana.person_id, organisation_id=cast.factory.id, now=hours_later(1)
    )

    assert (count, case.assignee_id, case.assignee_name) == (1, None, "")


def test_two_acceptances_at_one_instant_stay_in_order(work_session, cast):
    case = escalated(work_session, cast)
    actions.accept_custody(work_session, cast.ana, case, seq=case.seq, now=NOW)
    actions.take_back(work_session, cast.tom, case, seq=case.seq, now=NOW)

    times = [row["from_at"] for row in everything(work_session, "custody_acceptance")]
    assert times == sorted(set(times))


def test_nobody_hands_back_under_house_terms(work_session, cast):
    case = accepted(work_session, cast)
    situation = rules.Situation(rules.State.OPEN, Company.MANUFACTURER, has_integrator=False)
    with pytest.raises((Conflict, RuleBroken)):
        rules.check(rules.Verb.HAND_BACK, situation, cast.ana)
    assert case.state == "open"


def test_header_does_not_move_without_an_event(work_session, cast):
    case = escalated(work_session, cast)
    work_session.commit()
    work_session.execute(text("UPDATE support_case SET severity = 1 WHERE id = :id"), {"id": case.id})
    with pytest.raises(DBAPIError, match="without an event"):
        work_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
