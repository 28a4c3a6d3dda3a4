"""Calendars of documents: whose zone, which region, holidays by rule, copied ones, closings; and what is refused."""

from datetime import UTC, date, datetime

import pytest

from portal.calendars import is_open, next_open, open_hours
from portal.contracts.calendar_blocks import CalendarBlock, ClosingBlock, Places, holiday_name
from portal.contracts.canonical import canonical_json
from portal.contracts.copying import with_holidays
from portal.contracts.policy import parse_policy, policy_from_json, sha256
from portal.contracts.rules import calendar_named
from portal.errors import DocumentInvalid
from tests.support.documents import POLICY, changed

WINDOWS = 'windows = ["mon-fri 08:00-17:00"]'
BANDS = '[[bands]]\ncode = "business"'


def policy(*lines: str, tail: str = ""):
    """Nordlicht's policy with more said about its business calendar, and more calendars or bands."""
    return parse_policy(
        changed(
            POLICY,
            (WINDOWS, "\n".join((WINDOWS, *lines))),
            ('[[bands]]\ncode = "business"', f'{tail}\n[[bands]]\ncode = "business"'),
        )
    )


def problems(*lines: str, tail: str = ""):
    with pytest.raises(DocumentInvalid) as caught:
        policy(*lines, tail=tail)
    return [str(each) for each in caught.value.problems]


def calendar(tail: str, **facts):
    return calendar_named(policy(tail=tail), "asked", Places(**facts))


SITE = '[[calendars]]\ncode = "asked"\nwindows = ["sun-thu 09:00-18:00"]\nwhose_zone = "site"'


def test_the_sites_clock_counts_where_the_calendar_says_so():
    sunday = datetime(2026, 3, 8, 5, 30, tzinfo=UTC)
    assert is_open(calendar(SITE, site="Asia/Dubai"), sunday)
    assert not is_open(calendar(SITE), sunday)
    assert calendar(SITE).zone == "Europe/Berlin"


def test_a_region_has_its_calendar_and_the_last_row_takes_the_others():
    tail = (
        '[[calendars]]\ncode = "asked"\n'
        'by_region = [{ regions = ["emea"], calendar = "business" }, { calendar = "west" }]\n'
        '[[calendars]]\ncode = "west"\nzone = "America/Los_Angeles"\nwindows = ["mon-fri 08:00-17:00"]'
    )
    assert calendar(tail, region="emea").zone == "Europe/Berlin"
    assert calendar(tail, region="apac").zone == calendar(tail).zone == "America/Los_Angeles"


def test_public_holidays_are_copied_into_what_is_signed():
    rule = 'holiday_rules = [{ country = "PL", first_year = 2026, last_year = 2027, leave_out = ["Epiphany"] }]'
    written = policy(rule)
    signed = with_holidays(written)
    copied = calendar_named(signed, "business")
    assert date(2026, 6, 4) in copied.holidays
    assert date(2026, 1, 6) not in copied.holidays
    assert date(2028, 5, 3) not in copied.holidays
    assert sha256(signed) != sha256(written)
    assert policy_from_json(canonical_json(signed)) == signed
    block = next(each for each in signed.calendars if each.code == "business")
    assert holiday_name(block, date(2026, 6, 4)) == "Corpus Christi"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('{ country = "XX", first_year = 2026, last_year = 2026 }', 'knows no country "XX"'),
        ('{ country = "DE", subdivision = "ZZ", first_year = 2026, last_year = 2026 }', "Allowed here: BB, BE"),
        ('{ country = "DE", first_year = 2026, last_year = 2026, leave_out = ["Eastr"] }', 'named "Eastr"'),
    ],
)
def test_a_rule_the_list_does_not_know_is_refused_with_its_line(rule, said):
    text = changed(POLICY, (WINDOWS, f"{WINDOWS}\nholiday_rules = [{rule}]"))
    with pytest.raises(DocumentInvalid) as caught:
        with_holidays(parse_policy(text), text)
    assert said in str(caught.value.problems[0])
    assert "holiday_rules" in text.splitlines()[caught.value.problems[0].line - 1]


def test_a_closing_over_new_year_closes_every_year():
    block = CalendarBlock(
        code="x", windows=("mon-sun 00:00-24:00",), closings=(ClosingBlock(begins="12-24 12:00", ends="01-02 08:00"),)
    )
    opened = block.opened_in("UTC")
    for year in (2026, 2031):
        assert next_open(opened, datetime(year, 12, 24, 12, tzinfo=UTC)) == datetime(year + 1, 1, 2, 8, tzinfo=UTC)


