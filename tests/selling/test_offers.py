"""Offers: the integrator sees each first, counters within its ceiling, and is never sold around."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from portal.billing.packs.models import PackSale
from portal.db import open_session
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.selling import queries
from portal.selling.actions import Terms, accept_offer, end_offer, make_code, make_offer, move_offers, order, pass_on
from portal.selling.models import OfferRelease, PromotionUse, Purchase, ResalePrice
from portal.selling.rules import State
from tests.selling.test_promotions import TENTH
from tests.support.buying import MONTH_MINOR, OTHER_PLANS, PACK_MINOR, PLACE, lapsed, pack_order, plan_order, posted
from tests.support.cast import NOW, build_cast
from tests.support.racing import second_of
from tests.support.versions import signed_policy


@pytest.fixture
def terms(cast):
    return Terms(cast.plain_site.id, cast.factory.id, "pack", "hours_10", "once", 1, PACK_MINOR, 14)


def released(session, offer):
    return session.scalars(select(OfferRelease).where(OfferRelease.offer_id == offer.id)).one_or_none()


def accepted(session, cast, offer, *, now=NOW, sha256=None, **code):
    shown = sha256 or cast.policy_version.sha256
    return accept_offer(
        session, cast.bea, released(session, offer), form_key=uuid4(), sha256=shown, place=PLACE, now=now, **code
    )


def test_a_direct_offer_waits_for_the_integrator_and_is_passed_on(work_session, cast, terms):
    offer = make_offer(work_session, cast.fay, terms, now=NOW)
    assert queries.offers(work_session, cast.bea) == []
    assert [each.state(NOW) for each in queries.offers(work_session, cast.mia)] == ["with_integrator"]
    pass_on(work_session, cast.mia, offer.id, price_minor=None, now=NOW)
    assert [each.customer_minor for each in queries.offers(work_session, cast.bea)] == [PACK_MINOR]
    with pytest.raises(Conflict):
        pass_on(work_session, cast.mia, offer.id, price_minor=None, now=NOW)


def test_an_offer_nobody_passes_on_is_shown_after_its_days_and_expires_in_the_end(work_session, cast, terms):
    offer = make_offer(work_session, cast.fay, terms, now=NOW)
    assert move_offers(work_session, now=NOW + timedelta(days=2)) == 0
    assert move_offers(work_session, now=NOW + timedelta(days=3)) == 1
    assert released(work_session, offer).price_minor == PACK_MINOR
    assert [move_offers(work_session, now=NOW + timedelta(days=14)) for _ in range(2)] == [1, 0]
    with pytest.raises(Conflict, match="ended"):
        accepted(work_session, cast, offer)


def test_an_accepted_offer_is_paid_at_its_price(shop, work_session, cast, terms):
    offer = make_offer(work_session, cast.fay, replace(terms, price_minor=120_000), now=NOW)
    pass_on(work_session, cast.mia, offer.id, price_minor=125_000, now=NOW)
    purchase = accepted(work_session, cast, offer)
    assert accepted(work_session, cast, offer).id == purchase.id
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    shop.pay(purchase)
    shop.hear()
    assert shop.seen(purchase).state is State.ACTIVE
    assert work_session.scalars(select(PackSale)).one().amount_minor == 125_000
    assert queries.offer_view(work_session, cast.mia, offer.id).state(NOW) == "accepted"


def test_a_code_takes_off_an_offers_price_and_is_used_once_however_often_it_is_accepted(
    shop, work_session, cast, terms
):
    make_code(work_session, cast.fay, TENTH, now=NOW)
    offer = make_offer(work_session, cast.fay, replace(terms, price_minor=120_000), now=NOW)
    pass_on(work_session, cast.mia, offer.id, price_minor=125_000, now=NOW)
    for code, sentence in (("NOTHING", "no such code"), ("TENTH", "")):
        with pytest.raises(Invalid) as refused:
            accepted(work_session, cast, offer, promotion=code, shown_discount_minor=13_500)
        assert sentence in refused.value.fields.get("promotion", "")
    purchases = [accepted(work_session, cast, offer, promotion="tenth", shown_discount_minor=12_500) for _ in range(2)]
    assert purchases[0].id == purchases[1].id
    assert [use.discount_minor for use in work_session.scalars(select(PromotionUse))] == [12_500]
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    shop.pay(purchases[0])
    shop.hear()
    sale = work_session.scalars(select(PackSale)).one()
    assert (sale.amount_minor, sale.discount_minor) == (112_500, 12_500)


@pytest.mark.parametrize(("code", "price_minor", "why"), [
    ("assured", MONTH_MINOR, "has this plan already"), ("premium", 49_000, "paid by subscription"),
])  # fmt: skip
def test_no_plan_is_accepted_beside_one_that_a_subscription_pays(
    shop, work_session, cast, terms, code, price_minor, why
):
    version = signed_policy(work_session, cast, OTHER_PLANS)
    shop.buy(plan_order(cast, shown_sha256=version.sha256))
    wanted = replace(terms, kind="plan", code=code, interval="month", price_minor=price_minor, collector="integrator")
    offer = make_offer(work_session, cast.mia, wanted, now=NOW)
    with pytest.raises(Conflict, match=why):
        accepted(work_session, cast, offer, sha256=version.sha256, now=NOW + timedelta(hours=1))


def test_what_the_integrator_collects_knows_no_codes(work_session, cast, terms):
    make_code(work_session, cast.fay, TENTH, now=NOW)
    offer = make_offer(work_session, cast.mia, replace(terms, collector="integrator"), now=NOW)
    with pytest.raises(Invalid) as refused:
        accepted(work_session, cast, offer, promotion="TENTH")
    assert "integrator invoices this itself" in refused.value.fields["promotion"]


def test_of_two_acceptances_at_once_both_are_the_one_order_with_one_use(committed_database):
    engine = committed_database.work_engine
    with open_session(engine) as session, session.begin():
        cast = build_cast(session, NOW)
        make_code(session, cast.fay, replace(TENTH, most_uses=1), now=NOW)
        wanted = Terms(cast.plain_site.id, cast.factory.id, "pack", "hours_10", "once", 1, PACK_MINOR, 14)
        offer = make_offer(session, cast.mia, wanted, now=NOW)

    def accepts(session):
        return accepted(session, cast, offer, promotion="TENTH", shown_discount_minor=13_500)

    assert second_of(engine, accepts, accepts) is None
    with open_session(engine) as session:
        assert [len(session.scalars(select(table)).all()) for table in (Purchase, PromotionUse)] == [1, 1]


def test_of_two_acts_at_once_the_second_finds_what_the_first_made(committed_database):
    engine = committed_database.work_engine
    with open_session(engine) as session, session.begin():
        cast = build_cast(session, NOW)
        wanted = Terms(cast.plain_site.id, cast.factory.id, "pack", "hours_10", "once", 1, PACK_MINOR, 14)
        offer, other = (make_offer(session, cast.mia, wanted, now=NOW) for _ in range(2))
    form = pack_order(cast)

    def accepts(session):
        return accepted(session, cast, offer)

    def orders(session):
        return order(session, cast.bea, form, PLACE, now=NOW)

    assert second_of(engine, accepts, accepts) is None
    assert second_of(engine, orders, orders) is None
    ended = second_of(
        engine,
        lambda session: end_offer(session, cast.mia, other.id, now=NOW),
        lambda session: accepted(session, cast, other),
    )
    assert isinstance(ended, Conflict)
    with open_session(engine) as session:
        assert len(session.scalars(select(Purchase)).all()) == 2


def test_an_integrator_that_collects_owes_the_policys_price_at_the_sale(shop, work_session, cast, terms):
    own = replace(terms, price_minor=140_000, collector="integrator")
    offer = make_offer(work_session, cast.mia, own, now=NOW)
    assert released(work_session, offer).price_minor is None
    assert work_session.scalars(select(ResalePrice.price_minor)).one() == 140_000
    purchase = accepted(work_session, cast, offer)
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    assert (purchase.intent_id, shop.seen(purchase).state) == (None, State.ACTIVE)
    sale = work_session.scalars(select(PackSale)).one()
    assert (sale.payer_id, sale.amount_minor, sale.paid_by) == (cast.integrator.id, PACK_MINOR, "invoice")
    assert posted(work_session, "receivable_unbilled") == PACK_MINOR
    assert queries.offer_view(work_session, cast.bea, offer.id).customer_minor == 140_000


@pytest.mark.parametrize(
    ("who", "changed", "error"),
    [
        ("fay", {"price_minor": PACK_MINOR + 1}, Invalid),
        ("fay", {"collector": "integrator"}, Invalid),
        ("mia", {"price_minor": PACK_MINOR - 1}, Invalid),
        ("mia", {"price_minor": 100 * PACK_MINOR}, Invalid),
        ("mia", {"days": 0}, Invalid),
        ("mia", {"price_minor": 0}, Invalid),
        ("tom", {}, NotAllowed),
        ("bea", {}, NotAllowed),
        ("sam", {}, NotAllowed),
    ],
)
def test_what_may_not_be_offered_is_refused(work_session, cast, terms, who, changed, error):
    with pytest.raises(error):
        make_offer(work_session, getattr(cast, who), replace(terms, **changed), now=NOW)


def test_an_offer_is_withdrawn_by_its_maker_and_declined_by_its_buyer(work_session, cast, terms):
    first = make_offer(work_session, cast.mia, terms, now=NOW)
    with pytest.raises(NotAllowed):
        end_offer(work_session, cast.fay, first.id, now=NOW)
    assert end_offer(work_session, cast.mia, first.id, now=NOW) == "withdrawn"
    with pytest.raises(Conflict):
        end_offer(work_session, cast.mia, first.id, now=NOW)
    second = make_offer(work_session, cast.mia, terms, now=NOW)
    with pytest.raises(NotFound):
        end_offer(work_session, cast.bob, second.id, now=NOW)
    assert end_offer(work_session, cast.bea, second.id, now=NOW) == "declined"


def test_an_offer_of_a_plan_that_lapsed_asks_for_taking_it_up_again_beside_its_price(work_session, cast):
    version = lapsed(work_session, cast, 'percent = "10"')
    wanted = Terms(cast.plain_site.id, cast.factory.id, "plan", "assured", "month", 1, 29_000, 14)
    offer = make_offer(work_session, cast.mia, wanted, now=NOW)
    release = released(work_session, offer)
    asked = {"form_key": uuid4(), "sha256": version.sha256, "place": PLACE, "now": NOW}
    with pytest.raises(Conflict, match="another amount"):
        accept_offer(work_session, cast.bea, release, shown_minor=29_000, **asked)
    bought = accept_offer(work_session, cast.bea, release, shown_minor=63_800, **asked)
    # A tenth of a year at the offer's price.
    assert (bought.reinstatement_minor, bought.price_minor) == (34_800, 63_800)
