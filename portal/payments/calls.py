"""Performing intents: the calls to Stripe that have an effect, each exactly once whatever breaks.

A call is written down and committed before it is made, and its outcome after it; no transaction is open in between.
The key that was committed makes every repetition the same request to Stripe. Once the key may have been forgotten,
the effect is looked up first, and only proof that there is none leads to a new key.

Invariants: one process at a time performs an intent (a session lock that dies with the process); an intent only moves
along its rules' transitions; a success is booked in the transaction that records it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from portal.db import Scope, transaction
from portal.errors import NotFound, ProviderTrouble, RuleBroken
from portal.jobs import enqueue
from portal.payments import outcomes, queries, rules
from portal.payments.charging.looking import look_again
from portal.payments.gateway import Gateway
from portal.payments.models import ConnectedAccount, Intent
from portal.payments.outcomes import Call
from portal.payments.provider import ACTIVE, Busy, Refused, Unknown
from portal.payments.steps import look_up, make
from portal.payments.taxing.locating import must_wait

# An invoice has the most steps: three for its lines, four others, and room for new generations.
MOST_ROUNDS = 40
ELSEWHERE = "elsewhere"


def perform(engine: Engine, gateway: Gateway, intent_id: UUID, now: datetime, *, scope: Scope | None = None) -> str:
    """Carry an intent as far as it goes now; its state afterwards, or ``elsewhere`` while another process performs it.

    *Raises*: Unknown or Busy when Stripe has to be asked again, after recording that; NotFound.
    """
    with _alone(engine, intent_id) as alone:
        if not alone:
            return ELSEWHERE
        return _advance(engine, gateway, intent_id, now, scope)


def perform_waiting(engine: Engine, gateway: Gateway, now: datetime) -> int:
    """Send planned transfers, the oldest first, until the balance of their currency is used up; how many were sent."""
    with transaction(engine) as session:
        waiting = [(intent.id, intent.currency) for intent in queries.waiting_transfers(session)]
    sent, exhausted = 0, set[str]()
    for intent_id, currency in waiting:
        if currency in exhausted:
            continue
        state = perform(engine, gateway, intent_id, now)
        sent += state == rules.SUCCEEDED
        with transaction(engine) as session:
            if session.get_one(Intent, intent_id).progress.get("waiting") == rules.WAITS_FOR_BALANCE:
                exhausted.add(currency)
    return sent


def _advance(engine: Engine, gateway: Gateway, intent_id: UUID, now: datetime, scope: Scope | None) -> str:
    for _ in range(MOST_ROUNDS):
        if not _may_go(engine, gateway, intent_id, now, scope):
            return rules.PLANNED
        with transaction(engine, scope) as session:
            call = outcomes.next_call(session, intent_id, now)
            state = session.get_one(Intent, intent_id).state
        if call is None:
            return state
        if call.needs_customer is not None:
            try:
                _customer_first(engine, gateway, call.needs_customer, now, scope)
            except Refused as refusal:
                with transaction(engine, scope) as session:
                    outcomes.record_failure(session, intent_id, refusal.sentence, now)
            continue
        _one_call(engine, gateway, call, now, scope)
    raise ProviderTrouble("This has more steps than it can have.")


def _customer_first(
    engine: Engine, gateway: Gateway, customer_intent_id: UUID, now: datetime, scope: Scope | None
) -> None:
    """Have the payer registered.

    *Raises*: Busy while another process does that, Refused when Stripe does not take the payer.
    """
    state = perform(engine, gateway, customer_intent_id, now, scope=scope)
    if state == ELSEWHERE:
        raise Busy("The payer is being registered.")
    if state == rules.FAILED:
        raise Refused("Stripe refused to register the payer.")


def _one_call(engine: Engine, gateway: Gateway, call: Call, now: datetime, scope: Scope | None) -> None:
    try:
        result = look_up(gateway, call) if call.look_first else make(gateway, call)
    except Refused as refusal:
        if call.look_first:
            # A look that is refused proves nothing about the effect.
            with transaction(engine, scope) as session:
                outcomes.record_unknown(session, call, refusal, now)
            raise
        with transaction(engine, scope) as session:
            outcomes.record_refusal(session, call, refusal, now)
        return
    except (Unknown, Busy) as trouble:
        with transaction(engine, scope) as session:
            outcomes.record_unknown(session, call, trouble, now)
        raise
    with transaction(engine, scope) as session:
        if result is None:
            outcomes.record_nothing_there(session, call, now)
        else:
            outcomes.record_success(session, call, result, now)


def _may_go(engine: Engine, gateway: Gateway, intent_id: UUID, now: datetime, scope: Scope | None) -> bool:
    """Whether the intent goes on now; a charge that is not as it was shown any more has failed by then."""
    with transaction(engine, scope) as session:
        intent = session.get(Intent, intent_id)
        if intent is None:
            raise NotFound
        if intent.livemode != gateway.livemode:
            raise RuleBroken("This was planned for Stripe's other mode, test or live.")
        charges_change = intent.kind == "plan_change" and rules.is_at_once(intent.request)
        is_transfer = intent.kind == "transfer" and intent.state == rules.PLANNED
        if intent.kind == "invoice" and must_wait(session, intent):
            return False
    if charges_change:
        look_again(engine, gateway, intent_id, now, scope=scope)
    return not is_transfer or _may_send(engine, gateway, intent_id, scope)


def _may_send(engine: Engine, gateway: Gateway, intent_id: UUID, scope: Scope | None) -> bool:
    """Whether a planned transfer may be sent now; if not, what it waits for stands in its progress."""
    with transaction(engine, scope) as session:
        intent = session.get_one(Intent, intent_id)
        older_waits = outcomes.older_transfer_waits(session, intent)
        account = session.get_one(ConnectedAccount, intent.organisation_id)
    waits_for, lacks_minor = "", 0
    if older_waits:
        waits_for = rules.WAITS_FOR_BALANCE
    elif gateway.retrieve_account(account.provider_account_id).transfers_state != ACTIVE:
        waits_for = rules.WAITS_FOR_ACCOUNT
    else:
        lacks_minor = max(0, intent.amount_minor - gateway.available_balance().get(intent.currency, 0))
        waits_for = rules.WAITS_FOR_BALANCE if lacks_minor else ""
    with transaction(engine, scope) as session:
        outcomes.note_waiting(session, intent_id, waits_for, lacks_minor=lacks_minor)
        if waits_for == rules.WAITS_FOR_ACCOUNT:
            enqueue(session, "refresh_account", organisation_id=intent.organisation_id)
    return not waits_for


@contextmanager
def _alone(engine: Engine, intent_id: UUID) -> Iterator[bool]:
    """Hold the intent for this process without an open transaction; let go even when the process is killed."""
    key = {"key": f"intent:{intent_id}"}
    with engine.connect() as connection:
        alone = bool(connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))"), key))
        connection.commit()
        try:
            yield alone
        finally:
            if alone:
                connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)
                connection.commit()
