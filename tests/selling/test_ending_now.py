"""A plan ended at once: what was shown goes back to the cent, once, whatever Stripe's answers and events do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.adjustments.ahead import unused_minor
from portal.adjustments.models import Adjustment
from portal.billing.actions import earn_plans, open_month
from portal.billing.actions.used import used_of_sale
from portal.billing.models import PlanSale
from portal.billing.packs.models import PackUse
from portal.contracts.queries import plan_choice_at
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.queries import decision_of, latest_coverage
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.payments import calls
from portal.payments.models import CashReceipt, Intent
from portal.payments.provider import Unknown
from portal.selling.actions import cancel, change_plan, credits_of, end_now, end_now_figures, returns_of
from portal.selling.actions.ending import end_now_planned
from portal.selling.actions.ordering import Place
from portal.selling.rules import State
from portal.selling.rules.ending import Running, refusal, taken_of_payments
from tests.adjustments.test_paid_ahead import refund, used
from tests.selling.test_changing_at_once import PREMIUM_MINOR, changed
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, OTHER_PLANS, pack_order, plan_order, posted
from tests.support.cases import accepted
from tests.support.cast import NOW
from tests.support.going_back import Desk
from tests.support.versions import signed_policy

BY_DAYS = ("rank = 20\n", "rank = 20\ngiven_up_by_days = true\n")
TEN_DAYS = NOW + timedelta(days=10)
TODAY = TEN_DAYS.date()
HELD = Running("Assured", TODAY, gives_back=True)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, ""),
        ({"minimum_until": TODAY}, ""),
        ({"gives_back": False}, "gives nothing back of a month"),
        ({"minimum_until": TODAY + timedelta(days=1)}, "taken until 2026-03-21"),
        ({"is_ending": True, "gives_back": False}, "being ended already"),
        ({"is_changing": True}, "Wait until it has begun"),
        ({"is_held": True}, "bank has taken its payment back"),
        ({"is_returning": True, "is_recorded": False}, "on its way back already"),
        ({"is_recorded": False}, "still being recorded"),
    ],
)
def test_a_plan_is_ended_at_once_unless_something_stands_against_it(about, words):
    found = refusal(replace(HELD, **about))
    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.parametrize(
    ("total", "left", "taken"),
    [
        (0, [5], (0,)),
        (3, [5], (3,)),
        (3, [5, 2], (1, 2)),
        (7, [5, 2], (5, 2)),
        (4, [5, 0, 2], (2, 0, 2)),
        (1, [5, -3], (1, 0)),
        (0, [], ()),
    ],
)
def test_the_last_payment_gives_back_first(total, left, taken):
    assert taken_of_payments(total, left) == taken


def test_no_more_goes_back_than_was_paid():
    with pytest.raises(RuleBroken, match="more than is left"):
        taken_of_payments(8, [5, 2])


@pytest.fixture
def desk(shop, run_jobs):
    shop.standin.control.available_after(0)
    shop.standin.control.fund(1_000_000, "eur")
    made = Desk(shop.session, shop.engine, shop.cast, shop.gateway, shop.standin, run_jobs, now=TEN_DAYS)
    made.allow()
    return made


def bought_by(shop, *changes, interval="month", minor=MONTH_MINOR, days=10, taxed=False):
    """The paid plan by a policy that gives months back by days, some days ago."""
    version = signed_policy(shop.session, shop.cast, BY_DAYS, *changes)
    wanted = plan_order(shop.cast, interval=interval, shown_minor=minor, shown_sha256=version.sha256)
    purchase = shop.buy(wanted, place=Place("https://portal.example", automatic_tax=taxed))
    shop.standin.control.advance_clock(days * DAY_SECONDS)
    return purchase


def shown(shop, purchase, at=TEN_DAYS, now=None):
    return end_now_figures(shop.session, shop.seen(purchase), at, now=now or at)


def said(shop, purchase, figures, **changed):
    """The buyer's yes to it; the intent."""
    wanted = {"shown": figures.shown, "now": figures.at, **changed}
    made = end_now(shop.session, shop.cast.bea, shop.seen(purchase), figures.at, **wanted)
    shop.session.commit()
    return made.id


