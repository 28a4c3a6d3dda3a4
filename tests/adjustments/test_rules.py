"""Who loses what, what happens next, who is asked, what is owed: the pure decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.access import Role
from portal.adjustments.rules import saga
from portal.adjustments.rules.asking import KINDS, limit_minor, may_ask, needs_consent, needs_second_person
from portal.adjustments.rules.recovering import WRITE_OFF_AFTER, Owed, may_write_off, netted
from portal.adjustments.rules.saga import Facts, Step, next_step
from portal.adjustments.rules.sharing import (
    Line,
    Part,
    Stake,
    by_party,
    parts_of_line,
    reduction_by_line,
    rounding_of,
    shortfalls,
    within_window,
)
from portal.errors import RuleBroken
from tests.support.cast import NOW

MAKER, INTEGRATOR, OPERATOR = 1, 2, 3


@pytest.mark.parametrize(
    ("lines", "amount", "line_id", "wanted"),
    [
        ([Line(1, 100), Line(2, 50)], 30, None, {1: 20, 2: 10}),
        ([Line(1, 100), Line(2, 50)], 30, 2, {2: 30}),
        ([Line(1, 100), Line(2, 50)], 150, None, {1: 100, 2: 50}),
        ([Line(1, 100, 20), Line(2, 50, 10)], 120, None, {1: 80, 2: 40}),
        # The second line was taken off whole before: the first takes all.
        ([Line(1, 100), Line(2, 50, 50)], 60, None, {1: 60}),
        ([Line(1, 100), Line(2, 50, 45)], 30, None, {1: 29, 2: 1}),
        ([Line(1, 1), Line(2, 1), Line(3, 1)], 1, None, {1: 1}),
    ],
)
def test_an_amount_is_taken_off_the_lines_by_what_they_cost(lines, amount, line_id, wanted) -> None:
    assert reduction_by_line(lines, amount, line_id) == wanted


@pytest.mark.parametrize(("amount", "line_id"), [(0, None), (-1, None), (131, None), (51, 2), (1, 9)])
def test_more_than_is_left_is_not_taken_off(amount, line_id) -> None:
    with pytest.raises(RuleBroken):
        reduction_by_line([Line(1, 100, 20), Line(2, 50)], amount, line_id)


@given(
    amounts=st.lists(st.integers(1, 5_000), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.integers(1, 3_000), st.booleans()), max_size=12),
)
def test_whatever_is_taken_off_no_line_goes_below_zero_and_all_of_it_restores_zero(amounts, steps) -> None:
    lines = [Line(number, minor) for number, minor in enumerate(amounts, start=1)]

    def take(amount: int, line_id: int | None) -> None:
        taken = reduction_by_line(lines, amount, line_id)
        assert sum(taken.values()) == amount
        lines[:] = [Line(one.line_id, one.amount_minor, one.reduced_minor + taken.get(one.line_id, 0)) for one in lines]
        assert all(one.rest_minor >= 0 for one in lines)

    for wanted, single in steps:
        left = lines[0].rest_minor if single else sum(one.rest_minor for one in lines)
        if left:
            take(min(wanted, left), 1 if single else None)
    if sum(one.rest_minor for one in lines):
        take(sum(one.rest_minor for one in lines), None)
    assert all(one.rest_minor == 0 for one in lines)


def stakes_after(stakes, parts):
    lost = {part.key: part.amount_minor for part in parts}
    return [Stake(one.key, one.party_id, one.weight_minor, one.taken_minor + lost.get(one.key, 0)) for one in stakes]


@given(
    weights=st.lists(st.integers(0, 9_999), min_size=1, max_size=5).filter(any),
    steps=st.lists(st.integers(1, 5_000), max_size=10),
)
def test_many_small_refunds_take_what_one_large_one_takes(weights, steps) -> None:
    stakes = [Stake(number, number, weight) for number, weight in enumerate(weights, start=1)]
    small, reached = list(stakes), 0
    for wanted in steps:
        step = min(wanted, sum(weights) - reached)
        if not step:
            break
        parts = parts_of_line(small, step)
        assert all(part.amount_minor > 0 for part in parts)
        small, reached = stakes_after(small, parts), reached + step
    at_once = stakes_after(stakes, parts_of_line(stakes, reached)) if reached else stakes
    assert [one.taken_minor for one in small] == [one.taken_minor for one in at_once]
    whole = stakes_after(small, parts_of_line(small, sum(weights) - reached))
    assert [one.taken_minor for one in whole] == weights


def test_a_share_that_was_decided_takes_over_what_the_undetermined_one_lost() -> None:
    before = [Stake(1, MAKER, 60), Stake(2, None, 40)]
    assert parts_of_line(before, 50) == (Part(MAKER, 30, 1), Part(None, 20, 2))
    decided = [Stake(1, MAKER, 60, 30), Stake(3, INTEGRATOR, 40), Stake(2, None, 0, 20)]
    assert parts_of_line(decided, 0) == (Part(INTEGRATOR, 20, 3), Part(None, -20, 2))
    assert sum(part.amount_minor for part in parts_of_line(decided, 50)) == 50


@pytest.mark.parametrize("amount", [-31, 71])
def test_shares_never_lose_more_than_they_have_nor_less_than_nothing(amount) -> None:
    with pytest.raises(RuleBroken):
        parts_of_line([Stake(1, MAKER, 100, 30)], amount)


def test_what_is_older_than_the_window_is_the_manufacturers() -> None:
    parts = (Part(INTEGRATOR, 70, 1), Part(None, 20, 2), Part(INTEGRATOR, -5, 3))
    given_at = {"paid_at": NOW, "days": 30, "manufacturer_id": MAKER}
    assert within_window(parts, now=NOW + timedelta(days=30), **given_at) == parts
    late = within_window(parts, now=NOW + timedelta(days=31), **given_at)
    assert late == (Part(MAKER, 70, 1), Part(None, 20, 2), Part(INTEGRATOR, -5, 3))
    assert by_party(late) == {MAKER: 70, None: 20, INTEGRATOR: -5}


@pytest.mark.parametrize(
    ("losses", "has", "wanted"),
    [
        ({INTEGRATOR: 70}, {INTEGRATOR: 70}, {}),
        ({INTEGRATOR: 70}, {INTEGRATOR: 30}, {INTEGRATOR: 40}),
        ({INTEGRATOR: 70}, {INTEGRATOR: -10}, {INTEGRATOR: 70}),
        ({INTEGRATOR: 70, MAKER: 20}, {MAKER: 20}, {INTEGRATOR: 70}),
        ({None: 70, INTEGRATOR: -3}, {}, {}),
    ],
)
def test_only_what_was_paid_out_is_taken_back_from_a_party(losses, has, wanted) -> None:
    assert shortfalls(losses, has) == wanted


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"decision": None}, Step.WAIT_FOR_DECISION),
        ({"consent": None, "decision": None}, Step.WAIT_FOR_CONSENT),
        ({"decision": "no"}, Step.END_DECLINED),
        ({"consent": "no", "decision": None}, Step.END_DECLINED),
        ({}, Step.TAKE_SHARES),
        ({"taken": True, "reversing": True}, Step.WAIT_FOR_REVERSALS),
        ({"taken": True}, Step.PAY),
        ({"taken": True, "paying": "under_way"}, Step.WAIT_FOR_STRIPE),
        ({"taken": True, "paying": "paid"}, Step.END_DONE),
        ({"taken": True, "paying": "refused"}, Step.GIVE_BACK),
        ({"taken": True, "given_back": True, "paying": "refused"}, Step.END_FAILED),
        ({"blocked": True}, Step.END_FAILED),
        ({"blocked": True, "taken": True}, Step.GIVE_BACK),
        ({"blocked": True, "taken": True, "paying": "under_way"}, Step.WAIT_FOR_STRIPE),
        ({"order": saga.REFUND_FIRST}, Step.PAY),
        ({"order": saga.REFUND_FIRST, "paying": "under_way"}, Step.WAIT_FOR_STRIPE),
        ({"order": saga.REFUND_FIRST, "paying": "paid"}, Step.TAKE_SHARES),
        ({"order": saga.REFUND_FIRST, "paying": "paid", "taken": True, "reversing": True}, Step.WAIT_FOR_REVERSALS),
        ({"order": saga.REFUND_FIRST, "paying": "paid", "taken": True}, Step.END_DONE),
        ({"order": saga.REFUND_FIRST, "paying": "refused"}, Step.END_FAILED),
        ({"is_refund": False}, Step.PAY),
        ({"is_refund": False, "paying": "paid"}, Step.TAKE_SHARES),
        ({"end": "done", "paying": "paid", "taken": True}, Step.NOTHING),
        ({"end": "done", "paying": "refused", "taken": True}, Step.GIVE_BACK),
        ({"end": "done", "paying": "refused", "taken": True, "given_back": True}, Step.END_FAILED),
        ({"end": "failed", "paying": "refused", "taken": True, "given_back": True}, Step.NOTHING),
        ({"end": "declined", "decision": "no"}, Step.NOTHING),
    ],
)
def test_what_follows_is_decided_by_what_was_done(facts, wanted) -> None:
    assert next_step(Facts(**{"is_refund": True, "order": saga.REVERSAL_FIRST, **facts})) is wanted


@pytest.mark.parametrize(
    ("kind", "role", "wanted"),
    [
        ("refund", Role.FINANCE, True),
        ("refund", Role.SUPPORT_LEAD, False),
        ("goodwill", Role.SUPPORT_LEAD, True),
        ("write_down", Role.SUPPORT_LEAD, False),
        ("goodwill", Role.ENGINEER, False),
        ("gift", Role.FINANCE, False),
    ],
)
def test_each_kind_is_asked_for_by_its_roles(kind, role, wanted) -> None:
    assert may_ask(kind, {role}) is wanted


def test_the_highest_limit_of_the_roles_that_may_ask_counts() -> None:
    limits = {Role.FINANCE: 50_000, Role.SUPPORT_LEAD: 10_000}
    assert limit_minor(limits, "goodwill", {Role.SUPPORT_LEAD, Role.FINANCE}) == 50_000
    assert limit_minor(limits, "refund", {Role.SUPPORT_LEAD}) == 0
    assert limit_minor({}, "refund", {Role.FINANCE}) == 0


@pytest.mark.parametrize(("amount", "outside", "wanted"), [(100, False, False), (101, False, True), (1, True, True)])
def test_a_second_person_is_asked_above_the_limit_and_for_money_by_hand(amount, outside, wanted) -> None:
    assert needs_second_person(amount, 100, is_outside_stripe=outside) is wanted


@pytest.mark.parametrize(
    ("kind", "bearer", "losing", "wanted"),
    [
        ("refund", "signed", {MAKER, INTEGRATOR}, set()),
        ("goodwill", "manufacturer", {MAKER}, set()),
        ("goodwill", "signed", {MAKER, INTEGRATOR}, {INTEGRATOR}),
        ("waiver", "signed", {MAKER}, set()),
        ("remedy", "integrator", {INTEGRATOR}, {INTEGRATOR}),
    ],
)
def test_an_integrators_share_falls_by_a_gift_only_with_its_yes(kind, bearer, losing, wanted) -> None:
    assert needs_consent(kind, bearer, losing, {INTEGRATOR}) == wanted
    assert kind in KINDS


def test_what_is_owed_is_netted_oldest_first_and_never_beyond_what_there_is() -> None:
    old, new = Owed(1, 60, 10, NOW), Owed(2, 40, 0, NOW + timedelta(days=1))
    assert netted([new, old], 70) == {1: 50, 2: 20}
    assert netted([new, old], 500) == {1: 50, 2: 40}
    assert netted([old, Owed(3, 5, 5, NOW)], 0) == netted([old], -20) == {}


def test_a_debt_is_given_up_only_after_a_long_time() -> None:
    owed = Owed(1, 60, 10, NOW)
    assert not may_write_off(owed, NOW + WRITE_OFF_AFTER - timedelta(seconds=1))
    assert may_write_off(owed, NOW + WRITE_OFF_AFTER)
    assert not may_write_off(Owed(1, 60, 60, NOW), NOW + WRITE_OFF_AFTER)


@pytest.mark.parametrize(
    ("amount", "asked", "gone", "rounded"),
    [
        (90, 110, 0, 0),
        (105, 110, 0, 0),
        (110, 110, 0, 5),
        (107, 110, 0, 2),
        # More than was asked is no rounding, and is refused by the lines.
        (111, 110, 0, 0),
        (108, 110, 3, 0),
        # An invoice that was not rounded, and one of which nothing may go back beyond its lines.
        (106, 105, 0, 0),
        (106, 0, 0, 0),
    ],
)
def test_what_was_rounded_up_goes_back_last(amount, asked, gone, rounded):
    lines = [Line(1, 60), Line(2, 45)]
    assert rounding_of(lines, amount, asked_minor=asked, gone_minor=gone) == rounded
