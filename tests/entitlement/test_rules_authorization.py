"""The payer's yes: how much, how long, what proves it, and what happens without it."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.entitlement.rules import (
    AuthorizationFact,
    EmergencyStep,
    SpokenYes,
    authorized_minor,
    check_nte,
    check_ratification,
    check_spoken_yes,
    emergency_step,
    expires_at,
    may_go_on,
    ratify_by,
)
from portal.errors import Invalid, RuleBroken
from tests.support.documents import policy

P = policy()
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_only_authorizations_that_hold_now_are_summed():
    given = [
        AuthorizationFact(10_000, NOW),
        AuthorizationFact(5_000, NOW - HOUR, NOW + HOUR),
        AuthorizationFact(700, NOW - HOUR, NOW),
        AuthorizationFact(80, NOW + HOUR),
    ]
    assert authorized_minor(given, NOW) == 15_000
    assert authorized_minor([], NOW) == 0
    assert expires_at(P, NOW) == NOW + timedelta(days=30)


@pytest.mark.parametrize("amount", [7_499, 0, -1])
def test_amount_below_the_least_is_refused(amount):
    with pytest.raises(Invalid) as caught:
        check_nte(P, amount)
    assert caught.value.fields["nte"] == "Authorize at least 75.00 EUR."
    check_nte(P, 7_500)


def test_zero_is_no_authorization_even_when_the_policy_names_no_least():
    with pytest.raises(Invalid):
        check_nte(policy(('least_nte = "75.00"', 'least_nte = "0"')), 0)


GOOD = {"name": "Eva", "number": "+49 30 1234", "said_at": NOW - HOUR, "read_back": True}


def test_spoken_yes_is_taken_when_it_can_be_proved():
    check_spoken_yes(SpokenYes(**GOOD), NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("number", "12"),
        ("said_at", None),
        ("said_at", NOW + HOUR),
        ("said_at", NOW - 25 * HOUR),
        ("read_back", False),
    ],
)
def test_spoken_yes_is_refused_at_the_field_that_lacks_proof(field, value):
    with pytest.raises(Invalid) as caught:
        check_spoken_yes(SpokenYes(**{**GOOD, field: value}), NOW)
    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"authorized": True, "refused": True}, EmergencyStep.AUTHORIZED),
        ({"refused": True}, EmergencyStep.STOP),
        ({}, EmergencyStep.ASK),
        ({"asked_at": NOW - timedelta(minutes=14)}, EmergencyStep.WAIT),
        ({"asked_at": NOW - timedelta(minutes=15)}, EmergencyStep.FACTORY_RISK),
        ({"asked_at": NOW - HOUR, "severity": 2}, EmergencyStep.WAIT),
    ],
)
def test_emergency_waits_only_as_long_as_the_policy_says(changes, step):
    facts = {"severity": 1, "authorized": False, "refused": False, "asked_at": None, **changes}
    assert emergency_step(P, now=NOW, **facts) is step


def test_work_waits_when_the_policy_takes_no_factory_risk():
    careful = policy(("at_factory_risk = true", "at_factory_risk = false"))
    facts = {"severity": 1, "authorized": False, "refused": False, "asked_at": NOW - HOUR}
    assert emergency_step(careful, now=NOW, **facts) is EmergencyStep.WAIT


def test_reaching_the_amount_never_stops_an_emergency():
    assert may_go_on(P, severity=3, used_minor=99, authorized=100)
    assert not may_go_on(P, severity=3, used_minor=100, authorized=100)
    assert may_go_on(P, severity=1, used_minor=10**6, authorized=0)


def test_ratification_ends_after_the_business_days():
    due_at = ratify_by(P, NOW)  # Friday night, 03:00 in Berlin
    assert due_at == datetime(2026, 11, 27, 2, 0, tzinfo=UTC)
    check_ratification(due_at, due_at - timedelta(seconds=1))
    with pytest.raises(RuleBroken):
        check_ratification(due_at, due_at)
