"""A payer deleted at Stripe: what it still owes is billed to the next customer, what ended with it is recorded."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.ledger.models import Period
from portal.payments.models import ProviderCustomer
from portal.payments.payers.losing import lost_customers
from portal.selling.rules import State
from tests.support.buying import pack_order, plan_order
from tests.support.cast import NOW
from tests.support.payments import planned_invoice, state_of


def customers(shop):
    shop.session.expire_all()
    known = select(ProviderCustomer).where(ProviderCustomer.payer_id == shop.cast.customer.id)
    return shop.session.scalars(known.order_by(ProviderCustomer.number)).all()


@pytest.mark.parametrize("newest_first", [False, True])
def test_an_invoice_after_the_payer_was_deleted_goes_to_a_new_customer(shop, work_session, newest_first):
    plan = shop.buy(plan_order(shop.cast))
    (old,) = customers(shop)
    shop.standin.client().v1.customers.delete(old.provider_customer_id)
    shop.hear(copies=2, newest_first=newest_first)
    assert shop.seen(plan).state is State.ENDED
    (lost,) = lost_customers(work_session, shop.cast.factory.id)
    assert (lost.end.learned_by, lost.next) == ("event", None)
    assert [each.id for each in lost.ended] == [shop.seen(plan).subscription.id]
    invoice = planned_invoice(work_session, shop.cast, work_session.scalars(select(Period.id)).one())
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    assert state_of(shop.engine, invoice.intent_id)[0] == "succeeded"
    assert [each.number for each in customers(shop)] == [1, 2]
    (lost,) = lost_customers(work_session, shop.cast.factory.id)
    assert lost.next is not None


def test_a_checkout_learns_it_first_from_the_refusal_and_is_paid_all_the_same(shop, work_session):
    shop.buy(pack_order(shop.cast))
    (old,) = customers(shop)
    shop.standin.client().v1.customers.delete(old.provider_customer_id)
    second = shop.buy(pack_order(shop.cast))
    assert shop.seen(second).state is State.ACTIVE
    assert [each.number for each in customers(shop)] == [1, 2]
    (lost,) = lost_customers(work_session, shop.cast.factory.id)
    assert lost.end.learned_by == "call"
