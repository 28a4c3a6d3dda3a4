"""The price shown before the work is the price billed after it."""

from datetime import timedelta
from fractions import Fraction

import pytest

from portal.rating.engine import rate
from portal.rating.facts import GrantState, RateKey
from portal.rating.preview import preview
from portal.rating.terms import INTERCOMPANY, Bill, CoverTerms, Favours
from tests.rating.builders import BUSINESS, NINE, facts, hourly, least, local, plan, steps, tariff, work


def bill_to(situation):
    return Bill("integrator" if situation.task_class == "how_to" and not situation.certified else "customer")


TERMS = tariff(
    plan(hourly(150, "business"), hourly(225), roundings=[steps(15)], minimums=[least(30)]),
    plan(hourly(120), key="all_in", cover=CoverTerms(BUSINESS, unlimited=True)),
    plan(hourly(90), key=INTERCOMPANY),
    bill_to=bill_to,
    favours=Favours({"defect": "manufacturer"}),
)


def shown(case, *, at=NINE, entries=(), grants=(), task_class="support", **more):
    return preview(case, entries, grants, TERMS, at=at, mode="remote", task_class=task_class, **more)


def test_without_hours_left_it_costs_at_once_and_at_least_the_minimum():
    price = shown(facts())

    assert (price.kind, price.bill.payer, price.currency, price.band) == ("billed", "customer", "USD", "business")
    assert (price.hourly, price.least_minor, price.costs_from_seconds) == (15_000, 7_500, 0)
    assert [(each.band, each.hourly) for each in price.bands] == [("business", 15_000), ("after_hours", 22_500)]


def test_hours_left_put_off_the_minute_from_which_it_costs():
    grants = [GrantState(1, "included", 3_000)]
    price = shown(facts(), grants=grants)

    assert (price.least_minor, price.costs_from_seconds) == (0, 45 * 60)
    for seconds, cost in ((2_700, 0), (2_701, 2_500)):
        entry = work(9, NINE, Fraction(seconds, 60))
        assert rate(facts(), [entry], grants, TERMS).amount_minor == cost


def test_work_so_far_counts():
    price = shown(facts(), entries=[work(1, NINE - timedelta(minutes=30), 20)])

    assert (price.least_minor, price.costs_from_seconds) == (0, 10 * 60)


def test_the_least_price_is_never_negative_when_added_time_moves_to_a_cheaper_band():
    assert shown(facts(), entries=[work(1, NINE - timedelta(hours=2), 20)]).least_minor == 0


def test_the_authorized_sum_does_not_hide_the_price():
    assert shown(facts(nte_minor={"customer": 0})).least_minor == 7_500


def test_free_work_never_costs():
    price = shown(facts(cause="defect"))

    assert (price.kind, price.hourly, price.least_minor, price.costs_from_seconds) == ("free_cause", 0, 0, None)
    assert {each.hourly for each in price.bands} == {0}


def test_an_unlimited_plan_costs_from_the_end_of_its_hours():
    price = shown(facts("all_in"), at=local("2026-03-03T16:00"))

    assert (price.kind, price.hourly, price.costs_from_seconds) == ("included", 0, 3_600)


@pytest.mark.parametrize("hours", [1, 7])
def test_an_unlimited_plan_that_covers_the_whole_horizon_does_not_cost(hours):
    assert shown(facts("all_in"), horizon_seconds=hours * 3_600).costs_from_seconds is None


def test_how_to_help_to_the_uncertified_shows_the_integrators_price():
    price = shown(facts(certified=False), task_class="how_to")

    assert (price.kind, price.bill.payer, price.hourly) == ("how_to", "integrator", 9_000)


def test_the_rates_shown_are_the_rates_accepted():
    accepted = shown(facts()).accepted_rates("remote", "support")
    dearer = tariff(plan(hourly(400)))

    assert accepted[RateKey("remote", "support", "business")] == 15_000
    assert rate(facts(accepted_rates=accepted), [work(1, NINE, 60)], [], dearer).amount_minor == 15_000
