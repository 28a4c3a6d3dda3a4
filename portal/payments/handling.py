"""What Stripe tells us and what we ask it for: events handled, objects fetched again, movements imported.

An event is only a hint at an object, which is fetched as it is now: late, repeated and reordered events end in the same
rows. Calls are made between transactions, never inside one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.db import Scope, transaction
from portal.directory.models import DeploymentFact, Organisation
from portal.errors import NotFound
from portal.jobs import enqueue
from portal.ledger.actions import post
from portal.ledger.models import Period
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments import calls, cash, following, going_back, outcomes, outside, queries, rules
from portal.payments.actions import keep_event
from portal.payments.gateway import Gateway
from portal.payments.models import (
    BalanceMovement,
    CashReceipt,
    Chargeback,
    ConnectedAccount,
    Intent,
    OutsideChange,
    ProviderEvent,
    ProviderEventOutcome,
)
from portal.payments.provider import ACTIVE, AccountState, Busy, Movement, ReceivedEvent, Refused

_POLLED_UNTIL = "stripe_events_polled_until"
_IMPORTED_UNTIL = "stripe_movements_imported_until"
_OUR_MOVES = frozenset(
    {"charge", "payment", "transfer", "transfer_reversal", "refund", "refund_failure", "dispute", "dispute_reversal"}
)
# Between the balance and the platform's own bank account, with how it reads in the journal.
_OWN_MOVES = {
    "topup": "Top-up of the Stripe balance",
    "topup_reversal": "Top-up taken back by the bank",
    "payout": "Payout to the bank",
    "payout_reversal": "Payout sent back by the bank",
}


def handle_event(engine: Engine, gateway: Gateway, event_id: str, now: datetime) -> str:
    """Act on a stored event, once; what became of it. *Raises*: NotFound, Unknown, Busy."""
    with transaction(engine) as session:
        event = session.get(ProviderEvent, event_id)
        if event is None:
            raise NotFound
        known = session.get(ProviderEventOutcome, event_id)
    if known is not None:
        return known.outcome
    outcome = _not_for_us(gateway, event) or _act_if_there(engine, gateway, event, now)
    with transaction(engine) as session:
        row = {"event_id": event_id, "outcome": outcome, "handled_at": now}
        session.execute(insert(ProviderEventOutcome).values(**row).on_conflict_do_nothing())
    return outcome


def _not_for_us(gateway: Gateway, event: ProviderEvent) -> str:
    """Why an event says nothing about us, if it does not."""
    if event.livemode != gateway.livemode:
        return "ignored: other mode"
    # What happens within a connected account has ids of that account, not of ours.
    return "ignored: of another account" if event.payload.get("account") else ""


def _act_if_there(engine: Engine, gateway: Gateway, event: ProviderEvent, now: datetime) -> str:
    """An object that Stripe does not have for us is nothing to come back to."""
    try:
        return _act_on(engine, gateway, event, now)
    except Refused as refusal:
        if refusal.code != "resource_missing":
            raise
        return "ignored: not at Stripe"


def _act_on(engine: Engine, gateway: Gateway, event: ProviderEvent, now: datetime) -> str:
    if event.type.startswith(rules.ACCOUNT_EVENT_PREFIX):
        return refresh_account(engine, gateway, event.object_id, now)
    if event.type in rules.INVOICE_EVENTS:
        return refresh_invoice(engine, gateway, event.object_id, now)
    if event.type in rules.CHECKOUT_EVENTS:
        return following.refresh_checkout(engine, gateway, event.object_id, now)
    if event.type in rules.SUBSCRIPTION_EVENTS:
        return following.refresh_subscription(engine, gateway, event.object_id, now)
    if event.type in rules.CUSTOMER_EVENTS:
        return following.refresh_customer(engine, gateway, event.object_id, now)
    if event.type in rules.TRANSFER_EVENTS:
        return refresh_transfer(engine, gateway, event.object_id, now)
    refresh = next((refresh for types, refresh in _GOING_BACK if event.type in types), None)
    if refresh is not None:
        return refresh(engine, gateway, event.object_id, now)
    if event.type in rules.BALANCE_EVENTS:
        with transaction(engine) as session:
            enqueue(session, "perform_waiting")
        return "waiting transfers tried"
    return "ignored: not ours"


_GOING_BACK = (
    (rules.REFUND_EVENTS, going_back.refresh_refund),
    (rules.CREDIT_NOTE_EVENTS, outside.refresh_credit_note),
    (rules.DISPUTE_EVENTS, going_back.refresh_dispute),
    (rules.WARNING_EVENTS, going_back.refresh_warning),
)


def refresh_account(
    engine: Engine, gateway: Gateway, account_id: str, now: datetime, *, scope: Scope | None = None
) -> str:
    """Fetch a connected account and keep its state; one that became active has its transfers sent."""
    with transaction(engine, scope) as session:
        known = session.scalar(
            select(ConnectedAccount.organisation_id).where(ConnectedAccount.provider_account_id == account_id)
        )
    if known is None:
        return "ignored: not ours"
    state = gateway.retrieve_account(account_id)
    with transaction(engine, scope) as session:
        keep_account_state(session, known, state, now)
    return f"account {state.transfers_state}"


def keep_account_state(session: Session, organisation_id: int, state: AccountState, now: datetime) -> None:
    """An account's state as just fetched; an older look never replaces a newer one."""
    account = session.get_one(ConnectedAccount, organisation_id, with_for_update=True, populate_existing=True)
    if now < account.checked_at:
        return
    became_active = state.transfers_state == ACTIVE != account.transfers_state
    account.transfers_state = state.transfers_state if state.transfers_state in rules.ACCOUNT_STATES else "restricted"
    account.requirements = {"open": list(state.requirements)}
    account.checked_at = now
    if became_active:
        enqueue(session, "perform_waiting")
        enqueue(session, rules.TRANSFER_HELD)


