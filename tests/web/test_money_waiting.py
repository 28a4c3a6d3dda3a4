"""Money that waits: payments that are no sale, what was made at Stripe, what parties owe back, each with its act."""

from __future__ import annotations

import pytest

from portal.adjustments.models import Adjustment, OutsideChangeEnd, WriteOff, WriteOffDecision
from portal.payments.models import ProviderCustomer
from portal.payments.payers.models import ProviderCustomerEnd
from portal.selling.actions import order
from portal.selling.models import PurchaseStep
from tests.support.buying import PLACE, pack_order
from tests.support.cast import NOW, everything
from tests.support.queued import queued
from tests.support.settling import CLOSED_AT
from tests.web.support import money

HOSTILE = "<script>alert(1)</script> " + "x" * 300


@pytest.fixture
def unsold(work_session, cast, clock):
    """A payment that could not become a sale."""
    purchase = order(work_session, cast.bea, pack_order(cast), PLACE, now=NOW)
    receipt = money.prepayment(work_session, cast, purchase)
    parties = {name: getattr(purchase, name) for name in ("manufacturer_id", "integrator_id", "customer_id")}
    work_session.add(
        PurchaseStep(
            purchase_id=purchase.id, **parties, kind="unsaleable", details={"reason": HOSTILE}, happened_at=NOW,
            recorded_at=NOW,
        )
    )  # fmt: skip
    work_session.commit()
    clock.now = CLOSED_AT
    return purchase, receipt


def test_a_payment_that_is_no_sale_is_counted_listed_and_mended(visit, cast, unsold, work_session):
    purchase, receipt = unsold
    fay = visit(cast.fay)
    assert "1 payment is no sale" in fay.get("/").text
    listed = fay.get("/waiting-money").text
    assert "&lt;script&gt;" in listed
    assert f"/payments/{receipt.id}/refund" in listed
    make = f"/waiting-money/{purchase.id}/sale"
    assert make in listed
    assert fay.post(make, {"reason": ""}).status_code == 422
    assert fay.post(make, {"reason": "They sent a new certificate."}).status_code == 303
    assert queued(work_session, "sell_after_all") == [("sell_after_all", {"purchase_id": purchase.id})]
    shown = fay.get(f"/payments/{receipt.id}").text
    assert "It is no sale" in shown
    for stranger in (cast.ivo, cast.ana, cast.bob, cast.tom):
        assert visit(stranger).get(f"/payments/{receipt.id}").status_code == 404
    assert visit(cast.flo).get(f"/payments/{receipt.id}").status_code == 200
    assert visit(cast.flo).get("/waiting-money").status_code == 404


def test_a_refund_of_a_payment_is_shown_before_it_is_asked_for(visit, cast, unsold, work_session):
    purchase, receipt = unsold
    fay, page = visit(cast.fay), f"/payments/{receipt.id}/refund"
    fay.get(page)
    said = {"amount": "10.00", "bearer": "signed", "reason": "Paid twice", "beyond": ""}
    assert "at most what of this payment can still go back" in fay.post(page, {**said, "amount": "99999"}).text
    shown = fay.post(page, said)
    assert shown.status_code == 200
    assert "Nobody loses a share" in shown.text
    assert everything(work_session, "adjustment") == []
    assert fay.post(f"/payments/{receipt.id}/refunds", said).status_code == 303
    asked = work_session.query(Adjustment).one()
    assert (asked.invoice_id, asked.receipt_id, asked.needs_second) == (None, receipt.id, True)
    assert f"Refund on {purchase.name}" in fay.get(f"/adjustments/{asked.id}").text
    assert visit(cast.bea).get(f"/adjustments/{asked.id}").status_code == 200


