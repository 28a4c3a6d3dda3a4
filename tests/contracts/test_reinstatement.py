"""What taking up a lapsed plan asks, formula by formula, for a plan of 290.00 a month that was lapsed for 49 days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.contracts.policy import Policy
from portal.contracts.reinstatement import Gap, Held, Reinstatement, due_from, gap_before, is_paid, reinstatement
from portal.errors import RuleBroken
from tests.support.documents import policy

ENDED, AGAIN = datetime(2026, 1, 20, 9, tzinfo=UTC), datetime(2026, 3, 10, 9, tzinfo=UTC)
GAP = Gap("assured", ENDED, AGAIN)
YEARLY_MINOR = 12 * 29_000


def lapse(*lines: str) -> Policy:
    return policy(("[emergency]", "\n".join(("[lapse]", *lines, "", "[emergency]"))))


def asked(*lines: str, months: int | None = 12, offered_minor: int | None = None) -> Reinstatement:
    return reinstatement(lapse(*lines), GAP, months=months, offered_minor=offered_minor)


@pytest.mark.parametrize(
    ("lines", "minor", "words"),
    [
        ((), 0, ["Without cover from 2026-01-20 to 2026-03-10, 49 days."]),
        (("grace_days = 49", 'amount = "90.00"'), 0, ["Within the 49 days of grace no fee is due."]),
        (('amount = "90.00"',), 9_000, ["Reinstatement fee 90.00 EUR: the policy asks 90.00."]),
        (('percent = "10"',), 34_800, ["10 % of the yearly price."]),
        (('percent = "1"', 'amount = "90.00"'), 9_000, ["1 % of the yearly price, 90.00 at least."]),
        (('missed_time = "day"',), 46_718, ["by days of a year"]),
        (('missed_time = "month"',), 58_000, ["by begun months"]),
        (("backdated = true",), 46_718, ["The year is paid from 2026-01-20", "to 2027-01-20", "467.18 EUR of it"]),
        (("whole_years = true",), 46_718, ["2 years are paid from 2026-01-20", "to 2028-01-20"]),
        (("waiting_days = 10",), 0, ["It covers again from 2026-03-20, after 10 days of waiting."]),
    ],
)  # fmt: skip
def test_every_formula_says_what_it_asks_and_why(lines, minor, words):
    found = asked(*lines)
    assert found.amount_minor == minor
    for each in words:
        assert each in " ".join(found.sentences)


def test_a_term_that_began_earlier_is_split_by_its_days_and_sums_to_its_price():
    one, two = asked("backdated = true"), asked("whole_years = true")
    assert one.amount_minor + one.first_term_minor == YEARLY_MINOR
    assert two.amount_minor + two.first_term_minor == 2 * YEARLY_MINOR
    assert (one.first_term_until.date().isoformat(), two.first_term_until.date().isoformat()) == (
        "2027-01-20",
        "2028-01-20",
    )
    by_invoice = asked("backdated = true", months=None)
    assert (by_invoice.amount_minor, by_invoice.first_term_minor) == (46_718, None)


def test_cover_waits_and_what_is_kept_says_so():
    found = asked("waiting_days = 10", 'amount = "90.00"')
    assert found.covers_from == datetime(2026, 3, 20, 9, tzinfo=UTC)
    assert (due_from(found.kept), found.kept["covers_from"]) == (9_000, "2026-03-20T09:00:00+00:00")
    assert due_from({}) == 0
    assert asked("backdated = true").kept["first_term_until"].startswith("2027-01-20")


@pytest.mark.parametrize(
    ("lines", "months", "words"),
    [
        (("ends_after_days = 48",), 12, "within 48 days only"),
        (("amount_stated = false",), 12, "does not name it"),
        (('missed_upgrade_percent = "20"',), 12, "only an offer can say"),
        (("backdated = true",), 1, "order it for a year"),
    ],
)
def test_a_plan_that_cannot_be_taken_up_like_this_is_refused_with_the_way_out(lines, months, words):
    with pytest.raises(RuleBroken, match=words):
        asked(*lines, months=months)


def test_a_term_that_is_over_already_is_refused():
    old = Gap("assured", datetime(2025, 3, 10, 9, tzinfo=UTC), AGAIN)
    with pytest.raises(RuleBroken, match="over by 2026-03-10"):
        reinstatement(lapse("backdated = true"), old, months=12)


def test_an_offer_counts_the_missed_release_and_its_own_price():
    found = asked('missed_upgrade_percent = "20"', 'percent = "10"', months=1, offered_minor=20_000)
    assert found.amount_minor == 24_000
    assert "counted in the offer's price" in found.sentences[-1]
    assert asked('percent = "10"', months=None, offered_minor=240_000).amount_minor == 24_000


def test_a_policy_without_a_table_asks_nothing():
    assert reinstatement(policy(), GAP, months=1).amount_minor == 0


def held(*plans: tuple[str, int]) -> list[Held]:
    return [Held(code, datetime(2026, month, 1, tzinfo=UTC), code != "free") for code, month in plans]


@pytest.mark.parametrize(
    ("plans", "months"),
    [
        ([], None),
        ([("free", 1)], None),
        ([("assured", 1)], None),
        ([("assured", 1), ("free", 2)], (2, 6)),
        ([("assured", 1), ("free", 2), ("free", 3)], (2, 6)),
        ([("assured", 1), ("other", 2), ("free", 3)], None),
        ([("assured", 1), ("free", 2), ("assured", 7)], (2, 6)),
        ([("assured", 1), ("free", 2), ("assured", 3)], None),
        ([("assured", 1), ("free", 6)], None),
    ],
)
def test_a_gap_is_the_time_since_the_plan_that_was_held_last(plans, months):
    at = datetime(2026, 6, 1, tzinfo=UTC)
    found = gap_before(held(*plans), "assured", at)
    assert (found and (found.from_at.month, found.until_at.month)) == months


def test_a_plan_is_paid_where_a_month_costs_something():
    document = policy()
    assert [is_paid(document, code) for code in ("assured", "complimentary", "gone")] == [True, False, False]
