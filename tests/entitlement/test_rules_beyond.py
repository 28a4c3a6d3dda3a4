"""Beyond a case's limit of hours the payer is asked, for what the policy's order says next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.contracts.entry import Opener
from portal.contracts.terms import AuthorizationTerms, Means
from portal.entitlement.rules import (
    Beyond,
    CoverageFacts,
    asked_anew,
    check_asked,
    coverage_for,
    means_to_ask,
    standing_pays,
    suggested_seconds,
)
from portal.entitlement.rules.beyond import beyond_reasons
from portal.entitlement.rules.decision import PackLeft
from portal.errors import DocumentInvalid, Invalid
from portal.rating.engine import rate
from portal.rating.explanation import explain, replay
from portal.rating.facts import BOUGHT_GRANT, GrantState, HoursLimit
from tests.rating.builders import facts, hourly, plan, tariff, work
from tests.support.documents import policy

# The last key of the document's own table.
_VALID = 'least_nte = "75.00"'

H, M = Means.HOURS, Means.MONEY
HOUR = 3_600


@pytest.mark.parametrize(
    ("order", "beyond", "asked"),
    [
        ((H, M), Beyond(HOUR), H),
        ((H, M), Beyond(HOUR, hours_refused=True), None),
        ((H, M), Beyond(0), M),
        ((H, M), Beyond(0, 500, money_asked=True), None),
        ((H, M), Beyond(0, 0, money_asked=True), None),
        ((M, H), Beyond(HOUR), M),
        ((M, H), Beyond(HOUR, 500, money_asked=True), None),
        ((M, H), Beyond(HOUR, 0, money_asked=True), H),
        ((M,), Beyond(HOUR), M),
        ((M,), Beyond(HOUR, 0, money_asked=True), None),
        ((H,), Beyond(0), None),
    ],
)
def test_the_payer_is_asked_for_what_the_order_says_next(order, beyond, asked):
    assert means_to_ask(order, beyond) == asked


@pytest.mark.parametrize(
    ("order", "beyond", "hours", "nte", "field"),
    [
        ((H, M), Beyond(HOUR), HOUR, 0, ""),
        ((H, M), Beyond(HOUR), HOUR, 500, ""),
        ((H, M), Beyond(HOUR), 0, 500, ""),
        ((H, M), Beyond(HOUR), HOUR + 60, 0, "minutes"),
        ((M,), Beyond(HOUR), 60, 0, "minutes"),
        ((M, H), Beyond(HOUR), 60, 0, "minutes"),
        ((M, H), Beyond(HOUR, money_asked=True), 60, 0, ""),
        ((H,), Beyond(HOUR), 0, 500, "nte"),
        ((H,), Beyond(0), 0, 500, ""),
    ],
)
def test_what_the_policy_does_not_open_cannot_be_asked_for(order, beyond, hours, nte, field):
    if not field:
        check_asked(order, beyond, hours_seconds=hours, nte_minor=nte)
        return
    with pytest.raises(Invalid) as refused:
        check_asked(order, beyond, hours_seconds=hours, nte_minor=nte)
    assert list(refused.value.fields) == [field]


def test_as_much_is_asked_for_as_the_plan_gives_a_case():
    assert [suggested_seconds(9_999, 90), suggested_seconds(600, 90), suggested_seconds(9_999, 0)] == [5_400, 600, HOUR]


def test_the_order_is_told_and_checked_with_the_document():
    (reason,) = beyond_reasons((H, M), 1_800)
    assert reason.sentence == "30 minutes more are left; beyond its own the customer is asked for {}.".format(
        "more of the hours left, then for money"
    )
    assert beyond_reasons((H, M), 0) == ()
    only = policy((_VALID, f'{_VALID}\nbeyond_limit = ["money"]'))
    assert only.authorization.beyond_limit == (M,)
    for wrong in ("[]", '["hours", "hours"]'):
        with pytest.raises(DocumentInvalid) as refused:
            policy((_VALID, f"{_VALID}\nbeyond_limit = {wrong}"))
        assert "hours, money or both" in str(refused.value.problems)


def test_coverage_says_what_is_left_beyond_the_case_and_keeps_to_a_yes():
    def decided(**more):
        facts = CoverageFacts(
            opener=Opener.TECHNICIAN, certified=True, severity=3, product_line="DoorController", plan_code="assured",
            packs=(PackLeft(label="Ten hours", seconds_left=36_000),), **more,
        )  # fmt: skip
        return coverage_for(facts, policy(), None, now=datetime(2026, 3, 10, 9, tzinfo=UTC))

    fresh = decided()
    assert (fresh.included_seconds_left, fresh.hours_beyond_seconds) == (5_400, 30_600)
    assert "beyond_limit" in [reason.code for reason in fresh.reasons]
    spent = decided(grant_seconds_used_on_case=5_400)
    assert (spent.included_seconds_left, spent.hours_beyond_seconds) == (0, 36_000)
    allowed = decided(grant_seconds_used_on_case=5_400, hours_authorized_seconds=HOUR)
    assert (allowed.included_seconds_left, allowed.hours_beyond_seconds, allowed.free_seconds) == (HOUR, 32_400, HOUR)


START = datetime(2026, 3, 3, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("authorized", "limit", "lines"),
    [
        # Without a limit all there is is used; with one, work nobody was asked about is the manufacturer's beyond it.
        (False, (), {"hours_bought": 7_200}),
        (False, (5_400,), {"hours_bought": 5_400, "unauthorized": 1_800}),
        # A yes to hours opens them from then on; what was not asked about before stays with the limit.
        (False, (5_400, 7_200), {"hours_bought": 5_400, "unauthorized": 1_800}),
        (True, (5_400, 7_200), {"hours_bought": 7_200}),
        # A yes to money alone is billed in money, a yes to fewer hours stops there: nothing was allowed beyond.
        (True, (5_400,), {"hours_bought": 5_400, "billed": 1_800}),
        (True, (5_400, 6_000), {"hours_bought": 6_000, "beyond_nte": 1_200}),
    ],
)
def test_rating_keeps_the_case_to_its_limit_and_to_what_its_payer_said(authorized, limit, lines):
    limits = tuple(HoursLimit(START, seconds) for seconds in limit)
    nte = {"customer": 0} if len(limit) == 2 else {}
    told = facts(nte_minor=nte, hours_limit=limits)
    pieces = (work(1, START, 60, authorized=False), work(2, START + timedelta(hours=1), 60, authorized=authorized))
    grant = GrantState(7, BOUGHT_GRANT, 36_000, unasked=True)
    rated = rate(told, pieces, (grant,), tariff(plan(hourly(100))))
    assert {line.kind: line.seconds for line in rated.lines} == lines
    assert replay(explain(rated)) == rated


@pytest.mark.parametrize(
    ("order", "says_so", "included", "beyond", "pays"),
    [
        # Hours are left that the payer has to be asked for first: a yes to money is no yes to them, nor in their place.
        ((H, M), False, 0, HOUR, False),
        ((H,), False, 0, HOUR, False),
        ((H, M), True, 0, HOUR, True),
        ((M, H), False, 0, HOUR, True),
        ((M,), False, 0, HOUR, True),
        # None are left, or the plan's own minutes come before any question.
        ((H, M), False, 0, 0, True),
        ((H, M), False, 60, HOUR, True),
    ],
)
def test_a_standing_yes_to_money_is_no_yes_beside_a_question_for_hours(order, says_so, included, beyond, pays):
    terms = AuthorizationTerms(beyond_limit=order, standing_beyond_limit=says_so)
    assert standing_pays(terms, included_seconds=included, beyond_seconds=beyond) is pays


@pytest.mark.parametrize(
    ("asked", "suggestion", "before", "now", "anew"),
    [
        (30_000, 50_000, 15_000, 22_500, 50_000),
        (60_000, 50_000, 15_000, 22_500, 90_000),
        (10_001, 0, 15_000, 22_500, 15_002),
        (60_000, 50_000, 15_000, 15_000, 60_000),
        # A greater least at a lower price asks for no less than before.
        (60_000, 50_000, 15_000, 10_000, 60_000),
        (60_000, 50_000, 0, 10_000, 60_000),
        # Only hours were asked for.
        (0, 50_000, 15_000, 22_500, 0),
    ],
)
def test_what_was_asked_is_asked_anew_for_as_much_work(asked, suggestion, before, now, anew):
    assert asked_anew(asked, suggestion, per_hour_before=before, per_hour_now=now) == anew
