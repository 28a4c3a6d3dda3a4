"""What of a payment ahead nobody has used, and what goes back with a part of it: pure."""

from __future__ import annotations

import pytest

from portal.adjustments.rules.unused import Payment, SoldPack, part_of_pack, part_of_plan, seconds_of_month

PACK = SoldPack(1_000, 100, 0, 0, 36_000, 36_000)


@pytest.mark.parametrize(
    ("payment", "net", "most"),
    [
        (Payment(1_190, 190), 1_000, 1_190),
        (Payment(1_190, 190), 500, 595),
        (Payment(1_190, 190), 0, 0),
        (Payment(1_190, 190, 595, 95), 500, 595),
        (Payment(1_000, 0), 999, 999),
        (Payment(190, 190), 0, 190),
        (Payment(3, 1), 1, 2),
        (Payment(1_003, 3), 167, 168),
    ],
)
def test_the_most_that_goes_back_takes_no_more_of_the_price(payment, net, most):
    found = payment.with_tax(net)
    assert found == most
    assert found - payment.tax_of(found) <= net


@pytest.mark.parametrize(("amount", "tax"), [(1_190, 190), (1_000, 0), (7, 3), (135_001, 11_137)])
def test_the_tax_of_many_small_parts_is_that_of_the_whole(amount, tax):
    gone = gone_tax = 0
    for part in [*([max(amount // 7, 1)] * 6), amount - 6 * max(amount // 7, 1)]:
        mine = Payment(amount, tax, gone, gone_tax).tax_of(part)
        gone, gone_tax = gone + part, gone_tax + mine
    assert (gone, gone_tax) == (amount, tax)


@pytest.mark.parametrize(
    ("pack", "unused", "refundable"),
    [
        (PACK, 900, 1_000),
        (SoldPack(1_000, 0, 0, 0, 10, 4), 400, 400),
        (SoldPack(1_000, 100, 0, 0, 10, 5), 450, 500),
        (SoldPack(1_000, 100, 450, 50, 5, 0), 0, 0),
        (SoldPack(1_000, 100, 900, 100, 0, 0), 0, 0),
        (SoldPack(1_000, 1_000, 0, 0, 10, 10), 0, 0),
    ],
)
def test_what_nobody_has_used_goes_back_with_its_commission(pack, unused, refundable):
    assert (pack.unused_minor, pack.refundable_minor) == (unused, refundable)


@pytest.mark.parametrize(
    ("pack", "net", "wanted"),
    [
        (PACK, 1_000, (900, 100, 0, 36_000)),
        (PACK, 500, (450, 50, 0, 18_000)),
        (SoldPack(1_000, 0, 0, 0, 10, 4), 700, (400, 0, 300, 4)),
        (SoldPack(1_000, 100, 900, 100, 0, 0), 10, (0, 0, 10, 0)),
        (SoldPack(1_000, 0, 0, 0, 3, 3), 1, (1, 0, 0, 0)),
    ],
)
def test_a_part_of_a_pack_sums_to_what_goes_back(pack, net, wanted):
    part = part_of_pack(pack, net)
    assert (part.deferred_minor, part.commission_minor, part.beyond_minor, part.units) == wanted
    assert part.deferred_minor + part.commission_minor + part.beyond_minor == net


def test_many_small_refunds_of_a_pack_end_where_a_full_one_does():
    deferred = commission = units = 0
    for net in (1, 2, 333, 7, 500, 157):
        now = SoldPack(1_000, 100, deferred, commission, 36_000 - units, 36_000 - units)
        part = part_of_pack(now, net)
        deferred, commission, units = (
            deferred + part.deferred_minor, commission + part.commission_minor, units + part.units
        )  # fmt: skip
    assert (deferred, commission, units) == (900, 100, 36_000)


@pytest.mark.parametrize(
    ("prepaid", "unearned", "net", "wanted"),
    [
        (100, (50, 60), 30, (30, (0, 0), 0)),
        (100, (50, 60), 140, (100, (0, 40), 0)),
        (100, (50, 60), 200, (100, (40, 60), 0)),
        (100, (50, 60), 250, (100, (50, 60), 40)),
        (-5, (), 10, (0, (), 10)),
    ],
)
def test_of_a_subscription_the_last_months_go_back_first(prepaid, unearned, net, wanted):
    part = part_of_plan(prepaid, unearned, net)
    assert (part.prepaid_minor, part.by_month, part.beyond_minor) == wanted


@pytest.mark.parametrize(
    ("free", "deferred", "unearned", "seconds"),
    [
        # Half of what a month has not earned takes half of its unused time; all of it takes all.
        (7_200, 14_500, 29_000, 3_600),
        (7_200, 29_000, 29_000, 7_200),
        # What was used is kept: an hour of two is used, and half of the rest goes back.
        (3_600, 8_500, 17_000, 1_800),
        (0, 8_500, 17_000, 0),
        (7_200, 0, 29_000, 0),
        (7_200, 30_000, 29_000, 0),
        (100, 1, 3, 33),
    ],
)
def test_unused_time_of_a_month_goes_back_in_proportion(free, deferred, unearned, seconds):
    assert seconds_of_month(free, deferred, unearned) == seconds


def test_time_of_many_small_parts_of_a_month_ends_where_the_whole_does():
    free, unearned = 7_200, 29_000
    for minor in (1, 2, 333, 28_000, 664):
        gone = seconds_of_month(free, minor, unearned)
        free, unearned = free - gone, unearned - minor
    assert (free, unearned) == (0, 0)
