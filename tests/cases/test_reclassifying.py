"""The factory says anew how bad a case is; the other side disputes it; and what broken promises give back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.cases import actions, queries
from portal.cases.models import PromiseRemedy, SeverityDecision
from portal.contracts.policy import parse_policy
from portal.errors import Conflict, DocumentInvalid, Invalid, NotAllowed, NotFound, Stale
from tests.support.cases import RESOLVING, accepted, event_kinds
from tests.support.cast import NOW, hours_later
from tests.support.documents import POLICY, changed
from tests.support.versions import signed_policy

REMEDIES = (
    "rank = 20\n",
    """rank = 20
remedies = [
  { clock = "resolution", severities = [2], late_by_minutes = 600, extra_days = 30 },
  { clock = "resolution", credit_bp = 1000 },
  { clock = "response", credit = "25.00" },
]
""",
)


@pytest.fixture
def lowered(work_session, cast):
    """A case of severity 2 that Ana has made a 3 after an hour."""
    case = accepted(work_session, cast)
    actions.change_severity(
        work_session, cast.ana, case, severity=3, reason="One door only", seq=case.seq, now=hours_later(1)
    )
    return case


def disputed(session, cast, case, who="tom"):
    return actions.challenge_severity(
        session, getattr(cast, who), case, reason="The whole ward", seq=case.seq, now=hours_later(2)
    )


def running(session, case, now):
    lines = queries.clock_lines(session, case, now=now)
    return {line.clock.kind: line.clock.started_at for line in lines if line.closing is None}


def test_factory_gives_in_and_the_promises_go_on_from_their_beginning(work_session, cast, lowered):
    assert "resolution" not in running(work_session, lowered, hours_later(1))
    raised = disputed(work_session, cast, lowered)
    answer = {"gives_in": True, "reason": "You are right.", "now": hours_later(3)}
    actions.answer_severity(work_session, cast.leo, lowered, raised.id, seq=lowered.seq, **answer)
    assert lowered.severity == 2
    assert running(work_session, lowered, hours_later(3))["resolution"] == NOW
    with pytest.raises(Conflict):
        actions.answer_severity(work_session, cast.leo, lowered, raised.id, seq=lowered.seq, **answer)


def test_where_the_factory_does_not_give_in_the_higher_severity_holds(work_session, cast, lowered):
    raised = disputed(work_session, cast, lowered)
    decision = actions.answer_severity(
        work_session, cast.leo, lowered, raised.id, gives_in=False, reason="No.", seq=lowered.seq, now=hours_later(3)
    )
    assert (decision.basis, decision.severity, lowered.severity) == ("rule", 2, 2)


def test_the_signed_rule_may_let_the_factorys_word_stand(work_session, cast):
    signed_policy(work_session, cast, ("[lifecycle]", '[reclassification]\nwhen_disputed = "after"\n\n[lifecycle]'))
    case = accepted(work_session, cast)
    actions.change_severity(work_session, cast.ana, case, severity=3, reason="x", seq=case.seq, now=hours_later(1))
    raised = disputed(work_session, cast, case)
    actions.answer_severity(
        work_session, cast.leo, case, raised.id, gives_in=False, reason="No.", seq=case.seq, now=hours_later(3)
    )
    assert case.severity == 3


def test_silence_gives_the_severity_from_before_once(work_session, cast, lowered):
    raised = disputed(work_session, cast, lowered, who="cal")
    assert actions.decide_severity(work_session, raised.id, now=raised.answer_by - timedelta(seconds=1)) is None
    assert actions.decide_severity(work_session, raised.id, now=raised.answer_by).basis == "silence"
    assert actions.decide_severity(work_session, raised.id, now=raised.answer_by) is None
    assert work_session.query(SeverityDecision).count() == 1
    assert event_kinds(work_session, lowered)[-2:] == ["severity_challenged", "severity_decided"]
    assert lowered.severity == 2


def test_a_dispute_needs_a_reason_a_reclassification_and_the_other_side(work_session, cast, lowered):
    with pytest.raises(Invalid):
        actions.challenge_severity(work_session, cast.tom, lowered, reason=" ", seq=lowered.seq, now=hours_later(2))
    with pytest.raises(NotAllowed):
        disputed(work_session, cast, lowered, who="eli")
    with pytest.raises(NotFound):
        disputed(work_session, cast, lowered, who="sam")
    with pytest.raises(Stale):
        actions.challenge_severity(work_session, cast.tom, lowered, reason="x", seq=1, now=hours_later(2))
    raised = disputed(work_session, cast, lowered)
    with pytest.raises(Conflict):
        disputed(work_session, cast, lowered)
    with pytest.raises(NotAllowed):
        actions.answer_severity(
            work_session, cast.ana, lowered, raised.id, gives_in=True, reason="x", seq=lowered.seq, now=hours_later(3)
        )


def test_what_the_integrator_has_set_is_nobodys_to_dispute_here(work_session, cast):
    case = accepted(work_session, cast)
    actions.change_severity(work_session, cast.tom, case, severity=3, reason="x", seq=case.seq, now=hours_later(1))
    with pytest.raises(Conflict):
        disputed(work_session, cast, case)


@pytest.mark.parametrize(
    ("late_hours", "owed"),
    [(0, (None, None)), (5, (2900, None)), (96, (None, 30))],
)
def test_a_missed_promise_owes_what_the_plan_says(work_session, cast, late_hours, owed):
    signed_policy(work_session, cast, REMEDIES)
    case = accepted(work_session, cast)
    due_at = case.due_at
    actions.resolve(work_session, cast.ana, case, RESOLVING, seq=case.seq, now=due_at + timedelta(hours=late_hours))
    rows = work_session.query(PromiseRemedy).filter_by(case_id=case.id).all()
    found = [(row.amount_minor, row.extra_days) for row in rows]
    assert found == ([] if owed == (None, None) else [owed])


def test_an_answer_too_late_owes_a_fixed_credit(work_session, cast):
    signed_policy(work_session, cast, REMEDIES)
    accepted(work_session, cast, at=hours_later(1.5))
    (owed,) = work_session.query(PromiseRemedy).all()
    assert (owed.amount_minor, owed.currency, owed.late_seconds) == (2500, "EUR", 1800)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('[{ clock = "resolution" }]', "one of credit_bp"),
        ('[{ clock = "resolution", credit = "1.00", extra_days = 3 }]', "one of credit_bp"),
        ('[{ clock = "workaround", credit = "1.00" }]', 'promises no "workaround"'),
        ('[{ clock = "response", credit = "1.001" }]', "2 decimals"),
    ],
)
def test_remedies_that_make_no_sense_are_refused(rows, said):
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy(changed(POLICY, ("rank = 20\n", f"rank = 20\nremedies = {rows}\n")))
    assert any(said in str(problem) for problem in caught.value.problems)
