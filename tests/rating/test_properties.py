"""What holds for every case: order, splitting and replay change nothing, lines add up, more work never costs less."""

import json
from collections import Counter
from datetime import timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from portal.rating.counting import rounded
from portal.rating.engine import rate
from portal.rating.explanation import explain, replay
from portal.rating.facts import CaseFacts, Cover, Custody, GrantState
from portal.rating.lines import difference
from portal.rating.terms import Bill, CoverTerms, Favours, RateTerm, Rounding, RoundingTerm
from portal.rating.words import words
from tests.rating.builders import BUSINESS, EVER, NINE, facts, least, plan, tariff, weekly, work

_PAYERS = ("customer", "integrator", "manufacturer")
SETTINGS = settings(max_examples=40, deadline=None)
SECONDS = st.integers(min_value=0, max_value=4 * 86_400)
RATES = st.fractions(min_value=0, max_value=50_000, max_denominator=60)


def _bill_to(situation):
    uncertified = situation.task_class == "how_to" and not situation.certified
    by_integrator = uncertified or situation.task_class == "commissioning"
    return Bill("integrator", "operator") if by_integrator else Bill()


@st.composite
def roundings(draw, level=None):
    increment = draw(st.sampled_from([1, 60, 360, 900, 1_800, 3_600]))
    direction = draw(st.sampled_from(["up", "down", "nearest"]))
    at = level or draw(st.sampled_from(["entry", "day", "case"]))
    grace = draw(st.integers(min_value=0, max_value=increment - 1)) if direction == "up" else 0
    return RoundingTerm(Rounding(increment, direction, at, grace))


@st.composite
def tariffs(draw, level=None):
    minimums = [] if level else [least(draw(st.sampled_from([0, 15, 60])), draw(st.sampled_from(["entry", "case"])))]
    rates = [
        RateTerm(draw(RATES), bands=("business",)),
        RateTerm(draw(RATES), bands=("sunday",)),
        RateTerm(draw(RATES)),
    ]
    cover = draw(st.sampled_from([None, CoverTerms(BUSINESS), CoverTerms(BUSINESS, unlimited=True)]))
    return tariff(
        plan(*rates, roundings=[draw(roundings(level))], minimums=minimums),
        plan(RateTerm(draw(RATES)), key="gold", roundings=[draw(roundings(level))], minimums=minimums, cover=cover),
        bands=[("business", BUSINESS), ("sunday", weekly((6, 6, 0, 24)))],
        bill_to=_bill_to,
        favours=Favours({"defect": "manufacturer", "wiring": "integrator"}, ("support",), ("battery",)),
    )


@st.composite
def works(draw):
    made = []
    for number in range(draw(st.integers(min_value=0, max_value=5))):
        started_at = NINE + timedelta(seconds=draw(SECONDS))
        seconds = draw(st.integers(min_value=0, max_value=30_000))
        mode = draw(st.sampled_from(["remote", "on_site"]))
        task_class = draw(st.sampled_from(["support", "how_to", "commissioning"]))
        more = {"task_class": task_class, "authorized": draw(st.booleans())}
        made.append(work(number, started_at, Fraction(seconds, 60), mode, **more))
    return made


def instants():
    return st.one_of(st.none(), SECONDS.map(lambda seconds: NINE + timedelta(seconds=seconds)))


@st.composite
def cases(draw):
    cover = [Cover(EVER, draw(st.sampled_from(["list", "gold"])))]
    changed_at, custody_at = draw(instants()), draw(instants())
    if changed_at is not None:
        cover.append(Cover(changed_at, draw(st.sampled_from(["list", "gold"]))))
    limits = draw(st.dictionaries(st.sampled_from(["customer", "integrator"]), st.integers(0, 200_000)))
    return CaseFacts(
        cover=tuple(cover),
        certified=draw(st.booleans()),
        cause=draw(st.sampled_from([None, None, "defect", "wiring", "battery", "other"])),
        day_one_at=draw(instants()),
        warranty_until=draw(instants()),
        custody=() if custody_at is None else (Custody(custody_at, "integrator"),),
        nte_minor=limits,
    )


@st.composite
def grant_lists(draw):
    return [
        GrantState(
            number,
            draw(st.sampled_from(["included", "bought"])),
            draw(st.integers(0, 20_000)),
            draw(st.integers(0, 2)),
            expires_at=draw(instants()),
        )
        for number in range(draw(st.integers(0, 3)))
    ]


@SETTINGS
@given(st.data(), cases(), works(), grant_lists(), tariffs())
def test_order_of_entries_and_grants_changes_nothing(data, case, entries, grants, terms):
    shuffled = data.draw(st.permutations(entries)), data.draw(st.permutations(grants))

    assert rate(case, shuffled[0], shuffled[1], terms) == rate(case, entries, grants, terms)


