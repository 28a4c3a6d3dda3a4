"""Exactly one holder at each instant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.calendars import Period
from portal.cases.rules import Acceptance, Segment, held_periods, holder_at, next_acceptance, ping_pong, segments
from portal.contracts.blocks import Company
from portal.errors import RuleBroken

MAKER, INTEGRATOR = Company.MANUFACTURER, Company.INTEGRATOR
T0 = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def at(hours):
    return T0 + timedelta(hours=hours)


CASE = [
    Acceptance(1, INTEGRATOR, at(0)),
    Acceptance(2, MAKER, at(2), "link"),
    Acceptance(3, MAKER, at(3), "page"),
    Acceptance(4, INTEGRATOR, at(5), "reply"),
]


def test_segments_lie_end_to_end():
    assert segments(CASE) == (
        Segment(INTEGRATOR, at(0), at(2)),
        Segment(MAKER, at(2), at(3)),
        Segment(MAKER, at(3), at(5)),
        Segment(INTEGRATOR, at(5), None),
    )
    assert segments([]) == ()
    assert ping_pong(CASE) == 2


@pytest.mark.parametrize(
    "acceptances",
    [
        [Acceptance(2, MAKER, at(0))],
        [Acceptance(1, MAKER, at(0)), Acceptance(2, INTEGRATOR, at(0))],
        [Acceptance(1, MAKER, at(0)), Acceptance(3, INTEGRATOR, at(1))],
    ],
)
def test_acceptances_out_of_order_are_refused(acceptances):
    with pytest.raises(RuleBroken):
        segments(acceptances)


@pytest.mark.parametrize(
    ("hours", "holder"), [(0, INTEGRATOR), (1.9, INTEGRATOR), (2, MAKER), (5, INTEGRATOR), (99, INTEGRATOR)]
)
def test_holder_changes_at_the_instant_of_acceptance(hours, holder):
    assert holder_at(CASE, at(hours)) is holder


def test_nobody_holds_a_case_before_it_is_opened():
    with pytest.raises(RuleBroken):
        holder_at(CASE, at(-1))


def test_held_time_joins_what_touches_and_ends_where_asked():
    assert held_periods(segments(CASE), MAKER, at(9)) == (Period(at(2), at(5)),)
    assert held_periods(segments(CASE), MAKER, at(4)) == (Period(at(2), at(4)),)
    assert held_periods(segments(CASE), INTEGRATOR, at(6)) == (Period(at(0), at(2)), Period(at(5), at(6)))
    assert held_periods(segments(CASE), MAKER, at(2)) == ()


def test_next_acceptance_is_later_than_the_last():
    assert next_acceptance(CASE, MAKER, at(6), "phone") == Acceptance(5, MAKER, at(6), "phone")
    with pytest.raises(RuleBroken):
        next_acceptance(CASE, MAKER, at(5), "phone")


@given(
    gaps=st.lists(st.integers(1, 10_000), min_size=1, max_size=12),
    holders=st.lists(st.sampled_from(Company), min_size=12, max_size=12),
    until=st.integers(0, 100_000),
)
def test_held_times_of_both_companies_add_up_to_the_life_of_the_case(gaps, holders, until):
    instants = [T0 + timedelta(seconds=sum(gaps[:number])) for number in range(len(gaps))]
    case = [Acceptance(number + 1, holders[number], instant) for number, instant in enumerate(instants)]
    end = T0 + timedelta(seconds=until)
    held = sum(period.seconds for company in Company for period in held_periods(segments(case), company, end))
    assert held == until
