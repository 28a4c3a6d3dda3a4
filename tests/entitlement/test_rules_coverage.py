"""Coverage and price: what was bought, what it costs, from which minute, who pays, and when an answer is due."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.contracts.blocks import Collector, Company, Mode, Payer, TaskClass
from portal.contracts.entry import Opener
from portal.contracts.targets import Channel
from portal.entitlement.rules import (
    CoverageFacts,
    StandingFacts,
    coverage_for,
    decision_from_json,
    facts_from_json,
    lacked_certificate,
    prices_shown,
    standing_room_minor,
    to_json,
)
from portal.errors import RuleBroken
from portal.rating.facts import CaseFacts, Cover, GrantState, RateKey
from portal.rating.policies import compile_tariff
from portal.rating.preview import preview
from tests.support.documents import agreement, policy

P, K = policy(), agreement()
FRIDAY = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)  # 15:00 in Berlin
NIGHT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)


def facts(**changes):
    return CoverageFacts(**{"opener": Opener.TECHNICIAN, "severity": 3, "product_line": "DoorController", **changes})


def decide(now=FRIDAY, document=P, terms=K, **changes):
    return coverage_for(facts(**changes), document, terms, now=now)


def codes(decision):
    return [reason.code for reason in decision.reasons]


def test_time_is_billed_from_the_first_minute_when_nothing_was_bought():
    decision = decide(certified=True)
    assert (decision.plan_code, decision.covered, decision.can_cost) == ("complimentary", False, True)
    assert (decision.payer, decision.collector) == (Payer.CUSTOMER, Collector.OPERATOR)
    assert (decision.free_seconds, decision.costs_from_minute) == (0, 1)
    assert decision.least_minor == 7_500  # 30 minutes at 150.00
    assert decision.price_now.per_hour == Fraction(15_000)
    assert [(price.band, price.per_hour) for price in decision.prices] == [
        ("business", 15_000),
        ("after_hours", 22_500),
    ]
    assert (decision.authorization_needed, decision.authorized_minor) == (True, 0)
    assert (decision.nte_suggestion_minor, decision.least_nte_minor) == (45_000, 7_500)
    assert codes(decision) == ["no_plan", "free_causes", "payer_customer", "band", "time_billed"]


def test_included_minutes_come_first_when_the_plan_has_them():
    decision = decide(plan_code="assured", included_seconds_left=7_200, certified=True)
    assert (decision.covered, decision.free_seconds, decision.costs_from_minute) == (True, 5_400, 91)
    assert decision.least_minor == 3_750  # the next step of 15 minutes
    assert decision.included_seconds_left == 5_400
    assert "90 minutes are left for this case; work beyond them is billed by time." in [
        reason.sentence for reason in decision.reasons
    ]


def test_cover_ends_with_the_plans_hours_when_the_case_is_no_emergency():
    late = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
    assert decide(late, plan_code="assured", included_seconds_left=7_200).free_seconds == 1_800
    assert decide(late, plan_code="assured", included_seconds_left=7_200, severity=1).free_seconds == 5_400


def test_plan_covers_at_night_only_the_severities_it_says():
    assert decide(NIGHT, plan_code="assured", included_seconds_left=7_200, severity=1).covered
    decision = decide(NIGHT, plan_code="assured", included_seconds_left=7_200)
    assert not decision.covered
    assert decision.least_minor == 11_250
    assert codes(decision)[-1] == "outside_hours"


def test_bought_hours_serve_work_that_the_plan_does_not_cover_now():
    bought = decide(NIGHT, bought_seconds_left=36_000)
    assert (bought.covered, bought.free_seconds, codes(bought)[-1]) == (True, 36_000, "pack_pays")
    both = decide(NIGHT, plan_code="assured", included_seconds_left=1_800, bought_seconds_left=7_200)
    assert (both.covered, both.free_seconds) == (True, 3_600)  # what one case may use without asking, less the hours
    on_site = decide(bought_seconds_left=36_000, mode=Mode.ON_SITE)
    assert on_site.covered


def test_plan_does_not_cover_other_kinds_of_work():
    decision = decide(plan_code="assured", included_seconds_left=7_200, mode=Mode.ON_SITE)
    assert (decision.covered, codes(decision)[-1], decision.minimum_minutes) == (False, "outside_scope", 120)
    assert decision.least_minor == 36_000


def test_case_uses_no_more_hours_than_its_standing_limit():
    spent = decide(plan_code="assured", bought_seconds_left=7_200, grant_seconds_used_on_case=5_400)
    assert (spent.included_seconds_left, spent.free_seconds) == (0, 0)
    unlimited = policy(("standing_minutes_per_case = 90\n", ""))
    left = decide(
        document=unlimited, plan_code="assured", bought_seconds_left=7_200, included_seconds_left=1_800, severity=1
    )
    assert left.free_seconds == 9_000


def test_cost_is_searched_when_rounding_makes_the_guess_wrong():
    graceful = policy(('direction = "up"', 'direction = "up"\ngrace_minutes = 5'))
    assert decide(document=graceful, plan_code="assured", included_seconds_left=3_600).free_seconds == 3_900


@pytest.mark.parametrize(
    ("changes", "free"),
    [
        (('included_minutes_per_month = 120\nincluded_worth_per_hour = "120.00"', "unlimited = true"), 2 * 3_600),
        ((), None),
    ],
)
def test_unlimited_plan_costs_nothing_within_its_hours(changes, free):
    always = ('cover_calendar = "business"\nalways', 'cover_calendar = "always"\nalways')
    unlimited = ('included_minutes_per_month = 120\nincluded_worth_per_hour = "120.00"', "unlimited = true")
    document = policy(unlimited) if changes else policy(unlimited, always)
    decision = decide(document=document, plan_code="assured")
    assert decision.free_seconds == free
    assert decision.can_cost is (free is not None)
    assert codes(decision)[-1] == "plan_covers"


def test_integrator_pays_net_prices_before_day_1():
    decision = decide(day1_on=date(2026, 11, 21), plan_code="assured", included_seconds_left=7_200)
    assert (decision.before_day1, decision.task_class, decision.payer) == (
        True,
        TaskClass.COMMISSIONING,
        Payer.INTEGRATOR,
    )
    assert decision.price_now.per_hour == 9_500
    assert decision.least_minor == 4_750
    assert not decision.covered
    assert "before_day1" in codes(decision)
    assert not decide(day1_on=date(2026, 11, 20)).before_day1


def test_day_1_begins_at_midnight_of_the_policys_zone():
    eve = datetime(2026, 11, 20, 22, 59, tzinfo=UTC)
    assert decide(eve, day1_on=date(2026, 11, 21)).before_day1
    assert not decide(eve + timedelta(minutes=1), day1_on=date(2026, 11, 21)).before_day1


@pytest.mark.parametrize(
    ("changes", "payer"),
    [
        ({}, Payer.INTEGRATOR),
        ({"certified": True}, Payer.CUSTOMER),
        ({"opener": Opener.CONTACT}, Payer.CUSTOMER),
        ({"opener": Opener.ENGINEER}, Payer.CUSTOMER),
        ({"has_integrator": False}, Payer.MANUFACTURER),
    ],
)
def test_how_to_help_is_the_integrators_to_pay_when_its_technician_is_not_certified(changes, payer):
    decision = decide(task_class=TaskClass.HOW_TO, **changes)
    assert decision.payer == payer
    assert decision.can_cost is (payer is not Payer.MANUFACTURER)
    assert ("uncertified" in codes(decision)) is not (changes.get("certified", False) or "opener" in changes)
    assert ("no_integrator" in codes(decision)) is ("has_integrator" in changes)


def test_nothing_is_owed_when_the_manufacturer_bears_it():
    decision = decide(task_class=TaskClass.HOW_TO, has_integrator=False)
    assert (decision.free_seconds, decision.costs_from_minute, decision.least_minor) == (None, None, 0)
    assert not decision.authorization_needed
    assert decision.nte_suggestion_minor == 45_000
    assert codes(decision)[-1] == "manufacturer_bears"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"warranty_starts_on": date(2026, 11, 20)}, True),
        ({"warranty_starts_on": date(2026, 11, 21)}, False),
        ({"warranty_starts_on": date(2023, 11, 20)}, False),
        ({"warranty_starts_on": date(2023, 11, 21)}, True),
        ({"warranty_ends_on": date(2026, 11, 20)}, True),
        ({"warranty_ends_on": date(2026, 11, 19)}, False),
        ({"warranty_starts_on": date(2026, 11, 21), "warranty_ends_on": date(2027, 1, 1)}, False),
    ],
)
def test_warranty_holds_from_its_first_to_its_last_day(changes, expected):
    decision = decide(**changes)
    assert decision.in_warranty is expected
    labels = ("Hardware defect",) if expected else ()
    assert decision.free_causes == (*labels, "Firmware or software defect")


def test_warranty_covers_whole_task_classes_when_the_policy_says_so():
    document = policy(("months = 36\n", 'months = 36\nfree_task_classes = ["support"]\n'))
    decision = decide(document=document, warranty_starts_on=date(2026, 1, 1))
    assert (decision.can_cost, codes(decision)[-1]) == (False, "warranty_covers")
    assert "free_causes" not in codes(decision)


def test_response_is_due_with_its_arithmetic():
    decision = decide(certified=True, severity=1)
    assert decision.response is not None
    assert decision.response.due_at == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert decision.response.calendar_label == "Monday to Friday, 08:00 to 17:00"
    assert [step.seconds for step in decision.response.steps] == [7_200, 7_200]
    assert decide(severity=1).response.target_seconds == 28_800
    assert decide(severity=1, plan_code="assured").response.due_at == FRIDAY + timedelta(minutes=30)
    silent = policy(('{ severities = [4], minutes = 2400, calendar = "business" },\n', ""))
    assert decide(document=silent, severity=4).response is None


def test_emergency_path_is_shown_for_system_down_only():
    decision = decide(severity=1)
    assert decision.emergency is not None
    assert (decision.emergency.wait_seconds, decision.emergency.ratification_days) == (900, 5)
    assert codes(decision)[-1] == "emergency"
    assert decide(severity=2).emergency is None


def test_standing_authorization_counts_for_the_customer_only():
    standing = StandingFacts(incident_minor=30_000, month_minor=90_000)
    decision = decide(standing=standing, certified=True)
    assert (decision.authorized_minor, decision.authorization_needed) == (30_000, False)
    how_to = decide(standing=standing, task_class=TaskClass.HOW_TO)
    assert (how_to.authorized_minor, how_to.authorization_needed) == (0, True)
    given_too = decide(standing=standing, authorized_minor={Payer.CUSTOMER: 7_000, Payer.INTEGRATOR: 1})
    assert given_too.authorized_minor == 37_000


@pytest.mark.parametrize(
    ("changes", "severity", "room"),
    [
        ({}, 3, 30_000),
        ({"used_on_case_minor": 10_000, "used_in_month_minor": 10_000}, 3, 20_000),
        ({"used_in_month_minor": 85_000}, 3, 5_000),
        ({"used_in_month_minor": 95_000}, 3, 0),
        ({"severities": (1,)}, 3, 0),
        ({"severities": (1,)}, 1, 30_000),
    ],
)
def test_standing_room_is_what_case_and_month_leave(changes, severity, room):
    assert standing_room_minor(StandingFacts(incident_minor=30_000, month_minor=90_000, **changes), severity) == room
    assert standing_room_minor(None, severity) == 0


def test_plan_says_who_may_open_and_with_whom_a_case_starts():
    picky = policy(
        ("standing_minutes_per_case", 'may_open = ["certified_technician", "contact"]\nstanding_minutes_per_case')
    )
    assert not decide(document=picky, plan_code="assured").may_open
    assert "may_not_open" in codes(decide(document=picky, plan_code="assured"))
    assert decide(document=picky, plan_code="assured", certified=True).may_open
    assert decide(document=picky, plan_code="assured", opener=Opener.CONTACT).may_open
    assert decide(plan_code="assured").starts_with is Company.MANUFACTURER
    assert decide().starts_with is Company.INTEGRATOR
    assert (decide(plan_code="assured").queue_rank, decide().queue_rank) == (20, 80)


def test_integrator_collects_only_when_there_is_one():
    document = policy(('[[bill_to]]\npayer = "customer"', '[[bill_to]]\npayer = "customer"\ncollector = "integrator"'))
    assert decide(document=document).collector is Collector.INTEGRATOR
    assert decide(document=document, terms=None, has_integrator=False).collector is Collector.OPERATOR


def test_unknown_plan_is_refused():
    with pytest.raises(RuleBroken):
        decide(plan_code="gold")


any_facts = st.builds(
    CoverageFacts,
    opener=st.sampled_from(Opener),
    certified=st.booleans(),
    severity=st.integers(1, 4),
    task_class=st.sampled_from(TaskClass),
    mode=st.sampled_from(Mode),
    product_line=st.sampled_from(["DoorController", "Other"]),
    plan_code=st.sampled_from([None, "complimentary", "assured"]),
    day1_on=st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    warranty_starts_on=st.none() | st.dates(date(2022, 1, 1), date(2027, 12, 31)),
    warranty_ends_on=st.none() | st.dates(date(2025, 1, 1), date(2027, 12, 31)),
    has_integrator=st.booleans(),
    included_seconds_left=st.integers(0, 10_000),
    bought_seconds_left=st.integers(0, 10_000),
    grant_seconds_used_on_case=st.integers(0, 10_000),
    authorized_minor=st.dictionaries(st.sampled_from(Payer), st.integers(0, 100_000)),
    standing=st.none()
    | st.builds(StandingFacts, incident_minor=st.integers(0, 10**5), month_minor=st.integers(0, 10**5)),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(given_facts=any_facts, now=moments, with_agreement=st.booleans())
def test_decision_and_facts_survive_storage_whatever_they_are(given_facts, now, with_agreement):
    decision = coverage_for(given_facts, P, K if with_agreement else None, now=now)
    assert decision_from_json(to_json(decision)) == decision
    assert facts_from_json(to_json(given_facts)) == given_facts
    about = (decision.mode, decision.task_class)
    shown = {RateKey(*about, price.band): price.per_hour for price in decision.prices}
    assert prices_shown(to_json(decision)) == shown
    needs_none = given_facts.opener in (Opener.CONTACT, Opener.ENGINEER)
    assert lacked_certificate(to_json(given_facts)) is not (given_facts.certified or needs_none)
    assert not any(character in reason.sentence for reason in decision.reasons for character in "€$")
    assert decision.can_cost is (decision.least_minor > 0)
    if decision.response is not None:
        assert sum(step.seconds for step in decision.response.steps) == decision.response.target_seconds


@given(
    now=moments,
    severity=st.integers(1, 4),
    plan=st.sampled_from(["complimentary", "assured"]),
    left=st.integers(0, 5_000),
)
def test_price_shown_is_what_rating_says_of_the_same_work(now, severity, plan, left):
    decision = decide(now, severity=severity, plan_code=plan, included_seconds_left=left, certified=True)
    found = preview(
        CaseFacts(cover=(Cover(now, plan),), severity=severity),
        (),
        (GrantState(1, "included", left),) if left else (),
        compile_tariff(P, product_line="DoorController", agreement=K),
        at=now,
        mode="remote",
        horizon_seconds=7 * 86_400,
    )
    assert decision.free_seconds == found.costs_from_seconds
    assert decision.price_now.per_hour == found.hourly
    assert {price.band: price.per_hour for price in decision.prices} == {each.band: each.hourly for each in found.bands}


def test_a_promise_without_a_date_is_no_answer_to_wait_for():
    row = '{ severities = [2, 3], minutes = 960, calendar = "business" }'
    dated = '{ severities = [2, 3], next_release = true, calendar = "business" }'
    assert decide().response is not None
    assert decide(document=policy((row, dated))).response is None


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, None),
        ({"channel": Channel.PHONE}, "This holds for asked by phone."),
        (
            {"customer_class": "gold", "requested": ("urgent",), "distance": "40", "level": 2, "site_zone": "UTC"},
            "This holds for customers of the class gold; asked for: urgent; 40 one way from base to site;"
            " support level 2; the clocks of UTC.",
        ),
    ],
)
def test_what_was_said_of_a_case_is_told_with_its_price(said, sentence):
    told = [reason.sentence for reason in decide(**said).reasons if reason.code == "told"]
    assert told == ([sentence] if sentence else [])
