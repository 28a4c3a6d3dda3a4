"""Another plan for a subscription at once: charged to the cent as shown, sold once, its minutes never there twice."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.adjustments.ahead import unused_minor
from portal.billing.actions import earn_plans, open_month
from portal.billing.actions.used import used_of_sale
from portal.billing.books import check_books
from portal.billing.models import PlanSale
from portal.contracts.queries import plan_choice_at
from portal.directory.models import Site
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.queries import decision_of, latest_coverage
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.payments import calls
from portal.payments.models import CashReceipt, Intent, SubscriptionBill
from portal.payments.provider import Busy, Unknown
from portal.selling.actions import change_plan, changes_possible, preview_at_once
from tests.adjustments.test_paid_ahead import refund, used
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, OTHER_PLANS, plan_order, posted
from tests.support.cases import accepted
from tests.support.cast import NOW
from tests.support.going_back import Desk
from tests.support.versions import signed_policy

TEN_DAYS = NOW + timedelta(days=10)
PREMIUM_MINOR = 49_000


@pytest.fixture
def version(shop, work_session):
    return signed_policy(work_session, shop.cast, OTHER_PLANS)


@pytest.fixture
def purchase(shop, version):
    """The paid plan by the month, ten days ago."""
    bought = shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))
    shop.standin.control.advance_clock(10 * DAY_SECONDS)
    return bought


def asked(shop, purchase, code="premium", interval="month", at=TEN_DAYS, now=TEN_DAYS):
    """What the page shows of a change at once."""
    found = shop.seen(purchase)
    change = changes_possible(shop.session, found, now=now).named(code, interval)
    name = shop.session.get_one(Site, purchase.site_id).name
    about = found.subscription.provider_subscription_id
    return preview_at_once(shop.gateway, about, change, name, at, now=now)


def said(shop, purchase, figures, code="premium", interval="month", minor=PREMIUM_MINOR, **changed):
    """The buyer's yes to it."""
    version = changes_possible(shop.session, shop.seen(purchase), now=figures.at).in_force.version
    wanted = {"sha256": version.sha256, "shown_minor": minor, "at_once": (figures, figures.shown), "now": figures.at}
    found = shop.seen(purchase)
    made = change_plan(shop.session, shop.cast.bea, found, code, interval=interval, **{**wanted, **changed})
    shop.session.commit()
    return made.id


def changed(shop, purchase, **what):
    """Shown, said yes to, charged and told of; what was shown."""
    figures = asked(shop, purchase, **{name: value for name, value in what.items() if name != "minor"})
    named = {name: value for name, value in what.items() if name in ("code", "interval", "minor")}
    intent_id = said(shop, purchase, figures, **named)
    assert calls.perform(shop.engine, shop.gateway, intent_id, figures.at) == "succeeded"
    shop.hear(now=figures.at)
    return figures


def plan_at(shop, at):
    place = {"site_id": shop.cast.plain_site.id, "manufacturer_id": shop.cast.factory.id}
    return plan_choice_at(shop.session, **place, at=at)


def sales(shop):
    rows = shop.session.scalars(select(PlanSale).where(PlanSale.paid_by == "ahead").order_by(PlanSale.id))
    return [(row.kind, row.plan_code, row.amount_minor) for row in rows]


