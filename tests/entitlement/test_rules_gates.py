"""What has to be there before work begins: what holds it, whom it does not hold, and what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from portal.contracts.entry import Gate, Opener
from portal.entitlement.rules import (
    CoverageFacts,
    Prepaid,
    Present,
    coverage_for,
    gate_sentence,
    may_wait_for,
    missing_gates,
)
from portal.entitlement.rules.decision import PackLeft
from tests.support.documents import agreement, policy

EVERY = tuple(Gate)
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
WARRANTY = {"warranty_starts_on": date(2026, 1, 1)}
FREE_CAUSES = 'free_causes = ["hardware_defect", "firmware_defect"]\n\n[[warranty]]'
FREE_WORK = (FREE_CAUSES, 'free_task_classes = ["support"]\n\n[[warranty]]')
ENTRY = '[[entry]]\ndecision = "accept"\nrequires = ["purchase_order", "checklist"]\n\n[[rates]]\nmodes = ["travel"]'
BEFORE = '[[rates]]\nmodes = ["travel"]'
NO_RISK = ("at_factory_risk = true", "at_factory_risk = false")


def waits(document, **facts):
    asked = CoverageFacts(
        **{"opener": Opener.TECHNICIAN, "certified": True, "severity": 3, "product_line": "DoorController", **facts}
    )
    decision = coverage_for(asked, document, agreement(), now=NOW)
    return may_wait_for(document, decision, severity=asked.severity)


@pytest.mark.parametrize(
    ("changes", "facts", "gates"),
    [
        ((), {}, ()),
        (((BEFORE, ENTRY),), {}, (Gate.PURCHASE_ORDER, Gate.CHECKLIST)),
        # An emergency goes on at factory risk, unless the policy lets none.
        (((BEFORE, ENTRY),), {"severity": 1}, ()),
        (((BEFORE, ENTRY), NO_RISK), {"severity": 1}, (Gate.PURCHASE_ORDER, Gate.CHECKLIST)),
        # What costs nothing waits for no money.
        (((BEFORE, ENTRY), FREE_WORK), WARRANTY, (Gate.CHECKLIST,)),
    ],
)
def test_work_waits_where_the_policy_says(changes, facts, gates):
    assert waits(policy(*changes), **facts) == gates


PREPAID = '[[entry]]\ndecision = "accept"\nrequires = ["prepayment", "authorization"]\n\n[[rates]]\nmodes = ["travel"]'


def test_a_case_that_an_incident_pays_for_waits_until_it_is_its_own():
    one = PackLeft(label="One case", incidents_left=1)
    assert waits(policy((BEFORE, PREPAID)), packs=(one,)) == (Gate.PREPAYMENT,)
    assert waits(policy((BEFORE, PREPAID), FREE_WORK), packs=(one,), **WARRANTY) == ()


@pytest.mark.parametrize(
    ("prepaid", "is_there", "wants_incident"),
    [
        (Prepaid(), False, True),
        (Prepaid(hours_seconds=60), True, False),
        (Prepaid(holds=True), True, True),
        (Prepaid(has_used=True), True, False),
    ],
)
def test_hours_pay_for_whoever_comes_and_an_incident_for_its_case(prepaid, is_there, wants_incident):
    assert (prepaid.is_there, prepaid.wants_incident) == (is_there, wants_incident)


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        (Present(), (Gate.PREPAYMENT, Gate.PURCHASE_ORDER, Gate.AUTHORIZATION)),
        (Present(system=False, checklist=False), EVERY),
        (Present(prepayment=True, purchase_order=True), (Gate.AUTHORIZATION,)),
        (Present(prepayment=True, purchase_order=True, authorization=True), ()),
    ],
)
def test_what_is_missing_is_named_in_order(present, missing):
    assert missing_gates(EVERY, present) == missing
    assert missing_gates((), present) == ()


def test_sentence_says_what_to_do():
    assert gate_sentence((), "customer") == ""
    assert gate_sentence((Gate.PREPAYMENT,), "customer") == (
        "Work begins when it is paid in advance: the customer's buyer buys hours or cases for the site."
    )
    both = gate_sentence((Gate.CHECKLIST, Gate.AUTHORIZATION), "integrator")
    assert "; and when the integrator has said yes" in both
