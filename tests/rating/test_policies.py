"""A signed policy and agreement, compiled, price as they say."""

from datetime import timedelta
from pathlib import Path

import pytest

from portal.contracts.agreement import parse_agreement
from portal.contracts.policy import parse_policy
from portal.rating.engine import rate
from portal.rating.facts import GrantState
from portal.rating.policies import compile_tariff
from portal.rating.preview import preview
from tests.rating.builders import facts, local, work

DOCUMENTS = Path(__file__).parents[2] / "portal" / "demo" / "documents"
BERLIN = "Europe/Berlin"
TEN = local("2026-03-03T10:00", BERLIN)


@pytest.fixture(scope="module")
def policy():
    return parse_policy((DOCUMENTS / "nordlicht_policy.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def agreement():
    return parse_agreement((DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def terms(policy, agreement):
    return compile_tariff(policy, product_line="DoorController", agreement=agreement)


def complimentary(**more):
    return facts("complimentary", **more)


@pytest.mark.parametrize(
    ("case", "entry", "payer", "amount"),
    [
        (complimentary(), work(1, TEN, 50), "customer", 15_000),
        (complimentary(), work(1, TEN, 5), "customer", 7_500),
        (complimentary(), work(1, TEN, 30, "on_site"), "customer", 36_000),
        (complimentary(), work(1, TEN, 60, "travel"), "customer", 9_000),
        (complimentary(), work(1, local("2026-03-03T20:00", BERLIN), 60), "customer", 22_500),
        (complimentary(), work(1, local("2026-04-03T10:00", BERLIN), 60), "customer", 22_500),
        (complimentary(certified=False), work(1, TEN, 60, task_class="how_to"), "integrator", 11_000),
        (complimentary(day_one_at=TEN + timedelta(days=9)), work(1, TEN, 60), "integrator", 9_500),
        (complimentary(cause="installation"), work(1, TEN, 60), "integrator", 12_500),
        (complimentary(cause="firmware_defect"), work(1, TEN, 60), "customer", 0),
        (
            complimentary(cause="hardware_defect", warranty_until=TEN + timedelta(days=9)),
            work(1, TEN, 60),
            "manufacturer",
            0,
        ),
        (complimentary(cause="hardware_defect"), work(1, TEN, 60), "customer", 15_000),
    ],
)
def test_a_case_is_priced_as_the_documents_say(terms, case, entry, payer, amount):
    rated = rate(case, [entry], [], terms)

    assert {line.payer for line in rated.lines} == {payer}
    assert rated.amount_minor == amount


def test_included_minutes_serve_the_plans_hours_and_system_down_at_any_time(terms):
    grants = [GrantState(1, "included", 7_200)]
    evening = [work(1, local("2026-03-03T20:00", BERLIN), 60)]

    assert rate(facts("assured"), [work(1, TEN, 60)], grants, terms).amount_minor == 0
    assert rate(facts("assured"), evening, grants, terms).amount_minor == 22_500
    assert rate(facts("assured", severity=1), evening, grants, terms).amount_minor == 0
    assert rate(facts("assured"), [work(1, TEN, 60, "on_site")], grants, terms).draws == ()


def test_without_agreement_the_integrator_pays_list_prices(policy):
    terms = compile_tariff(policy, product_line="DoorController")

    assert rate(complimentary(cause="installation"), [work(1, TEN, 60)], [], terms).amount_minor == 15_000


def test_a_product_line_without_warranty_terms_has_no_favours(policy):
    bare = policy.model_copy(update={"warranty": ()})
    terms = compile_tariff(bare, product_line="DoorController")

    assert terms.favours.warranty_causes == ()
    assert preview(complimentary(), [], [], terms, at=TEN, mode="remote").least_minor == 7_500
