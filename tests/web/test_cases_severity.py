"""A severity is disputed and answered in the browser, each by its side, each once."""

from __future__ import annotations

import pytest

from portal.cases import actions
from portal.cases.models import SeverityChallenge
from tests.support.cases import accepted
from tests.support.cast import hours_later
from tests.support.versions import signed_policy


@pytest.fixture
def lowered(escalated, work_session, cast):
    actions.accept_custody(work_session, cast.ana, escalated, seq=escalated.seq, now=hours_later(0.2))
    after = 4 if escalated.severity != 4 else 3
    actions.change_severity(
        work_session, cast.ana, escalated, severity=after, reason="x", seq=escalated.seq, now=hours_later(0.3)
    )
    work_session.commit()
    return escalated


def test_integrator_disputes_and_the_support_lead_answers(visit, cast, lowered, work_session):
    tom, leo = visit(cast.tom), visit(cast.leo)
    path = f"/cases/{lowered.name}/severity-disputes"
    assert "Dispute the severity" in tom.get(f"/cases/{lowered.name}").text
    assert tom.post(path, {"seq": lowered.seq, "reason": ""}).status_code == 422
    assert tom.post(path, {"seq": lowered.seq, "reason": "The whole ward"}).status_code == 303
    assert tom.post(path, {"seq": lowered.seq, "reason": "The whole ward"}).status_code == 409
    raised = work_session.query(SeverityChallenge).one()
    assert "Answer the dispute" not in tom.get(f"/cases/{lowered.name}").text
    assert "Answer the dispute" in leo.get(f"/cases/{lowered.name}").text
    work_session.rollback()
    work_session.refresh(lowered)
    answer = {"seq": lowered.seq, "answer": "yes", "reason": "You are right."}
    assert tom.post(f"{path}/{raised.id}/answers", answer).status_code == 404
    assert leo.post(f"{path}/{raised.id}/answers", answer).status_code == 303
    shown = visit(cast.cal).get(f"/cases/{lowered.name}").text
    assert "the factory gave in" in shown


def test_strangers_dispute_nothing(visit, cast, lowered):
    path = f"/cases/{lowered.name}/severity-disputes"
    assert visit(cast.eve).post(path, {"seq": lowered.seq, "reason": "x"}).status_code == 404
    assert visit(cast.eli).post(path, {"seq": lowered.seq, "reason": "x"}).status_code == 403


def test_the_factory_corrects_what_was_said_with_why(visit, cast, work_session):
    fee = '[[fees]]\ncode = "way"\nlabel = "Way"\namount = "40.00"\ndistance_from = 30\n\n'
    signed_policy(work_session, cast, ('[[rates]]\nmodes = ["travel"]', fee + '[[rates]]\nmodes = ["travel"]'))
    case = accepted(work_session, cast)
    work_session.commit()
    ana, path = visit(cast.ana), f"/cases/{case.name}/corrections"
    assert "Correct what was said" in ana.get(f"/cases/{case.name}").text
    assert "One way, from the base" in ana.get(path).text
    refused = ana.post(path, {"seq": case.seq, "distance": "far", "reason": "x"})
    assert (refused.status_code, "Write the distance" in refused.text) == (422, True)
    right = {"seq": case.seq, "distance": "35,5", "reason": "Measured on the map"}
    assert ana.post(path, right).status_code == 303
    assert ana.post(path, right).status_code == 409
    shown = visit(cast.cal).get(f"/cases/{case.name}").text
    assert "Distance, one way: not stated, now 35.5." in shown
    assert visit(cast.tom).post(path, right).status_code == 404
    assert visit(cast.eve).post(path, right).status_code == 404


def test_where_nothing_depends_on_it_there_is_nothing_to_correct(visit, cast, escalated):
    assert visit(cast.ana).get(f"/cases/{escalated.name}/corrections").status_code == 303
