"""The explanation in words, per line, and what it refuses to replay."""

import json
from datetime import timedelta

import pytest

from portal.contracts.policy import parse_policy
from portal.errors import RuleBroken
from portal.rating.engine import rate
from portal.rating.explanation import explain, line_explanation, replay
from portal.rating.facts import GrantState
from portal.rating.grants import Draw, give_back
from portal.rating.policies import compile_tariff
from portal.rating.words import duration, line_words, words
from tests.rating.builders import NINE, facts, hourly, least, plan, steps, tariff, weekly, work

TERMS = tariff(
    plan(hourly(150, "business"), hourly(225), roundings=[steps(15, grace=5)], minimums=[least(300)]),
    bands=[("business", weekly((0, 4, 8, 18)))],
)


def stored(rated):
    return json.loads(json.dumps(explain(rated)))


def test_the_sentences_say_what_happened():
    grants = [GrantState(7, "included", 3_600, starts_at=NINE - timedelta(days=1)), GrantState(8, "bought", 600)]
    case = facts(nte_minor={"customer": 50_000, "integrator": 100})

    sentences = words(stored(rate(case, [work(1, "2026-03-03T13:40", 285)], grants, TERMS)))

    assert sentences == (
        "3 March 2026, 13:40 to 18:25 New York: 4 h 20 min business, 25 min after hours.",
        "4 h 45 min rounded up to 15 min (5 min of grace) per case: 4 h 45 min.",
        "4 h 45 min, at least 5 h per case.",
        "First 1 h from the plan.",
        "First 10 min from the hours bought.",
        "Authorized up to 500.00 USD: 33 min 20 s beyond it, borne by the manufacturer.",
        "1 h business, remote: included in the plan; it would have cost 150.00 USD.",
        "10 min business, remote: from the hours bought; it would have cost 25.00 USD.",
        "3 h 10 min business, remote at 150.00 USD an hour: 475.00 USD.",
        "6 min 40 s after hours, remote at 225.00 USD an hour: 25.00 USD.",
        "33 min 20 s after hours, remote: beyond the authorized sum, borne by the manufacturer; "
        "it would have cost 125.00 USD.",
    )


def test_work_over_midnight_names_both_days_and_free_work_says_why():
    terms = tariff(plan(hourly(100), roundings=[steps(30, direction="down")]))
    entry = work(1, "2026-03-03T23:00", 90, authorized=False)

    sentences = words(stored(rate(facts(), [entry], [], terms)))

    assert sentences[:2] == (
        "3 March 2026, 23:00 to 4 March 2026, 00:30 New York: 1 h 30 min after hours (not authorized).",
        "1 h 30 min rounded down to 30 min per case: 1 h 30 min.",
    )


def test_nothing_is_said_of_rounding_to_the_second_and_nearest_is_named():
    plain = tariff(plan(hourly(100)))
    nearest = tariff(plan(hourly(100), roundings=[steps(15, direction="nearest")]))
    entry = [work(1, NINE, 20)]

    assert len(words(stored(rate(facts(), entry, [], plain)))) == 2
    assert "20 min rounded to the nearest 15 min per case: 15 min." in words(stored(rate(facts(), entry, [], nearest)))


def test_added_time_is_said_in_the_line():
    first, *more = stored(rate(facts(), [work(1, NINE, 40)], [], TERMS))["lines"]

    assert line_words(first, "USD") == "40 min business, remote at 150.00 USD an hour: 100.00 USD."
    assert [line_words(line, "USD") for line in more] == [
        "5 min business, added by rounding, remote at 150.00 USD an hour: 12.50 USD.",
        "4 h 15 min business, added to reach the minimum, remote at 150.00 USD an hour: 637.50 USD.",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 min"), (59, "59 s"), (3_600, "1 h"), (3_661, "1 h 1 min 1 s"), (-90, "-1 min 30 s")]
)
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said


def test_a_line_keeps_the_work_and_steps_that_concern_it():
    entries = [work(1, NINE, 60), work(2, "2026-03-04T09:00", 600)]
    grants = [GrantState(7, "included", 3_600)]
    explanation = stored(rate(facts(nte_minor={"customer": 10_000_000}), entries, grants, TERMS))

    included, billed = (line_explanation(explanation, index) for index in (0, 1))

    assert [piece["entry"] for piece in included["work"]] == [1]
    assert [step["step"] for step in included["steps"]] == ["rounding", "draw", "limit"]
    assert {piece["entry"] for piece in billed["work"]} == {2}
    assert [step["step"] for step in billed["steps"]] == ["rounding", "limit"]
    assert billed["lines"] == [explanation["lines"][1]]


def test_an_unknown_form_is_not_replayed():
    with pytest.raises(RuleBroken):
        replay({"format": 0})


def test_lines_that_do_not_follow_from_the_stored_work_are_refused():
    explanation = stored(rate(facts(), [work(1, NINE, 60)], [], TERMS))
    explanation["lines"][0]["amount_minor"] += 1

    with pytest.raises(RuleBroken):
        replay(explanation)


def test_more_cannot_be_given_back_than_was_drawn():
    with pytest.raises(RuleBroken):
        give_back([Draw(1, "bought", 10)], 11)


def test_limits_that_held_are_said_in_words():
    text = """
title = "Limits"
currency = "USD"
zone = "America/New_York"
rates = [{ per_hour = "200.00" }]
rounding = { increment_minutes = 1 }
caps = [{ modes = ["on_site"], amount = "1500.00" }, { modes = ["travel"], minutes = 60, counting = ["travel"] }]
minimums = [{ modes = ["phone"], amount = "40.00", level = "entry" }]
"""
    tariff = compile_tariff(parse_policy(text), product_line="")
    pieces = [
        work(1, "2026-03-03T08:00", 480, "on_site"),
        work(2, "2026-03-03T17:00", 90, "travel"),
        work(3, "2026-03-03T19:00", 6, "phone"),
    ]
    rated = rate(facts("time_and_materials"), pieces, (), tariff)
    assert rated.amount_minor == 150_000 + 20_000 + 4_000
    said = words(explain(rated))
    assert "At most 1500.00 USD per day: 100.00 USD taken off." in said
    assert "At most 1 h per day: 30 min taken off." in said
    assert "At least 40.00 USD per entry: 20.00 USD added." in said
    assert replay(explain(rated)) == rated


def test_an_allowance_of_every_case_needs_no_grant_and_no_line():
    text = """
title = "Allowance"
currency = "NZD"
zone = "America/New_York"
rates = [{ per_minute = "1.50" }]
rounding = { increment_minutes = 1 }
allowances = [{ code = "greeting", label = "The first two minutes", minutes = 2, modes = ["phone"] }]
"""
    tariff = compile_tariff(parse_policy(text), product_line="")
    rated = rate(facts("time_and_materials"), [work(1, "2026-03-03T08:00", 10, "phone")], (), tariff)
    assert [(line.kind, line.seconds, line.amount_minor) for line in rated.lines] == [
        ("in_fee", 120, 0),
        ("billed", 480, 1_200),
    ]
    assert rate(facts("time_and_materials"), [work(1, "2026-03-03T08:00", 10)], (), tariff).amount_minor == 1_500
    assert replay(explain(rated)) == rated
