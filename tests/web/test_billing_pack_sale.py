"""A sold pack in the browser: its price for who pays and both companies, its uses and shares for who may see shares."""

from __future__ import annotations

import pytest

from portal.billing.actions import PackPrice, sell_pack
from tests.support.beginnings import begins_with
from tests.support.billed import billed, open_books, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, hours_later
from tests.support.packs import PRICE_MINOR, order_of
from tests.web.support import money

pytestmark = begins_with(money.sold_pack)


@pytest.fixture
def sale(work_session, cast):
    made = money.sold_pack(work_session, cast)
    case = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, case, minutes=60, start=hours_later(6))
    settled(work_session, cast, case)
    billed(work_session, case)
    work_session.commit()
    return made


def test_each_company_reads_the_price_and_only_managers_whose_it_is(visit, cast, sale):
    for actor, sees_shares in ((cast.fay, True), (cast.mia, True), (cast.bea, False), (cast.tom, False)):
        text = visit(actor).get(f"/packs/{sale.id}").text
        assert "Ten hours of support" in text
        assert ("What it earned" in text) is sees_shares, actor.display_name
        assert ("/bill-items/" in text) is sees_shares


@pytest.mark.parametrize("who", ["eve", "sam", "bob"])
def test_strangers_find_nothing(visit, cast, sale, who):
    assert visit(getattr(cast, who)).get(f"/packs/{sale.id}").status_code == 404


def test_a_posting_of_the_sale_leads_to_it(visit, cast, sale):
    assert visit(cast.fay).get(f"/ledger/documents/pack_sale/{sale.id}").location.endswith(f"/packs/{sale.id}")


@begins_with(None)
@pytest.mark.parametrize(("paid_by", "words"), [("ahead", "Paid at checkout"), ("stripe", "Card or debit")])
def test_it_says_how_it_was_paid(work_session, cast, visit, paid_by, words):
    open_books(work_session, cast)
    price = PackPrice(PRICE_MINOR, "EUR", cast.integrator.id, paid_by=paid_by)
    _, sale = sell_pack(work_session, order_of(cast), price, now=NOW)
    work_session.commit()
    assert words in visit(cast.fay).get(f"/packs/{sale.id}").text