def ended(shop, purchase, at=TEN_DAYS):
    """Shown, said yes to, ended at Stripe and told of; what was shown."""
    figures = shown(shop, purchase, at)
    assert figures.refusal == ""
    assert calls.perform(shop.engine, shop.gateway, said(shop, purchase, figures), at) == "succeeded"
    shop.hear(now=at)
    return figures


def plan_at(shop, at):
    place = {"site_id": shop.cast.plain_site.id, "manufacturer_id": shop.cast.factory.id}
    return plan_choice_at(shop.session, **place, at=at).plan_code


def refunds(shop, purchase):
    """What went back of each payment, and how that stands."""
    found = shop.seen(purchase)
    planned = end_now_planned(shop.session, found)
    return [(row.amount_minor, stands) for row, stands in returns_of(shop.session, found, planned)]


def sales(shop):
    rows = shop.session.scalars(select(PlanSale).where(PlanSale.paid_by == "ahead").order_by(PlanSale.id))
    return [(row.kind, row.amount_minor) for row in rows]


def free_minutes(shop):
    rows = select(GrantBalance.free_seconds).join(UsageGrant, UsageGrant.id == GrantBalance.grant_id)
    return [free // 60 for free in shop.session.scalars(rows.where(UsageGrant.site_id == shop.cast.plain_site.id))]


# The tenth of March to the tenth of April are 32 days of the clock on the wall, both of those in part; 11 were held.
BACK = 19_031


def test_a_month_ended_at_once_goes_back_by_days_and_is_earned_for_the_days_it_was_held(shop, desk):
    purchase = bought_by(shop)
    running = accepted(shop.session, shop.cast, system_id=shop.cast.plain_system.id)
    shop.session.commit()
    included = free_minutes(shop)[0]
    figures = ended(shop, purchase)
    assert (figures.total_minor, figures.tax_minor, figures.unsold_minor) == (BACK, 0, 0)
    assert figures.sentences == (f"21 of 32 days are left of 290.00 EUR: {BACK / 100:.2f} EUR.",)
    assert refunds(shop, purchase) == [(BACK, "done")]
    assert sales(shop) == [("month", MONTH_MINOR), ("given_up", -BACK)]
    assert shop.standin.client().v1.refunds.list({"limit": 9}).data[0].amount == BACK
    assert len(shop.standin.client().v1.refunds.list({"limit": 9}).data) == 1
    assert [plan_at(shop, TEN_DAYS + timedelta(seconds=each)) for each in (-1, 0)] == ["assured", "complimentary"]
    assert shop.seen(purchase).state is State.ENDED
    assert posted(shop.session, "customer_prepaid") == 0
    assert -posted(shop.session, "deferred_revenue") == MONTH_MINOR - BACK
    # Unused minutes go back in proportion; the case that runs keeps its cover.
    assert free_minutes(shop)[0] == included - round(included * BACK / MONTH_MINOR)
    assert decision_of(latest_coverage(shop.session, running.id)).plan_code == "assured"
    desk.check()
    earn_plans(shop.session, shop.cast.factory.id, now=NOW + timedelta(days=40))
    assert posted(shop.session, "deferred_revenue") == 0
    desk.check()
    with pytest.raises(Conflict, match="has ended"):
        shown(shop, purchase)
    shop.hear(now=TEN_DAYS, copies=2, newest_first=True)
    assert refunds(shop, purchase) == [(BACK, "done")]


def test_a_year_gives_back_its_days_and_the_months_that_have_not_begun_and_minutes_stay_by_the_policy(shop, desk):
    stay = (BY_DAYS[1], BY_DAYS[1] + "refunded_minutes_stay = true\n")
    purchase = bought_by(shop, stay, interval="year", minor=12 * MONTH_MINOR, taxed=True)
    before = free_minutes(shop)
    figures = ended(shop, purchase)
    assert (figures.minutes_stay, free_minutes(shop)) == (True, before)
    assert (figures.month_minor, figures.unsold_minor) == (BACK, 11 * MONTH_MINOR)
    whole, net = shop.seen(purchase).tax_minor, BACK + 11 * MONTH_MINOR
    assert abs(figures.tax_minor - whole * net / (12 * MONTH_MINOR)) < 1 < figures.tax_minor
    assert -posted(shop.session, "tax") == whole - figures.tax_minor
    assert "months that have not begun 3190.00 EUR" in figures.sentences[1]
    assert refunds(shop, purchase) == [(net + figures.tax_minor, "done")]
    assert posted(shop.session, "customer_prepaid") == 0
    desk.check()


def test_what_was_used_stays_used_and_a_term_changed_at_once_gives_back_of_its_last_payment_first(shop, desk):
    version = signed_policy(
        shop.session, shop.cast, (OTHER_PLANS[0], OTHER_PLANS[1].replace("rank = ", "given_up_by_days = true\nrank = "))
    )
    purchase = shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))
    used(desk, minutes=60)
    shop.standin.control.advance_clock(10 * DAY_SECONDS)
    charged = changed(shop, purchase).preview.total_minor
    later = TEN_DAYS + timedelta(days=1)
    shop.standin.control.advance_clock(DAY_SECONDS)
    figures = ended(shop, purchase, later)
    assert figures.month_minor > charged
    first, second = refunds(shop, purchase)
    assert (first[1], second) == ("done", (charged, "done"))
    assert first[0] + charged == figures.month_minor < PREMIUM_MINOR * 20 // 30
    assert posted(shop.session, "customer_prepaid") == 0
    desk.check()


