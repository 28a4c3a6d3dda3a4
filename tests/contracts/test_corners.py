"""Single words of documents: calendars, packs, promises, remedies, plans that follow each other, remarks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from portal.calendars import open_hours
from portal.closures import Floating
from portal.contracts.calendar_blocks import CalendarBlock, ClosingBlock, holiday_name
from portal.contracts.cover import plans_over_case
from portal.contracts.holdings import (
    Holding,
    expires_on,
    pack_named,
    packs_for,
    part_of_month,
    price_of_packs,
    rolled_over,
    usable,
)
from portal.contracts.policy import parse_policy
from portal.contracts.prices import customer_class_of
from portal.contracts.promises import due_of
from portal.contracts.remedies import credit_minor, remedy_for
from portal.contracts.rules import calendar_named, plan_named
from portal.contracts.style import agreement_remarks, policy_remarks
from portal.contracts.targets import Clock, DayEnd, Target
from portal.errors import DocumentInvalid, RuleBroken
from tests.support.documents import KESSLER, agreement

SMALL = """
title = "Small"
currency = "USD"
zone = "America/New_York"

[[calendars]]
code = "business"
windows = ["mon-fri 08:00-17:00"]

[[rates]]
per_hour = "100.00"

[[plans]]
code = "plain"
name = "Plain"
rank = 0
price_per_month = "0"
complimentary = true

[[plans]]
code = "gold"
name = "Gold"
rank = 1
price_per_month = "99.50"
back_cover = true
summary = "Everything."
targets = [
  { clock = "response", minutes = 60, calendar = "business" },
  { clock = "resolution", minutes = 60, calendar = "business" },
]
remedies = [
  { clock = "response", severities = [1], credit = "25.00" },
  { clock = "response", late_by_minutes = 60, credit_bp = 1250 },
  { clock = "resolution", extra_days = 5 },
]

[[plans]]
code = "silver"
name = "Silver"
rank = 2
price_per_month = "49.00"
summary = "Much."

[[packs]]
code = "hours"
label = "Ten hours"
minutes = 600
price = "900.00"
valid_months = 12
carry_over_top_up_minutes = 120

