"""Where two terms meet: fees beside unlimited cover and net prices, cycles, hours that burn at another pace."""

from fractions import Fraction

import pytest

from portal.contracts.policy import parse_policy
from portal.errors import RuleBroken
from portal.rating.engine import rate
from portal.rating.facts import BOUGHT_GRANT, CaseFacts, Cover, GrantState, RateKey
from portal.rating.lines import difference
from portal.rating.policies import compile_tariff
from tests.rating.builders import EVER, local, work

DOCUMENT = """
title = "Corners"
currency = "USD"
zone = "America/New_York"
rounding = { increment_minutes = 15, level = "case" }
roles = [{ code = "master" }]

[[calendars]]
code = "business"
windows = ["mon-fri 08:00-17:00"]

[[bands]]
code = "business"
label = "business hours"
calendar = "business"

[[bands]]
code = "evening"
label = "evenings and weekends"

[[rates]]
roles = ["master"]
per_hour = "200.00"

[[rates]]
per_hour = "100.00"

[[causes]]
code = "wiring"
label = "Wiring"
free = true
borne_by = "integrator"

[[packs]]
code = "ten_hours"
label = "Ten hours"
minutes = 600
price = "900.00"

[[plans]]
code = "time_and_materials"
name = "Time and materials"
rank = 0
price_per_month = "0"
complimentary = true

[[plans]]
code = "all_in"
name = "All in"
rank = 1
price_per_month = "900.00"
unlimited = true
cover_calendar = "business"
summary = "Everything in business hours."
"""
CALL_OUT = '[[fees]]\ncode = "call_out"\nlabel = "Call-out"\namount = "50.00"'
TUESDAY_NINE, TUESDAY_TWENTY = local("2026-03-03T09:00"), local("2026-03-03T20:00")
HOUR = [work(1, TUESDAY_NINE, 60)]


def rated(*more, entries=(), grants=(), plan="time_and_materials", **facts):
    tariff = compile_tariff(parse_policy("\n".join((DOCUMENT, *more))), product_line="")
    return rate(CaseFacts(cover=(Cover(EVER, plan),), **facts), entries, grants, tariff)


def money(bill):
    return [(line.kind, line.seconds, line.amount_minor) for line in bill.lines]


@pytest.mark.parametrize(
    ("plan", "opened_at", "severity", "lines"),
    [
        ("time_and_materials", TUESDAY_NINE, 3, [("fee", 0, 5_000)]),
        ("all_in", TUESDAY_NINE, 3, [("included", 0, 0)]),
        ("all_in", TUESDAY_TWENTY, 3, [("fee", 0, 5_000)]),
    ],
)
def test_a_fee_for_opening_stands_at_zero_where_the_plan_covers_the_moment(plan, opened_at, severity, lines):
    assert money(rated(CALL_OUT, plan=plan, opened_at=opened_at, severity=severity)) == lines


def test_an_integrator_pays_net_prices_and_no_fees():
    bill = rated(CALL_OUT, entries=HOUR, opened_at=TUESDAY_NINE, cause="wiring")
    assert [(line.payer, line.amount_minor) for line in bill.lines] == [("integrator", 10_000)]


def test_bought_hours_are_the_customers_and_pay_nothing_for_the_integrator():
    bill = rated(entries=HOUR, grants=[GrantState(1, BOUGHT_GRANT, 36_000)], cause="wiring")
    assert (bill.draws, [line.amount_minor for line in bill.lines]) == ((), [10_000])


def test_pieces_of_one_entry_are_joined_and_may_not_overlap():
    whole = rated(entries=[work(1, TUESDAY_NINE, 60)])
    assert rated(entries=[work(1, local("2026-03-03T09:20"), 40), work(1, TUESDAY_NINE, 20)]) == whole
    apart = rated(entries=[work(1, TUESDAY_NINE, 20), work(1, local("2026-03-03T09:30"), 40)])
    assert (apart.worked_seconds, apart.amount_minor) == (whole.worked_seconds, whole.amount_minor)
    with pytest.raises(RuleBroken, match="overlap"):
        rated(entries=[work(1, local("2026-03-03T09:15"), 45), work(1, TUESDAY_NINE, 20)])


def test_lines_of_two_cuts_that_are_alike_are_told_as_one():
    once = rated(entries=HOUR).lines
    assert difference((*once, *once), (*once, *once)) == ()
    assert [line.amount_minor for line in difference((*once, *once), once)] == [10_000]


def test_a_case_opened_again_begins_another_minimum():
    minimum = '[[minimums]]\nlevel = "cycle"\nminutes = 60'
    entries = [work(1, TUESDAY_NINE, 15), work(2, TUESDAY_TWENTY, 15)]
    assert sum(line.amount_minor for line in rated(minimum, entries=entries).lines) == 10_000
    again = rated(minimum, entries=entries, cycles=(local("2026-03-03T12:00"),))
    assert sum(line.amount_minor for line in again.lines) == 20_000


@pytest.mark.parametrize(
    ("factor", "held_minutes", "used_minutes", "billed_minutes"),
    [
        ("2", 60, 60, 30),
        ("0.5", 60, 30, 0),
        # Work that uses nothing is paid by any hours held, however few.
        ("0", 1, 0, 0),
        # Less than a second of such work is left: the hours cannot pay for it.
        ("999", 1, 0, 60),
    ],
)
def test_bought_hours_go_at_the_pace_of_the_work(factor, held_minutes, used_minutes, billed_minutes):
    grant = GrantState(1, BOUGHT_GRANT, held_minutes * 60)
    bill = rated(f'[[burns]]\nfactor = "{factor}"', entries=HOUR, grants=[grant])
    assert sum(draw.seconds for draw in bill.draws) == used_minutes * 60
    assert sum(line.seconds for line in bill.lines if line.kind == "billed") == billed_minutes * 60


def test_a_price_that_was_accepted_is_of_ordinary_work_and_leaves_a_roles_own():
    accepted = {RateKey("remote", "support", "business"): Fraction(8_000)}
    entries = [work(1, TUESDAY_NINE, 60), work(2, local("2026-03-03T11:00"), 60, role="master")]
    bill = rated(entries=entries, accepted_rates=accepted)
    assert [line.amount_minor for line in bill.lines] == [8_000, 20_000]
