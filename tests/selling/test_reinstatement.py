"""A plan that lapsed is ordered again: shown, paid as a line of its own, posted, shared, refused where it is to be."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from portal.billing.actions.plans import earn_plans, open_month
from portal.billing.books import billing_problems
from portal.billing.models import PlanSale, PlanShare
from portal.billing.plan_reading import plan_month
from portal.contracts.actions import choose_plan
from portal.contracts.models import PlanChoice
from portal.errors import Conflict, Invalid, RuleBroken
from portal.selling.actions import order
from portal.selling.queries import choices_of
from portal.selling.rules import State
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, PLACE, lapsed, plan_order, posted
from tests.support.cast import NOW

FEE_MINOR = 9_000


def again(cast, version, **changed):
    return plan_order(cast, shown_sha256=version.sha256, **changed)


def sales_of(session):
    rows = session.scalars(select(PlanSale).order_by(PlanSale.id)).all()
    return [(sale.kind, sale.paid_by, sale.amount_minor) for sale in rows]


def test_it_is_a_line_of_the_checkout_and_a_sale_that_the_documents_share(shop, work_session):
    version = lapsed(work_session, shop.cast, 'amount = "90.00"')
    with pytest.raises(Conflict, match="price is another"):
        order(work_session, shop.cast.bea, again(shop.cast, version), PLACE, now=NOW)
    purchase = shop.buy(again(shop.cast, version, shown_minor=MONTH_MINOR + FEE_MINOR))
    found = shop.seen(purchase)
    assert found.state is State.ACTIVE
    assert (purchase.reinstatement_minor, found.paid_minor) == (FEE_MINOR, MONTH_MINOR + FEE_MINOR)
    lines = shop.standin.client().v1.checkout.sessions.line_items.list(found.intent.provider_object_id).data
    assert [line.amount_total for line in lines] == [MONTH_MINOR, FEE_MINOR]
    assert "Reinstatement of Assured" in lines[1].description
    # Whichever job came first.
    assert sorted(sales_of(work_session)) == [("month", "ahead", MONTH_MINOR), ("reinstatement", "ahead", FEE_MINOR)]
    assert posted(work_session, "customer_prepaid") == 0
    assert earn_plans(work_session, shop.cast.factory.id, now=NOW + timedelta(hours=1)) == 1
    work_session.commit()
    sale = work_session.scalars(select(PlanSale).where(PlanSale.kind == "reinstatement")).one()
    shares = work_session.scalars(select(PlanShare).where(PlanShare.plan_sale_id == sale.id)).all()
    assert (sum(share.amount_minor for share in shares), {share.revenue_kind for share in shares}) == (
        FEE_MINOR,
        {"subscription"},
    )
    month = plan_month(work_session, shop.cast.bea, sale.id)
    assert month.words.startswith("Reinstatement of Assured, Outpatient centre, 2026-01-20 to 2026-03-10")
    assert month.sentences[0] == "Without cover from 2026-01-20 to 2026-03-10, 49 days."
    assert billing_problems(work_session) == []


def test_a_term_that_began_where_the_old_one_ended_is_paid_to_its_end_and_renewed_then(shop, work_session):
    version = lapsed(work_session, shop.cast, "backdated = true")
    with pytest.raises(RuleBroken, match="for a year"):
        order(work_session, shop.cast.bea, again(shop.cast, version), PLACE, now=NOW)
    year = 12 * MONTH_MINOR
    purchase = shop.buy(again(shop.cast, version, interval="year", shown_minor=year))
    found = shop.seen(purchase)
    assert (found.state, found.paid_minor, found.seen.status) == (State.ACTIVE, year, "trialing")
    assert found.seen.covers_until.date().isoformat() == "2027-01-20"
    (past,) = [minor for kind, _, minor in sales_of(work_session) if kind == "reinstatement"]
    assert past == 46_718
    # What is left of the term's price waits for the months to come.
    (month,) = [minor for kind, _, minor in sales_of(work_session) if kind == "month"]
    assert posted(work_session, "customer_prepaid") == -(year - past - month)
    assert month == 30_129


def test_the_cover_waits_as_the_policy_says(shop, work_session):
    version = lapsed(work_session, shop.cast, "waiting_days = 10", 'amount = "90.00"')
    shop.buy(again(shop.cast, version, shown_minor=MONTH_MINOR + FEE_MINOR))
    choice = work_session.scalars(select(PlanChoice).order_by(PlanChoice.from_at.desc()).limit(1)).one()
    assert choice.plan_code == "assured"
    assert timedelta(days=10) <= choice.from_at - NOW < timedelta(days=10, minutes=5)
    assert [kind for kind, _, _ in sales_of(work_session)] == ["reinstatement"]
    with pytest.raises(Conflict, match="days of waiting"):
        order(work_session, shop.cast.bea, again(shop.cast, version), PLACE, now=NOW + timedelta(hours=1))


def test_a_month_that_was_paid_while_the_cover_waited_is_sold_when_it_is_over(shop, work_session):
    version = lapsed(work_session, shop.cast, "waiting_days = 45", 'amount = "90.00"')
    purchase = shop.buy(again(shop.cast, version, shown_minor=MONTH_MINOR + FEE_MINOR))
    assert posted(work_session, "customer_prepaid") == -MONTH_MINOR
    shop.standin.control.advance_clock(50 * DAY_SECONDS)
    for days in (40, 50):
        shop.hear(now=NOW + timedelta(days=days))
        open_month(work_session, now=NOW + timedelta(days=days))
    assert posted(work_session, "customer_prepaid") == 0
    choice_id = choices_of(work_session, purchase)[0].id
    months = work_session.scalars(
        select(PlanSale).where(PlanSale.plan_choice_id == choice_id, PlanSale.kind == "month").order_by(PlanSale.id)
    ).all()
    assert [(sale.amount_minor, sale.starts_at.date().isoformat()) for sale in months] == [
        (MONTH_MINOR, "2026-03-10"),
        (MONTH_MINOR, "2026-04-24"),
    ]
    # No minutes come with it, and it is earned at once.
    earn_plans(work_session, shop.cast.factory.id, now=NOW + timedelta(days=50))
    shares = work_session.scalars(select(PlanShare).where(PlanShare.plan_sale_id == months[0].id)).all()
    assert sum(share.amount_minor for share in shares) == MONTH_MINOR
    assert plan_month(work_session, shop.cast.bea, months[0].id).words == "Assured, Outpatient centre, 2026-03"
    assert billing_problems(work_session) == []


def test_a_lapsed_plan_that_cannot_be_taken_up_again_is_not_ordered(work_session, cast):
    version = lapsed(work_session, cast, "ends_after_days = 30")
    with pytest.raises(RuleBroken, match="within 30 days only"):
        order(work_session, cast.bea, again(cast, version, form_key=uuid4()), PLACE, now=NOW)
    with pytest.raises(Invalid) as refused:
        chosen(work_session, cast, version)
    assert "within 30 days only" in refused.value.fields["plan_code"]


def chosen(session, cast, version, **changed):
    return choose_plan(
        session,
        cast.bea,
        site=cast.plain_site,
        version=version,
        shown_sha256=version.sha256,
        plan_code="assured",
        from_at=NOW,
        now=NOW,
        **changed,
    )


def test_chosen_for_the_invoice_it_is_charged_with_the_month(shop, work_session):
    cast = shop.cast
    version = lapsed(work_session, cast, 'amount = "90.00"')
    with pytest.raises(Conflict, match="another amount"):
        chosen(work_session, cast, version)
    chosen(work_session, cast, version, shown_reinstatement_minor=FEE_MINOR)
    work_session.commit()
    shop.run_jobs(NOW + timedelta(minutes=1), gateway=shop.gateway)
    found = [(kind, how, minor) for kind, how, minor in sales_of(work_session)]
    assert ("reinstatement", "invoice", FEE_MINOR) in found
    assert ("month", "invoice", MONTH_MINOR) in found