[[packs]]
code = "calls"
label = "Five calls"
incidents = 5
certified_only = true
"""
P = parse_policy(SMALL)
HOURS, CALLS = P.packs
GOLD = plan_named(P, "gold")


def problems(*parts: str) -> list[str]:
    with pytest.raises(DocumentInvalid) as refused:
        parse_policy("\n".join((SMALL, *parts)))
    return [str(problem) for problem in refused.value.problems]


FEE = '[[fees]]\ncode = "f"\nlabel = "F"\n'
CALENDAR = '[[calendars]]\ncode = "x"\n'


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            CALENDAR + 'windows = ["mon 08:00-09:00"]\nclosings = [{ begins = "Christmas", ends = "12-26 08:00" }]',
            "Write a moment as",
        ),
        (
            CALENDAR
            + 'windows = ["mon 08:00-09:00"]\nclosings = [{ begins = "2026-02-29 08:00", ends = "2026-03-01 08:00" }]',
            "2026-02-29 is no date",
        ),
        (
            CALENDAR
            + 'windows = ["mon 08:00-09:00"]\n'
            + 'holiday_rules = [{ country = "DE", first_year = 2020, last_year = 2051 }]',
            "at most 31 years",
        ),
        (
            CALENDAR + 'windows = ["mon 08:00-09:00"]\nby_region = [{ calendar = "business" }]',
            "no windows and no holidays",
        ),
        (
            CALENDAR + 'by_region = [{ regions = ["a", "a"], calendar = "business" }, { calendar = "business" }]',
            '"a" is named twice',
        ),
        (FEE + 'amount = "5.00"\npercent_of_value = "5"', "Exactly one of amount"),
        (FEE + 'amount = "5.00"\nper = "return"', "stated exactly for return and not_returned"),
        (FEE + 'percent_of_labour = "5"\nper = "day"', 'belongs to per = "case"'),
        ('[[packs]]\ncode = "p"\nlabel = "P"\nincidents = 5\ntop_up_below_minutes = 60', "belong to minutes"),
        ("[[minimums]]\namount = '9.00'\ntravel_minutes = 30", "belong to minutes"),
        ("[[caps]]\nminutes = 60\nwith_fees = true", "belong to amount"),
        (
            '[[plans]]\ncode = "p"\nname = "P"\nrank = 9\nprice_per_month = "9"\nincluded_worth_per_hour = "1.00"',
            "nothing to be worth",
        ),
        (
            '[[plans]]\ncode = "p"\nname = "P"\nrank = 9\nprice_per_month = "9"\n'
            'included_minutes_per_month = 60\nincluded_worth_per_hour = "9.01"',
            "worth more than the plan costs",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_is_meant(part, said):
    found = problems(part)
    assert any(said in problem for problem in found), found


UNANSWERED = 'unanswered = { %sclose_days = 10, calendar = "business", cause = "c", last_action = "none" }'


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (UNANSWERED % "reminder_days = 10, ", "eminder_days comes before close_days"),
        ("reopen_days = 10", "are stated together"),
        ("closing_reminder_days = 5", "belongs to reopen_days"),
        ('reopen_days = 5\nreopen_calendar = "business"\nclosing_reminder_days = 5', "comes before reopen_days"),
    ],
)
def test_windows_of_a_case_come_in_their_order(lines, said):
    found = problems(f"[lifecycle]\n{lines}")
    assert any(said in problem for problem in found), found


def test_a_remedy_is_one_thing():
    with pytest.raises(DocumentInvalid) as refused:
        parse_policy(SMALL.replace("extra_days = 5", 'extra_days = 5, credit = "1.00"'))
    assert "one of credit_bp, credit and extra_days" in str(refused.value.problems[0])


def calendar(**said: Any) -> CalendarBlock:
    return CalendarBlock.model_validate({"code": "x", "windows": ["mon-sun 00:00-24:00"], **said}, strict=False)


def test_a_closing_that_ends_at_midnight_leaves_the_next_day_open():
    summer = {"begins": "2026-08-03 00:00", "ends": "2026-08-07 24:00"}
    block = calendar(closings=[summer, {"begins": "12-24 12:00", "ends": "12-26 00:00", "label": "Christmas"}])
    opened = block.opened_in("UTC")
    assert open_hours(opened, date(2026, 12, 24)) == ((0, 720),)
    assert open_hours(opened, date(2026, 12, 25)) == ()
    assert open_hours(opened, date(2026, 12, 26)) == ((0, 1440),)
    assert [holiday_name(block, day) for day in (date(2026, 12, 25), date(2026, 8, 4))] == ["Christmas", None]


def test_a_closing_without_an_end_closes_nothing():
    assert list(ClosingBlock(begins="12-24 12:00").days()) == []


def test_a_holiday_is_called_by_its_name_if_it_has_one():
    block = calendar(
        named_holidays=[{"on": "2026-05-01", "name": "Labour Day"}],
        floating_holidays=[{"name": "Good Friday", "easter": True, "days_after": -2}],
        holidays=["2026-06-01"],
    )
    days = (date(2026, 5, 1), date(2026, 4, 3), date(2026, 6, 1), date(2026, 7, 1))
    assert [holiday_name(block, day) for day in days] == ["Labour Day", "Good Friday", None, None]


def test_a_holiday_rule_stays_within_a_year():
    with pytest.raises(RuleBroken, match="within a year"):
        Floating(days_after=367)


def test_packs_are_sold_whole_and_priced_by_their_own_unit():
    assert (packs_for(HOURS, minutes=601), packs_for(CALLS, incidents=10)) == (2, 2)
    assert price_of_packs(P, HOURS, 2).total_minor == 180_000
    assert price_of_packs(P, HOURS, 2).each == 9_000
    assert expires_on(CALLS, date(2026, 1, 31)) is None
    with pytest.raises(RuleBroken, match="on application"):
        price_of_packs(P, CALLS, 1)
    with pytest.raises(RuleBroken, match='no pack "weeks"'):
        pack_named(P, "weeks")


BOUGHT = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("pack", "on", "facts", "left"),
    [
        (HOURS, date(2027, 3, 30), {}, 90),
        (HOURS, date(2027, 3, 31), {}, 0),
        (HOURS, date(2027, 3, 31), {"topped_up_minutes": 119}, 0),
        (HOURS, date(2027, 3, 31), {"topped_up_minutes": 120}, 90),
        (CALLS, date(2040, 1, 1), {}, 90),
        (CALLS, date(2026, 4, 1), {"certified": False}, 0),
    ],
)
def test_what_is_left_of_a_pack_can_be_used_until_its_end(pack, on, facts, left):
    assert usable(Holding(pack, BOUGHT, 90), on, **facts).left_minutes == left


@pytest.mark.parametrize(("days", "part"), [(0, 0), (10, 967), (15, 1_450), (30, 2_900)])
def test_a_part_of_a_month_is_rounded_once(days, part):
    assert part_of_month(2_900, days, 30) == part


@pytest.mark.parametrize(("days", "of_days"), [(31, 30), (-1, 30), (0, 0)])
def test_a_month_has_no_more_parts_than_days(days, of_days):
    with pytest.raises(RuleBroken, match="at most the month's days"):
        part_of_month(2_900, days, of_days)


def test_a_month_keeps_of_the_last_what_the_plan_allows():
    assert (rolled_over(60, 45, 30), rolled_over(60, 10, 30), rolled_over(60, 10, 0)) == (90, 70, 60)


@pytest.mark.parametrize(
    ("clock", "severity", "late_seconds", "minor"),
    [
        (Clock.RESPONSE, 1, 1, 2_500),
        (Clock.RESPONSE, 2, 3_599, None),
        # An eighth of 99.50 is 12.4375.
        (Clock.RESPONSE, 2, 3_600, 1_244),
        (Clock.RESOLUTION, 2, 1, None),
        (Clock.UPDATE, 1, 10_000, None),
    ],
)
def test_a_broken_promise_gives_back_what_the_first_row_says(clock, severity, late_seconds, minor):
    remedy = remedy_for(GOLD, clock, severity=severity, late_seconds=late_seconds)
    assert (remedy and credit_minor(P, GOLD, remedy)) == minor


@pytest.mark.parametrize(
    ("target", "watched"),
    [
        ({"clock": Clock.RESPONSE, "minutes": 60}, False),
        ({"clock": Clock.RESPONSE, "minutes": 60, "warn_minutes": 15}, True),
        ({"clock": Clock.MANAGEMENT, "minutes": 60}, True),
    ],
)
def test_a_promise_is_watched_when_somebody_is_told_before_it_is_due(target, watched):
    assert Target(calendar="business", **target).is_watched is watched


def test_a_longer_term_is_no_credit():
    remedy = remedy_for(GOLD, Clock.RESOLUTION, severity=3, late_seconds=1)
    assert remedy is not None
    assert remedy.extra_days == 5


OPENED = datetime(2026, 3, 10, 9, tzinfo=UTC)
BEFORE, AFTER, LATER = (OPENED.replace(hour=hour) for hour in (8, 10, 11))


@pytest.mark.parametrize(
    ("chosen", "cover"),
    [
        ([], [(OPENED, "plain")]),
        ([(BEFORE, "silver")], [(BEFORE, "silver")]),
        ([(BEFORE, "silver"), (AFTER, "plain")], [(BEFORE, "silver")]),
        ([(AFTER, "silver")], [(OPENED, "plain"), (AFTER, "silver")]),
        ([(AFTER, "silver"), (LATER, "gold")], [(OPENED, "gold")]),
        ([(BEFORE, "bronze")], [(OPENED, "plain")]),
    ],
)
def test_a_plan_chosen_later_covers_what_comes_after_or_all(chosen, cover):
    assert plans_over_case(P, OPENED, chosen) == tuple(cover)


def test_the_same_time_is_that_of_the_call_even_after_the_cut_off():
    target = Target(clock=Clock.RESPONSE, calendar="business", days=1, cut_off="15:00", day_ends=DayEnd.SAME_TIME)
    office = calendar_named(P, "business")
    tuesday = [datetime(2026, 3, 10, hour, 30, tzinfo=UTC) for hour in (14, 19)]
    assert [due_of(target, office, begins).at for begins in tuesday] == [
        datetime(2026, 3, 11, 14, 30, tzinfo=UTC),
        datetime(2026, 3, 12, 19, 30, tzinfo=UTC),
    ]


LAPSING = """
[[customer_classes]]
code = "lapsed"
lapsed_over_days = 30

