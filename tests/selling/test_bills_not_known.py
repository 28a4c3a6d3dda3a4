"""A month whose bill nobody knows yet: its use waits, nothing deferred falls below zero, and it follows by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal.billing.actions import bill, cut, earn_plans, open_month, sell_late
from portal.billing.actions.months import plan_words
from portal.billing.models import BillItem, PlanSale
from portal.billing.queries import blockers
from portal.cases import actions as cases
from portal.entitlement.models import UsageGrant
from portal.ledger.models import JournalTransaction, Period
from portal.payments.handling import refresh_invoice
from portal.settlement.books import all_problems
from tests.support.billed import worked
from tests.support.buying import DAY_SECONDS, plan_order, posted
from tests.support.cases import RESOLVING, escalated
from tests.support.settling import close

# The plan's second month begins on 10 April.
AT = datetime(2026, 4, 20, 9, tzinfo=UTC)


def used_in_the_second_month(shop):
    """A case of an hour in April, resolved and confirmed."""
    session, cast = shop.session, shop.cast
    case = escalated(session, cast, at=AT, system_id=cast.plain_system.id)
    cases.accept_custody(session, cast.ana, case, seq=case.seq, now=AT + timedelta(minutes=30))
    worked(session, cast, case, minutes=60, start=AT + timedelta(hours=1))
    cases.resolve(session, cast.ana, case, RESOLVING, seq=case.seq, now=AT + timedelta(hours=3))
    cases.confirm(session, cast.mia, case, seq=case.seq, now=AT + timedelta(hours=4))
    session.commit()
    return case


def test_use_waits_for_the_bill_of_its_month_and_follows_in_the_open_books(shop, work_session, work_engine, cast):
    shop.buy(plan_order(cast))
    close(work_engine, cast)
    # Stripe has asked for the month; nobody has told the portal.
    shop.standin.control.advance_clock(41 * DAY_SECONDS)
    open_month(work_session, now=AT)
    work_session.commit()
    choice_id = work_session.scalars(select(PlanSale.plan_choice_id).where(PlanSale.paid_by == "ahead")).one()
    months = select(UsageGrant).where(UsageGrant.plan_choice_id == choice_id)
    assert len(work_session.scalars(months).all()) == 2
    case = used_in_the_second_month(shop)
    made = cut(work_session, case, "closing", now=AT + timedelta(hours=5))
    assert bill(work_session, made.id, now=AT + timedelta(hours=5)) == []
    (waits,) = blockers(work_session, case, made, now=AT)
    assert (waits.code, waits.count) == ("unknown_month", 1)
    work_session.commit()
    april = close(work_engine, cast, datetime(2026, 5, 1, 6, tzinfo=UTC))
    assert all_problems(work_session) == []
    heard = datetime(2026, 5, 2, 6, tzinfo=UTC)
    shop.hear(now=heard)
    assert blockers(work_session, case, made, now=heard) == ()
    open_month(work_session, now=heard)
    item = bill(work_session, made.id, now=heard)[0]
    work_session.commit()
    assert work_session.get_one(BillItem, item.id).use_minor > 0
    assert posted(work_session, "deferred_revenue") < 0
    booked = work_session.scalars(
        select(JournalTransaction).where(
            JournalTransaction.document_type == "bill_item", JournalTransaction.document_id == str(item.id)
        )
    ).all()
    may = work_session.scalars(select(Period.id).where(Period.state == "open")).one()
    assert {(one.period_id, one.origin_period_id) for one in booked} == {(may, april)}
    assert all_problems(work_session) == []


def test_a_later_bill_does_not_stand_for_an_older_one_that_is_missing(shop, work_session, work_engine, cast):
    shop.buy(plan_order(cast))
    close(work_engine, cast)
    shop.standin.control.advance_clock(72 * DAY_SECONDS)
    open_month(work_session, now=AT)
    case = used_in_the_second_month(shop)
    heard = datetime(2026, 5, 21, 6, tzinfo=UTC)
    invoices = shop.standin.client().v1.invoices.list().data
    newest, missing = sorted(invoices, key=lambda each: each.created, reverse=True)[:2]
    refresh_invoice(shop.engine, shop.gateway, newest.id, heard)
    shop.run_jobs(heard, gateway=shop.gateway)
    made = cut(work_session, case, "closing", now=AT + timedelta(hours=5))
    assert bill(work_session, made.id, now=heard) == []
    assert [row.code for row in blockers(work_session, case, made, now=heard)] == ["unknown_month"]
    work_session.commit()
    refresh_invoice(shop.engine, shop.gateway, missing.id, heard)
    shop.run_jobs(heard, gateway=shop.gateway)
    assert [item.use_minor > 0 for item in bill(work_session, made.id, now=heard)] == [True]
    assert all_problems(work_session) == []


def sold_months(session):
    """What was sold of the subscription: price, when it began, and in which books."""
    rows = session.scalars(select(PlanSale).where(PlanSale.paid_by == "ahead").order_by(PlanSale.starts_at))
    return [(row.amount_minor, row.starts_at.date().isoformat(), row.period_id) for row in rows]


@pytest.mark.parametrize("job_was_lost", [False, True])
def test_a_month_whose_bill_is_known_when_it_is_over_is_sold_then_once(shop, work_session, work_engine, job_was_lost):
    shop.buy(plan_order(shop.cast))
    march = close(work_engine, shop.cast)
    shop.standin.control.advance_clock(41 * DAY_SECONDS)
    open_month(work_session, now=AT)
    work_session.commit()
    case = used_in_the_second_month(shop)
    work_session.commit()
    april = close(work_engine, shop.cast, datetime(2026, 5, 1, 6, tzinfo=UTC))
    heard = datetime(2026, 5, 20, 6, tzinfo=UTC)
    if job_was_lost:
        for each in shop.standin.client().v1.invoices.list().data:
            refresh_invoice(shop.engine, shop.gateway, each.id, heard)
        open_month(work_session, now=heard)
    else:
        shop.hear(now=heard)
    books = work_session.scalars(select(Period.id).where(Period.state == "open")).one()
    assert sold_months(work_session) == [(29_000, "2026-03-10", march), (29_000, "2026-04-10", books)]
    sale = work_session.scalars(
        select(PlanSale).where(PlanSale.starts_at >= AT - timedelta(days=11), PlanSale.paid_by == "ahead")
    ).one()
    assert "2026-04" in plan_words(work_session, sale)
    posting = select(JournalTransaction).where(
        JournalTransaction.kind == "plan_sold", JournalTransaction.document_id == str(sale.id)
    )
    assert work_session.scalars(posting).one().origin_period_id == april
    open_month(work_session, now=heard)
    assert sell_late(work_session, sale.site_id, now=heard) == 0
    assert len(sold_months(work_session)) == 2
    made = cut(work_session, case, "closing", now=AT + timedelta(hours=5))
    assert [item.use_minor > 0 for item in bill(work_session, made.id, now=heard)] == [True]
    earn_plans(work_session, shop.cast.factory.id, now=heard)
    assert all_problems(work_session) == []