def test_a_yes_holds_for_what_was_shown_by_who_may_and_once(shop, desk, work_session):
    purchase = bought_by(shop)
    figures = shown(shop, purchase)
    with pytest.raises(Conflict, match="some minutes old"):
        shown(shop, purchase, now=TEN_DAYS + timedelta(minutes=11))
    for wrong in ((BACK + 1, 0), (BACK, 1)):
        with pytest.raises(Conflict, match="has changed"):
            said(shop, purchase, figures, shown=wrong)
    with pytest.raises(NotAllowed):
        end_now(work_session, shop.cast.fay, shop.seen(purchase), TEN_DAYS, figures.shown, now=TEN_DAYS)
    # What is used between the look and the yes is no longer shown.
    used(desk, minutes=90)
    with pytest.raises(Conflict, match="has changed"):
        said(shop, purchase, figures)
    less = shown(shop, purchase)
    assert less.total_minor < BACK
    assert said(shop, purchase, less) == said(shop, purchase, less)
    # A second tab has its own instant.
    other = TEN_DAYS + timedelta(seconds=5)
    again = shown(shop, purchase, other)
    assert "being ended already" in again.refusal
    with pytest.raises(RuleBroken, match="being ended already"):
        said(shop, purchase, again)
    for other_act in (
        lambda found: cancel(work_session, shop.cast.bea, found, wanted=True, now=TEN_DAYS),
        lambda found: change_plan(
            work_session, shop.cast.bea, found, "assured", interval="year", sha256="", shown_minor=0, now=TEN_DAYS
        ),
    ):
        with pytest.raises(Conflict, match="being ended at once"):
            other_act(shop.seen(purchase))


def test_a_lost_answer_and_events_before_it_end_a_plan_once(shop, desk, work_session):
    purchase = bought_by(shop)
    planned = said(shop, purchase, shown(shop, purchase))
    shop.standin.control.fault("lose_answer", method="DELETE", path="/v1/subscriptions/.*")
    with pytest.raises(Unknown):
        calls.perform(shop.engine, shop.gateway, planned, TEN_DAYS)
    assert plan_at(shop, TEN_DAYS) == "assured"
    # Stripe tells of the end before its answer is here, and twice.
    shop.hear(now=TEN_DAYS, copies=2)
    assert plan_at(shop, TEN_DAYS) == "complimentary"
    assert calls.perform(shop.engine, shop.gateway, planned, TEN_DAYS) == "succeeded"
    shop.hear(now=TEN_DAYS, newest_first=True)
    assert refunds(shop, purchase) == [(BACK, "done")]
    assert len(shop.standin.client().v1.refunds.list({"limit": 9}).data) == 1
    desk.check()


