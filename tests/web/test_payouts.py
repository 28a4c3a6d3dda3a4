"""Receiving payments: the account is opened once, Stripe's page is fetched fresh, and trouble there loses nothing."""

from __future__ import annotations

import pytest

from portal.payments.gateway import connect
from portal.payments.models import ConnectedAccount
from tests.support.cast import everything
from tests.web.conftest import changed


@pytest.fixture
def app(app, standin):
    return changed(app, gateway=connect(standin.key, standin.base_url))


def test_finance_is_led_to_stripe_and_back(visit, cast, standin, work_session, clock):
    ivo = visit(cast.ivo)
    assert "Not set up" in ivo.get("/payouts").text
    led = ivo.post("/payouts/onboarding")
    assert led.status_code == 303
    assert led.location.startswith(standin.base_url)
    (account,) = everything(work_session, "connected_account")
    assert "external account" in ivo.get("/payouts").text
    standin.control.complete_onboarding(account["provider_account_id"])
    clock.advance(minutes=3)
    assert ivo.get("/payouts/back").status_code == 303
    assert "Ready" in ivo.get("/payouts").text


def test_going_on_uses_the_same_account_and_a_fresh_address(visit, cast, standin, work_session):
    ian = visit(cast.ian)
    first, second = ian.post("/payouts/onboarding"), ian.post("/payouts/onboarding")
    assert first.location != second.location
    assert len(everything(work_session, "connected_account")) == 1
    assert standin.control.counters()["v2.core.account"] == 1


def test_the_page_says_preparing_when_stripe_does_not_answer(visit, cast, standin, work_session):
    standin.control.fault("error_before", method="POST", path="/v2/core/accounts", times=5)
    answer = visit(cast.ivo).post("/payouts/onboarding")
    assert answer.status_code == 503
    assert "being prepared" in answer.text
    assert len(everything(work_session, "intent")) == 1
    assert work_session.query(ConnectedAccount).count() == 0


def test_an_expired_address_leads_to_a_fresh_one(visit, cast):
    ivo = visit(cast.ivo)
    assert ivo.get("/payouts/expired").location == "/payouts"
    assert "too old" in ivo.get("/payouts").text


def test_coming_back_without_an_account_is_harmless(visit, cast):
    assert visit(cast.ivo).get("/payouts/back").location == "/payouts"


@pytest.mark.parametrize("who", ["tom", "mia", "bea", "flo", "fay", "adam"])
def test_those_who_are_not_paid_by_transfer_find_nothing(visit, cast, who):
    browser = visit(getattr(cast, who))
    assert browser.get("/payouts").status_code == 404
    assert browser.post("/payouts/onboarding").status_code == 404


def test_setting_up_is_a_post(visit, cast):
    assert visit(cast.ivo).get("/payouts/onboarding").status_code == 405
