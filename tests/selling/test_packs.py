"""Packs bought at checkout: one sale and one grant, whatever order and number of events tell of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.billing.books import check_books
from portal.billing.packs.models import PackSale
from portal.entitlement.models import UsageGrant
from portal.errors import Conflict, NotAllowed, NotFound, RuleBroken
from portal.payments import handling
from portal.payments import queries as payments
from portal.payments.models import CashReceipt
from portal.selling.actions import Place, order
from portal.selling.models import Purchase
from portal.selling.rules import State
from portal.settlement.books import all_problems
from tests.support.buying import PACK_MINOR, PLACE, pack_order, posted
from tests.support.cast import NOW
from tests.support.versions import signed_policy

FEE = 3_945  # 2.9 % of 1350.00 and 0.30


def test_a_paid_pack_is_granted_and_its_price_deferred(shop, work_session):
    purchase = shop.buy(pack_order(shop.cast))
    found = shop.seen(purchase)
    assert (found.state, found.paid_minor, found.tax_minor) == (State.ACTIVE, PACK_MINOR, 0)
    grant = work_session.scalars(select(UsageGrant).where(UsageGrant.source == f"purchase:{purchase.id}")).one()
    assert (grant.kind, grant.granted_seconds, grant.site_id) == ("pack", 36_000, shop.cast.plain_site.id)
    sale = work_session.scalars(select(PackSale)).one()
    assert (sale.paid_by, sale.amount_minor, sale.seller_id) == ("ahead", PACK_MINOR, shop.cast.integrator.id)
    assert posted(work_session, "customer_prepaid") == 0
    assert posted(work_session, "deferred_revenue") == -PACK_MINOR
    assert posted(work_session, "stripe_clearing") == PACK_MINOR - FEE
    handling.import_movements(shop.engine, shop.gateway, NOW)
    (tie,) = payments.tie_out(work_session)
    assert tie.difference_minor == 0
    assert payments.unmatched_movements(work_session) == []
    assert [problem for problem in check_books(work_session) if problem] == []


def test_a_pack_paid_in_another_currency_is_deferred_in_its_own(shop, work_session):
    shop.standin.control.exchange("eur", "usd", "1.1")
    assert shop.seen(shop.buy(pack_order(shop.cast))).state is State.ACTIVE
    handling.import_movements(shop.engine, shop.gateway, NOW)
    assert [(tie.currency, tie.difference_minor) for tie in payments.tie_out(work_session)] == [("USD", 0)]
    assert payments.unmatched_movements(work_session) == []
    assert (posted(work_session, "deferred_revenue"), posted(work_session, "customer_prepaid")) == (-PACK_MINOR, 0)
    assert all_problems(work_session) == []
    work_session.commit()


@pytest.mark.parametrize("newest_first", [False, True])
def test_events_twice_and_reordered_make_one_sale(shop, work_session, newest_first):
    purchase = shop.ordered(pack_order(shop.cast))
    shop.pay(purchase)
    shop.hear(copies=2, newest_first=newest_first)
    shop.hear(copies=3)
    for kind in (CashReceipt, PackSale, UsageGrant):
        mine = select(func.count()).select_from(kind)
        if kind is UsageGrant:
            mine = mine.where(UsageGrant.kind == "pack")
        assert work_session.scalar(mine) == 1
    assert shop.seen(purchase).state is State.ACTIVE


def test_an_event_before_the_answer_is_written_down_waits_for_it(shop, work_session):
    purchase = order(work_session, shop.cast.bea, pack_order(shop.cast), PLACE, now=NOW)
    work_session.commit()
    shop.standin.control.fault("lose_answer", method="POST", path="/v1/checkout/sessions")
    with pytest.raises(Exception, match="did not answer"):
        shop.ordered(replace(pack_order(shop.cast), form_key=purchase.form_key))
    session_id = shop.standin.client().v1.checkout.sessions.list().data[0].id
    shop.standin.control.pay_session(session_id)
    shop.hear()
    shop.hear(now=NOW + timedelta(hours=1))
    assert shop.standin.control.counters()["checkout.session"] == 1
    assert shop.seen(purchase).state is State.ACTIVE


def test_a_bank_debit_covers_when_it_has_arrived(shop, work_session):
    purchase = shop.buy(pack_order(shop.cast), method="bank_debit")
    assert shop.seen(purchase).state is State.PAYING
    assert work_session.scalar(select(func.count()).select_from(PackSale)) == 0
    shop.standin.control.advance_clock(5 * 86_400)
    shop.hear(now=NOW + timedelta(days=5))
    assert shop.seen(purchase).state is State.ACTIVE
    grant = work_session.scalars(select(UsageGrant).where(UsageGrant.kind == "pack")).one()
    assert grant.starts_at >= NOW + timedelta(days=4)


def test_a_bank_debit_that_fails_days_later_sells_nothing(shop, work_session):
    purchase = shop.buy(pack_order(shop.cast), method="bank_debit_fails")
    shop.standin.control.advance_clock(5 * 86_400)
    shop.hear(now=NOW + timedelta(days=5))
    assert shop.seen(purchase).state is State.FAILED
    assert work_session.scalar(select(func.count()).select_from(CashReceipt)) == 0
    again = shop.buy(pack_order(shop.cast), now=NOW + timedelta(days=5))
    assert again.id != purchase.id
    assert shop.seen(again).state is State.ACTIVE


def test_two_tabs_and_a_double_click_are_one_order_until_it_is_paid(shop, work_session):
    first = shop.ordered(pack_order(shop.cast))
    assert shop.ordered(pack_order(shop.cast)).id == first.id
    assert shop.ordered(replace(pack_order(shop.cast), form_key=first.form_key)).id == first.id
    shop.pay(first)
    shop.hear()
    assert shop.ordered(pack_order(shop.cast)).id != first.id
    assert work_session.scalar(select(func.count()).select_from(Purchase)) == 2


def test_an_expired_checkout_is_ordered_anew(shop):
    purchase = shop.ordered(pack_order(shop.cast))
    shop.standin.control.advance_clock(86_400)
    shop.hear(now=NOW + timedelta(days=1))
    assert shop.seen(purchase).state is State.EXPIRED
    assert shop.ordered(pack_order(shop.cast), now=NOW + timedelta(days=1)).id != purchase.id


def test_a_declined_card_leaves_the_order_open(shop):
    purchase = shop.buy(pack_order(shop.cast), method="card_declined")
    found = shop.seen(purchase)
    assert found.state is State.OPEN
    assert found.page(NOW).startswith(shop.standin.base_url)


def test_tax_is_kept_apart_and_never_shared(shop, work_session):
    of_pack = 'code = "hours_10"\n'
    signed = signed_policy(work_session, shop.cast, (of_pack, f'{of_pack}tax_code = "txcd_10103001"\n'))
    shop.buy(
        pack_order(shop.cast, shown_sha256=signed.sha256), place=Place("https://portal.example", automatic_tax=True)
    )
    (asked,) = shop.standin.control.calls(method="POST", path="/v1/checkout/sessions")
    assert "txcd_10103001" in asked["parameters"]
    receipt = work_session.scalars(select(CashReceipt)).one()
    assert (receipt.amount_minor, receipt.tax_minor) == (146_138, 11_138)
    assert posted(work_session, "tax") == -11_138
    assert posted(work_session, "deferred_revenue") == -PACK_MINOR
    sale = work_session.scalars(select(PackSale)).one()
    assert (sale.amount_minor, sale.tax_minor) == (PACK_MINOR, 11_138)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"shown_sha256": "0" * 64}, Conflict),
        ({"shown_minor": 1}, Conflict),
        ({"code": "hours_11"}, RuleBroken),
        ({"quantity": 0}, RuleBroken),
        ({"quantity": 101}, RuleBroken),
        ({"site_id": 10**9}, NotFound),
    ],
)
def test_what_was_not_shown_or_is_not_sold_is_refused(work_session, cast, changed, error):
    with pytest.raises(error):
        order(work_session, cast.bea, pack_order(cast, **changed), PLACE, now=NOW)


@pytest.mark.parametrize(("who", "error"), [("cal", NotAllowed), ("tom", NotAllowed), ("bob", NotFound)])
def test_only_the_customers_buyer_orders(work_session, cast, who, error):
    with pytest.raises(error):
        order(work_session, getattr(cast, who), pack_order(cast), PLACE, now=NOW)