def test_rules_of_days_are_kept_for_every_year():
    block = CalendarBlock.model_validate_json(
        '{"code": "x", "windows": ["mon-fri 08:30-17:30"], "holidays_begin": "12:00", "floating_holidays": ['
        '{"name": "Day after Thanksgiving", "month": 11, "weekday": "thu", "nth": 4, "days_after": 1},'
        '{"name": "Good Friday", "easter": true, "days_after": -2}]}'
    )
    opened = block.opened_in("America/New_York")
    assert open_hours(opened, date(2026, 11, 27)) == () == open_hours(opened, date(2027, 3, 26))
    assert open_hours(opened, date(2026, 11, 26)) == ((510, 720),)
    assert holiday_name(block, date(2040, 11, 23)) == "Day after Thanksgiving"


CONTRADICTIONS = [
    ('closings = [{ begins = "12-24 12:00" }]', "", "never ends: state ends; see calendars[1].closings[1].begins"),
    ('closings = [{ begins = "12-24 12:00", ends = "2026-12-26 08:00" }]', "", "a year in both begins and ends"),
    ('closings = [{ begins = "2026-12-24 12:00", ends = "2026-12-24 11:00" }]', "", "would end before it begins"),
    ('closings = [{ begins = "2026-12-24 12:00", ends = "2028-12-24 11:00" }]', "", "a year at most"),
    ('closings = [{ begins = "2026-02-30 12:00", ends = "2028-12-24 11:00" }]', "", "is no day"),
    ('floating_holidays = [{ name = "x", month = 5 }]', "", "a month with its weekday"),
    ('floating_holidays = [{ name = "x", easter = true, nth = 0 }]', "", "1 to 5"),
    ('holiday_rules = [{ country = "PL", first_year = 2027, last_year = 2026 }]', "", "not before first_year"),
    ("", '[[calendars]]\ncode = "x"\nwindows = ["mon 08:00-09:00"]\nholidays_begin = "12:00"', "no holidays that"),
    ("", '[[calendars]]\ncode = "x"\nwindows = ["mon 08:00-09:00"]\non_holidays = true', "never opens"),
    ("", '[[calendars]]\ncode = "x"\nby_region = [{ regions = ["a"], calendar = "business" }]', "all other regions"),
    ("", '[[calendars]]\ncode = "x"\nby_region = [{ calendar = "x" }]', "not to another by region"),
    ("", '[[calendars]]\ncode = "x"\nby_region = [{ calendar = "y" }]', "not in calendars"),
    ("", '[[calendars]]\ncode = "x"\nalways = true\nwhose_zone = "site"', "no use for a zone"),
]


@pytest.mark.parametrize(("line", "tail", "said"), CONTRADICTIONS)
def test_contradictions_name_their_places(line, tail, said):
    assert any(said in problem for problem in problems(line, tail=tail))


def banded(windows: str, after: bool = False) -> str:
    band = '[[bands]]\ncode = "extra"\nlabel = "extra"\ncalendar = "extra"\n'
    return f'[[calendars]]\ncode = "extra"\nwindows = {windows}\n' + ("" if after else band)


@pytest.mark.parametrize("windows", ['["sat 08:00-12:00"]', '["mon-fri 10:00-12:00"]'])
def test_bands_may_lie_apart_or_within_a_later_one(windows):
    assert len(policy(tail=banded(windows)).bands) == 3


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ('["mon-fri 07:00-09:00"]', "both have mon 08:00-09:00"),
        ('["mon-fri 06:00-20:00"]', "the inner band comes first"),
        ('["mon-fri 08:00-17:00"]', "never applies"),
    ],
)
def test_bands_that_overlap_are_refused_with_both_places(windows, said):
    found = problems(tail=banded(windows))
    assert any(said in problem and "see bands[1]" in problem for problem in found)


def test_a_week_the_bands_do_not_fill_is_refused_with_the_gap():
    last = '[[bands]]\ncode = "after_hours"\nlabel = "after hours"\n'
    evening = '[[calendars]]\ncode = "evening"\nwindows = ["mon-sun 17:00-24:00", "mon-fri 00:00-08:00"]\n'
    with pytest.raises(DocumentInvalid) as caught:
        parse_policy(changed(POLICY, (last, last + 'calendar = "evening"\n'), (BANDS, evening + BANDS)))
    assert "no band has sat 00:00-17:00; see bands[" in str(caught.value.problems[0])