def minutes(shop):
    """The included minutes of the site's plans: granted, and free."""
    rows = shop.session.execute(
        select(UsageGrant.granted_seconds, GrantBalance.free_seconds)
        .join(GrantBalance, GrantBalance.grant_id == UsageGrant.id)
        .where(UsageGrant.site_id == shop.cast.plain_site.id)
        .order_by(UsageGrant.id)
    )
    return [(granted // 60, free // 60) for granted, free in rows]


def problems(shop):
    return [problem for problem in check_books(shop.session) if problem]


def test_a_dearer_plan_at_once_costs_the_rest_of_the_month_and_holds_from_then(shop, purchase):
    until = shop.seen(purchase).seen.covers_until
    figures = changed(shop, purchase)
    shown = figures.preview
    rest, whole = (until - TEN_DAYS).total_seconds(), (until - NOW).total_seconds()
    assert (shown.charge_minor, shown.credit_minor) == (
        round(PREMIUM_MINOR * rest / whole),
        round(MONTH_MINOR * rest / whole),
    )
    found = shop.seen(purchase)
    assert [bill.amount_minor for bill in found.bills] == [MONTH_MINOR, shown.total_minor]
    assert found.paid_minor == MONTH_MINOR + shown.total_minor
    assert [plan_at(shop, TEN_DAYS + timedelta(seconds=each)).plan_code for each in (-1, 0)] == ["assured", "premium"]
    assert sales(shop) == [
        ("month", "assured", MONTH_MINOR),
        ("given_up", "assured", -shown.credit_minor),
        ("month", "premium", shown.charge_minor),
    ]
    assert posted(shop.session, "customer_prepaid") == 0
    assert problems(shop) == []
    next_month(shop, 25, NOW + timedelta(days=35))
    assert [bill.amount_minor for bill in shop.seen(purchase).bills][2:] == [PREMIUM_MINOR]
    assert sales(shop)[3:] == [("month", "premium", PREMIUM_MINOR)]
    assert posted(shop.session, "customer_prepaid") == 0
    assert problems(shop) == []


def test_the_database_keeps_a_charge_to_its_change(shop, purchase, work_session):
    figures = asked(shop, purchase)
    intent_id, known = said(shop, purchase, figures), shop.seen(purchase).bills[0]
    names = ("subscription_id", "manufacturer_id", "payer_id", "currency", "covers_from", "covers_until", "recorded_at")
    row = {**{name: getattr(known, name) for name in names}, "amount_minor": 1, "tax_minor": 0}

    def keep(**wrong):
        made = SubscriptionBill(**row, provider_invoice_id=str(uuid4()), **wrong)
        with work_session.begin_nested():
            work_session.add(made)
            work_session.flush()

    for wrong in ({"credit_minor": 1}, {"credit_minor": -1, "change_intent_id": intent_id}):
        with pytest.raises(IntegrityError, match="ck_subscription_bill_credit"):
            keep(**wrong)
    keep(change_intent_id=intent_id, credit_minor=1)
    with pytest.raises(IntegrityError, match="uq_subscription_bill_change_intent_id"):
        keep(change_intent_id=intent_id)


def next_month(shop, days, now):
    """Stripe renews what is due, and the months that have begun are sold, once however often they are looked for."""
    shop.standin.control.advance_clock(days * DAY_SECONDS)
    shop.hear(now=now)
    sold = open_month(shop.session, now=now)
    assert open_month(shop.session, now=now) == 0
    shop.session.commit()
    return sold


def test_a_yes_counts_for_what_was_shown_and_is_charged_once(shop, purchase, work_session):
    figures = asked(shop, purchase)
    with pytest.raises(Conflict, match="some minutes old"):
        asked(shop, purchase, now=TEN_DAYS + timedelta(minutes=11))
    with pytest.raises(RuleBroken, match="costs no more"):
        asked(shop, purchase, code="light")
    for error, wrong in (
        (Conflict, {"at_once": (figures, (1, 0))}),
        (Conflict, {"shown_minor": 1}),
        (Conflict, {"sha256": "0" * 64}),
        (RuleBroken, {"minor": 25_000, "code": "light"}),
    ):
        with pytest.raises(error):
            said(shop, purchase, figures, **wrong)
    with pytest.raises(NotAllowed):
        change_plan(work_session, shop.cast.cal, shop.seen(purchase), "premium", sha256="", shown_minor=0, now=TEN_DAYS)
    about = shop.seen(purchase).subscription.provider_subscription_id
    shop.standin.control.pay_renewals_by(about, "bank_debit")
    with pytest.raises(RuleBroken, match="Only a card"):
        asked(shop, purchase)
    shop.standin.control.pay_renewals_by(about, "card_declined")
    declined = said(shop, purchase, figures)
    assert said(shop, purchase, figures) == declined
    assert calls.perform(shop.engine, shop.gateway, declined, TEN_DAYS) == "failed"
    shop.hear(now=TEN_DAYS)
    assert "declined" in work_session.get_one(Intent, declined).failure
    assert [bill.amount_minor for bill in shop.seen(purchase).bills] == [MONTH_MINOR]
    shop.standin.control.pay_renewals_by(about, "card")
    again = asked(shop, purchase, at=TEN_DAYS + timedelta(minutes=1), now=TEN_DAYS + timedelta(minutes=1))
    planned = said(shop, purchase, again)
    with pytest.raises(RuleBroken, match="on its way"):
        said(shop, purchase, figures, at_once=(again, again.shown), interval="year", minor=12 * PREMIUM_MINOR)
    shop.standin.control.fault("lose_answer", method="POST", path="/v1/subscriptions/[^/]+")
    with pytest.raises(Unknown):
        calls.perform(shop.engine, shop.gateway, planned, again.at)
    # What Stripe tells of it comes before the answer does, and twice.
    told = shop.receiver.at("/snapshot")
    assert told
    shop.hear(now=again.at, copies=2)
    assert calls.perform(shop.engine, shop.gateway, planned, again.at) == "succeeded"
    shop.hear(now=again.at, newest_first=True)
    assert plan_at(shop, again.at).plan_code == "premium"
    assert [kind for kind, _, _ in sales(shop)] == ["month", "given_up", "month"]
    assert shop.seen(purchase).paid_minor == MONTH_MINOR + again.preview.total_minor
    assert problems(shop) == []


def test_a_month_becomes_a_year_at_once_and_a_year_months_when_it_is_over(shop, purchase):
    year = 12 * MONTH_MINOR
    figures = changed(shop, purchase, code="assured", interval="year", minor=year)
    assert figures.preview.charge_minor == year
    seen = shop.seen(purchase).seen
    began = shop.seen(purchase).bills[1].covers_from
    assert (seen.covers_from, seen.covers_until) == (began, began.replace(year=began.year + 1))
    assert sales(shop)[1] == ("given_up", "assured", -figures.preview.credit_minor)
    assert sales(shop)[2][2] == pytest.approx(MONTH_MINOR, abs=1)
    assert problems(shop) == []
    next_month(shop, 40, NOW + timedelta(days=50))
    dearer = NOW + timedelta(days=50)
    changed(shop, purchase, interval="year", minor=12 * PREMIUM_MINOR, at=dearer, now=dearer)
    assert shop.seen(purchase).seen.covers_until == seen.covers_until
    found = shop.seen(purchase)
    later = dearer + timedelta(days=1)
    there = changes_possible(shop.session, found, now=later).named("premium", "month")
    assert "A year that is paid" in there.not_now
    wanted = {"sha256": changes_possible(shop.session, found, now=later).in_force.version.sha256}
    change_plan(
        shop.session, shop.cast.bea, found, "premium", interval="month", shown_minor=PREMIUM_MINOR, now=later, **wanted
    )
    shop.session.commit()
    shop.run_jobs(later, gateway=shop.gateway)
    after = seen.covers_until + timedelta(days=1)
    next_month(shop, (after - dearer).days, after)
    bills = shop.seen(purchase).bills
    assert [bill.amount_minor for bill in bills][-1] == PREMIUM_MINOR
    assert bills[-1].covers_from == seen.covers_until
    # Every month of the year is sold and nothing of what was paid is left over.
    assert sum(minor for _, _, minor in sales(shop)) == sum(bill.amount_minor for bill in bills)
    assert posted(shop.session, "customer_prepaid") == 0
    assert problems(shop) == []


def test_what_was_used_stays_used_and_what_goes_back_is_what_each_payment_paid(shop, version, run_jobs):
    shop.standin.control.available_after(0)
    shop.standin.control.fund(100_000, "eur")
    desk = Desk(shop.session, shop.engine, shop.cast, shop.gateway, shop.standin, run_jobs, now=TEN_DAYS)
    desk.allow()
    purchase = shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))
    used(desk, minutes=60)
    running = accepted(shop.session, shop.cast, system_id=shop.cast.plain_system.id)
    shop.session.commit()
    included = minutes(shop)[0][0]
    shop.standin.control.advance_clock(10 * DAY_SECONDS)
    figures = changed(shop, purchase)
    assert minutes(shop) == [(included, 0), (included - 60, included - 60)]
    decided = latest_coverage(shop.session, running.id)
    assert decided is not None
    assert (decision_of(decided).plan_code, decided.plan_choice_id) == ("premium", plan_at(shop, TEN_DAYS).id)
    first, second = shop.session.scalars(select(CashReceipt).order_by(CashReceipt.id)).all()
    shown, worth = figures.preview, used_of_sale(shop.session, shop.session.scalars(select(PlanSale)).first())
    assert worth > 0
    assert unused_minor(shop.session, second) == shown.total_minor
    assert unused_minor(shop.session, first) == MONTH_MINOR - worth
    asked_back = refund(desk, second, shown.total_minor)
    assert desk.outcome(asked_back) == "done"
    assert unused_minor(shop.session, second) == 0
    assert unused_minor(shop.session, first) == MONTH_MINOR - worth
    desk.check()
    over = NOW + timedelta(days=60)
    earn_plans(shop.session, shop.cast.factory.id, now=over)
    shop.session.commit()
    assert posted(shop.session, "customer_prepaid") == posted(shop.session, "deferred_revenue") == 0
    assert desk.payable(shop.cast.integrator.id) > 0
    desk.check()