@SETTINGS
@given(cases(), works(), grant_lists(), tariffs())
def test_lines_are_never_negative_and_add_up(case, entries, grants, terms):
    rated = rate(case, entries, grants, terms)

    assert all(min(line.amount_minor, line.seconds) >= 0 for line in rated.lines)
    assert all(line.list_amount_minor >= line.amount_minor for line in rated.lines)
    assert all(sum(segment.seconds for segment in line.segments) == line.seconds for line in rated.lines)
    assert sum(line.amount_minor for line in rated.lines) == rated.amount_minor == sum(map(rated.owed_by, _PAYERS))
    assert len({line.key for line in rated.lines}) == len(rated.lines)
    for payer, limit in case.nte_minor.items():
        assert rated.owed_by(payer) <= limit
    drawn = {line.key.grant_id: line.seconds for line in rated.lines}
    for each in rated.draws:
        assert each.seconds <= next(g.remaining_seconds for g in grants if g.grant_id == each.grant_id)
        assert drawn[each.grant_id] <= each.seconds


@SETTINGS
@given(cases(), works(), grant_lists(), tariffs())
def test_counted_seconds_are_the_groups_steps(case, entries, grants, terms):
    rated = rate(case, entries, grants, terms)
    added = sum(
        step["seconds_after"] - step["seconds_before"]
        for step in explain(rated)["steps"]
        if step["step"] in ("rounding", "minimum")
    )

    assert rated.seconds == rated.worked_seconds + added


@SETTINGS
@given(cases(), works(), grant_lists(), tariffs())
def test_a_stored_explanation_replays_to_the_same_lines(case, entries, grants, terms):
    rated = rate(case, entries, grants, terms)
    stored = json.loads(json.dumps(explain(rated)))

    assert replay(stored) == rated
    assert all(sentence.endswith(".") for sentence in words(stored))


@SETTINGS
@given(st.data(), cases(), works(), grant_lists(), tariffs())
def test_splitting_an_entry_at_an_inner_instant_changes_nothing(data, case, entries, grants, terms):
    split = []
    for each in entries:
        seconds = int((each.ended_at - each.started_at).total_seconds())
        middle = each.started_at + timedelta(seconds=data.draw(st.integers(0, seconds)))
        minutes = [Fraction(int((b - a).total_seconds()), 60) for a, b in _halves(each, middle)]
        same = {"task_class": each.task_class, "authorized": each.authorized}
        split.append(work(each.entry_id, each.started_at, minutes[0], each.mode, **same))
        split.append(work(each.entry_id, middle, minutes[1], each.mode, **same))

    assert rate(case, split, grants, terms) == rate(case, entries, grants, terms)


def _halves(each, middle):
    return (each.started_at, middle), (middle, each.ended_at)


@SETTINGS
@given(st.data(), works(), grant_lists(), tariffs("case"))
def test_one_worker_split_into_entries_costs_the_same_when_the_case_is_rounded(data, entries, grants, terms):
    seconds = data.draw(st.integers(1, 40_000))
    cut = data.draw(st.integers(0, seconds))
    whole = [work(1, NINE, Fraction(seconds, 60))]
    parts = [work(1, NINE, Fraction(cut, 60)), work(2, NINE + timedelta(seconds=cut), Fraction(seconds - cut, 60))]

    one, two = (rate(facts(), each, grants, terms) for each in (whole, parts))

    assert [line._replace(segments=()) for line in one.lines] == [line._replace(segments=()) for line in two.lines]


@SETTINGS
@given(st.integers(0, 28_000), st.integers(0, 28_000), roundings(), RATES, st.integers(0, 10_000))
def test_more_work_in_one_band_never_costs_less(one, other, rounding, price, included):
    terms = tariff(plan(RateTerm(price), roundings=[rounding], minimums=[least(30)]))
    grants = [GrantState(1, "included", included)]

    shorter, longer = (
        rate(facts(), [work(1, NINE, Fraction(seconds, 60))], grants, terms).amount_minor
        for seconds in sorted((one, other))
    )

    assert 0 <= shorter <= longer


@SETTINGS
@given(cases(), works(), works(), grant_lists(), tariffs())
def test_a_difference_added_to_the_earlier_lines_gives_the_later_ones(case, earlier, later, grants, terms):
    before, after = (rate(case, entries, grants, terms).lines for entries in (earlier, later))

    assert _sums([*before, *difference(after, before)]) == _sums(after)
    assert difference(after, [*before, *difference(after, before)]) == ()


def _sums(lines):
    sums = Counter()
    for line in lines:
        sums[line.key, "seconds"] += line.seconds
        sums[line.key, "amount"] += line.amount_minor
        sums[line.key, "list"] += line.list_amount_minor
        for part in line.segments:
            sums[line.key, part._replace(seconds=0)] += part.seconds
    return {key: value for key, value in sums.items() if value}


@SETTINGS
@given(st.integers(0, 100_000), roundings())
def test_rounding_moves_less_than_one_increment(seconds, term):
    counted = rounded(seconds, term.rounding)

    assert counted % term.rounding.increment_seconds == 0
    assert abs(counted - seconds) < term.rounding.increment_seconds
