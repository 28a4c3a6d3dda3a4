"""Plans paid by subscription: chosen from the payment on, sold month by month out of what was paid, ended by rule."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.billing.actions.plans import open_month
from portal.billing.models import PlanSale
from portal.contracts.models import PlanChoice
from portal.contracts.queries import plan_choice_at
from portal.entitlement.models import UsageGrant
from portal.errors import Conflict, NotAllowed
from portal.payments import calls
from portal.payments import queries as payments
from portal.payments.checkouts import plan_end
from portal.payments.models import CashReceipt, Intent, SubscriptionSeen
from portal.payments.provider import Unknown
from portal.selling.actions import cancel, end_overdue, order
from portal.selling.rules import State
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, PLACE, plan_order, posted
from tests.support.cast import NOW


def plan_at(shop, at):
    choice = plan_choice_at(shop.session, site_id=shop.cast.plain_site.id, manufacturer_id=shop.cast.factory.id, at=at)
    return choice.plan_code if choice is not None else None


def later(shop, days):
    """The clock goes on and what is told by then is heard; when that is."""
    shop.standin.control.advance_clock(days * DAY_SECONDS)
    now = NOW + timedelta(days=days)
    shop.hear(now=now)
    return now


def subscription_of(shop, purchase):
    return shop.seen(purchase).subscription.provider_subscription_id


def test_a_plan_is_chosen_from_the_payment_on_and_its_month_sold(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    assert shop.seen(purchase).state is State.ACTIVE
    assert plan_at(shop, NOW + timedelta(minutes=5)) == "assured"
    choice = work_session.scalars(select(PlanChoice).order_by(PlanChoice.id.desc()).limit(1)).one()
    assert choice.terms["purchase_id"] == purchase.id
    sale = work_session.scalars(select(PlanSale).where(PlanSale.plan_choice_id == choice.id)).one()
    assert (sale.paid_by, sale.amount_minor) == ("ahead", MONTH_MINOR)
    grant = work_session.scalars(select(UsageGrant).where(UsageGrant.plan_choice_id == choice.id)).one()
    assert (grant.granted_seconds, grant.starts_at) == (7_200, sale.starts_at)
    # To the anchor's day of the next month, not to the calendar's.
    assert grant.expires_at.day == 10
    assert posted(work_session, "customer_prepaid") == 0
    assert payments.tie_out(work_session)[0].books_minor == posted(work_session, "stripe_clearing")


def test_a_year_is_paid_ahead_and_sold_month_by_month(shop, work_session):
    shop.buy(plan_order(shop.cast, interval="year", shown_minor=12 * MONTH_MINOR))
    sold = work_session.scalars(select(PlanSale).where(PlanSale.paid_by == "ahead")).all()
    assert [sale.amount_minor for sale in sold] == [MONTH_MINOR]
    assert posted(work_session, "customer_prepaid") == -11 * MONTH_MINOR


def test_a_renewal_pays_the_next_month_once(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    later(shop, 32)
    found = shop.seen(purchase)
    assert [bill.amount_minor for bill in found.bills] == [MONTH_MINOR, MONTH_MINOR]
    assert len(found.receipts) == 2
    assert posted(work_session, "customer_prepaid") == -MONTH_MINOR
    shop.hear(copies=2, newest_first=True, now=NOW + timedelta(days=32))
    assert len(work_session.scalars(select(CashReceipt)).all()) == 2


def test_a_debit_that_takes_days_begins_the_plan_when_it_arrives(shop):
    purchase = shop.buy(plan_order(shop.cast), method="bank_debit")
    assert shop.seen(purchase).state is State.PAYING
    assert plan_at(shop, NOW + timedelta(days=1)) is None
    later(shop, 5)
    assert shop.seen(purchase).state is State.ACTIVE
    assert plan_at(shop, NOW + timedelta(days=3)) is None
    assert plan_at(shop, NOW + timedelta(days=5)) == "assured"


def test_a_first_debit_that_fails_begins_nothing_and_is_not_tried_again(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast), method="bank_debit_fails")
    now = later(shop, 5)
    assert shop.seen(purchase).state is State.FAILED
    shop.hear(now=now)
    assert shop.standin.client().v1.subscriptions.retrieve(subscription_of(shop, purchase)).status == "canceled"
    assert plan_at(shop, now) is None


def test_an_unpaid_plan_holds_for_the_days_of_grace_and_no_longer(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    shop.standin.control.pay_renewals_by(subscription_of(shop, purchase), "card_declined")
    now = later(shop, 32)
    assert shop.seen(purchase).seen.status == "past_due"
    assert plan_at(shop, now) == "assured"
    renewed = shop.seen(purchase).seen.covers_from
    assert end_overdue(work_session, now=renewed - timedelta(seconds=1)) == 0
    ended = renewed + timedelta(days=30)
    assert [end_overdue(work_session, now=ended), end_overdue(work_session, now=ended)] == [1, 0]
    work_session.commit()
    assert plan_at(shop, ended + timedelta(seconds=1)) == "complimentary"
    assert shop.seen(purchase).state is State.LAPSED
    shop.hear(now=ended)
    assert shop.standin.client().v1.subscriptions.retrieve(subscription_of(shop, purchase)).status == "canceled"


def test_a_late_payment_within_grace_keeps_the_plan(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    subscription = subscription_of(shop, purchase)
    shop.standin.control.pay_renewals_by(subscription, "card_declined")
    later(shop, 32)
    shop.standin.control.pay_renewals_by(subscription, "card")
    shop.standin.control.advance_clock(4 * DAY_SECONDS)
    shop.hear(now=NOW + timedelta(days=36))
    found = shop.seen(purchase)
    assert (found.seen.status, len(found.receipts)) == ("active", 2)
    assert end_overdue(work_session, now=NOW + timedelta(days=60)) == 0


def test_a_cancelled_plan_ends_with_what_was_paid_and_can_be_taken_back_before(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    for wanted in (True, False, True):
        cancel(work_session, shop.cast.bea, shop.seen(purchase), wanted=wanted, now=NOW)
        work_session.commit()
        shop.run_jobs(NOW, gateway=shop.gateway)
        shop.hear()
        assert shop.seen(purchase).seen.ends_with_period is wanted
    with pytest.raises(NotAllowed):
        cancel(work_session, shop.cast.cal, shop.seen(purchase), wanted=True, now=NOW)
    until = shop.seen(purchase).seen.covers_until
    later(shop, 32)
    assert shop.seen(purchase).state is State.ENDED
    assert plan_at(shop, until - timedelta(seconds=1)) == "assured"
    assert plan_at(shop, until + timedelta(seconds=1)) == "complimentary"
    with pytest.raises(Conflict):
        cancel(work_session, shop.cast.bea, shop.seen(purchase), wanted=True, now=NOW)


def test_a_plan_the_site_has_is_not_sold_again(shop, work_session):
    shop.buy(plan_order(shop.cast))
    with pytest.raises(Conflict, match="already"):
        order(work_session, shop.cast.bea, plan_order(shop.cast), PLACE, now=NOW + timedelta(hours=1))


def test_an_older_look_at_a_subscription_changes_nothing(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    seen = len(work_session.scalars(select(SubscriptionSeen)).all())
    shop.hear(copies=2, newest_first=True)
    assert len(work_session.scalars(select(SubscriptionSeen)).all()) == seen
    intents = work_session.scalars(select(Intent).where(Intent.kind == "checkout")).all()
    assert [intent.id for intent in intents] == [purchase.intent_id]


def test_months_of_the_open_books_are_sold_as_they_come(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    later(shop, 32)
    # The books of March are open still: the month that begins in April is sold into them.
    for _ in range(2):
        open_month(work_session, now=NOW + timedelta(days=32))
    assert len(work_session.scalars(select(PlanSale).where(PlanSale.paid_by == "ahead")).all()) == 2
    assert shop.seen(purchase).state is State.ACTIVE


def test_an_end_whose_answer_was_lost_is_found_and_not_refused(shop, work_session):
    purchase = shop.buy(plan_order(shop.cast))
    known = shop.seen(purchase).subscription
    planned = plan_end(work_session, known, now=NOW).id
    work_session.commit()
    shop.standin.control.fault("lose_answer", method="DELETE", path="/v1/subscriptions/.*")
    with pytest.raises(Unknown):
        calls.perform(shop.engine, shop.gateway, planned, NOW)
    assert calls.perform(shop.engine, shop.gateway, planned, NOW) == "succeeded"
    shop.hear()
    assert shop.seen(purchase).state is State.ENDED