def test_a_period_that_stripe_renewed_before_it_heard_of_the_end_goes_back_whole(shop, desk):
    purchase = bought_by(shop)
    planned = said(shop, purchase, shown(shop, purchase))
    shop.standin.control.advance_clock(22 * DAY_SECONDS)
    late = TEN_DAYS + timedelta(days=22)
    assert calls.perform(shop.engine, shop.gateway, planned, late) == "succeeded"
    desk.now = late
    shop.hear(now=late)
    rows = shop.session.scalars(select(Adjustment.amount_minor).order_by(Adjustment.id)).all()
    assert rows == [BACK, MONTH_MINOR]
    assert posted(shop.session, "customer_prepaid") == 0
    desk.check()


@pytest.fixture
def overdue(shop, desk):
    """The paid plan ten days after a renewal that its card refused: the invoice is open, the month sold."""
    purchase = bought_by(shop, days=0, taxed=True)
    about = shop.seen(purchase).subscription.provider_subscription_id
    shop.standin.control.pay_renewals_by(about, "card_declined")
    shop.standin.control.advance_clock(41 * DAY_SECONDS)
    desk.now = NOW + timedelta(days=41)
    shop.hear(now=desk.now)
    open_month(shop.session, now=desk.now)
    shop.session.commit()
    assert shop.seen(purchase).seen.status == "past_due"
    return purchase


def open_invoice(shop, purchase):
    bill = shop.seen(purchase).bills[-1]
    return bill, shop.standin.client().v1.invoices.retrieve(bill.provider_invoice_id)


def test_what_is_not_paid_is_taken_off_the_open_invoice_and_its_rest_is_owed(shop, desk, overdue):
    figures = ended(shop, overdue, desk.now)
    assert [each.receipt for each in figures.payments] == [None]
    bill, invoice = open_invoice(shop, overdue)
    rest, net = bill.amount_minor + bill.tax_minor - figures.total_minor, figures.total_minor - figures.tax_minor
    assert net == figures.month_minor < MONTH_MINOR
    assert abs(figures.tax_minor - bill.tax_minor * net / MONTH_MINOR) < 1 < figures.tax_minor
    assert (invoice.status, invoice.amount_remaining) == ("open", rest)
    assert refunds(shop, overdue) == []
    (note,) = credits_of(shop.session, end_now_planned(shop.session, shop.seen(overdue)))
    assert (note.state, note.amount_minor) == ("succeeded", figures.total_minor)
    assert posted(shop.session, "customer_prepaid") == MONTH_MINOR - net
    desk.check()
    shop.standin.control.pay_invoice(bill.provider_invoice_id)
    shop.hear(now=desk.now, copies=2)
    paid = shop.seen(overdue).receipts[-1]
    assert (paid.amount_minor, paid.tax_minor) == (rest, bill.tax_minor - figures.tax_minor)
    assert posted(shop.session, "customer_prepaid") == 0
    assert len(shop.standin.client().v1.credit_notes.list({"invoice": bill.provider_invoice_id}).data) == 1
    desk.check()


def test_what_was_paid_before_it_was_taken_off_goes_back(shop, desk, overdue):
    figures = shown(shop, overdue, desk.now)
    planned = said(shop, overdue, figures)
    bill, _ = open_invoice(shop, overdue)
    shop.standin.control.hold_deliveries()
    assert calls.perform(shop.engine, shop.gateway, planned, desk.now) == "succeeded"
    shop.standin.control.pay_invoice(bill.provider_invoice_id)
    # The job knows of no payment yet, and Stripe refuses a note on what is paid.
    shop.run_jobs(desk.now, gateway=shop.gateway)
    assert refunds(shop, overdue) == []
    shop.standin.control.release_deliveries(copies=2)
    shop.hear(now=desk.now)
    assert refunds(shop, overdue) == [(figures.total_minor, "done")]
    assert posted(shop.session, "customer_prepaid") == 0
    desk.check()


