"""A change of servicing integrator hands over what was done, and nothing that is not the newcomer's to know."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from portal.access import Audience, Role
from portal.cases import actions, queries
from portal.cases.actions import NewNote
from portal.db import Scope
from portal.directory import actions as directory
from portal.directory.models import TechnicalHistory
from portal.errors import NotFound
from tests.support.cases import closed, resolved
from tests.support.cast import NOW, add_person, hours_later
from tests.support.queued import queued

LATER = hours_later(24 * 60)


def change_integrator(session, cast, *, site=None, from_on=date(2026, 4, 20)):
    return directory.begin_service(
        session,
        cast.adam,
        site_id=(site or cast.site).id,
        product_line_id=cast.product_line.id,
        integrator_id=cast.other_integrator.id,
        from_on=from_on,
        letter_reference="Letter of 1 April",
        now=hours_later(24 * 30),
    )


def handed(session):
    return session.scalars(select(TechnicalHistory).order_by(TechnicalHistory.id)).all()


def test_new_integrator_is_handed_dates_symptom_cause_and_work_on_its_first_day(work_session, cast):
    case = closed(work_session, cast)
    service = change_integrator(work_session, cast)

    assert actions.hand_over_history(work_session, service.id, now=LATER) == 1
    assert actions.hand_over_history(work_session, service.id, now=LATER) == 0
    (row,) = handed(work_session)
    assert (row.integrator_id, row.case_name, row.system_id) == (cast.other_integrator.id, case.name, cast.system.id)
    assert (row.opened_on, row.resolved_on) == (date(2026, 3, 10), date(2026, 3, 10))
    assert (row.symptom, row.work_done) == (case.symptom, "Door groups set again.")
    assert row.cause == "Configuration"


def test_history_waits_for_the_first_day_at_the_site(work_session, cast):
    closed(work_session, cast)
    service = change_integrator(work_session, cast, from_on=date(2026, 6, 1))

    assert actions.hand_over_history(work_session, service.id, now=LATER) == 0
    assert handed(work_session) == []
    asked = [ids for name, ids in queued(work_session, "hand_over_history") if name]
    assert asked == [{"relationship_id": service.id}] * 2


def test_open_case_follows_when_it_has_closed(work_session, cast):
    case = resolved(work_session, cast)
    service = change_integrator(work_session, cast, from_on=date(2026, 3, 11))
    soon = hours_later(48)

    assert actions.hand_over_history(work_session, service.id, now=soon) == 0
    until = case.reopen_until
    actions.close_case(work_session, case.id, now=until)
    assert actions.hand_over_later_cases(work_session, now=until) == 1
    assert actions.hand_over_later_cases(work_session, now=until) == 0
    assert [row.case_name for row in handed(work_session)] == [case.name]


def test_nothing_is_handed_over_of_another_site_or_to_the_same_integrator(work_session, cast):
    closed(work_session, cast)
    service = change_integrator(work_session, cast, site=cast.plain_site)

    assert actions.hand_over_history(work_session, service.id, now=LATER) == 0
    assert actions.hand_over_later_cases(work_session, now=LATER) == 0


def test_cause_is_the_one_a_challenge_ended_in(work_session, cast):
    case = resolved(work_session, cast)
    raised = actions.challenge(
        work_session, cast.mia, case, subject="cause", reason="It was the firmware.",
        proposal={"cause": "firmware_defect"}, seq=case.seq, now=hours_later(3),
    )  # fmt: skip
    for who in (cast.mia, cast.leo):
        actions.propose_outcome(work_session, who, raised.id, {"cause": "firmware_defect"}, now=hours_later(4))
    actions.close_case(work_session, case.id, now=case.reopen_until)
    service = change_integrator(work_session, cast)
    actions.hand_over_history(work_session, service.id, now=LATER)
    assert [row.cause for row in handed(work_session)] == ["Firmware or software defect"]


def test_old_case_and_its_notes_stay_with_the_old_integrator(work_session, web_session, cast):
    case = closed(work_session, cast)
    service = change_integrator(work_session, cast)
    actions.hand_over_history(work_session, service.id, now=LATER)
    newcomer = add_person(work_session, cast.other_integrator, "nia", Role.SERVICE_MANAGER)
    work_session.commit()

    session = web_session(Scope(newcomer.organisation_id, newcomer.person_id))
    assert [row.case_id for row in handed(session)] == [case.id]
    with pytest.raises(NotFound):
        queries.case_by_name(session, newcomer, case.name)


def test_internal_words_are_not_in_the_history(work_session, cast):
    case = resolved(work_session, cast)
    note = NewNote("Between us: the invoice of 212.50 is late.", Audience.COMPANIES)
    actions.add_note(work_session, cast.ana, case, note, seq=case.seq, now=hours_later(3))
    actions.close_case(work_session, case.id, now=case.reopen_until)
    service = change_integrator(work_session, cast)
    actions.hand_over_history(work_session, service.id, now=LATER)
    (row,) = handed(work_session)
    assert "invoice" not in " ".join((row.symptom, row.cause, row.work_done))


def test_unknown_relationship_is_not_found(work_session, cast):
    with pytest.raises(NotFound):
        actions.hand_over_history(work_session, 0, now=NOW)
