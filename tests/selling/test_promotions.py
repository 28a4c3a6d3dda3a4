"""Promotion codes: what they take off, who has the last use, what an order that is not paid gives back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from portal.billing.books import check_books
from portal.billing.packs.models import PackSale
from portal.contracts.policy import parse_policy
from portal.db import open_session
from portal.entitlement.models import UsageGrant
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.payments.models import Intent
from portal.selling.actions import (
    Terms,
    accept_offer,
    count_guess,
    give_up,
    make_code,
    make_offer,
    order,
    take_back_guess,
    withdraw_code,
)
from portal.selling.models import OfferRelease, PromotionUse, Purchase
from portal.selling.queries import promotion_codes
from portal.selling.rules import Promotion, State, discount_of, item_named
from portal.selling.rules.promotions import OFFER_PROBLEMS, PROBLEMS, problems_of, refused, tried_too_often
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, PACK_MINOR, PLACE, pack_order, plan_order
from tests.support.cast import DOCUMENTS, NOW, build_cast
from tests.support.racing import second_of

POLICY = parse_policy((DOCUMENTS / "nordlicht_policy.toml").read_text())
PACK = item_named(POLICY, "pack", "hours_10", "once")
PLAN = item_named(POLICY, "plan", "assured", "month")
TENTH = Promotion("TENTH", 10, None, "EUR", (), NOW, NOW + timedelta(days=30))


@pytest.mark.parametrize(
    ("changed", "total_minor", "minor", "words"),
    [
        ({}, 135_000, 13_500, "TENTH: 10 % of 1350.00 EUR"),
        ({"percent": 33}, 101, 33, "TENTH: 33 % of 1.01 EUR"),
        ({"percent": 50}, 101, 51, "TENTH: 50 % of 1.01 EUR"),
        ({"percent": 100}, 135_000, 135_000, "TENTH: 100 % of 1350.00 EUR"),
        ({"percent": None, "amount_minor": 5_000}, 135_000, 5_000, "TENTH: 50.00 EUR"),
        ({"percent": None, "amount_minor": 5_000}, 4_000, 4_000, "TENTH: 50.00 EUR, at most the price"),
        ({"goods": ("pack:hours_10",)}, 1_000, 100, "TENTH: 10 % of 10.00 EUR"),
        ({"ends_at": None}, 1_000, 100, "TENTH: 10 % of 10.00 EUR"),
    ],
)
def test_a_code_takes_off_what_it_says(changed, total_minor, minor, words):
    found = discount_of(replace(TENTH, **changed), PACK, total_minor, NOW)
    assert (found.minor, found.words) == (minor, words)


@pytest.mark.parametrize("changed", [{"percent": 100}, {"percent": None, "amount_minor": 29_000}])
def test_no_code_takes_off_all_of_a_plan(changed):
    with pytest.raises(Invalid) as refused:
        discount_of(replace(TENTH, **changed), PLAN, 29_000, NOW)
    assert "a plan begins with one" in refused.value.fields["promotion"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"goods": ("plan:assured",)}, "for something else"),
        ({"currency": "USD"}, "another currency"),
        ({"starts_at": NOW + timedelta(seconds=1)}, "does not hold yet"),
        ({"ends_at": NOW}, "has ended"),
    ],
)
def test_a_code_that_is_not_for_it_is_refused_at_its_field(changed, sentence):
    with pytest.raises(Invalid) as refused:
        discount_of(replace(TENTH, **changed), PACK, 1_000, NOW)
    assert sentence in refused.value.fields["promotion"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, None),
        ({"most_uses": 1, "goods": ("plan:assured",)}, None),
        ({"percent": None, "amount_minor": 1, "ends_at": None}, None),
        ({"code": "abc"}, "code"),
        ({"percent": None}, "percent"),
        ({"amount_minor": 1}, "percent"),
        ({"percent": 0}, "percent"),
        ({"percent": 101}, "percent"),
        ({"percent": None, "amount_minor": 0}, "amount"),
        ({"goods": ("plan:unknown",)}, "goods"),
        ({"ends_at": NOW}, "ends_on"),
        ({"most_uses": 0}, "most_uses"),
    ],
)
def test_what_is_wrong_with_a_new_code_is_said_by_field(changed, field):
    found = problems_of(replace(TENTH, **changed), known_goods={"plan:assured"}, now=NOW)
    assert list(found) == ([field] if field else [])


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (1, "in a minute,"),
        (60, "in a minute,"),
        (61, "in 2 minutes,"),
        (899, "in 15 minutes,"),
        (900, "in 15 minutes,"),
    ],
)
def test_who_tried_too_often_is_told_when_to_try_again(left, words):
    assert words in tried_too_often(left).fields["promotion"]


def test_tries_count_per_person_organisation_and_address(work_session, cast):
    def guess(person_id, organisation_id, address):
        who = replace(cast.bea, person_id=person_id, organisation_id=organisation_id)
        # As a page does it: what is refused is undone.
        with work_session.begin_nested():
            count_guess(work_session, who, address=address, now=NOW)

    for n in range(30):
        guess(1 + n // 10, 1, f"10.0.0.{n}")
    for stopped in ((1, 2, "10.0.1.1"), (9, 1, "10.0.1.1")):
        with pytest.raises(Invalid):
            guess(*stopped)
    for n in range(60):
        guess(100 + n, 100 + n, "10.0.2.2")
    with pytest.raises(Invalid):
        guess(200, 200, "10.0.2.2")
    take_back_guess(work_session, replace(cast.bea, person_id=100, organisation_id=100), address="10.0.2.2")
    guess(200, 200, "10.0.2.2")


def made(session, cast, **changed):
    code = make_code(session, cast.fay, replace(TENTH, **changed), now=NOW)
    session.commit()
    return code


def with_code(cast, off_minor, **changed):
    return pack_order(cast, promotion="tenth ", shown_discount_minor=off_minor, **changed)


def test_a_discounted_pack_is_sold_and_shared_at_what_was_paid(shop, work_session):
    code = made(work_session, shop.cast)
    purchase = shop.buy(with_code(shop.cast, 27_000, quantity=2, shown_minor=2 * PACK_MINOR))
    found = shop.seen(purchase)
    assert (found.state, found.paid_minor, found.due_minor) == (State.ACTIVE, 243_000, 243_000)
    assert (found.promotion.discount_minor, found.promotion.promotion_code_id) == (27_000, code.id)
    assert work_session.scalars(select(PackSale)).one().amount_minor == 243_000
    assert [problem for problem in check_books(work_session) if problem] == []
    (coupon,) = shop.standin.client().v1.coupons.list().data
    assert (coupon.id, coupon.times_redeemed) == (str(purchase.intent_id), 1)


def test_a_code_of_everything_gives_the_hours_and_sells_nothing(shop, work_session):
    made(work_session, shop.cast, percent=100)
    purchase = shop.buy(with_code(shop.cast, PACK_MINOR))
    assert shop.seen(purchase).state is State.ACTIVE
    assert work_session.scalars(select(PackSale)).all() == []
    granted = select(UsageGrant.granted_seconds).where(UsageGrant.source == f"purchase:{purchase.id}")
    assert work_session.scalars(granted).one() == 36_000


def test_a_plan_costs_less_at_first_and_its_price_from_then_on(shop, work_session):
    made(work_session, shop.cast)
    purchase = shop.buy(plan_order(shop.cast, promotion="TENTH", shown_discount_minor=2_900))
    shop.standin.control.advance_clock(32 * DAY_SECONDS)
    shop.hear(now=NOW + timedelta(days=32))
    asked = [bill.amount_minor for bill in shop.seen(purchase).bills]
    assert asked == [MONTH_MINOR - 2_900, MONTH_MINOR]


def test_an_abandoned_or_given_up_checkout_gives_the_use_back(shop, work_session):
    made(work_session, shop.cast, most_uses=1, once_per_customer=True)
    wanted = with_code(shop.cast, 13_500)
    first = shop.ordered(wanted)
    assert shop.ordered(with_code(shop.cast, 13_500)).id == first.id
    with pytest.raises(Invalid):
        order(work_session, shop.cast.bea, with_code(shop.cast, 27_000, quantity=2, shown_minor=2 * PACK_MINOR), PLACE,
              now=NOW)  # fmt: skip
    work_session.rollback()
    for _ in range(2):
        give_up(work_session, shop.cast.bea, shop.seen(first), now=NOW)
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    shop.hear()
    assert shop.seen(first).state is State.EXPIRED
    with pytest.raises(Conflict):
        give_up(work_session, shop.cast.bea, shop.seen(first), now=NOW)
    second = shop.ordered(replace(wanted, form_key=pack_order(shop.cast).form_key))
    assert second.id != first.id
    shop.standin.control.advance_clock(DAY_SECONDS)
    shop.hear(now=NOW + timedelta(days=1))
    (view,) = promotion_codes(work_session, shop.cast.fay)
    assert (len(view.uses), view.used, view.state(NOW)) == (2, 0, "open")


def test_a_checkout_that_stripe_refuses_says_so_and_gives_the_use_back(shop, work_session):
    made(work_session, shop.cast)
    shop.standin.control.fault("refuse", method="POST", path="/v1/checkout/sessions")
    purchase = shop.ordered(with_code(shop.cast, 13_500))
    shop.run_jobs(NOW, gateway=shop.gateway)
    found = shop.seen(purchase)
    assert (found.state, bool(found.intent.failure)) == (State.EXPIRED, True)
    assert promotion_codes(work_session, shop.cast.fay)[0].used == 0


def test_of_two_orders_at_once_one_has_the_last_use(committed_database):
    engine = committed_database.work_engine
    with open_session(engine) as session, session.begin():
        cast = build_cast(session, NOW)
        make_code(session, cast.fay, replace(TENTH, most_uses=1), now=NOW)

    def buys(quantity):
        wanted = with_code(cast, 13_500 * quantity, quantity=quantity, shown_minor=PACK_MINOR * quantity)
        return lambda session: order(session, cast.bea, wanted, PLACE, now=NOW)

    refused = second_of(engine, buys(1), buys(2))
    assert isinstance(refused, Invalid)
    assert "as often as it may be" in refused.fields["promotion"]
    with open_session(engine) as session:
        assert len(session.scalars(select(PromotionUse)).all()) == 1


@pytest.mark.parametrize(
    "changed", ["used_at = used_at - interval '1 year'", "list_minor = list_minor + 1", "code = 'OTHER'"]
)
def test_the_database_refuses_a_use_that_is_not_the_codes(work_session, cast, changed):
    make_code(work_session, cast.fay, TENTH, now=NOW)
    kept = order(work_session, cast.bea, with_code(cast, 13_500), PLACE, now=NOW)
    other = order(work_session, cast.bea, pack_order(cast, quantity=3, shown_minor=3 * PACK_MINOR), PLACE, now=NOW)
    column, value = changed.split(" = ", 1)
    columns = ["promotion_code_id", "manufacturer_id", "integrator_id", "customer_id", "code", "currency", "list_minor",
               "discount_minor", "words", "used_at"]  # fmt: skip
    values = ", ".join(value if each == column else each for each in columns)
    copied = f"INSERT INTO promotion_use (purchase_id, {', '.join(columns)}) SELECT :other, {values} FROM promotion_use"
    with pytest.raises(DBAPIError, match="promotion code"):
        work_session.execute(text(f"{copied} WHERE purchase_id = :kept"), {"other": other.id, "kept": kept.id})


def test_codes_are_the_manufacturers_and_withdrawn_once(work_session, cast):
    code = make_code(work_session, cast.fay, TENTH, now=NOW)
    with pytest.raises(Invalid):
        make_code(work_session, cast.leo, TENTH, now=NOW)
    for who, error in ((cast.ana, NotAllowed), (cast.mia, NotFound), (cast.bea, NotFound)):
        with pytest.raises(error):
            withdraw_code(work_session, who, code.id, now=NOW)
    withdraw_code(work_session, cast.leo, code.id, now=NOW)
    with pytest.raises(Conflict):
        withdraw_code(work_session, cast.leo, code.id, now=NOW)
    for typed in ("TENTH", "NOTHING"):
        with pytest.raises(Invalid) as refused:
            order(work_session, cast.bea, pack_order(cast, promotion=typed), PLACE, now=NOW)
        assert refused.value.fields["promotion"]
    assert work_session.scalars(select(Intent).where(Intent.kind == "checkout")).all() == []


def test_each_reason_is_said_in_the_words_for_who_reads_it():
    assert OFFER_PROBLEMS.keys() == PROBLEMS.keys()
    for problem, sentence in OFFER_PROBLEMS.items():
        assert refused(problem, OFFER_PROBLEMS).fields == {"promotion": sentence}
        assert sentence != PROBLEMS[problem] or problem in ("whole_plan", "other_currency")


def offered(session, cast, actor=None, **changed):
    ten_hours = Terms(
        cast.plain_site.id, cast.factory.id, "pack", "hours_10", "once", 1, PACK_MINOR, days=14, promotion="tenth"
    )
    return make_offer(session, actor or cast.mia, replace(ten_hours, **changed), now=NOW)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"promotion": "NOSUCH"}, "no such code"),
        ({"collector": "integrator"}, "What you invoice yourself"),
        ({"code_changed": {"goods": ("plan:assured",)}}, "for something else"),
        ({"code_changed": {"starts_at": NOW + timedelta(days=1)}}, "make the offer when it does"),
    ],
)
def test_a_code_that_is_not_good_comes_with_no_offer(work_session, cast, changed, sentence):
    code = changed.pop("code_changed", {})
    make_code(work_session, cast.fay, replace(TENTH, **code), now=NOW)
    with pytest.raises(Invalid) as refusal:
        offered(work_session, cast, **changed)
    assert sentence in refusal.value.fields["promotion"]


def test_an_offer_comes_with_a_code_that_counts_when_it_is_accepted(work_session, cast):
    made_code = make_code(work_session, cast.fay, replace(TENTH, most_uses=1), now=NOW)
    first, second = (offered(work_session, cast) for _ in range(2))
    releases = {row.offer_id: row for row in work_session.scalars(select(OfferRelease))}
    assert {row.promotion for row in releases.values()} == {"TENTH"}

    def accept(made, promotion, off):
        release, sha256 = releases[made.id], cast.policy_version.sha256
        how = {"promotion": promotion, "shown_discount_minor": off, "place": PLACE, "now": NOW}
        return accept_offer(work_session, cast.bea, release, form_key=uuid4(), sha256=sha256, **how)

    bought = accept(first, "TENTH", PACK_MINOR // 10)
    use = work_session.scalars(select(PromotionUse)).one()
    assert (use.purchase_id, use.discount_minor, bought.price_minor) == (bought.id, PACK_MINOR // 10, PACK_MINOR)
    # The other offer's code is used up by then: it is accepted without it, at its price.
    with pytest.raises(Invalid, match="cannot be used"):
        accept(second, "TENTH", PACK_MINOR // 10)
    assert accept(second, "", 0).price_minor == PACK_MINOR
    assert len(work_session.scalars(select(Purchase)).all()) == 2
    assert made_code.code == "TENTH"


@pytest.mark.parametrize(
    ("table", "change", "promise"),
    [
        ("offer", "promotion = 'OTHER'", "fk_offer_manufacturer_id_promotion_promotion_code"),
        ("offer", "promotion = 'TENTH', collector = 'integrator'", "ck_offer_promotion"),
        ("offer_release", "promotion = 'OTHER'", "fk_offer_release_manufacturer_id_promotion_promotion_code"),
        (
            "offer_release",
            "promotion = 'TENTH', collector = 'integrator', price_minor = NULL",
            "ck_offer_release_promotion",
        ),
    ],
)
def test_the_database_keeps_an_offers_code_to_its_manufacturers(owner_session, table, change, promise):
    cast = build_cast(owner_session)
    make_code(owner_session, cast.fay, TENTH, now=NOW)
    offered(owner_session, cast)
    owner_session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER refuse_change"))
    with pytest.raises(DBAPIError, match=promise), owner_session.begin_nested():
        owner_session.execute(text(f"UPDATE {table} SET {change}"))