def test_a_refund_that_fails_leaves_the_money_the_payers(shop, desk):
    purchase = bought_by(shop)
    shop.standin.control.fault("refuse", method="POST", path="/v1/refunds")
    ended(shop, purchase)
    assert refunds(shop, purchase) == [(BACK, "failed")]
    # The plan has ended, and nobody earns what was to go back: finance returns it another way, or tries again.
    assert -posted(shop.session, "customer_prepaid") == BACK
    receipt = shop.session.scalars(select(CashReceipt)).one()
    assert unused_minor(shop.session, receipt) >= BACK
    desk.check()
    again = refund(desk, receipt, BACK)
    assert desk.outcome(again) == "done"
    desk.check()


def test_an_end_that_stripe_refuses_changes_nothing_and_can_be_tried_again(shop, desk, work_session):
    purchase = bought_by(shop)
    planned = said(shop, purchase, shown(shop, purchase))
    shop.standin.control.fault("refuse", method="DELETE", path="/v1/subscriptions/.*")
    assert calls.perform(shop.engine, shop.gateway, planned, TEN_DAYS) == "failed"
    shop.hear(now=TEN_DAYS)
    assert (plan_at(shop, TEN_DAYS), sales(shop)) == ("assured", [("month", MONTH_MINOR)])
    assert work_session.get_one(Intent, planned, populate_existing=True).failure
    # Tried again, it has ended at Stripe meanwhile, by somebody's hand there.
    later = TEN_DAYS + timedelta(minutes=1)
    again = said(shop, purchase, shown(shop, purchase, later))
    shop.standin.client().v1.subscriptions.cancel(shop.seen(purchase).subscription.provider_subscription_id)
    assert calls.perform(shop.engine, shop.gateway, again, later) == "succeeded"
    shop.hear(now=later)
    assert refunds(shop, purchase) == [(BACK, "done")]
    desk.check()


def test_nothing_goes_back_within_the_minimum_term_nor_where_the_policy_gives_nothing(shop, desk):
    purchase = bought_by(shop, (BY_DAYS[1], BY_DAYS[1] + "minimum_months = 12\n"))
    figures = shown(shop, purchase)
    assert "taken until 2027-03-10" in figures.refusal
    with pytest.raises(RuleBroken, match="taken until"):
        said(shop, purchase, figures)


def test_a_payment_that_its_bank_took_back_holds_the_end_and_one_said_before_gives_nothing_back_twice(shop, desk):
    purchase = bought_by(shop)
    used(desk, minutes=60)
    figures = shown(shop, purchase)
    receipt = shop.session.scalars(select(CashReceipt)).one()
    planned = said(shop, purchase, figures)
    shop.standin.control.dispute(receipt.provider_object_id)
    desk.news()
    assert calls.perform(shop.engine, shop.gateway, planned, TEN_DAYS) == "succeeded"
    shop.hear(now=TEN_DAYS)
    # The plan ends; finance, who answers the bank, is told that the refund could not be made.
    assert (plan_at(shop, TEN_DAYS), refunds(shop, purchase)) == ("complimentary", [(figures.total_minor, "failed")])
    desk.check()


def test_a_payment_that_its_bank_took_back_is_said_before_the_yes(shop, desk):
    purchase = bought_by(shop)
    receipt = shop.session.scalars(select(CashReceipt)).one()
    shop.standin.control.dispute(receipt.provider_object_id)
    desk.news()
    refused = shown(shop, purchase)
    assert "bank has taken" in refused.refusal
    with pytest.raises(RuleBroken, match="bank has taken"):
        said(shop, purchase, refused)


def test_a_buyer_reads_the_use_of_a_month_as_the_books_do(shop, desk, web_session):
    shop.buy(pack_order(shop.cast, shown_sha256=bought_by(shop, days=0).sha256))
    for hours in (1, 3):
        used(desk, minutes=90, after=timedelta(hours=hours))
    assert shop.session.scalars(select(PackUse)).all()
    sale = shop.session.scalars(select(PlanSale)).first()
    worth = used_of_sale(shop.session, sale)
    buyers = web_session(shop.cast.bea)
    assert used_of_sale(buyers, buyers.get_one(PlanSale, sale.id)) == worth > 0
    # Who is no party of the case reads nothing of it.
    strangers = web_session(shop.cast.bob)
    assert strangers.scalar(select(func.included_use_of_case(1))) is None
