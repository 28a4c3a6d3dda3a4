"""A challenge climbs: two managers, a neutral, the signed fallback; nobody's employee decides alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.access import Actor, OneAct, Side
from portal.cases import actions, queries
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.support.cases import event_kinds, resolved, scope_of
from tests.support.cast import everything, hours_later

HALVES = {"integrator_bp": 5000, "manufacturer_bp": 5000}
DAY = 24


def challenged(session, cast, *, subject="split", proposal=None, who=None):
    case = resolved(session, cast)
    raised = actions.challenge(
        session,
        who or cast.mia,
        case,
        subject=subject,
        reason="We found it",
        proposal=proposal or HALVES,
        seq=case.seq,
        now=hours_later(3),
    )
    return case, raised


def rungs(session) -> list[str]:
    return [row["rung"] for row in everything(session, "challenge_step")]


def neutral(cast, raised) -> Actor:
    act = OneAct("decide_challenge", "challenge", str(raised.id), 1)
    return Actor(0, cast.factory.id, Side.MANUFACTURER, frozenset(), act=act, display_name="The neutral")


def climb(session, raised, until: str):
    """Run the ladder's job at each date until the stage is reached; the instant it was."""
    at = hours_later(3)
    for _ in range(200):
        at += timedelta(hours=12)
        if actions.climb_ladder(session, raised.id, now=at) == until:
            return at
    raise AssertionError(f"never reached {until}")


def test_managers_agree_by_proposing_the_same(work_session, cast):
    case, raised = challenged(work_session, cast)
    other = {"integrator_bp": 4000, "manufacturer_bp": 6000}
    assert actions.propose_outcome(work_session, cast.leo, raised.id, other, now=hours_later(4)) is None
    decision = actions.propose_outcome(work_session, cast.mia, raised.id, other, now=hours_later(5))

    assert (decision.basis, decision.integrator_bp, decision.manufacturer_bp) == ("agreed", 4000, 6000)
    assert rungs(work_session) == ["managers"]
    assert event_kinds(work_session, case)[-1] == "challenge_decided"
    with pytest.raises(Conflict):
        actions.propose_outcome(work_session, cast.leo, raised.id, HALVES, now=hours_later(6))


def test_one_company_alone_decides_nothing(work_session, cast):
    _, raised = challenged(work_session, cast)
    for _ in range(2):
        assert actions.propose_outcome(work_session, cast.mia, raised.id, HALVES, now=hours_later(4)) is None

    assert everything(work_session, "challenge_decision") == []


@pytest.mark.parametrize("who", ["tom", "ana", "bea"])
def test_only_managers_propose(work_session, cast, who):
    _, raised = challenged(work_session, cast)
    with pytest.raises(NotAllowed):
        actions.propose_outcome(work_session, getattr(cast, who), raised.id, HALVES, now=hours_later(4))


def test_strangers_manager_finds_no_challenge(work_session, web_session, cast):
    _, raised = challenged(work_session, cast)
    work_session.commit()
    for session in (work_session, web_session(scope_of(cast.sam))):
        with pytest.raises(NotFound):
            actions.propose_outcome(session, cast.sam, raised.id, HALVES, now=hours_later(4))


def test_neutral_decides_by_link_once_the_managers_days_are_over(work_session, cast):
    _, raised = challenged(work_session, cast)
    say = {"explanation": "The log shows both.", "now": hours_later(4)}
    with pytest.raises(Conflict):
        actions.decide_as_neutral(work_session, neutral(cast, raised), raised.id, HALVES, **say)
    at = climb(work_session, raised, "neutral")
    with pytest.raises(NotFound):
        actions.decide_as_neutral(work_session, cast.leo, raised.id, HALVES, **say)
    decision = actions.decide_as_neutral(
        work_session, neutral(cast, raised), raised.id, HALVES, explanation="The log shows both.", now=at
    )

    assert (decision.basis, decision.integrator_bp) == ("neutral", 5000)
    assert rungs(work_session) == ["managers", "neutral"]
    assert actions.climb_ladder(work_session, raised.id, now=at) is None


def test_fallback_decides_when_nobody_does(work_session, cast):
    _, raised = challenged(work_session, cast)
    at = climb(work_session, raised, "fallback")
    (decision,) = everything(work_session, "challenge_decision")

    assert (decision["basis"], decision["integrator_bp"] + decision["manufacturer_bp"]) == ("fallback", 10_000)
    assert rungs(work_session) == ["managers", "neutral", "fallback"]
    assert actions.climb_ladder(work_session, raised.id, now=at) is None
    assert actions.climb_due(work_session, now=at) == 0


