"""Transfers: each exactly once, whatever Stripe or the network does; waiting where waiting helps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.db import transaction
from portal.errors import Conflict
from portal.ledger.rules import Purpose
from portal.payments import calls, handling, queries
from portal.payments.actions import retry_intent
from portal.payments.models import Intent
from portal.payments.provider import Busy, Unknown
from tests.support.cast import NOW
from tests.support.payments import balance_of, connected, open_books, planned_transfer, state_of
from tests.support.queued import queued


@pytest.fixture
def account(work_session, cast, gateway, standin):
    standin.control.fund(100_000, "eur")
    open_books(work_session, cast)
    found = connected(work_session, gateway, standin, cast.integrator)
    work_session.commit()
    return found


@pytest.fixture
def intent_id(work_session, cast, account):
    planned = planned_transfer(work_session, cast, 7_000).id
    work_session.commit()
    return planned


def transfers(standin) -> int:
    return standin.control.counters()["transfer"]


def keys_sent(standin) -> list[str]:
    return [one["idempotency_key"] for one in standin.control.calls(method="POST", path="/v1/transfers")]


def test_a_transfer_is_sent_and_booked_when_all_is_well(work_engine, work_session, gateway, standin, intent_id):
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "succeeded"
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "succeeded"
    assert transfers(standin) == 1
    intent = work_session.get_one(Intent, intent_id, populate_existing=True)
    made = gateway.retrieve_transfer(intent.provider_object_id)
    assert (made.amount_minor, made.currency, made.intent_id) == (7_000, "EUR", str(intent_id))
    assert balance_of(work_session, Purpose.IN_TRANSFER) == 0
    assert balance_of(work_session, Purpose.STRIPE) == -7_000
    assert [one.outcome for one in queries.attempts(work_session, intent_id)] == ["sent", "succeeded"]


@pytest.mark.parametrize("fault", ["lose_answer", "break_body"])
def test_a_transfer_happens_once_when_its_answer_is_lost(work_engine, gateway, standin, intent_id, fault):
    standin.control.fault(fault, method="POST", path="/v1/transfers")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, intent_id, NOW)
    assert state_of(work_engine, intent_id)[0] == "unknown"
    assert calls.perform(work_engine, gateway, intent_id, NOW + timedelta(minutes=1)) == "succeeded"
    assert keys_sent(standin) == [f"{intent_id}:transfer:1"] * 2
    assert transfers(standin) == 1


def test_a_transfer_is_looked_up_when_its_key_may_be_forgotten(work_engine, gateway, standin, intent_id):
    standin.control.fault("lose_answer", method="POST", path="/v1/transfers")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, intent_id, NOW)
    standin.control.expire_keys()
    assert calls.perform(work_engine, gateway, intent_id, NOW + timedelta(hours=25)) == "succeeded"
    assert transfers(standin) == len(keys_sent(standin)) == 1


def test_a_transfer_gets_a_new_key_when_the_old_one_is_too_old_and_made_nothing(
    work_engine, gateway, standin, intent_id
):
    standin.control.fault("error_before", method="POST", path="/v1/transfers")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, intent_id, NOW)
    assert calls.perform(work_engine, gateway, intent_id, NOW + timedelta(hours=21)) == "succeeded"
    assert keys_sent(standin) == [f"{intent_id}:transfer:1", f"{intent_id}:transfer:2"]
    assert transfers(standin) == 1


def test_a_500_that_moved_the_money_is_found_out_when_asked_again_later(work_engine, gateway, standin, intent_id):
    standin.control.fault("error_kept", method="POST", path="/v1/transfers", execute=True)
    for hours in (0, 1):
        with pytest.raises(Unknown):
            calls.perform(work_engine, gateway, intent_id, NOW + timedelta(hours=hours))
    assert calls.perform(work_engine, gateway, intent_id, NOW + timedelta(hours=21)) == "succeeded"
    assert transfers(standin) == 1


def test_a_look_that_fails_proves_nothing_and_sends_nothing(work_engine, gateway, standin, intent_id):
    standin.control.fault("lose_answer", method="POST", path="/v1/transfers")
    standin.control.fault("error_before", method="GET", path="/v1/transfers")
    for hours in (0, 21):
        with pytest.raises(Unknown):
            calls.perform(work_engine, gateway, intent_id, NOW + timedelta(hours=hours))
    assert calls.perform(work_engine, gateway, intent_id, NOW + timedelta(hours=22)) == "succeeded"
    assert transfers(standin) == len(keys_sent(standin)) == 1


def test_a_transfer_is_tried_again_with_its_key_when_stripe_is_busy(work_engine, gateway, standin, intent_id):
    standin.control.fault("rate_limit", method="POST", path="/v1/transfers")
    with pytest.raises(Busy):
        calls.perform(work_engine, gateway, intent_id, NOW)
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "succeeded"
    assert transfers(standin) == 1


def test_a_transfer_waits_and_finance_is_told_once_when_the_balance_does_not_cover_it(
    work_engine, work_session, cast, gateway, standin, intent_id
):
    standin.control.set_available(6_999, "eur")
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "planned"
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "planned"
    assert state_of(work_engine, intent_id)[1] == "Waits until the Stripe balance in EUR covers it."
    assert len(queued(work_session, "notify_cash_needed")) == 1
    later = planned_transfer(work_session, cast, 500, 2, now=NOW + timedelta(minutes=1))
    work_session.commit()
    assert calls.perform(work_engine, gateway, later.id, NOW) == "planned"
    assert queries.lacking_minor(work_session, cast.factory.id, "EUR") == 501
    assert queries.lacking_minor(work_session, cast.factory.id, "USD") is None
    standin.control.set_available(7_000, "eur")
    assert calls.perform_waiting(work_engine, gateway, NOW) == 1
    assert state_of(work_engine, intent_id) == ("succeeded", "")
    work_session.expire_all()
    assert queries.lacking_minor(work_session, cast.factory.id, "EUR") == 500


def test_a_younger_transfer_does_not_overtake_when_the_balance_covers_only_it(
    work_engine, work_session, cast, gateway, standin, account
):
    first = planned_transfer(work_session, cast, 5_000, 1).id
    second = planned_transfer(work_session, cast, 3_000, 2, now=NOW + timedelta(minutes=1)).id
    work_session.commit()
    standin.control.set_available(4_000, "eur")
    assert calls.perform_waiting(work_engine, gateway, NOW) == 0
    assert calls.perform(work_engine, gateway, second, NOW) == "planned"
    assert transfers(standin) == 0
    standin.control.set_available(8_000, "eur")
    assert calls.perform_waiting(work_engine, gateway, NOW) == 2
    assert state_of(work_engine, first) == state_of(work_engine, second) == ("succeeded", "")


def test_a_transfer_waits_when_the_capability_was_lost_after_approval(
    work_engine, work_session, cast, gateway, standin, account, intent_id
):
    standin.control.set_capability(account, "restricted")
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "planned"
    assert transfers(standin) == 0
    assert queued(work_session, "refresh_account") == [("refresh_account", {"organisation_id": cast.integrator.id})]
    standin.control.set_capability(account, "active")
    assert calls.perform_waiting(work_engine, gateway, NOW) == 1
    assert transfers(standin) == 1


def test_a_refused_transfer_says_why_and_is_retried_safely(work_engine, work_session, cast, gateway, standin, account):
    planned = planned_transfer(work_session, cast, 100)
    planned.request = {**planned.request, "currency": "nonsense"}
    work_session.commit()
    assert calls.perform(work_engine, gateway, planned.id, NOW) == "failed"
    assert state_of(work_engine, planned.id)[1].startswith("Stripe refused:")
    with transaction(work_engine) as session:
        session.get_one(Intent, planned.id).request = {**planned.request, "currency": "eur"}
        session.flush()
        retry_intent(session, cast.fay, planned.id)
    with transaction(work_engine) as session, pytest.raises(Conflict):
        retry_intent(session, cast.fay, planned.id)
    assert calls.perform(work_engine, gateway, planned.id, NOW) == "succeeded"
    assert transfers(standin) == 1


def test_a_transfer_event_settles_it_when_the_answer_never_came(work_engine, work_session, gateway, standin, intent_id):
    standin.control.fault("lose_answer", method="POST", path="/v1/transfers")
    with pytest.raises(Unknown):
        calls.perform(work_engine, gateway, intent_id, NOW)
    assert handling.poll_events(work_engine, gateway, NOW) > 0
    for event_id in work_session.scalars(text("SELECT id FROM provider_event")).all():
        handling.handle_event(work_engine, gateway, event_id, NOW)
    assert state_of(work_engine, intent_id)[0] == "succeeded"
    assert calls.perform(work_engine, gateway, intent_id, NOW) == "succeeded"
    assert transfers(standin) == 1
    assert balance_of(work_session, Purpose.STRIPE) == -7_000
