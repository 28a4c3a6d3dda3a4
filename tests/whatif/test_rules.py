"""Cases added up, the result's order and warnings, and prices under which more work costs less."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.contracts.policy import parse_policy
from portal.rating.policies import compile_tariff
from portal.whatif.rules.discounting import Pack, Steps, steps_of
from portal.whatif.rules.probing import MOST_SENTENCES, inversions
from portal.whatif.rules.result import result_of
from portal.whatif.rules.tally import NAMED_AT_MOST, Tally, add, count, refuse
from portal.whatif.rules.values import Compared, Figure, LineKey, Outcome, Refused
from tests.rating.builders import hourly, plan, tariff
from tests.support.documents import KESSLER, agreement, policy

CUSTOMER, FACTORY, INTEGRATOR = 3, 1, 2
REMOTE = LineKey("billed", "remote", "support", "business")
MONDAY = datetime(2026, 3, 9, tzinfo=UTC)


def case(number: int, signed: int, draft: int, **draft_has: object) -> Compared:
    def outcome(minor: int, **has: object) -> Outcome:
        return Outcome({CUSTOMER: minor}, {REMOTE: Figure(60, minor)}, {FACTORY: minor}, **has)

    return Compared(
        number, f"NOR-{number}", INTEGRATOR, CUSTOMER, "plain", outcome(signed), outcome(draft, **draft_has)
    )


def tallied(*cases: Compared) -> dict:
    tally = Tally()
    for each in cases:
        count(tally, each)
    return result_of(tally, currency="EUR")


def kinds(result: dict) -> list[str]:
    return [warning["kind"] for warning in result["warnings"]]


def test_sums_stand_side_by_side_for_every_party_plan_and_customer():
    result = tallied(case(1, 100, 120), case(2, 50, 40))
    both = {"cases": 2, "signed": 150, "draft": 160}
    assert result["total"] == both
    assert result["plans"] == [{"plan": "plain", **both}]
    assert result["customers"] == result["payers"] == [{"id": CUSTOMER, **both}]
    assert result["parties"] == [{"id": FACTORY, **both}]
    assert result["lines"][0]["draft_seconds"] == 120
    assert [row["name"] for row in result["cases"]] == ["NOR-1", "NOR-2"]


def test_only_the_cases_that_change_most_are_named():
    result = tallied(*(case(number, 0, number) for number in range(1, 60)))
    assert [row["id"] for row in result["cases"]] == list(range(59, 59 - NAMED_AT_MOST, -1))
    assert result["changed"] == 59


@pytest.mark.parametrize(
    ("signed", "draft", "expected"),
    [(100, 200, []), (100, 201, ["doubled"]), (0, 1, ["from_nothing"]), (0, 0, []), (100, 0, [])],
)
def test_a_customer_whose_bill_more_than_doubles_is_named(signed, draft, expected):
    assert kinds(tallied(case(1, signed, draft))) == expected


def test_a_share_that_rounds_a_party_to_nothing_is_named():
    (warning,) = tallied(case(1, 1, 1, rounded_to_nothing=(INTEGRATOR,)))["warnings"]
    assert (warning["kind"], warning["id"]) == ("rounded_to_nothing", INTEGRATOR)
    assert warning["sentence"] == "In one case its share rounds to nothing."


def test_refused_cases_are_counted_by_reason_and_stand_in_no_sum():
    tally = Tally()
    for number in range(30):
        refuse(tally, Refused(number, f"NOR-{number}", "No price."))
    result = result_of(tally, currency="EUR")
    assert (result["compared"], result["refused"], len(result["refused_cases"])) == (0, 30, NAMED_AT_MOST)
    assert result["warnings"][0]["sentence"] == "30 cases are left out: No price."


def test_prices_that_always_rise_with_the_work_invert_nothing():
    assert inversions(compile_tariff(policy(), product_line="DoorController"), MONDAY) == ()


def test_a_tier_that_holds_for_all_the_time_inverts_the_bill():
    tier = 'bands = ["business"]\nper_hour = "150.00"\nover_for_all = true\n'
    tier += 'over = [{ minutes = 240, level = "case", per_hour = "120.00" }]'
    tiered = policy(('bands = ["business"]\nper_hour = "150.00"', tier))
    said = inversions(compile_tariff(tiered, product_line="DoorController"), MONDAY)
    assert said[0] == "remote work, business, complimentary: 4 h 15 min cost 510.00 EUR, 4 h cost 600.00 EUR."


def test_work_that_has_no_price_inverts_nothing():
    assert inversions(tariff(plan(hourly(100, modes=("remote",)))), MONDAY) == ()


TIERED = """
title = "Tiered"
currency = "EUR"
zone = "UTC"
rates = [{ per_hour = "150.00", over_for_all = true, over = [{ minutes = 240, level = "case", per_hour = "120.00" }] }]
"""
PLAN = '[[plans]]\ncode = "p{0}"\nname = "P{0}"\nrank = {0}\nprice_per_month = "{0}.00"\n'


def test_as_many_inversions_are_named_as_anybody_reads():
    plans = "".join(PLAN.format(number) for number in (0, 1, 2)).replace("rank = 0", "rank = 0\ncomplimentary = true")
    tiered = compile_tariff(parse_policy(TIERED + plans), product_line="")
    assert len(inversions(tiered, MONDAY)) == MOST_SENTENCES


def test_batches_that_are_added_up_say_what_their_cases_one_by_one_do():
    log = [case(number, number % 7, 3 * number % 11, rounded_to_nothing=(number % 3,)) for number in range(1, 60)]
    left_out = [Refused(number, f"NOR-{number}", f"Reason {number % 2}.") for number in range(60, 90)]

    def counted(cases: list[Compared], refused: list[Refused]) -> Tally:
        tally = Tally()
        for each in cases:
            count(tally, each)
        for one in refused:
            refuse(tally, one)
        return tally

    whole = Tally()
    for first in range(0, 60, 20):
        add(whole, counted(log[first : first + 20], left_out[first // 2 : first // 2 + 10]))
    assert result_of(whole, currency="EUR") == result_of(counted(log, left_out), currency="EUR")


@pytest.mark.parametrize(
    ("bearer", "commission_bp", "expired", "wanted"),
    [
        # 900.00 for ten hours, of which the code took 100.00; one is used, then four more in all, and the rest expires.
        ("shares", 0, 45_000, Steps(0, ((9_000, 1_000), (36_000, 4_000)), (45_000, 5_000))),
        ("shares", 1_000, 40_500, Steps(9_000, ((8_100, 1_000), (32_400, 4_000)), (40_500, 5_000))),
        ("manufacturer", 1_000, 40_500, Steps(10_000, ((8_000, 1_000), (32_000, 4_000)), (40_000, 5_000))),
        # The seller's commission bears what it can; here all of itself.
        ("seller", 1_000, 40_500, Steps(0, ((9_000, 0), (36_000, 0)), (45_000, 0))),
        ("seller", 1_200, 39_600, Steps(2_000, ((8_800, 0), (35_200, 0)), (44_000, 0))),
        # What has not expired is not earned yet.
        ("manufacturer", 1_000, 0, Steps(10_000, ((8_000, 1_000), (32_000, 4_000)), (0, 0))),
    ],
)
def test_a_pack_is_earned_anew_by_who_bears_its_discount(bearer, commission_bp, expired, wanted):
    said = f'[selling]\ncommission_bp = {commission_bp}\ndiscounts_borne_by = "{bearer}"\n\n[settlement]'
    commission = 90_000 * commission_bp // 10_000
    pack = Pack(90_000, 10_000, "integrator", commission, ((1, 10), (5, 10)), (90_000 - commission) // 2, expired)
    found = steps_of(pack, agreement(KESSLER, ("[settlement]", said)))
    assert found == wanted
    if expired:
        assert found.commission_minor + sum(minor for minor, _ in found.uses) + found.expiry[0] == 90_000
