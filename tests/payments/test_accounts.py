"""Connected accounts: opened once, onboarded at Stripe, their state known only by looking again."""

from __future__ import annotations

from datetime import timedelta
from urllib.request import urlopen

import pytest
from sqlalchemy import select, text

from portal.db import Scope, transaction
from portal.errors import Misconfigured, NotAllowed
from portal.payments import calls, handling, queries
from portal.payments import gateway as gateways
from portal.payments.actions import open_account, receive
from portal.payments.gateway import connect
from portal.payments.models import ConnectedAccount
from portal.payments.provider import Busy, Refused, Unknown
from tests.support.cast import NOW
from tests.support.payments import connected
from tests.support.queued import queued


@pytest.fixture
def intent_id(work_session, cast):
    planned = open_account(work_session, cast.ian, email="ian@kes.example", livemode=False, now=NOW)
    work_session.commit()
    return planned.id


@pytest.fixture
def account(work_engine, work_session, cast, gateway, intent_id):
    calls.perform(work_engine, gateway, intent_id, NOW)
    return work_session.get_one(ConnectedAccount, cast.integrator.id)


def test_an_account_is_opened_once_and_may_be_paid_only_when_active(
    work_engine, work_session, cast, gateway, standin, intent_id, account
):
    assert open_account(work_session, cast.ivo, email="x@kes.example", livemode=False, now=NOW).id == intent_id
    assert (account.transfers_state, account.requirements) == ("pending", {"open": ["external_account"]})
    assert not queries.may_be_paid(work_session, cast.integrator.id)
    assert queries.payable_state(work_session, cast.other_integrator.id) == "none"
    standin.control.complete_onboarding(account.provider_account_id)
    handling.refresh_account(work_engine, gateway, account.provider_account_id, NOW + timedelta(minutes=1))
    assert queries.may_be_paid(work_session, cast.integrator.id)
    assert queued(work_session, "perform_waiting") == [("perform_waiting", {})]


@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(hours=30)])
def test_one_account_is_made_when_the_answer_is_lost(work_engine, gateway, standin, intent_id, later):
    standin.control.fault("lose_answer", method="POST", path="/v2/core/accounts")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, intent_id, NOW)
    assert calls.perform(work_engine, gateway, intent_id, NOW + later) == "succeeded"
    assert standin.control.counters()["v2.core.account"] == 1


def test_people_without_office_open_no_account(work_session, cast):
    with pytest.raises(NotAllowed):
        open_account(work_session, cast.tom, email="tom@kes.example", livemode=False, now=NOW)


def test_a_manufacturer_may_ask_whether_a_party_can_be_paid_and_sees_no_more(web_session, work_session, cast, account):
    session = web_session(Scope(cast.factory.id, cast.fay.person_id))
    assert queries.payable_state(session, cast.integrator.id) == "pending"
    assert session.scalars(select(ConnectedAccount)).all() == []


def test_onboarding_starts_from_a_page_with_a_fresh_link(web_session, web_engine, cast, gateway, standin):
    scope = Scope(cast.integrator.id, cast.ian.person_id)
    with transaction(web_engine, scope) as session:
        planned = open_account(session, cast.ian, email="ian@kes.example", livemode=False, now=NOW)
    links = {
        handling.start_onboarding(
            web_engine, gateway, scope, planned.id, refresh_url="http://localhost/again",
            return_url="http://localhost/back", now=NOW,
        )
        for _ in range(2)
    }  # fmt: skip
    assert len(links) == 2
    with urlopen(links.pop()) as page:
        assert page.status == 200


def test_a_thin_event_has_the_account_looked_at_again(
    work_engine, work_session, cast, gateway, standin, receiver, account
):
    standin.control.complete_onboarding(account.provider_account_id)
    standin.control.drain()
    deliveries = receiver.at("/thin")
    assert deliveries
    for one in deliveries:
        receive(work_session, one.body, one.signature, ("whsec_old", "whsec_tests_thin"), style="thin")
    # The account changes again before the job runs: what counts is how it is then.
    standin.control.set_capability(account.provider_account_id, "restricted")
    work_session.commit()
    for event_id in work_session.scalars(text("SELECT id FROM provider_event")).all():
        handling.handle_event(work_engine, gateway, event_id, NOW + timedelta(minutes=1))
    work_session.refresh(account)
    assert account.transfers_state == "restricted"


def test_the_poll_looks_at_accounts_nobody_looked_at_for_a_day(work_engine, work_session, gateway, standin, account):
    standin.control.complete_onboarding(account.provider_account_id)
    handling.poll_events(work_engine, gateway, NOW + timedelta(hours=1))
    work_session.refresh(account)
    assert account.transfers_state == "pending"
    handling.poll_events(work_engine, gateway, NOW + timedelta(hours=25))
    work_session.refresh(account)
    assert account.transfers_state == "active"


def test_an_older_look_does_not_replace_a_newer_one(work_engine, work_session, gateway, standin, account):
    standin.control.complete_onboarding(account.provider_account_id)
    handling.refresh_account(work_engine, gateway, account.provider_account_id, NOW - timedelta(minutes=1))
    work_session.refresh(account)
    assert account.transfers_state == "pending"


def test_the_gateway_names_what_went_wrong(gateway, standin):
    with pytest.raises(Refused) as refused:
        gateway.retrieve_transfer("tr_none")
    assert refused.value.code == "resource_missing"
    standin.control.fault("rate_limit", path="/v1/balance")
    with pytest.raises(Busy):
        gateway.available_balance()
    standin.control.fault("break_body", path="/v1/balance")
    with pytest.raises(Unknown):
        gateway.available_balance()
    with pytest.raises(Busy):
        connect("sk_test_other", standin.base_url).available_balance()
    with pytest.raises(Unknown):
        connect(standin.key, "http://127.0.0.1:9").available_balance()
    with pytest.raises(Misconfigured):
        connect(None)


def test_an_event_can_be_read_back_by_its_id(work_session, gateway, standin, receiver, account):
    standin.control.fund(100, "eur")
    standin.control.complete_onboarding(account.provider_account_id)
    standin.control.drain()
    thin = gateways.read_event(
        receiver.at("/thin")[0].body, receiver.at("/thin")[0].signature, ("whsec_tests_thin",), style="thin"
    )
    assert gateway.retrieve_thin_event(thin.id).object_id == account.provider_account_id
    snapshot = receiver.at("/snapshot")[0]
    read = gateways.read_event(snapshot.body, snapshot.signature, ("whsec_tests",), style="snapshot")
    assert gateway.retrieve_event(read.id).type == read.type


def test_a_reversal_is_made_once_under_its_key_and_found_again(work_session, cast, gateway, standin):
    standin.control.fund(1_000, "eur")
    account = connected(work_session, gateway, standin, cast.integrator)
    sent = gateway.create_transfer({"amount": 700, "currency": "eur", "destination": account}, "key-1")
    request = {"amount": 200, "metadata": {"intent_id": "back"}}
    made = {gateway.reverse_transfer(sent.id, request, "key-2") for _ in range(2)}
    assert made == {gateway.find_reversal(sent.id, "back")}
    assert gateway.find_reversal(sent.id, "other") is None
    assert gateway.retrieve_transfer(sent.id).reversed_minor == 200
