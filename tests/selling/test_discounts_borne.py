"""What a promotion code took off is borne by whom the agreement names: commission, use, expiry, months, and refunds."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.adjustments.dividing import divide
from portal.adjustments.lines import Taking
from portal.billing.actions import PackPrice, decide_shares, earn_packs, earn_plans, sell_pack
from portal.billing.books import check_books
from portal.billing.models import PlanSale, PlanShare, Share
from portal.billing.packs.models import PackShare
from portal.cases import actions as cases
from portal.entitlement.actions import end_grants
from portal.selling.actions import make_code
from portal.whatif.discounts import discounted
from portal.whatif.question import Question
from tests.selling.test_promotions import TENTH
from tests.support.billed import BILLED_AT, billed, open_books, settled, shares_of, worked
from tests.support.buying import MONTH_MINOR, plan_order
from tests.support.cases import accepted
from tests.support.cast import NOW, hours_later
from tests.support.documents import KESSLER, agreement
from tests.support.packs import PRICE_MINOR, order_of
from tests.support.versions import signed_agreement

OFF = 13_500
NEXT_YEAR = NOW + timedelta(days=370)
HOUR = timedelta(hours=1)


def agreed(session, cast, bearer):
    said = f'[selling]\ncommission_bp = 1000\ndiscounts_borne_by = "{bearer}"\n\n[settlement]'
    return signed_agreement(session, cast, ("[settlement]", said))


def shared(session, *rows):
    """What each party has of these tables in all."""
    found = Counter()
    for table in rows:
        for share in session.scalars(select(table)):
            found[share.party_role] += share.amount_minor
    return dict(found)


@pytest.mark.parametrize(
    ("bearer", "found"),
    [
        # Ten hours at 1350.00: 135.00 commission, an hour used, the rest expired; the code took off 135.00. Without it
        # they have 497.31, 816.24 and 36.45.
        ("shares", {"integrator": 44_758, "manufacturer": 73_462, "operator": 3_280}),
        ("manufacturer", {"integrator": 49_731, "manufacturer": 81_624 - OFF, "operator": 3_645}),
        ("seller", {"integrator": 49_731 - OFF, "manufacturer": 81_624, "operator": 3_645}),
        # What the operator cannot bear is the others' in proportion, piece by piece.
        ("operator", {"integrator": 46_701, "manufacturer": 74_799}),
    ],
)
def test_a_pack_is_shared_by_the_price_without_the_code(work_session, cast, bearer, found):
    agreed(work_session, cast, bearer)
    open_books(work_session, cast)
    price = PackPrice(PRICE_MINOR - OFF, "EUR", cast.integrator.id, discount_minor=OFF)
    sell_pack(work_session, order_of(cast, site=cast.plain_site), price, now=NOW)
    case = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, case, minutes=60, start=NOW + HOUR)
    settled(work_session, cast, case)
    billed(work_session, case)
    end_grants(work_session, NEXT_YEAR)
    earn_packs(work_session, cast.factory.id, now=NEXT_YEAR)
    assert shared(work_session, PackShare, Share) == found
    assert sum(found.values()) == PRICE_MINOR - OFF
    assert check_books(work_session) == []


def test_a_bearer_who_is_known_only_with_the_resolution_bears_the_discount_once_it_is_decided(work_session, cast):
    by_work = '{ to = "seller", bp = 1200 },\n  { to = "worked_time", bp = 8500 },'
    by_resolver = (by_work, '{ to = "resolver", bp = 9700 },')
    said = '[selling]\ndiscounts_borne_by = "manufacturer"\n\n[settlement]'
    signed_agreement(work_session, cast, by_resolver, ("[settlement]", said))
    open_books(work_session, cast)
    price = PackPrice(PRICE_MINOR - OFF, "EUR", cast.integrator.id, discount_minor=OFF)
    sell_pack(work_session, order_of(cast, site=cast.plain_site), price, now=NOW)
    case = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, case, minutes=60, start=NOW + HOUR)
    settled(work_session, cast, case, confirmed=False)
    item = billed(work_session, case)
    # Nobody is known to bear it yet: what is decided is taken in proportion, and counted anew with the resolution.
    assert dict(shares_of(work_session, item)) == {"operator": 364, "undetermined": 11_786}
    cases.confirm(work_session, cast.mia, case, seq=case.seq, now=hours_later(300))
    assert decide_shares(work_session, case.id, now=BILLED_AT) == 1
    assert decide_shares(work_session, case.id, now=BILLED_AT) == 0
    found = shared(work_session, Share)
    assert sum(found.values()) == 12_150
    assert found["operator"] == 405
    assert check_books(work_session) == []


@pytest.mark.parametrize(
    ("bearer", "minors"),
    [
        # Without the code they have 92.22, 189.08 and 8.70.
        ("shares", {"integrator": 8_300, "manufacturer": 17_017, "operator": 783}),
        ("manufacturer", {"integrator": 9_222, "manufacturer": 18_908 - 2_900, "operator": 870}),
        ("seller", {"integrator": 9_222 - 2_900, "manufacturer": 18_908, "operator": 870}),
    ],
)
def test_a_plans_month_is_shared_by_its_price_and_a_refund_takes_back_what_each_had(shop, work_session, bearer, minors):
    agreed(work_session, shop.cast, bearer)
    make_code(work_session, shop.cast.fay, TENTH, now=NOW)
    work_session.commit()
    purchase = shop.buy(plan_order(shop.cast, promotion="TENTH", shown_discount_minor=2_900))
    later = NOW + timedelta(days=32)
    shop.standin.control.advance_clock(32 * 86_400)
    shop.hear(now=later)
    earn_plans(work_session, shop.cast.factory.id, now=later)
    sale = work_session.scalars(select(PlanSale)).one()
    assert (sale.amount_minor, sale.discount_minor) == (MONTH_MINOR - 2_900, 2_900)
    found = shared(work_session, PlanShare)
    assert found == minors
    assert sum(found.values()) == MONTH_MINOR - 2_900
    assert check_books(work_session) == []
    # A draft that names another bearer is answered by what signing it would have given.
    said = '[selling]\ndiscounts_borne_by = "manufacturer"\n\n[settlement]'
    period = {"from_at": NOW - timedelta(days=1), "until_at": later, "integrator_id": shop.cast.integrator.id}
    asked = Question(shop.cast.factory.id, **period, agreement=agreement(KESSLER, ("[settlement]", said)))
    rows = {row["id"]: (row["signed"], row["draft"]) for row in discounted(work_session, asked).rows}
    own = minors["manufacturer"] + minors["operator"]
    assert rows == {shop.cast.integrator.id: (minors["integrator"], 9_222), shop.cast.factory.id: (own, 16_878)}
    receipt = shop.seen(purchase).receipts[0]
    taking = Taking(
        shop.cast.factory.id, None, None, receipt.amount_minor, paid_at=receipt.received_at, receipt_id=receipt.id,
        goes_beyond=True,
    )  # fmt: skip
    (loss,) = divide(work_session, taking, now=later)
    lost = {part.party_id: part.amount_minor for part in loss.parts}
    had = Counter()
    for share in work_session.scalars(select(PlanShare)):
        had[share.party_id] += share.amount_minor
    assert lost == had


def test_the_database_refuses_a_discount_below_nothing(work_session, cast):
    open_books(work_session, cast)
    price = PackPrice(PRICE_MINOR, "EUR", cast.integrator.id, discount_minor=-1)
    with pytest.raises(IntegrityError, match="ck_pack_sale_discount"):
        sell_pack(work_session, order_of(cast), price, now=NOW)
