"""The minimum term: what leaving it early owes, found when Stripe ends what only the portal may."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.selling.actions import cancel
from portal.selling.leaving import close_early_end, early_ends
from portal.selling.rules.terms import ends_early, owed_minor
from tests.support.buying import MONTH_MINOR, plan_order
from tests.support.cast import NOW
from tests.support.going_back import Kept
from tests.support.versions import signed_policy

UNTIL = date(2027, 3, 10)


@pytest.mark.parametrize(
    ("ends", "covers_until", "minimum_until", "early"),
    [
        (True, date(2026, 4, 10), UNTIL, True),
        (True, UNTIL - timedelta(days=1), UNTIL, True),
        (True, UNTIL, UNTIL, False),
        (True, date(2026, 4, 10), None, False),
        (False, date(2026, 4, 10), UNTIL, False),
    ],
)
def test_a_plan_ends_early_when_what_is_paid_does_not_reach_its_term(ends, covers_until, minimum_until, early):
    assert ends_early(ends=ends, covers_until=covers_until, minimum_until=minimum_until) is early


@pytest.mark.parametrize(
    ("interval", "covers_until", "periods"),
    [
        ("month", date(2026, 4, 10), 11),
        ("month", date(2027, 2, 10), 1),
        ("month", date(2027, 2, 11), 1),
        ("month", UNTIL, 0),
        ("year", date(2026, 4, 10), 1),
    ],
)
def test_whole_periods_are_owed_until_the_term_is_reached(interval, covers_until, periods):
    assert owed_minor(100, interval, covers_until=covers_until, minimum_until=UNTIL) == periods * 100


def bought_for_a_year(shop):
    """The plan by the month, taken for twelve of them."""
    version = signed_policy(shop.session, shop.cast, ("rank = 20\n", "rank = 20\nminimum_months = 12\n"))
    return shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))


def at_stripe(shop, purchase, change):
    subscription = shop.seen(purchase).subscription.provider_subscription_id
    change(shop.standin.client().v1.subscriptions, subscription)
    shop.hear()


def test_an_end_at_stripe_within_the_term_is_a_finding_until_it_is_taken_back(shop, work_session):
    purchase = bought_for_a_year(shop)
    with pytest.raises(RuleBroken, match="taken until 2027-03-10"):
        cancel(work_session, shop.cast.bea, shop.seen(purchase), wanted=True, now=NOW)
    at_stripe(shop, purchase, lambda at, one: at.update(one, {"cancel_at_period_end": True}))
    (row,) = early_ends(work_session, shop.cast.fay)
    assert (row.minimum_until, row.owed_minor, row.each_minor) == (UNTIL, 11 * MONTH_MINOR, MONTH_MINOR)
    at_stripe(shop, purchase, lambda at, one: at.update(one, {"cancel_at_period_end": False}))
    assert early_ends(work_session, shop.cast.fay) == []


def test_finance_closes_a_finding_with_what_was_agreed(shop, work_session):
    purchase = bought_for_a_year(shop)
    at_stripe(shop, purchase, lambda at, one: at.cancel(one))
    shop.hear(copies=2)
    fay = shop.cast.fay
    assert [row.purchase.id for row in early_ends(work_session, fay)] == [purchase.id]
    for who, words, error in (
        (shop.cast.bea, "Let go", NotAllowed),
        (shop.cast.eve, "Let go", NotAllowed),
        (fay, " ", Invalid),
    ):
        with pytest.raises(error):
            close_early_end(work_session, who, purchase.id, explanation=words, now=NOW)
    with pytest.raises(NotFound):
        close_early_end(work_session, fay, 10**9, explanation="Let go", now=NOW)
    close_early_end(work_session, fay, purchase.id, explanation="Let go: the line was sold", now=NOW)
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway, mailer=Kept())
    work_session.expire_all()
    assert early_ends(work_session, fay) == []
    assert shop.seen(purchase).steps["let_go"].details["explanation"] == "Let go: the line was sold"
    with pytest.raises(Conflict):
        close_early_end(work_session, fay, purchase.id, explanation="Again", now=NOW)