def test_a_yes_whose_job_was_late_is_not_charged_and_a_charge_that_was_made_is_kept(shop, purchase, work_session):
    """Nothing is charged hours later, nor what is another amount by now; what Stripe did before is found."""
    late = said(shop, purchase, asked(shop, purchase))
    assert calls.perform(shop.engine, shop.gateway, late, TEN_DAYS + timedelta(hours=3)) == "failed"
    later, last = (TEN_DAYS + timedelta(minutes=each) for each in (1, 2))
    figures = asked(shop, purchase, at=later, now=later)
    moved, about = said(shop, purchase, figures), shop.seen(purchase).subscription.provider_subscription_id
    first_invoice, outside = shop.gateway.retrieve_subscription(about).latest_invoice_id, shop.standin.client().v1
    of_two, of_one = ([{"id": figures.item_id, "quantity": each}] for each in (2, 1))
    outside.subscriptions.update(about, {"items": of_two, "proration_behavior": "none"})
    assert calls.perform(shop.engine, shop.gateway, moved, later) == "failed"
    outside.subscriptions.update(about, {"items": of_one, "proration_behavior": "none"})
    sooner = later + timedelta(seconds=30)
    ending = said(shop, purchase, asked(shop, purchase, at=sooner, now=sooner))
    outside.subscriptions.update(about, {"cancel_at_period_end": True})
    assert calls.perform(shop.engine, shop.gateway, ending, sooner) == "failed"
    outside.subscriptions.update(about, {"cancel_at_period_end": False})
    for intent_id, words in ((late, "3 hours after you saw"), (moved, "by now it would be"), (ending, "plan ends")):
        row = work_session.get_one(Intent, intent_id, populate_existing=True)
        assert words in row.failure
        assert row.progress["figures_moved"]
    assert shop.gateway.retrieve_subscription(about).latest_invoice_id == first_invoice
    shop.hear(now=sooner)
    # What was made for a change that failed is sold no more; what never was made is not looked for again.
    there = {each.id: each.active for each in outside.products.list().data}
    assert [there.get(str(each)) for each in (late, moved, ending)] == [None, False, False]
    lost = said(shop, purchase, asked(shop, purchase, at=last, now=last))
    shop.standin.control.fault("lose_answer", method="POST", path="/v1/subscriptions/[^/]+")
    with pytest.raises(Unknown):
        calls.perform(shop.engine, shop.gateway, lost, last + timedelta(minutes=9.5))
    with pytest.raises(Busy):
        calls.perform(shop.engine, shop.gateway, lost, last + timedelta(minutes=11))
    # Whatever went wrong here, money that Stripe took is for what was bought.
    work_session.get_one(Intent, lost, populate_existing=True).state = "failed"
    work_session.commit()
    shop.hear(now=TEN_DAYS + timedelta(hours=3))
    assert work_session.get_one(Intent, lost, populate_existing=True).state == "succeeded"
    assert plan_at(shop, last).plan_code == "premium"
    assert problems(shop) == []
