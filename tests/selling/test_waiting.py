"""Money that came in and could not become a sale: listed with its reason until it is refunded or sold after all."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from portal.adjustments.actions import asking
from portal.adjustments.actions.asking import Wanted
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.selling.actions import Place, keep_exemption
from portal.selling.models import Purchase
from portal.selling.rules import State
from portal.selling.waiting import sell_after_all, unsold_payments
from portal.settlement.books import all_problems
from tests.support.buying import MONTH_MINOR, OTHER_PLANS, PACK_MINOR, Shop, pack_order, plan_order
from tests.support.cast import NOW
from tests.support.going_back import Kept
from tests.support.versions import signed_policy

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def finance(shop: Shop, work_session) -> Shop:
    """Finance may refund alone, and Stripe has what goes back."""
    shop.standin.control.available_after(0)
    shop.standin.control.fund(100_000, "eur")
    limit = {"role": "finance", "currency": "EUR", "amount_minor": 10_000_000}
    asking.set_limit(work_session, shop.cast.adam, **limit, now=NOW)
    work_session.commit()
    return shop


def jobs(shop: Shop) -> None:
    shop.session.commit()
    shop.run_jobs(LATER, gateway=shop.gateway, mailer=Kept())
    shop.session.expire_all()


def refunded(shop: Shop, purchase: Purchase) -> None:
    """Finance gives back what was paid; then nothing waits, nothing is lost, and nothing is there twice."""
    (row,) = unsold_payments(shop.session, shop.cast.fay)
    wanted = Wanted("refund", row.rest_minor, "It could not be sold", receipt_id=row.receipt.id)
    asking.ask(shop.session, shop.cast.fay, None, wanted, now=LATER)
    assert unsold_payments(shop.session, shop.cast.fay)[0].waits_for == "A refund under way"
    jobs(shop)
    assert shop.seen(purchase).state is State.RETURNED
    assert unsold_payments(shop.session, shop.cast.fay) == []
    assert all_problems(shop.session) == []


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"interval": "year", "shown_minor": 12 * MONTH_MINOR}, "had this plan already"),
        # Its subscription would be asked for a plan that the site no longer has.
        ({"code": "premium", "shown_minor": 49_000}, "Another subscription paid for the site's plan"),
    ],
)
def test_of_two_plans_paid_in_two_tabs_one_is_sold_and_the_other_payment_goes_back(finance, cast, other, reason):
    shop = finance
    sha256 = signed_policy(shop.session, cast, OTHER_PLANS).sha256
    first = shop.ordered(plan_order(cast, shown_sha256=sha256))
    second = shop.ordered(plan_order(cast, shown_sha256=sha256, **other))
    assert first.id != second.id
    for purchase in (first, second):
        shop.pay(purchase)
    shop.hear()
    sold = [each for each in (first, second) if shop.seen(each).state is State.ACTIVE]
    (twice,) = [each for each in (first, second) if each not in sold]
    assert (len(sold), shop.seen(twice).state) == (1, State.UNSALEABLE)
    (row,) = unsold_payments(shop.session, cast.fay)
    assert (row.purchase.id, row.waits_for) == (twice.id, "Finance")
    assert reason in row.reason
    refunded(shop, twice)
    # The subscription of what was never sold is ended at Stripe, so that nobody pays it again.
    assert len(shop.standin.client().v1.subscriptions.list({"status": "canceled"}).data) == 1


def test_a_plan_withdrawn_while_it_is_paid_waits_for_finance(finance, work_session, cast):
    shop = finance
    purchase = shop.ordered(plan_order(cast))
    signed_policy(work_session, cast, ('code = "assured"', 'code = "assured_2"'))
    jobs(shop)
    shop.pay(purchase)
    shop.hear()
    (row,) = unsold_payments(work_session, cast.fay)
    assert "withdrawn" in row.reason
    sell_after_all(work_session, cast.fay, purchase.id, reason="They insist.", now=LATER)
    jobs(shop)
    assert shop.seen(purchase).state is State.UNSALEABLE
    refunded(shop, purchase)


def test_a_certificate_that_ended_meanwhile_is_passed_over_on_finances_word(finance, work_session, cast):
    shop = finance
    kept = {
        "jurisdiction": "DE",
        "number": "X-1",
        "valid_from": date(2026, 1, 1),
        "expires_on": NOW.date() + timedelta(1),
    }
    keep_exemption(work_session, cast.bea, **kept, now=NOW)
    place = Place("https://portal.example", automatic_tax=True)
    purchase = shop.ordered(pack_order(cast), place=place)
    # A bank debit takes days, and the certificate ends meanwhile.
    shop.pay(purchase, method="bank_debit")
    shop.hear()
    shop.standin.control.advance_clock(5 * 86_400)
    shop.hear(now=NOW + timedelta(days=5))
    (row,) = unsold_payments(work_session, cast.fay)
    assert "certificate" in row.reason
    for who, error in ((cast.ivo, NotAllowed), (cast.eve, NotAllowed)):
        with pytest.raises(error):
            sell_after_all(work_session, who, purchase.id, reason="No", now=LATER)
    with pytest.raises(NotFound):
        sell_after_all(work_session, cast.fay, 0, reason="No", now=LATER)
    with pytest.raises(Invalid):
        sell_after_all(work_session, cast.fay, purchase.id, reason=" ", now=LATER)
    sell_after_all(work_session, cast.fay, purchase.id, reason="A new one has come.", now=LATER)
    jobs(shop)
    assert (shop.seen(purchase).state, row.receipt.amount_minor) == (State.ACTIVE, PACK_MINOR)
    assert unsold_payments(work_session, cast.fay) == []
    with pytest.raises(Conflict):
        sell_after_all(work_session, cast.fay, purchase.id, reason="Again", now=LATER)
    assert all_problems(work_session) == []
