"""What becomes of a net: always all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import RuleBroken
from portal.ledger.rules import Document, Purpose, check_legs
from portal.settlement import rules
from portal.settlement.rules import CARRIED, HELD, INVOICED, RETAINED, TRANSFERRED, Part, Terms, plan_parts

AT = datetime(2026, 4, 1, 6, tzinfo=UTC)
MONEY = st.integers(-10_000_000, 10_000_000)


def planned(net, contested=None, terms=None, *, state="active", is_operator=False, **held):
    wanted = terms or Terms(5_000)
    parts = plan_parts(net, contested or {}, wanted, account_state=state, is_operator=is_operator, **held)
    return [(part.kind, part.amount_minor, part.because) for part in parts]


@pytest.mark.parametrize(
    ("net", "given_", "wanted"),
    [
        (20_000, {}, [(TRANSFERRED, 20_000, "")]),
        (5_000, {}, [(TRANSFERRED, 5_000, "")]),
        (4_999, {}, [(CARRIED, 4_999, "")]),
        (-4_999, {}, [(CARRIED, -4_999, "")]),
        (-5_000, {}, [(INVOICED, -5_000, "")]),
        (0, {}, []),
        (20_000, {"state": "pending"}, [(HELD, 20_000, "not_onboarded")]),
        (20_000, {"state": "none"}, [(HELD, 20_000, "not_onboarded")]),
        (20_000, {"is_operator": True, "state": "none"}, [(RETAINED, 20_000, "")]),
        (-300, {"is_operator": True}, [(RETAINED, -300, "")]),
        (20_000, {"contested": {7: 3_000}}, [(HELD, 3_000, "contested"), (TRANSFERRED, 17_000, "")]),
        (20_000, {"contested": {7: -3_000}}, [(HELD, -3_000, "contested"), (TRANSFERRED, 23_000, "")]),
        (20_000, {"contested": {7: 20_000}}, [(HELD, 20_000, "contested")]),
        (0, {"contested": {7: 300}}, [(HELD, 300, "contested"), (CARRIED, -300, "")]),
        (20_000, {"terms": Terms(0, 1_000)}, [(HELD, 2_000, "reserve"), (TRANSFERRED, 18_000, "")]),
        (20_000, {"terms": Terms(0, 10_000)}, [(HELD, 20_000, "reserve")]),
    ],
)
def test_a_net_becomes_what_the_agreement_and_the_account_allow(net, given_, wanted):
    assert planned(net, given_.pop("contested", None), given_.pop("terms", None), **given_) == wanted


@pytest.mark.parametrize(
    ("net", "given_", "wanted"),
    [
        (10_000, {"on_hold": {7: (4_000, "on_hold")}}, [(HELD, 4_000, "on_hold"), (TRANSFERRED, 6_000, "")]),
        (10_000, {"on_hold": {7: (4_000, "charged_back")}, "contested": {7: 4_000}},
         [(HELD, 4_000, "contested"), (TRANSFERRED, 6_000, "")]),
        (10_000, {"is_party_on_hold": True}, [(HELD, 10_000, "party_on_hold")]),
        (-10_000, {"is_party_on_hold": True}, [(INVOICED, -10_000, "")]),
        (-900, {"terms": Terms(5_000, carry_minor=1_000)}, [(CARRIED, -900, "")]),
        (-1_000, {"terms": Terms(5_000, carry_minor=1_000)}, [(INVOICED, -1_000, "")]),
        (-1, {"terms": Terms(5_000, carry_minor=0)}, [(INVOICED, -1, "")]),
        (-4_999, {"terms": Terms(5_000)}, [(CARRIED, -4_999, "")]),
    ],
)  # fmt: skip
def test_a_hold_and_a_carry_limit_decide_before_the_account(net, given_, wanted):
    assert planned(net, given_.pop("contested", None), given_.pop("terms", None), **given_) == wanted


@pytest.mark.parametrize(
    ("net", "currency", "given_", "wanted"),
    [
        (12_345, "KWD", {}, [(TRANSFERRED, 12_340, ""), (CARRIED, 5, "")]),
        (12_345, "KWD", {"terms": Terms(0, 1_000)},
         [(HELD, 1_235, "reserve"), (TRANSFERRED, 11_110, "")]),
        (-12_345, "BHD", {}, [(INVOICED, -12_340, ""), (CARRIED, -5, "")]),
        (-12_345, "BHD", {"may_take_back": lambda _: True},
         [(TRANSFERRED, -12_340, "taken_back"), (CARRIED, -5, "taken_back")]),
        (9, "OMR", {"terms": Terms()}, [(CARRIED, 9, "")]),
        (12_345, "KWD", {"is_operator": True}, [(RETAINED, 12_345, "")]),
        (12_345, "KWD", {"state": "none"}, [(HELD, 12_345, "not_onboarded")]),
        (12_345, "JPY", {}, [(TRANSFERRED, 12_345, "")]),
    ],
)  # fmt: skip
def test_what_cannot_be_paid_of_a_net_is_carried(net, currency, given_, wanted):
    assert planned(net, None, given_.pop("terms", None), currency=currency, **given_) == wanted


@given(
    net=MONEY,
    contested=st.dictionaries(st.integers(1, 9), MONEY, max_size=5),
    minimum=st.integers(0, 10_000),
    reserve=st.integers(0, 10_000),
    state=st.sampled_from(["active", "pending", "none"]),
    is_operator=st.booleans(),
)
def test_the_parts_sum_to_the_net_and_survive_being_kept(net, contested, minimum, reserve, state, is_operator):
    terms = Terms(minimum, reserve)
    parts = plan_parts(net, contested, terms, account_state=state, is_operator=is_operator)
    assert sum(part.amount_minor for part in parts) == net
    assert all(part.amount_minor for part in parts)
    assert sum(rules.by_kind(parts).values()) == net
    assert rules.parts_of(rules.plan_json(parts, terms, state)) == parts
    if state != "active" and not is_operator:
        assert TRANSFERRED not in rules.by_kind(parts)


@pytest.mark.parametrize("kind", [TRANSFERRED, RETAINED, INVOICED, HELD, CARRIED])
@pytest.mark.parametrize("amount", [700, -700])
def test_every_disposal_is_a_transaction_that_settlement_may_post(kind, amount):
    legs = rules.disposal_legs(kind, amount, 3, approval=Document("a", "1"), disposition=Document("d", "1"))
    check_legs(legs, rules.SETTLEMENT_PAIRS)
    check_legs(rules.release_legs(amount, 3, Document("d", "1")), rules.SETTLEMENT_PAIRS)


def test_what_was_held_comes_back_by_line_when_decided_and_otherwise_at_once():
    parts = [
        Part(HELD, 100, "contested", 7),
        Part(HELD, 200, "contested", 8),
        Part(HELD, 30, "reserve"),
        Part(TRANSFERRED, 5),
    ]
    assert rules.releasable(parts, 4, {8}) == {Document("statement_line", "8"): 200, Document("disposition", "4"): 30}


@pytest.mark.parametrize(
    ("waits", "gone", "back"), [(True, 0, {}), (False, 0, {"4": 900}), (False, 650, {"4": 250}), (False, 900, {})]
)
def test_what_waits_for_an_account_comes_back_but_for_what_went(waits, gone, back):
    parts = [Part(HELD, 100, "contested", 7), Part(HELD, 900, "not_onboarded")]
    found = rules.releasable(parts, 4, set(), waits=waits, gone_minor=gone)
    assert found == {Document("disposition", key): minor for key, minor in back.items()}
    assert rules.waits_for_account(parts) == 900


@pytest.mark.parametrize(
    ("back", "gone", "has_left"),
    [
        ([], 0, False),
        (["line 7"], 0, False),
        (["line 7", "rest"], 0, True),
        # What was transferred need not come back; its reserve must.
        (["line 7"], 900, True),
        (["line 7"], 650, False),
        (["line 7", "rest"], 650, True),
        # A line counts by its name: what is held of it may come to what went.
        (["rest"], 0, False),
        ([], 900, False),
    ],
)
def test_a_disposition_has_left_when_nothing_of_it_is_held(back, gone, has_left):
    parts = [Part(HELD, 100, "contested", 7), Part(HELD, 900, "not_onboarded"), Part(TRANSFERRED, 5)]
    names = {"line 7": Document("statement_line", "7"), "rest": Document("disposition", "4")}
    assert rules.held_documents(parts, 4) == set(names.values())
    assert rules.has_left(parts, 4, {names[each] for each in back}, gone_minor=gone) is has_left


@pytest.mark.parametrize(
    ("waiting", "given", "goes"),
    [
        (10_000, {}, 10_000),
        (10_000, {"account_state": "restricted"}, 0),
        (10_000, {"is_party_on_hold": True}, 0),
        (10_000, {"on_hold_minor": 2_500}, 7_500),
        (10_000, {"owed_minor": 2_500, "on_hold_minor": 1_000}, 6_500),
        # What is left is less than the smallest payout, or nothing.
        (10_000, {"owed_minor": 5_001}, 0),
        (10_000, {"owed_minor": 5_000}, 5_000),
        (10_000, {"owed_minor": 12_000}, 0),
        # Neither a hold on a negative line nor a party that has something coming makes it more.
        (10_000, {"on_hold_minor": -50, "owed_minor": -50}, 10_000),
        (10_005, {"terms": Terms(reserve_bp=1_000)}, 9_004),
        (12_345, {"currency": "KWD"}, 12_340),
    ],
)
def test_what_waited_for_an_account_goes_as_far_as_nothing_keeps_it(waiting, given, goes):
    usual = {"account_state": "active", "is_party_on_hold": False, "on_hold_minor": 0, "owed_minor": 0}
    terms = {"terms": Terms(minimum_minor=5_000)}
    said = {**terms, **usual, **given}
    assert rules.goes_late(waiting, said.pop("terms"), **said) == goes


@pytest.mark.parametrize(
    ("waiting", "gone", "on_hold", "reserve_bp", "may"),
    [
        (10_000, 0, 0, 0, 10_000),
        (10_000, 0, 2_500, 1_000, 7_500),
        (10_000, 0, 12_000, 0, 0),
        # What it left behind when it went was kept back, but for its reserve and what a hold covers.
        (10_000, 10_000, 0, 0, 0),
        (10_000, 7_500, 0, 0, 2_500),
        (10_000, 6_750, 0, 1_000, 2_500),
        (10_000, 5_850, 1_000, 1_000, 2_500),
        (10_000, 9_000, 0, 1_000, 0),
        (10_005, 9_004, 0, 1_000, 0),
        # A hold on a negative line makes it no more; one since it went leaves nothing for a debt.
        (10_000, 0, -50, 0, 10_000),
        (10_000, 7_500, 5_000, 0, 0),
    ],
)
def test_what_waits_can_be_kept_back_beside_holds_and_the_reserve(waiting, gone, on_hold, reserve_bp, may):
    assert rules.may_keep(waiting, gone_minor=gone, on_hold_minor=on_hold, reserve_bp=reserve_bp) == may


@pytest.mark.parametrize(
    ("owed", "may_keep", "kept"),
    [
        (0, [10_000, 2_500], [0, 0]),
        (-50, [10_000], [0]),
        (3_000, [10_000, 2_500], [3_000, 0]),
        (11_000, [10_000, 2_500, 700], [10_000, 1_000, 0]),
        (20_000, [10_000, 2_500, 700], [10_000, 2_500, 700]),
        # What cannot keep anything leaves it to the next.
        (3_000, [0, 2_500, 700], [0, 2_500, 500]),
        (3_000, [-5, 4_000], [0, 3_000]),
        (3_000, [], []),
    ],
)
def test_a_debt_is_kept_back_once_by_the_oldest_first(owed, may_keep, kept):
    assert rules.kept_back(owed, may_keep) == kept


@pytest.mark.parametrize(
    ("transferred", "on_hold", "owed", "waits"),
    [
        (False, 0, 0, True),
        (False, 0, 1, False),
        (True, 0, 0, False),
        (True, 5, 0, True),
        (False, 5, 1, True),
    ],
)
def test_what_waits_for_an_account_stays_when_a_month_ends_unless_debts_are_netted(transferred, on_hold, owed, waits):
    assert rules.goes_on_waiting(is_transferred=transferred, on_hold_minor=on_hold, owed_minor=owed) is waits


def test_a_late_transfer_leaves_what_was_held_and_goes_by_the_terms_that_were_approved():
    document = Document("disposition", "4")
    held, gone = rules.late_legs(700, 3, document)
    assert (held.purpose, held.amount_minor, gone.purpose, gone.amount_minor) == (
        Purpose.HELD, 700, Purpose.IN_TRANSFER, -700,
    )  # fmt: skip
    plan = rules.plan_json((), Terms(minimum_minor=5, reserve_bp=100), "none")
    assert rules.terms_of_plan(plan) == Terms(minimum_minor=5, reserve_bp=100)


@pytest.mark.parametrize(
    ("outcome", "holds"), [(None, True), ("corrected", True), ("stands", False), ("withdrawn", False)]
)
def test_a_contest_holds_its_line_until_it_is_decided_otherwise(outcome, holds):
    assert rules.holds_line(outcome) is holds


def test_a_line_is_contested_only_in_time_and_before_approval():
    until = rules.review_ends(AT, 10)
    assert rules.may_contest(until, until - timedelta(seconds=1), is_approved=False)
    assert not rules.may_contest(until, until, is_approved=False)
    assert not rules.may_contest(until, AT, is_approved=True)


@pytest.mark.parametrize(
    ("days", "accepted", "own", "reviewed"),
    [(9, False, False, False), (10, False, False, True), (0, True, False, True), (0, False, True, True)],
)
def test_a_statement_is_reviewed_by_time_or_by_a_yes(days, accepted, own, reviewed):
    until = rules.review_ends(AT, 10)
    assert rules.is_reviewed(until, AT + timedelta(days=days), is_accepted=accepted, is_own=own) is reviewed


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("+49 431", "'+49 431"), ("-5", "'-5"), ("@x", "'@x"), ("a=1", "a=1"), (-5, "-5"), (None, "")],
)
def test_a_cell_is_never_a_formula(value, cell):
    assert rules.csv_cell(value) == cell


def test_equal_manifests_have_one_hash():
    assert rules.content_hash({"a": 1, "b": [2]}) == rules.content_hash({"b": [2], "a": 1})


def test_an_invoice_of_a_net_is_due_some_days_later():
    assert rules.due_on(AT.date(), 30).isoformat() == "2026-05-01"


def test_parts_that_are_not_the_whole_are_refused():
    rules.check_whole([Part(HELD, 100), Part(TRANSFERRED, -30)], 70)
    with pytest.raises(RuleBroken):
        rules.check_whole([Part(HELD, 100)], 70)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ([], []),
        ([(7, 3)], [[7]]),
        ([(1, 4), (2, 6), (3, 1)], [[1, 2], [3]]),
        ([(1, 11), (2, 1), (3, 9)], [[1], [2, 3]]),
        ([(1, 1), (2, 30), (3, 1)], [[1], [2], [3]]),
    ],
)
def test_keys_go_together_up_to_a_size(counted, expected):
    assert rules.some_at_once(counted, 10) == expected