def test_sweep_climbs_what_is_due(work_session, cast):
    challenged(work_session, cast)
    assert actions.climb_due(work_session, now=hours_later(5)) == 0
    assert actions.climb_due(work_session, now=hours_later(200 * DAY)) == 1


def test_payer_challenges_the_cause_without_seeing_the_companies_ladder(work_session, web_session, cast):
    case = resolved(work_session, cast)
    work_session.commit()
    session = web_session(scope_of(cast.bea))
    shown = queries.case_by_name(session, cast.bea, case.name)
    raised = actions.challenge(
        session,
        cast.bea,
        shown,
        subject="cause",
        reason="It broke",
        proposal={"cause": "hardware_defect"},
        seq=shown.seq,
        now=hours_later(3),
    )
    session.commit()
    assert rungs(work_session) == []
    actions.climb_ladder(work_session, raised.id, now=hours_later(3))
    work_session.commit()

    assert rungs(work_session) == ["managers"]
    (view,) = queries.dossier(session, cast.bea, shown, now=hours_later(4)).challenges
    assert (view.steps, view.proposals, view.decision) == ((), (), None)


def test_decided_kind_of_help_is_the_cases_and_bills_it_again(work_session, cast):
    case, raised = challenged(work_session, cast, subject="task_class", proposal={"task_class": "how_to"})
    actions.propose_outcome(work_session, cast.leo, raised.id, {"task_class": "how_to"}, now=hours_later(4))

    assert case.task_class == "how_to"
    names = work_session.scalars(text("SELECT task_name FROM procrastinate_jobs")).all()
    assert "rebill" in names


def test_withdrawn_challenge_leaves_the_resolution(work_session, cast):
    _, raised = challenged(work_session, cast)
    with pytest.raises(NotAllowed):
        actions.withdraw_challenge(work_session, cast.leo, raised.id, now=hours_later(4))
    decision = actions.withdraw_challenge(work_session, cast.mia, raised.id, now=hours_later(4))
    (resolution,) = everything(work_session, "resolution")

    assert (decision.basis, decision.integrator_bp) == ("withdrawn", resolution["integrator_bp"])


@pytest.mark.parametrize(
    ("subject", "proposal"),
    [
        ("split", {"integrator_bp": 5000, "manufacturer_bp": 4000}),
        ("split", {"integrator_bp": -1, "manufacturer_bp": 10_001}),
        ("split", {}),
        ("cause", {"cause": "magic"}),
        ("task_class", {"task_class": "magic"}),
        ("weather", {}),
    ],
)
def test_impossible_outcomes_are_refused(work_session, cast, subject, proposal):
    case = resolved(work_session, cast)
    with pytest.raises(Invalid):
        actions.challenge(
            work_session,
            cast.mia,
            case,
            subject=subject,
            reason="Why",
            proposal=proposal,
            seq=case.seq,
            now=hours_later(3),
        )


def test_resolver_cannot_challenge_its_own_resolution(work_session, cast):
    case = resolved(work_session, cast)
    with pytest.raises(Conflict):
        actions.challenge(
            work_session,
            cast.leo,
            case,
            subject="split",
            reason="Why",
            proposal=HALVES,
            seq=case.seq,
            now=hours_later(3),
        )


def test_open_challenges_are_listed_for_the_companies(work_session, cast):
    case, raised = challenged(work_session, cast)

    (line,) = queries.open_challenges(work_session, cast.leo)
    assert (line.challenge.id, line.case_name, line.rung) == (raised.id, case.name, "managers")
    assert queries.open_challenges(work_session, cast.bea) == []
    assert queries.open_challenges(work_session, cast.sam) == []


def test_unanswered_resolutions_wait_for_the_other_company(work_session, cast):
    case = resolved(work_session, cast)

    assert [row.id for row in queries.unanswered_resolutions(work_session, cast.mia)] == [case.id]
    assert queries.unanswered_resolutions(work_session, cast.leo) == []
    late, resolution_id = hours_later(40 * DAY), everything(work_session, "resolution")[0]["id"]
    actions.answer_silence(
        work_session, resolution_id, second_notice_delivered_at=hours_later(9 * DAY), amount_minor=0, now=late
    )
    assert queries.unanswered_resolutions(work_session, cast.mia) == []
    actions.undo_deemed(work_session, cast.tom, case, reason="We were on holiday.", seq=case.seq, now=late)
    assert len(queries.unanswered_resolutions(work_session, cast.mia)) == 1
    actions.confirm(work_session, cast.tom, case, seq=case.seq, now=late)
    assert queries.unanswered_resolutions(work_session, cast.mia) == []