def start_onboarding(
    engine: Engine, gateway: Gateway, scope: Scope, intent_id: UUID, *, refresh_url: str, return_url: str, now: datetime
) -> str:
    """The address of Stripe's onboarding page for a planned account, fetched fresh; for a page that waits for it.

    *Raises*: Refused, Unknown or Busy: the page then says that the account is being prepared.
    """
    quick = gateway.for_page()
    calls.perform(engine, quick, intent_id, now, scope=scope)
    with transaction(engine, scope) as session:
        account = session.get(ConnectedAccount, scope.organisation_id)
    if account is None:
        raise Busy("The account is being prepared at Stripe; try again in a minute.")
    return quick.onboarding_link(account.provider_account_id, refresh_url, return_url)


def refresh_invoice(engine: Engine, gateway: Gateway, invoice_id: str, now: datetime) -> str:
    """Fetch an invoice: what was paid through Stripe becomes cash, its status is kept."""
    with transaction(engine) as session:
        intent = queries.intent_by_object(session, invoice_id)
    state = gateway.retrieve_invoice(invoice_id)
    if intent is None:
        _refuse_if_coming(engine, state.intent_id)
        return following.refresh_bill(engine, gateway, state, now)
    paid = gateway.payments_of_invoice(invoice_id) if state.status == "paid" else []
    with transaction(engine) as session:
        locked = session.get_one(Intent, intent.id, with_for_update=True, populate_existing=True)
        # Once paid or void an invoice stays so, whatever an older look says.
        if locked.progress.get("status") not in ("paid", "void"):
            attempted = state.attempted and state.status == "open"
            if attempted and not locked.progress.get("payment_failed"):
                enqueue(session, "notify_payment_failed", intent_id=locked.id)
            locked.progress = {**locked.progress, "status": state.status, "payment_failed": attempted}
        received = [receipt for payment in paid if (receipt := cash.take_cash(session, locked, payment, now))]
    return f"invoice {state.status}, {len(received)} payments taken"


def _refuse_if_coming(engine: Engine, intent_id: str) -> None:
    """An object can be told of before the answer that made it is written down: its event is handled again then."""
    if not rules.is_uuid(intent_id):
        return
    with transaction(engine) as session:
        if session.get(Intent, UUID(intent_id)) is not None:
            raise Busy("What this event is about is still being written down.")


def refresh_transfer(engine: Engine, gateway: Gateway, transfer_id: str, now: datetime) -> str:
    """Fetch a transfer: one whose answer was lost succeeds here; money that came back is noted."""
    state = gateway.retrieve_transfer(transfer_id)
    if not rules.is_uuid(state.intent_id):
        return "ignored: not ours"
    with transaction(engine) as session:
        intent = session.get(Intent, UUID(state.intent_id), with_for_update=True, populate_existing=True)
        if intent is None or intent.kind != "transfer":
            return "ignored: not ours"
        outcomes.succeed_transfer(session, intent, transfer_id, now)
        if state.reversed_minor:
            intent.progress = {**intent.progress, "reversed_minor": state.reversed_minor}
    return "transfer reconciled"


def poll_events(engine: Engine, gateway: Gateway, now: datetime) -> int:
    """Take in events whose delivery was lost, from the last poll on, thirty days at most; how many were new.

    Account events are thin and cannot be listed by time; accounts not looked at for a day are fetched instead.
    """
    with transaction(engine) as session:
        since = max(_mark(session, _POLLED_UNTIL, now - rules.EVENT_LIFE), now - rules.EVENT_LIFE) - rules.POLL_OVERLAP
        accounts = session.scalars(
            select(ConnectedAccount.provider_account_id).where(
                ConnectedAccount.checked_at < now - rules.ACCOUNT_CHECK_AGE
            )
        ).all()
    found: list[ReceivedEvent] = []
    for first in range(0, len(rules.POLLED_EVENTS), rules.MOST_EVENT_TYPES):
        found += gateway.events(since, rules.POLLED_EVENTS[first : first + rules.MOST_EVENT_TYPES])
    new = 0
    with transaction(engine) as session:
        for event in reversed(found):
            new += keep_event(session, event)
        _set_mark(session, _POLLED_UNTIL, now)
    for account_id in accounts:
        refresh_account(engine, gateway, account_id, now)
    return new


