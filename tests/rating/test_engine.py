"""What work is on the bill, on whose, where it is cut, and where it stops."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from portal.calendars import Calendar
from portal.errors import RuleBroken
from portal.rating.engine import rate
from portal.rating.facts import CaseFacts, Cover, Custody, GrantState, RateKey
from portal.rating.lines import difference
from portal.rating.tariff import build_tariff
from portal.rating.terms import INTERCOMPANY, BandTerm, Bill, CoverTerms, Favours
from tests.rating.builders import (
    ALWAYS_OPEN,
    BUSINESS,
    EVER,
    NINE,
    customer_pays,
    facts,
    hourly,
    least,
    local,
    plan,
    steps,
    tariff,
    weekly,
    work,
)


def bill_to(situation):
    if situation.cause == "misuse":
        return Bill("customer", "integrator", "integrator")
    if situation.cause == "goodwill":
        return Bill("manufacturer")
    if situation.task_class == "commissioning" or (situation.task_class == "how_to" and not situation.certified):
        return Bill("integrator")
    return Bill()


TERMS = tariff(
    plan(hourly(150, "business"), hourly(225), roundings=[steps(15)]),
    plan(hourly(120), key="gold", roundings=[steps(15)], cover=CoverTerms(BUSINESS, modes=("remote",))),
    plan(hourly(90), key=INTERCOMPANY, roundings=[steps(15)]),
    bill_to=bill_to,
    favours=Favours({"defect": "manufacturer", "wiring": "integrator"}, ("how_to",), ("battery",)),
)
HOUR = [work(1, NINE, 60)]


def kinds(rated):
    return [(line.kind, line.payer, line.seconds // 60, line.amount_minor) for line in rated.lines]


@pytest.mark.parametrize(
    ("case", "entry", "expected"),
    [
        (facts(), {}, ("billed", "customer", 60, 15_000)),
        (facts(), {"authorized": False}, ("unauthorized", "customer", 60, 0)),
        (facts(cause="defect"), {}, ("free_cause", "customer", 60, 0)),
        (facts(cause="defect"), {"authorized": False}, ("free_cause", "customer", 60, 0)),
        (facts(cause="wiring"), {}, ("billed", "integrator", 60, 9_000)),
        (facts(cause="wiring", has_integrator=False), {}, ("free", "manufacturer", 60, 0)),
        (facts(cause="battery"), {}, ("billed", "customer", 60, 15_000)),
        (facts(cause="battery", warranty_until=NINE + timedelta(days=1)), {}, ("warranty", "customer", 60, 0)),
        (facts(cause="goodwill"), {}, ("free", "manufacturer", 60, 0)),
        (facts(cause="goodwill", warranty_until=NINE + timedelta(days=1)), {}, ("warranty", "manufacturer", 60, 0)),
        (facts(cause="misuse"), {}, ("billed", "customer", 60, 15_000)),
        (facts(), {"task_class": "how_to"}, ("billed", "customer", 60, 15_000)),
        (facts(certified=False), {"task_class": "how_to"}, ("how_to", "integrator", 60, 9_000)),
        (facts(certified=False), {}, ("billed", "customer", 60, 15_000)),
        (facts(), {"task_class": "commissioning"}, ("commissioning", "integrator", 60, 9_000)),
        (facts(day_one_at=NINE + timedelta(days=1)), {}, ("commissioning", "integrator", 60, 9_000)),
        (
            facts(warranty_until=NINE + timedelta(days=1)),
            {"task_class": "how_to"},
            ("warranty", "customer", 60, 0),
        ),
        (
            facts(warranty_from=NINE + timedelta(hours=2), warranty_until=NINE + timedelta(days=1)),
            {"task_class": "how_to"},
            ("billed", "customer", 60, 15_000),
        ),
    ],
)
def test_work_is_treated_as_the_facts_and_the_policy_say(case, entry, expected):
    assert kinds(rate(case, [work(1, NINE, 60, **entry)], [], TERMS)) == [expected]


def test_bearer_is_the_manufacturer_where_time_is_given_away():
    free, paid = rate(facts(cause="defect"), HOUR, [], TERMS), rate(facts(), HOUR, [], TERMS)

    assert [line.bearer for line in (*free.lines, *paid.lines)] == ["manufacturer", "payer"]
    assert free.list_amount_minor == 15_000


def test_collector_and_seller_come_from_the_bill_to_table():
    (line,) = rate(facts(cause="misuse"), HOUR, [], TERMS).lines

    assert (line.key.bill.collector, line.key.bill.seller) == ("integrator", "integrator")


def test_work_is_cut_where_a_band_ends():
    rated = rate(facts(), [work(1, "2026-03-03T16:00", 90)], [], TERMS)

    assert kinds(rated) == [("billed", "customer", 60, 15_000), ("billed", "customer", 30, 11_250)]
    assert rated.lines[1].segments[0].started_at == local("2026-03-03T17:00")
    assert rated.lines[1].segments[0].ended_at == local("2026-03-03T17:30")


def test_a_holiday_is_another_band():
    holidays = Calendar("America/New_York", BUSINESS.windows, frozenset({date(2026, 3, 3)}))
    terms = tariff(plan(hourly(150, "business"), hourly(225)), bands=[("business", holidays)])

    assert rate(facts(), HOUR, [], terms).amount_minor == 22_500


def test_a_band_can_be_the_time_outside_a_calendar():
    terms = build_tariff(
        currency="USD",
        zone="America/New_York",
        bands=[BandTerm("night", BUSINESS, outside=True)],
        otherwise="day",
        plans=[plan(hourly(200, "night"), hourly(100))],
        list_plan="list",
        bill_to=customer_pays,
    )

    assert rate(facts(), [work(1, "2026-03-03T16:00", 120)], [], terms).amount_minor == 30_000


def test_the_hour_that_daylight_saving_skips_is_not_paid():
    # New York goes from 02:00 to 03:00 on 8 March 2026: from 01:30 to 03:30 is one hour.
    started_at, ended_at = local("2026-03-08T01:30"), local("2026-03-08T03:30")
    minutes = (ended_at.astimezone(UTC) - started_at.astimezone(UTC)).total_seconds() / 60

    rated = rate(facts(), [work(1, started_at.astimezone(UTC), minutes)], [], TERMS)

    assert kinds(rated) == [("billed", "customer", 60, 22_500)]


def test_local_midnight_separates_days_that_are_rounded_apart():
    terms = tariff(plan(hourly(60), roundings=[steps(60, "day")]))

    rated = rate(facts(), [work(1, "2026-03-03T23:50", 20)], [], terms)

    assert rated.seconds == 2 * 3_600


def test_a_changed_cover_holds_from_its_moment_on():
    case = CaseFacts(cover=(Cover(EVER, "list"), Cover(NINE + timedelta(minutes=30), "gold")))

    rated = rate(case, HOUR, [], TERMS)

    assert [(line.key.plan, line.amount_minor) for line in rated.lines] == [("list", 7_500), ("gold", 6_000)]


def test_segments_tell_who_held_the_case():
    custody = (Custody(EVER, "integrator"), Custody(NINE + timedelta(minutes=20), "manufacturer"))

    (line,) = rate(facts(custody=custody), HOUR, [], TERMS).lines

    assert [(part.custody, part.seconds) for part in line.segments] == [("integrator", 1_200), ("manufacturer", 2_400)]


def test_included_minutes_serve_what_the_plan_covers_and_bought_ones_the_rest():
    grants = [GrantState(1, "included", 3_600), GrantState(2, "bought", 1_800)]
    entries = [work(1, NINE, 45), work(2, "2026-03-03T12:00", 60, "on_site")]

    rated = rate(facts("gold"), entries, grants, TERMS)

    assert kinds(rated) == [
        ("included", "customer", 45, 0),
        ("hours_bought", "customer", 30, 0),
        ("billed", "customer", 30, 6_000),
    ]
    assert [(each.grant_id, each.seconds) for each in rated.draws] == [(1, 2_700), (2, 1_800)]
    assert rated.list_amount_minor == 11_250 + 7_500 + 7_500


def test_included_minutes_do_not_serve_outside_cover_hours_except_at_the_severity_named():
    terms = tariff(plan(hourly(100), cover=CoverTerms(BUSINESS, always_severities=(1,))))
    entry, grants = [work(1, "2026-03-03T20:00", 60)], [GrantState(1, "included", 3_600)]

    assert rate(facts(), entry, grants, terms).amount_minor == 10_000
    assert rate(facts(severity=1), entry, grants, terms).amount_minor == 0


def test_unauthorized_work_may_use_included_minutes_and_nothing_that_was_bought():
    grants = [GrantState(1, "included", 1_200), GrantState(2, "bought", 3_600)]

    rated = rate(facts(), [work(1, NINE, 60, authorized=False)], grants, TERMS)

    assert kinds(rated) == [("included", "customer", 20, 0), ("unauthorized", "customer", 40, 0)]


def test_grants_are_kept_for_their_modes_bands_and_days():
    grants = [
        GrantState(1, "bought", 3_600, modes=("on_site",)),
        GrantState(2, "bought", 3_600, bands=("after_hours",)),
        GrantState(3, "bought", 3_600, starts_at=NINE + timedelta(days=1)),
        GrantState(4, "bought", 3_600, expires_at=NINE + timedelta(minutes=30)),
        GrantState(5, "bought", 0),
    ]

    rated = rate(facts(), HOUR, grants, TERMS)

    assert [(each.grant_id, each.seconds) for each in rated.draws] == [(4, 1_800)]
    assert rated.amount_minor == 7_500


def test_the_integrators_how_to_bill_does_not_use_the_customers_hours():
    grants = [GrantState(1, "included", 3_600)]

    rated = rate(facts(certified=False), [work(1, NINE, 60, task_class="how_to")], grants, TERMS)

    assert kinds(rated) == [("how_to", "integrator", 60, 9_000)]


def test_work_without_a_price_is_included_even_when_rounded_up_or_not_authorized():
    terms = tariff(plan(hourly(0), roundings=[steps(15)]))

    for authorized in (True, False):
        rated = rate(facts(), [work(1, NINE, 20, authorized=authorized)], [GrantState(1, "bought", 60)], terms)
        assert kinds(rated) == [("included", "customer", 30, 0)]


def test_covered_work_of_an_unlimited_plan_costs_nothing():
    terms = tariff(plan(hourly(100), cover=CoverTerms(BUSINESS, unlimited=True)))

    rated = rate(facts(), [work(1, "2026-03-03T16:00", 120)], [], terms)

    assert kinds(rated) == [("included", "customer", 60, 0), ("billed", "customer", 60, 10_000)]
    assert kinds(rate(facts(cause="x"), [work(1, NINE, 60, authorized=False)], [], terms))[0][0] == "included"


def test_the_payer_never_pays_more_than_authorized():
    entries = [work(1, NINE, 60), work(2, "2026-03-03T12:00", 50), work(3, "2026-03-03T20:00", 10)]

    rated = rate(facts(nte_minor={"customer": 20_001}), entries, [], TERMS)

    assert [(line.kind, line.seconds, line.amount_minor) for line in rated.lines] == [
        ("billed", 4_800, 20_000),
        ("beyond_nte", 1_800, 0),
        ("beyond_nte", 600, 0),
    ]
    assert rated.owed_by("customer") == 20_000


def test_nothing_is_billed_when_nothing_is_authorized_and_the_other_side_is_untouched():
    entries = [work(1, NINE, 60), work(2, "2026-03-03T12:00", 60, task_class="commissioning")]

    rated = rate(facts(nte_minor={"customer": 0}), entries, [], TERMS)

    assert kinds(rated) == [("beyond_nte", "customer", 60, 0), ("commissioning", "integrator", 60, 9_000)]


def test_the_rate_never_rises_above_the_one_accepted():
    accepted = {
        RateKey("remote", "support", "business"): Fraction(10_000),
        RateKey("remote", "support", "after_hours"): Fraction(99_000),
    }
    entries = [work(1, NINE, 60), work(2, "2026-03-03T12:00", 60), work(3, "2026-03-03T20:00", 60)]

    rated = rate(facts(accepted_rates=accepted), entries, [], TERMS)

    assert [(line.rate, line.amount_minor) for line in rated.lines] == [(10_000, 20_000), (22_500, 22_500)]


def test_time_added_by_rounding_and_minimum_are_lines_of_their_own():
    terms = tariff(plan(hourly(100), roundings=[steps(15)], minimums=[least(60)]))

    rated = rate(facts(), [work(1, NINE, 20)], [], terms)

    assert kinds(rated) == [
        ("billed", "customer", 20, 3_333),
        ("rounding", "customer", 10, 1_667),
        ("minimum", "customer", 30, 5_000),
    ]


def test_rounding_down_takes_from_the_last_work_and_a_whole_entry_can_vanish():
    terms = tariff(plan(hourly(100), roundings=[steps(30, direction="down")]))

    rated = rate(facts(), [work(1, NINE, 35), work(2, "2026-03-03T12:00", 20)], [], terms)

    assert [(part.entry_id, part.seconds // 60) for part in rated.lines[0].segments] == [(1, 30)]


def test_a_later_cut_bills_what_the_case_costs_beyond_earlier_cuts():
    first = rate(facts(), [work(1, NINE, 20)], [], TERMS)
    whole = rate(facts(), [work(1, NINE, 20), work(2, "2026-03-04T09:00", 50)], [], TERMS)

    lines = difference(whole.lines, first.lines)

    assert [(line.kind, line.seconds // 60, line.amount_minor) for line in lines] == [
        ("billed", 50, 12_500),
        ("rounding", -5, -1_250),
    ]
    assert [(part.entry_id, part.seconds // 60) for part in lines[1].segments] == [(2, 5), (1, -10)]


def test_a_line_that_is_no_longer_there_is_taken_back():
    lines = difference((), rate(facts(), HOUR, [], TERMS).lines)

    assert [(line.seconds, line.amount_minor) for line in lines] == [(-3_600, -15_000)]


def test_no_work_gives_no_line():
    rated = rate(facts(), [work(1, NINE, 0)], [], TERMS)

    assert (rated.lines, rated.amount_minor, rated.currency) == ((), 0, "USD")


@pytest.mark.no_cover
def test_forty_years_of_work_is_rated_in_bounded_time():
    entry = work(1, datetime(1990, 1, 1, tzinfo=UTC), 40 * 365 * 24 * 60)

    rated = rate(facts(), [entry], [], tariff(plan(hourly(100)), bands=[("always", ALWAYS_OPEN)]))

    assert rated.amount_minor == 40 * 365 * 24 * 10_000


@pytest.mark.parametrize(
    ("case", "entries"),
    [
        (facts(), [work(1, NINE, -1)]),
        (facts(), [work(1, NINE, 60), work(1, NINE, 30)]),
        (facts("platinum"), HOUR),
        (facts("narrow"), HOUR),
    ],
)
def test_work_that_cannot_be_rated_is_refused(case, entries):
    terms = tariff(plan(hourly(100)), plan(hourly(100, modes=("on_site",)), key="narrow"))

    with pytest.raises(RuleBroken):
        rate(case, entries, [], terms)


@pytest.mark.parametrize("keys", [("list", "list"), ("gold",)])
def test_terms_need_plans_with_different_names_and_list_prices(keys):
    with pytest.raises(RuleBroken):
        build_tariff(
            currency="USD",
            zone="UTC",
            bands=[BandTerm("business", weekly((0, 4, 8, 17)))],
            otherwise="after_hours",
            plans=[plan(hourly(100), key=key) for key in keys],
            list_plan="list",
            bill_to=customer_pays,
        )
