"""Whether a decision made again costs its payer more: told apart by payer, price, least and cover."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.contracts.blocks import Payer
from portal.contracts.entry import Opener
from portal.entitlement.rules import CoverageDecision, CoverageFacts, coverage_for, is_dearer
from tests.support.documents import policy

AT = datetime(2026, 3, 10, 9, tzinfo=UTC)


def decided() -> CoverageDecision:
    facts = CoverageFacts(opener=Opener.TECHNICIAN, severity=2, product_line="DoorController")
    return coverage_for(facts, policy(), None, now=AT)


def priced(decision: CoverageDecision, more: int) -> tuple[object, ...]:
    return tuple(each.model_copy(update={"rate_num": each.rate_num + more}) for each in decision.prices)


@pytest.mark.parametrize(
    ("before", "after", "dearer"),
    [
        ({}, {}, False),
        ({}, {"can_cost": False, "least_minor": 10**9}, False),
        ({"can_cost": False}, {}, True),
        ({"payer": Payer.INTEGRATOR}, {"payer": Payer.CUSTOMER}, True),
        ({"covered": True}, {"covered": False}, True),
        ({"covered": False}, {"covered": True}, False),
        ({"least_minor": 1}, {"least_minor": 2}, True),
        ({"least_minor": 2}, {"least_minor": 1}, False),
    ],
)
def test_it_is_dearer_where_the_payer_can_be_asked_more(before, after, dearer):
    stood = decided().model_copy(update={"can_cost": True, "payer": Payer.CUSTOMER} | before)
    now = decided().model_copy(update={"can_cost": True, "payer": Payer.CUSTOMER} | after)
    assert is_dearer(stood, now) is dearer


@pytest.mark.parametrize(("more", "dearer"), [(1, True), (0, False), (-1, False)])
def test_a_price_of_any_band_that_rises_makes_it_dearer(more, dearer):
    stood = decided()
    assert stood.can_cost
    assert is_dearer(stood, stood.model_copy(update={"prices": priced(stood, more)})) is dearer