def import_movements(engine: Engine, gateway: Gateway, now: datetime) -> int:
    """Keep every balance transaction once, with the manufacturer whose books it belongs in; how many were new.

    What waits for its event is asked for again, however long the next import is in coming.
    """
    with transaction(engine) as session:
        since = _mark(session, _IMPORTED_UNTIL, datetime(2011, 1, 1, tzinfo=now.tzinfo)) - rules.MOVEMENT_OVERLAP
    found = list(gateway.movements(since))
    new = 0
    complete_until = now
    with transaction(engine) as session:
        patience = rules.EVENT_LIFE if queries.has_waiting_events(session) else rules.MOVEMENT_PATIENCE
        for movement in reversed(found):
            manufacturer_id = _owner_of(session, movement)
            is_young = now - movement.occurred_at < patience
            if manufacturer_id is None and movement.category in _OUR_MOVES and is_young:
                complete_until = min(complete_until, movement.occurred_at)
                continue
            new += _keep_movement(session, gateway, movement, manufacturer_id, now)
        _set_mark(session, _IMPORTED_UNTIL, complete_until)
    return new


def _keep_movement(
    session: Session, gateway: Gateway, movement: Movement, manufacturer_id: int | None, now: datetime
) -> bool:
    made = session.scalar(
        insert(BalanceMovement)
        .values(
            provider_id=movement.id,
            manufacturer_id=manufacturer_id,
            category=movement.category,
            currency=movement.currency,
            amount_minor=movement.amount_minor,
            fee_minor=movement.fee_minor,
            net_minor=movement.net_minor,
            source_object_id=movement.source_id,
            rate_num=movement.rate.numerator if movement.rate else None,
            rate_den=movement.rate.denominator if movement.rate else None,
            livemode=gateway.livemode,
            available_at=movement.available_at,
            occurred_at=movement.occurred_at,
            recorded_at=now,
        )
        .on_conflict_do_nothing()
        .returning(BalanceMovement.provider_id)
    )
    if made is not None and movement.category in _OWN_MOVES:
        _book_own_money(session, gateway, movement, now)
    return made is not None


def _owner_of(session: Session, movement: Movement) -> int | None:
    receipt = select(CashReceipt.manufacturer_id).where(CashReceipt.provider_object_id == movement.source_id)
    sent = select(Intent.manufacturer_id).where(Intent.provider_object_id == movement.source_id)
    if movement.category in _OWN_MOVES:
        return _operator_with_books(session)
    disputed = select(Chargeback.manufacturer_id).where(Chargeback.provider_object_id == movement.source_id)
    changed = select(OutsideChange.manufacturer_id).where(OutsideChange.provider_object_id == movement.source_id)
    found = (session.scalar(wanted) for wanted in (receipt, sent, disputed, changed))
    return next((owner for owner in found if owner is not None), None)


def _operator_with_books(session: Session) -> int | None:
    """The operator where it keeps a ledger of its own: a neutral association does not."""
    return session.scalar(
        select(Organisation.id).where(
            Organisation.is_operator, select(Period.id).where(Period.manufacturer_id == Organisation.id).exists()
        )
    )


def _book_own_money(session: Session, gateway: Gateway, movement: Movement, now: datetime) -> None:
    operator_id = _operator_with_books(session)
    if operator_id is None:
        return
    post(
        session,
        manufacturer_id=operator_id,
        currency=movement.currency,
        kind=f"stripe_{movement.category}",
        document=Document("balance_movement", movement.id),
        legs=[debit(Purpose.STRIPE, movement.net_minor), credit(Purpose.BANK, movement.net_minor)],
        allowed_pairs=rules.PAYMENT_PAIRS,
        occurred_at=movement.occurred_at,
        now=now,
        description=_OWN_MOVES[movement.category],
        livemode=gateway.livemode,
    )


def sweep(session: Session, now: datetime) -> int:
    """Enqueue again what lost its job: unfinished intents, unhandled events, cash not booked; how many."""
    before = now - rules.SWEEP_AGE
    jobs: list[tuple[str, dict[str, Any]]] = [
        *(("perform_intent", {"intent_id": found}) for found in queries.unfinished_intents(session, before)),
        *(("handle_provider_event", {"event_id": found}) for found in queries.unhandled_events(session, before)),
        *(("book_cash", {"receipt_id": found}) for found in queries.unbooked_receipts(session)),
    ]
    for name, ids in jobs:
        enqueue(session, name, **ids)
    return len(jobs)


def _mark(session: Session, key: str, default: datetime) -> datetime:
    kept = session.get(DeploymentFact, key)
    return datetime.fromisoformat(kept.value["at"]) if kept else default


def _set_mark(session: Session, key: str, now: datetime) -> None:
    session.execute(
        text(
            "INSERT INTO deployment_fact (key, value) VALUES (:key, jsonb_build_object('at', CAST(:at AS text)))"
            " ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"
        ),
        {"key": key, "at": now.isoformat()},
    )