def test_what_was_made_at_stripe_is_owned_adopted_or_explained(visit, cast, work_session, clock):
    change = money.outside_change(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT
    fay, page = visit(cast.fay), f"/outside-changes/{change.id}"
    assert "1 change was made at Stripe itself" in fay.get("/").text
    assert "Nobody" in fay.get("/outside-changes").text
    assert fay.post(f"{page}/owner").status_code == 303
    said = {"bearer": "signed", "reason": "Agreed on the phone", "beyond": ""}
    assert fay.post(f"{page}/preview", {**said, "reason": ""}).status_code == 422
    assert cast.factory.name in fay.post(f"{page}/preview", said).text
    assert fay.post(f"{page}/explanation", {"explanation": ""}).status_code == 422
    assert fay.post(f"{page}/adoption", said).status_code == 303
    assert work_session.query(OutsideChangeEnd).all() == []
    assert "Waits for a second person" in fay.get("/outside-changes").text
    assert fay.post(f"{page}/explanation", {"explanation": "Too late"}).status_code == 409
    made = work_session.query(Adjustment).one()
    assert f"/adjustments/{made.id}" in fay.get(page).text
    assert fay.post(f"/adjustments/{made.id}/decision", {"outcome": "yes", "explanation": ""}).status_code == 403
    answered = visit(cast.fin).post(f"/adjustments/{made.id}/decision", {"outcome": "yes", "explanation": ""})
    assert answered.status_code == 303
    assert queued(work_session, "advance_adjustment") == [("advance_adjustment", {"adjustment_id": made.id})]
    assert visit(cast.ivo).get(page).status_code == 404


def test_what_a_party_owes_is_given_up_by_two_people(visit, cast, work_session, clock):
    row = money.claw_back(work_session, cast)
    work_session.commit()
    clock.now = CLOSED_AT
    fay, fin, page = visit(cast.fay), visit(cast.fin), f"/claw-backs/{row.id}"
    assert "1 share to be returned by its party" in fay.get("/").text
    assert cast.integrator.name in fay.get("/claw-backs").text
    assert fay.post(f"{page}/write-off", {"bearer": "operator", "reason": ""}).status_code == 422
    assert fay.post(f"{page}/write-off", {"bearer": "operator", "reason": HOSTILE}).status_code == 303
    asked = work_session.query(WriteOff).one()
    decision = f"/write-offs/{asked.id}/decision"
    assert decision not in fay.get(page).text
    assert decision in fin.get(page).text
    assert fay.post(decision, {"outcome": "yes", "explanation": ""}).status_code == 403
    assert fin.post(decision, {"outcome": "yes", "explanation": ""}).status_code == 303
    assert work_session.query(WriteOffDecision).one().outcome == "yes"
    assert "&lt;script&gt;" in fin.get(page).text
    # The party sees what it owes, and nothing of who gives it up.
    owed = visit(cast.ivo).get(page)
    assert owed.status_code == 200
    assert "&lt;script&gt;" not in owed.text
    for stranger in (cast.bob, cast.flo, cast.ana, cast.sam):
        assert visit(stranger).get(page).status_code == 404


def test_where_nothing_waits_each_page_says_so(visit, cast):
    fay = visit(cast.fay)
    assert "Nothing is waiting." in fay.get("/").text
    for address, says in (
        ("/waiting-money", "Every payment is a sale"),
        ("/outside-changes", "Nothing was made past the books"),
        ("/claw-backs", "Nobody has a share to return"),
    ):
        assert says in fay.get(address).text


def test_a_payer_deleted_at_stripe_is_named_with_the_plans_that_ended(visit, cast, work_session):
    parties = {"manufacturer_id": cast.factory.id, "payer_id": cast.customer.id}
    known = ProviderCustomer(**parties, provider_customer_id="cus_1", livemode=False, created_at=NOW)
    work_session.add(known)
    work_session.flush()
    ended = {"customer_id": known.id, "learned_by": "call", "ended": {"subscriptions": []}, "learned_at": NOW}
    work_session.add(ProviderCustomerEnd(**parties, **ended))
    work_session.commit()
    page = visit(cast.fay).get("/waiting-money").text
    assert "Payers deleted at Stripe" in page
    assert "Not known to Stripe again yet." in page
