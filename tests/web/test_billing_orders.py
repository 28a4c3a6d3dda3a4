"""Purchase orders in the browser: the buyer enters and withdraws them, the factory's finance enters the paper."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select

from portal.entitlement.orders.models import PurchaseOrder, PurchaseOrderWithdrawal
from tests.support.cast import everything


def said(cast, other="factory", **changes):
    return {
        "other": getattr(cast, other).id, "number": "PO-4711", "amount": "600.00", "expires_on": "2026-12-31",
        "terms_days": "45", "payable_email": "ap@klinikum.example", "payable_address": "Kai 1",
    } | changes  # fmt: skip


def test_buyer_enters_an_order_follows_it_and_takes_it_back(visit, cast, work_session):
    bea = visit(cast.bea)
    assert "No orders yet" in bea.get("/purchase-orders").text
    entered = bea.post("/purchase-orders/new", said(cast))
    assert entered.status_code == 303
    page = bea.get(entered.location)
    for words in ("Order PO-4711", "€600.00", "ap@klinikum.example", "No case has taken anything"):
        assert words in page.text
    order = work_session.scalars(select(PurchaseOrder)).one()
    assert (order.amount_minor, order.terms_days, order.payer_id) == (60_000, 45, cast.customer.id)
    (job,) = [row for row in everything(work_session, "procrastinate_jobs") if row["task_name"] == "answer_by_orders"]
    assert job["args"]["payer_id"] == cast.customer.id

    assert bea.post("/purchase-orders/new", said(cast)).status_code == 422
    refused = bea.post(f"{entered.location}/withdrawal", {"reason": ""})
    assert (refused.status_code, "Say why the order is withdrawn." in refused.text) == (422, True)
    assert bea.post(f"{entered.location}/withdrawal", {"reason": "Sent twice."}).status_code == 303
    assert "It was withdrawn." in bea.get("/purchase-orders").text
    assert work_session.scalars(select(PurchaseOrderWithdrawal.reason)).one() == "Sent twice."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"amount": "much"}, "amount"),
        ({"number": ""}, "Write the order&#39;s number."),
        ({"expires_on": "2026-01-01"}, "expired already"),
        ({"terms_days": "400"}, "0 to 180 days"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(visit, cast, changes, sentence, work_session):
    answer = visit(cast.bea).post("/purchase-orders/new", said(cast, **changes))
    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert everything(work_session, "purchase_order") == []


def test_factory_enters_an_order_only_with_the_paper(visit, cast, work_session):
    fay = visit(cast.fay)
    refused = fay.post("/purchase-orders/new", said(cast, "customer"))
    assert (refused.status_code, "Attach the order that the payer has sent." in refused.text) == (422, True)
    paper = {"document": (io.BytesIO(b"%PDF order"), "order.pdf")}
    entered = fay.post("/purchase-orders/new", said(cast, "customer") | paper, content_type="multipart/form-data")
    assert entered.status_code == 303
    assert everything(work_session, "upload") == []
    assert visit(cast.bea).get(f"{entered.location}/document").data == b"%PDF order"
    assert visit(cast.bob).get(entered.location).status_code == 404


def test_others_find_no_such_pages(visit, cast):
    for who in ("cal", "tom", "ana"):
        assert visit(getattr(cast, who)).get("/purchase-orders").status_code == 404
    assert visit(cast.bea).post("/purchase-orders").status_code == 405
