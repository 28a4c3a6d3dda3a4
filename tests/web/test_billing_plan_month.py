"""A month of a plan in the browser: its price for all three companies, whose it is for those who may see shares."""

from __future__ import annotations

import pytest

from tests.support.beginnings import begins_with
from tests.web.support import money

pytestmark = begins_with(money.plan_month)


@pytest.fixture
def month(work_session, cast):
    made = money.plan_month(work_session, cast)
    work_session.commit()
    return made


def test_each_company_reads_the_price_and_only_managers_whose_it_is(visit, cast, month):
    for actor, sees_shares in ((cast.fay, True), (cast.mia, True), (cast.bea, False), (cast.tom, False)):
        text = visit(actor).get(f"/plan-months/{month.id}").text
        assert "Assured, Main building, 2026-03" in text
        assert ("Shares" in text) is sees_shares, actor.display_name


@pytest.mark.parametrize("who", ["eve", "sam", "bob"])
def test_strangers_find_nothing(visit, cast, month, who):
    assert visit(getattr(cast, who)).get(f"/plan-months/{month.id}").status_code == 404


def test_a_posting_of_the_month_leads_to_it(visit, cast, month):
    answer = visit(cast.fay).get(f"/ledger/documents/plan_sale/{month.id}")
    assert answer.location.endswith(f"/plan-months/{month.id}")
