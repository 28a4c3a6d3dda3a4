"""Properties of rating with every kind of term at once, and its bounds under hostile input."""

import random
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.contracts.policy import parse_policy
from portal.rating.engine import rate
from portal.rating.explanation import explain, replay
from portal.rating.facts import BOUGHT_GRANT, CaseFacts, Cover, GrantState, WorkInterval
from portal.rating.policies import compile_tariff
from portal.rating.words import words
from tests.support.policies import POLICIES

RICH = """
title = "Everything at once"
currency = "USD"
zone = "America/New_York"
roles = [{ code = "master" }]
skills = [{ code = "programming" }]
requests = [{ code = "urgent" }]
customer_classes = [{ code = "contract" }]
rounding = { increment_minutes = 15, level = "day" }

[[calendars]]
code = "business"
windows = ["mon-fri 08:00-17:00"]

[[bands]]
code = "business"
label = "business hours"
calendar = "business"

[[bands]]
code = "after"
label = "after hours"

[[rates]]
modes = ["travel"]
per_minute = "1.43"

[[rates]]
roles = ["master"]
per_hour = "98.27"
over = [{ minutes = 240, per_hour = "131.11", amount = "7.00" }, { minutes = 480, per_hour = "150.00" }]

[[rates]]
per_hour = "79.98"
over = [{ minutes = 480, per_hour = "120.03" }]

[[roundings]]
modes = ["on_site"]
increment_minutes = 30
grace_minutes = 10
level = "visit"
by_band = true

[[surcharges]]
requested = ["urgent"]
percent = "33.3"

[[surcharges]]
bands = ["after"]
percent = "50"

[[discounts]]
customer_classes = ["contract"]
percent = "5"

[[minimums]]
level = "visit"
modes = ["on_site"]
minutes = 120
counting = ["on_site", "travel"]
travel_minutes = 60

[[minimums]]
level = "case"
modes = ["remote"]
amount = "40.00"

[[caps]]
level = "day"
modes = ["on_site", "travel"]
amount = "900.00"
with_fees = true

[[caps]]
level = "day"
skills = ["programming"]
minutes = 600

[[fees]]
code = "call"
label = "Call-out"
per = "visit"
modes = ["on_site"]
amount = "60.00"
included_minutes = 30

[[fees]]
code = "mileage"
label = "Mileage"
per = "visit"
modes = ["on_site"]
per_distance = "0.55"

[[fees]]
code = "coordination"
label = "Coordination"
percent_of_labour = "9.5"

[[packs]]
code = "hours"
label = "Hours"
minutes = 600

[[burns]]
bands = ["after"]
factor = "1.5"
"""
START = datetime(2026, 3, 2, 5, tzinfo=UTC)
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
TARIFF = compile_tariff(parse_policy(RICH), product_line="")

