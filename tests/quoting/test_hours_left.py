"""Hours left in a quote: minutes kept from last month, packs that end, top-ups, factors, a notice to buy more."""

import pytest

from portal.contracts.policy import parse_policy
from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote

POLICY = parse_policy(
    """
title = "Hours"
currency = "EUR"
zone = "Europe/Berlin"
rates = [{ per_hour = "100.00" }]
rounding = { increment_minutes = 1 }

[[plans]]
code = "none"
name = "None"
complimentary = true

[[plans]]
code = "member"
name = "Member"
included_minutes_per_month = 60
rollover_minutes = 30

[[packs]]
code = "hours"
label = "Ten hours"
minutes = 600
valid_months = 12
carry_over_top_up_minutes = 600
top_up_below_minutes = 120

[[burns]]
requested = ["urgent"]
factor = "1.5"

[[requests]]
code = "urgent"
"""
)


def bill(minutes, **case):
    return quote(
        POLICY, None, case_from_values({"opened_at": "2026-03-03T10:00:00", "work": [{"minutes": minutes}], **case})
    )["bill"]


@pytest.mark.parametrize(("left", "amount"), [(0, "100.00"), (20, "66.67"), (30, "50.00"), (500, "50.00")])
def test_unused_minutes_are_kept_within_the_most(left, amount):
    assert bill(120, plan="member", last_month_left_minutes=left)["amount"] == amount


@pytest.mark.parametrize(
    ("bought_on", "topped_up", "left"), [("2025-03-04", 0, 540), ("2025-03-03", 0, 0), ("2025-03-03", 600, 1140)]
)
def test_a_pack_ends_on_its_anniversary_unless_enough_was_bought(bought_on, topped_up, left):
    held = {"pack": "hours", "bought_on": bought_on, "topped_up_minutes": topped_up}
    (balance,) = bill(60, holdings=[held])["balances"]
    assert balance["left_minutes"] == left


def test_hours_go_at_their_factor_and_the_rest_is_billed():
    answer = bill(120, requested=["urgent"], holdings=[{"pack": "hours", "used_minutes": 510}])
    assert answer["amount"] == "100.00"
    (balance,) = answer["balances"]
    assert (balance["used_minutes"], balance["left_minutes"], balance["top_up"]) == (90, 0, True)
    assert "First 1 h from the hours bought, which use up 1 h 30 min." in answer["words"]


def test_two_cases_are_never_promised_the_same_hour():
    later = {"opened_at": "2026-03-04T10:00:00", "work": [{"minutes": 400}]}
    (balance,) = bill(400, holdings=[{"pack": "hours"}], followed_by=[later])["balances"]
    assert balance["left_minutes"] == 0


@pytest.mark.parametrize(("allowed", "used", "amount"), [(0, 45, "125.00"), (30, 75, "75.00"), (120, 120, "0.00")])
def test_a_case_keeps_to_what_its_plan_lets_it_use_of_hours_and_what_its_payer_allowed_beside(allowed, used, amount):
    policy = POLICY.model_copy(
        update={"plans": tuple(plan.model_copy(update={"standing_minutes_per_case": 45}) for plan in POLICY.plans)}
    )
    case = {"opened_at": "2026-03-03T10:00:00", "work": [{"minutes": 120}], "allowed_minutes": allowed}
    case["holdings"] = [{"pack": "hours"}]
    answer = quote(policy, None, case_from_values(case))["bill"]
    (balance,) = answer["balances"]
    assert (balance["used_minutes"], answer["amount"]) == (used, amount)
