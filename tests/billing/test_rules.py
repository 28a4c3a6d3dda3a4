"""The pure half of billing: blockers, parts by payer, cash over invoices and shares, hours and authorizations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing.rules import (
    ACCRUAL_PAIRS,
    BLOCKS,
    FUNDING_PAIRS,
    BlockingFacts,
    InvoiceCash,
    ShareAmount,
    ShareCash,
    accrual_legs,
    authorization_left,
    blockers_of,
    cut_funding,
    decision_legs,
    draw_changes,
    funding_legs,
    included_seconds,
    leaf_targets,
    lines_of,
    parts_by_payer,
    set_off_legs,
    use_legs,
    worth_minor,
)
from portal.billing.rules.cash import months_owed
from portal.contracts.policy import parse_policy
from portal.entitlement.rules import Amount
from portal.errors import RuleBroken
from portal.ledger.rules import check_legs
from portal.rating.engine import rate
from portal.rating.facts import CaseFacts, Cover, GrantState, WorkInterval
from portal.rating.policies import compile_tariff
from tests.support.cast import DOCUMENTS

POLICY = parse_policy((Path(DOCUMENTS) / "nordlicht_policy.toml").read_text("utf-8"))
TARIFF = compile_tariff(POLICY, product_line="DoorController")
START = datetime(2026, 3, 10, 9, tzinfo=UTC)


def work(entry_id: int, minutes: int, *, after: int = 0, task_class: str = "support", authorized: bool = True):
    begin = START + timedelta(minutes=after)
    return WorkInterval(entry_id, 1, begin, begin + timedelta(minutes=minutes), "remote", task_class, authorized)


def rated(*intervals: WorkInterval, plan: str = "complimentary", grants: tuple[GrantState, ...] = (), **facts: object):
    return rate(CaseFacts((Cover(START, plan),), certified=False, **facts), intervals, grants, TARIFF)


def test_nothing_blocks_a_case_without_open_ends() -> None:
    assert blockers_of(BlockingFacts()) == ()


def test_blockers_are_named_and_counted() -> None:
    found = blockers_of(BlockingFacts(1, 2, 1, 1, 1, 1))
    assert [each.code for each in found] == list(BLOCKS)
    assert [each.sentence for each in found] == [
        "1 time entry is not approved yet.",
        "2 timers are still running.",
        "1 emergency is still to be ratified.",
        "1 challenge of cause or class is undecided.",
        "1 dear part is not confirmed yet by a second person of the company that recorded it.",
        "1 month of the plan is not asked for by its subscription yet: it is billed by itself when Stripe's bill is"
        " known.",
    ]


def test_a_case_without_work_has_one_empty_part_of_the_customer() -> None:
    (part,) = parts_by_payer(rated())
    assert (part.payer, part.bill.payer, part.rated.lines) == ("customer", "customer", ())


def test_each_paying_side_gets_its_own_lines() -> None:
    # How-to help to an uncertified technician is the integrator's to pay.
    both = rated(work(1, 60), work(2, 30, after=90, task_class="how_to"))
    customer, integrator = parts_by_payer(both)
    assert (customer.payer, integrator.payer) == ("customer", "integrator")
    assert customer.rated.amount_minor + integrator.rated.amount_minor == both.amount_minor
    assert {line.payer for line in customer.rated.lines} == {"customer"}
    assert {piece.entry_id for piece in integrator.rated.basis.slices} == {2}


def test_included_time_is_worth_what_the_plan_says() -> None:
    case = rated(work(1, 40), plan="assured", grants=(GrantState(7, "included", 7_200),))
    assert included_seconds(case) == {"assured": 2_700}
    assert worth_minor(POLICY, included_seconds(case)) == 9_000
    assert included_seconds(rated(work(1, 40), plan="assured")) == {}
    assert (included_seconds(None), lines_of(None)) == ({}, ())


def test_draws_are_changed_by_the_difference_to_what_was_drawn() -> None:
    case = rated(work(1, 40), plan="assured", grants=(GrantState(7, "included", 7_200),))
    assert draw_changes(case, {}) == {7: Amount(2_700)}
    assert draw_changes(case, {7: Amount(2_700)}) == {}
    assert draw_changes(case, {7: Amount(3_600), 8: Amount(60, 1)}) == {7: Amount(-900), 8: Amount(-60, -1)}
    assert draw_changes(None, {7: Amount(60)}) == {7: Amount(-60)}


@given(st.lists(st.integers(1, 10_000), max_size=5), st.integers(0, 60_000))
def test_authorizations_are_used_oldest_first(limits: list[int], billed: int) -> None:
    left = authorization_left(limits, billed)
    assert sum(limits) - sum(left) == min(billed, sum(limits))
    assert all(0 <= rest <= limit for rest, limit in zip(left, limits, strict=True))


def rows(*parts: tuple[str, int | None, int, int], reverses: dict[int, int] | None = None) -> list[ShareCash]:
    taken = reverses or {}
    return [ShareCash(at, kind, party, amount, applied, taken.get(at)) for at, (kind, party, amount, applied)
            in enumerate(parts)]  # fmt: skip


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=4), st.data())
def test_each_receipt_only_adds_and_the_last_leaves_nothing_over(amounts: list[int], data: st.DataObject) -> None:
    steps = [*sorted(data.draw(st.lists(st.integers(0, sum(amounts)), max_size=5))), sum(amounts)]
    before = [0] * len(amounts)
    for funded in steps:
        targets = leaf_targets(rows(*(("original", 1, amount, 0) for amount in amounts)), funded)
        now = [targets[at] for at in range(len(amounts))]
        assert sum(now) == funded
        assert all(late >= early for late, early in zip(now, before, strict=True))
        before = now
    assert before == amounts


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_decided_shares_take_what_the_undetermined_one_would_have(funded: int, later: int) -> None:
    first = rows(("original", 1, 600, 0), ("original", None, 400, 0))
    had = leaf_targets(first, funded)
    decided = rows(
        ("original", 1, 600, had[0]), ("original", None, 400, had[1]), ("reversal", None, -400, 0),
        ("decided", 2, 100, 0), ("decided", 3, 300, 0), reverses={2: 1},
    )  # fmt: skip
    at_once = leaf_targets(decided, funded)
    assert (at_once[0], at_once[2]) == (had[0], -had[1])
    assert at_once[3] + at_once[4] == had[1]
    assert sum(leaf_targets(decided, max(funded, later)).values()) == max(funded, later)


def test_nothing_remains_of_an_item_that_was_taken_back() -> None:
    gone = rows(
        ("original", 1, 600, 60), ("original", 2, 400, 40), ("reversal", 1, -600, 0), ("reversal", 2, -400, 0),
        reverses={2: 0, 3: 1},
    )  # fmt: skip
    assert leaf_targets(gone, 0) == {0: 60, 1: 40, 2: -60, 3: -40}


def test_cash_is_divided_over_the_cuts_of_an_invoice() -> None:
    invoice = InvoiceCash(1, 100, ((10, 150), (11, 50)))
    assert cut_funding([invoice], {10: 150, 11: 50}) == {10: 75, 11: 25}


def test_what_was_paid_too_much_funds_the_invoice_with_the_credit_once_it_was_paid() -> None:
    credited = InvoiceCash(2, 50, ((10, -40), (11, 90)))
    unpaid = InvoiceCash(1, 0, ((10, 100),))
    assert cut_funding([unpaid, credited], {10: 60, 11: 90}) == {10: 0, 11: 50}
    half = InvoiceCash(1, 80, ((10, 100),))
    assert cut_funding([half, credited], {10: 60, 11: 90}) == {10: 60, 11: 70}
    full = InvoiceCash(1, 100, ((10, 100),))
    assert cut_funding([full, credited], {10: 60, 11: 90}) == {10: 60, 11: 90}


@pytest.mark.parametrize(
    ("nets", "owed"),
    [
        ([((-3, 290), (10, 500))], {-3: 290}),
        # What goes back of a month stands on the same invoice, or on a later one.
        ([((-3, 190), (10, 500))], {-3: 190}),
        ([((-3, 290),), ((-3, -100), (10, 500))], {-3: 190}),
        ([((-3, -100),)], {-3: 0}),
        # Packs and supplements are no months.
        ([((-4, 100), (-5, 70), (7, 1))], {}),
        ([], {}),
    ],
)
def test_a_month_owes_what_did_not_go_back_of_it(nets, owed) -> None:
    assert months_owed([InvoiceCash(number, 0, lines) for number, lines in enumerate(nets)]) == owed


def test_what_was_paid_of_a_month_that_goes_back_settles_the_invoice_with_the_credit() -> None:
    unpaid, paid = (InvoiceCash(1, cash, ((-3, 290),)) for cash in (0, 290))
    credited = InvoiceCash(2, 400, ((-3, -100), (10, 500)))
    for first, funded in ((unpaid, 400), (paid, 500)):
        invoices = [first, credited]
        assert cut_funding(invoices, {10: 500} | months_owed(invoices))[10] == funded


SHARES = (
    ShareAmount(1, 20, "cash", 700),
    ShareAmount(2, None, "cash", 300),
    ShareAmount(3, 20, "use", 50),
    ShareAmount(4, None, "use", 30),
)


def test_every_set_of_legs_may_be_posted() -> None:
    check_legs(accrual_legs(9, SHARES), ACCRUAL_PAIRS)
    check_legs(use_legs(9, SHARES), ACCRUAL_PAIRS)
    check_legs(set_off_legs(20, [ShareAmount(1, 20, "set_off", 700)]), ACCRUAL_PAIRS)
    check_legs(funding_legs([ShareAmount(1, 20, "cash", 10), ShareAmount(2, None, "cash", -4)]), FUNDING_PAIRS)
    decided = [ShareAmount(5, None, "cash", -300), ShareAmount(6, 20, "cash", 100), ShareAmount(7, 21, "cash", 200)]
    check_legs(decision_legs(decided, of_use=False), FUNDING_PAIRS)
    assert decision_legs(decided, of_use=True) == []


def test_an_item_of_nothing_has_no_legs() -> None:
    assert (accrual_legs(9, ()), use_legs(9, ()), set_off_legs(9, SHARES)) == ([], [], [])


def test_a_side_that_depends_on_the_other_cannot_be_billed_apart() -> None:

    case = rated(work(1, 60), work(2, 30, after=90, task_class="how_to"))
    broken = type(case)(case.basis, case.lines[:1], case.draws)
    with pytest.raises(RuleBroken):
        parts_by_payer(broken)