PIECES = st.lists(
    st.tuples(
        st.integers(0, 3 * 1440),
        st.integers(1, 700),
        st.sampled_from(["remote", "on_site", "on_site", "travel"]),
        st.sampled_from(["", "master"]),
        st.sampled_from(["", "programming"]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=7,
)
FACTS = st.builds(
    CaseFacts,
    cover=st.just((Cover(START, "time_and_materials"),)),
    requested=st.sampled_from([(), ("urgent",)]),
    customer_class=st.sampled_from(["", "contract"]),
    nte_minor=st.sampled_from([{}, {"customer": 50_000}, {"customer": 0}]),
    distances=st.just({0: Fraction(25, 2)}),
    opened_at=st.just(START),
)


def work_of(pieces):
    return [
        WorkInterval(
            number,
            number,
            START + timedelta(minutes=begin),
            START + timedelta(minutes=begin + length),
            mode,
            role=role,
            skill=skill,
            visit=visit,
        )
        for number, (begin, length, mode, role, skill, visit) in enumerate(pieces, start=1)
    ]


GRANTS = st.sampled_from([(), (GrantState(1, BOUGHT_GRANT, 7_200),), (GrantState(1, BOUGHT_GRANT, 0, incidents=1),)])


@UNHURRIED
@given(PIECES, FACTS, GRANTS, st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(pieces, facts, grants, chance):
    work = work_of(pieces)
    other = list(work)
    chance.shuffle(other)
    assert rate(facts, work, grants, TARIFF).lines == rate(facts, other, grants, TARIFF).lines


@UNHURRIED
@given(PIECES, FACTS, GRANTS)
def test_nothing_is_negative_no_limit_is_passed_and_all_is_explained(pieces, facts, grants):
    rated = rate(facts, work_of(pieces), grants, TARIFF)
    assert all(line.seconds >= 0 and 0 <= line.amount_minor <= line.list_amount_minor for line in rated.lines)
    for payer, limit in facts.nte_minor.items():
        assert rated.owed_by(payer) <= limit
    for line in rated.lines:
        assert sum(segment.seconds for segment in line.segments) == line.seconds
    for draw in rated.draws:
        (grant,) = [each for each in grants if each.grant_id == draw.grant_id]
        assert draw.seconds <= grant.remaining_seconds
        assert draw.incidents <= grant.incidents
    explanation = explain(rated)
    assert replay(explanation).lines == rated.lines
    assert all(sentence.endswith(".") for sentence in words(explanation))


@UNHURRIED
@given(st.integers(1, 900), st.integers(0, 300), st.sampled_from(["remote", "on_site"]))
def test_longer_work_never_costs_less(minutes, more, mode):
    facts = CaseFacts(cover=(Cover(START, "time_and_materials"),), opened_at=START)
    short, long = (
        rate(facts, work_of([(600, length, mode, "", "", 1)]), (), TARIFF).amount_minor
        for length in (minutes, minutes + more)
    )
    assert short <= long


DOCUMENTS = sorted(file for file in POLICIES.glob("*.toml") if not {"examples", "agreement"} & {*file.name.split(".")})


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
def test_explanations_replay_under_every_published_policy(file):
    policy = parse_policy(file.read_text(encoding="utf-8"))
    tariff = compile_tariff(policy, product_line="")
    chance = random.Random(file.name)
    plan = next(each.code for each in policy.plans if each.complimentary)
    requested = tuple(word.code for word in policy.requests[:2])
    facts = CaseFacts(cover=(Cover(START, plan),), requested=requested, opened_at=START, distances={0: Fraction(42)})
    modes = ("remote", "phone", "on_site", "travel")
    work = work_of(
        [(chance.randrange(4_000), chance.randint(1, 600), chance.choice(modes), "", "", 0) for _ in range(6)]
    )
    rated = rate(facts, work, (GrantState(1, BOUGHT_GRANT, 3_600, incidents=1),), tariff)
    assert replay(explain(rated)).lines == rated.lines


def hurried(work):
    facts = CaseFacts(cover=(Cover(START, "time_and_materials"),), opened_at=START)
    tariff = compile_tariff(parse_policy(RICH), product_line="")
    began = time.process_time()
    rated = rate(facts, work, (GrantState(1, BOUGHT_GRANT, 36_000),), tariff)
    return rated, time.process_time() - began


@pytest.mark.no_cover
def test_ten_thousand_entries_are_rated_in_bounded_time():
    work = work_of([(number % 40_000, 1 + number % 90, "on_site", "", "", 0) for number in range(10_000)])
    rated, seconds = hurried(work)
    assert rated.worked_seconds == sum(1 + number % 90 for number in range(10_000)) * 60
    assert seconds < 20


@pytest.mark.no_cover
def test_forty_years_of_work_are_rated_in_bounded_time():
    begin = START - timedelta(days=40 * 365)
    rated, seconds = hurried([WorkInterval(1, 1, begin, START, "remote")])
    assert rated.worked_seconds == 40 * 365 * 86_400
    assert seconds < 20


def test_work_without_length_is_no_work():
    rated, _ = hurried([WorkInterval(1, 1, START, START, "remote")])
    assert rated.worked_seconds == 0
    assert [line.kind for line in rated.lines if line.seconds] == []


@UNHURRIED
@given(PIECES, st.sampled_from([{}, {"customer": 20_000}]), GRANTS)
def test_the_shorter_way_of_pricing_comes_to_the_same(pieces, nte_minor, grants):
    text = 'title = "T"\ncurrency = "USD"\nzone = "America/New_York"\nrates = [{ per_hour = "79.98" }]\n'
    cap = 'caps = [{ level = "case", amount = "99999999.00" }]\n'
    facts = CaseFacts(cover=(Cover(START, "time_and_materials"),), nte_minor=nte_minor)
    hours = [grant for grant in grants if not grant.incidents]
    short, long = (
        rate(facts, work_of(pieces), hours, compile_tariff(parse_policy(document), product_line=""))
        for document in (text, text + cap)
    )
    assert [line.key[:-1] for line in short.lines] == [line.key[:-1] for line in long.lines]
    # Where the sum is reached, a second of time can stand on either side of it.
    slack = 2 * len(pieces) if nte_minor else 0
    assert abs(short.amount_minor - long.amount_minor) <= slack
    assert abs(sum(line.seconds for line in short.lines) - sum(line.seconds for line in long.lines)) == 0
