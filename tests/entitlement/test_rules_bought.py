"""Which of the hours left pays, how far they reach, and what the person is told."""

from datetime import UTC, datetime

import pytest

from portal.contracts.blocks import Mode
from portal.contracts.entry import Opener
from portal.contracts.rules import plan_named
from portal.entitlement.rules import CoverageFacts, coverage_for
from portal.entitlement.rules.bought import pack_states, pays_with, usable_packs, usable_states
from portal.entitlement.rules.decision import PackLeft
from tests.support.documents import policy

P = policy()
NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
PLAIN, ASSURED = plan_named(P, None), plan_named(P, "assured")
HOURS = PackLeft(label="Ten hours", seconds_left=36_000, ends_at=datetime(2027, 3, 10, tzinfo=UTC))
CASES = PackLeft(label="Five cases", incidents_left=5, priority=1)


def asked(*packs: PackLeft, **changes) -> CoverageFacts:
    values = {"opener": Opener.TECHNICIAN, "certified": True, "severity": 3, "product_line": "DoorController"}
    return CoverageFacts(**{**values, "packs": packs, **changes})


def test_bought_hours_pay_for_any_work_and_say_so():
    decision = coverage_for(asked(HOURS), P, None, now=NOW)
    assert (decision.free_seconds, decision.covered, decision.can_cost) == (36_000, True, True)
    assert decision.reasons[-1].code == "pack_pays"
    assert "600 minutes of Ten hours pay" in decision.reasons[-1].sentence


def test_an_incident_pays_however_long_it_takes():
    decision = coverage_for(asked(CASES), P, None, now=NOW)
    assert (decision.free_seconds, decision.can_cost) == (None, False)
    assert decision.reasons[-1].sentence.startswith("One case of Five cases pays for all of it")


@pytest.mark.parametrize(
    ("facts", "covered", "sentence"),
    [
        (asked(), True, None),
        (asked(HOURS, CASES), False, "600 minutes of Ten hours pay, 600 are left in all; then one case of Five cases"),
        (asked(included_seconds_left=7_200), True, "120 minutes are left for this case; work beyond them is billed"),
        (asked(HOURS, included_seconds_left=600), True, "10 minutes are left for this case; then 600 minutes of Ten"),
        (
            asked(PackLeft(label="One", incidents_left=1)),
            False,
            "One case of One pays for all of it, however long (1 c",
        ),
    ],
)
def test_the_first_that_pays_is_named(facts, covered, sentence):
    found = pays_with(facts, PLAIN, covered=covered)
    assert (found and found.sentence.startswith(sentence)) if sentence else found is None


def test_a_pack_is_left_out_where_its_terms_do_not_fit():
    remote = HOURS.model_copy(update={"modes": (Mode.REMOTE,)})
    certified = HOURS.model_copy(update={"certified_only": True})
    assert usable_packs(asked(remote, certified, certified=False, mode=Mode.ON_SITE)) == ()
    assert usable_packs(asked(remote, certified)) == (remote, certified)


def test_all_hours_together_keep_to_the_limit_of_the_case():
    """The plan lets one case use ninety minutes without asking."""
    states = usable_states(asked(HOURS, HOURS, included_seconds_left=3_600), ASSURED)
    assert [(state.kind, state.remaining_seconds) for state in states] == [("included", 3_600), ("bought", 1_800)]
    assert usable_states(asked(HOURS, grant_seconds_used_on_case=5_400), ASSURED) == ()
    assert [state.incidents for state in pack_states([CASES], 0)] == [1]