[[customer_classes]]
code = "long_lapsed"
lapsed_over_days = 365

[[customer_classes]]
code = "friend"
"""


@pytest.mark.parametrize(("days", "code"), [(None, ""), (30, ""), (31, "lapsed"), (366, "long_lapsed")])
def test_a_customers_class_follows_how_long_its_plan_is_over(days, code):
    assert customer_class_of(parse_policy(SMALL + LAPSING), days) == code


def test_remarks_name_what_a_reader_may_miss():
    messages = [remark.message for remark in policy_remarks(parse_policy(SMALL.replace('summary = "Much."\n', "")))]
    assert messages == ["a buyer reads the summary before accepting: this plan has none."]
    bands = (
        '[[bands]]\ncode = "office"\nlabel = "O"\ncalendar = "business"\n[[bands]]\ncode = "rest"\nlabel = "R"\n'
        "[[surcharges]]\npercent = '0'\nmodes = ['travel']\n[[surcharges]]\npercent = '5'\nmodes = ['phone']\n"
        "[[caps]]\namount = '5.00'\nroles = ['chief']\n[[roles]]\ncode = 'chief'\n[[skills]]\ncode = 'welding'\n"
    )
    said = {remark.message for remark in policy_remarks(parse_policy(SMALL + bands))}
    assert said == {
        'no row about work names "welding".',
        'no row prices "office" apart: it costs what all other time does.',
        "a surcharge of 0 percent changes nothing.",
    }


def test_an_agreement_that_leaves_everything_to_talk_is_remarked_on():
    kessler = agreement(KESSLER)
    bare = kessler.model_copy(
        update={
            "resolution": (),
            "challenge": kessler.challenge.model_copy(update={"neutral_name": None, "neutral_mail": None}),
            "intercompany": tuple(row.model_copy(update={"per_hour": "0"}) for row in kessler.intercompany[:1]),
        }
    )
    assert {remark.message for remark in agreement_remarks(bare)} == {
        "there is no resolution table: every resolution has to be agreed by hand.",
        "no neutral is named: a challenge goes from the managers to the fallback.",
        "a net price of 0 makes this help free for the integrator.",
    }
    neutral = kessler.challenge.model_copy(update={"neutral_name": "N", "neutral_mail": "n@x.example"})
    assert agreement_remarks(kessler.model_copy(update={"challenge": neutral})) == ()
