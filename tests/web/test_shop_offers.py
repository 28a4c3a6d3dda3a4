"""Offers on their pages: made, passed on with a price of the integrator's, accepted by the buyer at Stripe's page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from portal.payments.gateway import connect
from portal.selling.actions import make_code, withdraw_code
from portal.selling.models import Offer, OfferRelease, PromotionUse
from portal.selling.rules import Promotion
from tests.support.cast import NOW
from tests.support.payments import open_books
from tests.web.conftest import changed


def hidden(page, name):
    return re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.text)[1]


@pytest.fixture
def app(app, standin, work_session, cast):
    open_books(work_session, cast)
    work_session.commit()
    standin.control.set_clock(int(NOW.timestamp()))
    return changed(app, gateway=connect(standin.key, standin.base_url))


@pytest.fixture
def new(cast):
    return f"/offers/new/{cast.plain_site.id}/{cast.factory.id}"


SPRING = Promotion("SPRING", 10, None, "EUR", (), NOW, None)
OFFER = {"item": "pack:hours_10:once", "quantity": "1", "price": "1200.00", "days": "14", "note": "For the move"}


def test_an_offer_goes_from_the_factory_by_the_integrator_to_the_buyer(visit, cast, new, standin, work_session):
    leo = visit(cast.leo)
    assert "Ten hours of support" in leo.get(new).text
    made = leo.post(new, OFFER)
    assert made.status_code == 303
    offer_id = work_session.scalars(select(Offer.id)).one()
    bea, mia = visit(cast.bea), visit(cast.mia)
    assert bea.get(f"/offers/{offer_id}").status_code == 404
    listed = mia.get("/offers").text
    assert "With the integrator" in listed
    assert cast.plain_site.name in listed
    assert cast.customer.name in listed
    refused = mia.post(f"/offers/{offer_id}/release", {"price": "1.00"})
    assert (refused.status_code, "Not below" in refused.text) == (422, True)
    assert mia.post(f"/offers/{offer_id}/release", {"price": "1250.00"}).status_code == 303
    page = bea.get(f"/offers/{offer_id}").text
    assert "€1,250.00" in page
    assert "For the move" in page
    assert bea.post(f"/offers/{offer_id}/acceptance", {}).status_code == 422
    led = bea.post(f"/offers/{offer_id}/acceptance", {"accepted": "y"})
    assert led.location.startswith(standin.base_url)
    assert "The order it became" in mia.get(f"/offers/{offer_id}").text


def test_an_offer_is_declined_once(visit, cast, new, work_session):
    mia, bea = visit(cast.mia), visit(cast.bea)
    mia.post(new, {**OFFER, "price": "1400.00", "collector": "integrator"})
    offer_id = work_session.scalars(select(OfferRelease.offer_id)).one()
    assert "€1,400.00" in bea.get(f"/offers/{offer_id}").text
    assert "€1,400.00" not in visit(cast.fay).get(f"/offers/{offer_id}").text
    assert bea.post(f"/offers/{offer_id}/end").status_code == 303
    assert bea.post(f"/offers/{offer_id}/end").status_code == 409
    assert "Declined" in bea.get("/offers").text


@pytest.mark.parametrize("changed", [{"price": "x"}, {"days": "0"}, {"item": "pack:none:once"}, {"price": "99999.00"}])
def test_what_is_wrong_is_said_on_the_form(visit, cast, new, work_session, changed):
    assert visit(cast.leo).post(new, {**OFFER, **changed}).status_code == 422
    assert work_session.scalars(select(Offer)).all() == []


def test_a_code_in_an_offer_is_shown_before_and_after_and_left_out_when_it_is_no_longer_good(
    visit, cast, new, standin, work_session
):
    made = [make_code(work_session, cast.fay, code, now=NOW) for code in (SPRING, replace(SPRING, code="SUMMER"))]
    work_session.commit()
    mia, bea = visit(cast.mia), visit(cast.bea)
    form = mia.get(new).text
    assert "What you invoice yourself knows no codes" in form
    offer = {**OFFER, "price": "1350.00", "collector": "operator"}
    refused = mia.post(new, {**offer, "promotion": "SPRING", "collector": "integrator"})
    assert (refused.status_code, "knows no codes: they count" in refused.text) == (422, True)
    for code in ("spring", "summer"):
        assert mia.post(new, {**offer, "promotion": code}).status_code == 303
    first, second = work_session.scalars(select(Offer.id).order_by(Offer.id)).all()
    assert "With the code SPRING" in mia.get(f"/offers/{first}").text
    page = bea.get(f"/offers/{first}")
    for words in ("€1,350.00", "€135.00", "€1,215.00"):
        assert words in page.text
    said = {"accepted": "y", "promotion": "SPRING", "shown_discount_minor": hidden(page, "shown_discount_minor")}
    assert bea.post(f"/offers/{first}/acceptance", said).location.startswith(standin.base_url)
    assert work_session.scalars(select(PromotionUse.discount_minor)).one() == 13_500

    page = bea.get(f"/offers/{second}")
    said = {"accepted": "y", "promotion": "SUMMER", "shown_discount_minor": hidden(page, "shown_discount_minor")}
    withdraw_code(work_session, cast.fay, made[1].id, now=NOW)
    work_session.commit()
    late = bea.post(f"/offers/{second}/acceptance", said)
    looked = bea.get(f"/offers/{second}")
    assert (late.status_code, looked.status_code) == (422, 200)
    for page in (late, looked):
        assert "the code SUMMER, which is no longer good: This code was withdrawn." in page.text
        assert "€1,350.00" in page.text
        assert "€1,215.00" not in page.text
        assert (hidden(page, "shown_discount_minor"), 'value="SUMMER"' in page.text) == ("0", False)
    without = {"accepted": "y", "promotion": "", "shown_discount_minor": "0"}
    assert bea.post(f"/offers/{second}/acceptance", without).location.startswith(standin.base_url)
    assert len(work_session.scalars(select(PromotionUse)).all()) == 1
