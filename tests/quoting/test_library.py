"""The ready documents are right, fit each other, and cost what somebody with pencil and paper gets."""

from __future__ import annotations

import pytest

from portal.contracts.agreement import agreement_against_policy
from portal.errors import NotFound
from portal.quoting.library import NAMES, ready, worked_examples

# By hand: the amount of each worked example, in the document's currency.
AMOUNTS = {
    "around_the_clock": ("640.00", "640.00", "0.00", "0.00"),
    "av_day_blocks": ("800.00", "1600.00", "2200.00", "0.00"),
    "distributor_only": ("63.75", "0.00", "127.50"),
    "health_checks": ("490.00", "674.00", "0.00", "290.00"),
    "incident_packs": ("350.00", "0.00", "0.00", "350.00"),
    "industrial_portal_to_portal": ("837.00", "788.00", "2670.00"),
    "membership": ("218.75", "87.50", "120.00", "0.00"),
    "per_minute": ("0.00", "23.40", "14.40"),
    "prepaid_credits": ("0.00", "0.00", "180.00", "0.00"),
    "security_certificates": ("150.00", "55.00", "0.00", "168.75"),
}


def test_there_are_ten_and_each_is_worked_out_here():
    assert set(NAMES) == set(AMOUNTS)
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
def test_examples_cost_what_they_cost_by_hand(name):
    assert tuple(each["bill"]["amount"] for each in worked_examples(name)) == AMOUNTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_agreement_fits_its_policy(name):
    found = ready(name)
    assert list(agreement_against_policy(found.agreement, found.policy)) == []
    assert 'integrator = "KES"' in found.text("agreement", {"MAKER": "NOR", "INTEG": "KES"})


@pytest.mark.parametrize(
    ("name", "example", "path", "expected"),
    [
        ("av_day_blocks", 3, ("dues", "cancellation", "amount"), "800.00"),
        ("prepaid_credits", 1, ("bill", "balances", 0, "left_minutes"), 420),
        ("prepaid_credits", 3, ("dues", "purchases", 0, "amount"), "2000.00"),
        ("incident_packs", 1, ("bill", "balances", 0, "left_incidents"), 2),
        ("around_the_clock", 3, ("dues", "subscription", "amount"), "14400.00"),
        ("security_certificates", 1, ("coverage", "payer"), "integrator"),
        ("distributor_only", 1, ("entry", "sentence"), "Your distributor helps you and asks us where it has to."),
    ],
)
def test_examples_say_more_than_an_amount(name, example, path, expected):
    answer = worked_examples(name)[example]
    for step in path:
        answer = answer[step]
    assert answer == expected


def test_a_policy_with_its_agreement_is_less_than_thirty_lines():
    found = ready("per_minute")
    assert len((found.policy_toml + found.agreement_toml).splitlines()) < 30


def test_other_names_lead_nowhere():
    with pytest.raises(NotFound):
        ready("../policy")
