"""What Stripe says of checkouts and subscriptions, fetched as it is now and written down; the sale is selling's job.

An event only names an object. A checkout that is paid once brings its cash; a subscription's cash comes by its
invoices, whichever of the two is told of first. Whatever was learned, ``follow_purchase`` is enqueued for its intent.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.errors import Conflict
from portal.jobs import enqueue
from portal.payments import cash, outcomes, queries, rules
from portal.payments.bill_credits import credited_tax_minor
from portal.payments.gateway import Gateway
from portal.payments.models import Intent, ProviderSubscription, SubscriptionBill, SubscriptionSeen
from portal.payments.payers.losing import BY_EVENT, customer_named, lose_customer
from portal.payments.provider import Busy, CheckoutState, InvoiceState, SubscriptionState
from portal.rows import insert_once


def refresh_checkout(engine: Engine, gateway: Gateway, session_id: str, now: datetime) -> str:
    """Fetch a checkout: its state is kept, what was paid becomes cash, a subscription it began is known from then."""
    state = gateway.retrieve_checkout(session_id)
    intent_id = _ours(engine, state.intent_id, session_id)
    if intent_id is None:
        return "ignored: not ours"
    with transaction(engine) as session:
        intent = _locked(session, intent_id)
        _keep_checkout(intent, state)
        if state.payment is not None:
            cash.take_prepayment(session, intent, state.payment, now, tax_minor=state.tax_minor)
        if state.subscription_id:
            _know(session, intent, state.subscription_id, now)
        enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.id)
    if state.subscription_id:
        refresh_subscription(engine, gateway, state.subscription_id, now)
        refresh_bill(engine, gateway, gateway.retrieve_invoice(state.invoice_id), now)
    return f"checkout {state.status}, {state.payment_status}"


def refresh_subscription(engine: Engine, gateway: Gateway, subscription_id: str, now: datetime) -> str:
    """Fetch a subscription and keep how it stands, where that is news."""
    state = gateway.retrieve_subscription(subscription_id)
    intent_id = _ours(engine, state.intent_id, None)
    if intent_id is None:
        return "ignored: not ours"
    with transaction(engine) as session:
        intent = _locked(session, intent_id)
        known = _know(session, intent, subscription_id, now)
        if _see(session, known, state, now):
            enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.id)
    return f"subscription {state.status}"


def refresh_customer(engine: Engine, gateway: Gateway, customer_id: str, now: datetime) -> str:
    """Look whether Stripe still has a customer; what ended with one that it has not is looked at as well."""
    with transaction(engine) as session:
        known = customer_named(session, customer_id)
    if known is None:
        return "ignored: not ours"
    if gateway.has_customer(customer_id):
        return "customer is there"
    with transaction(engine) as session:
        ended = [each.provider_subscription_id for each in lose_customer(session, customer_id, BY_EVENT, now=now)]
    for subscription_id in ended:
        refresh_subscription(engine, gateway, subscription_id, now)
    return f"customer deleted, {len(ended)} subscriptions ended"


def refresh_bill(engine: Engine, gateway: Gateway, state: InvoiceState, now: datetime) -> str:
    """An invoice of a subscription, just fetched: what it asks for which time, and what was paid of it."""
    if not state.subscription_id:
        return "ignored: not ours"
    subscription = gateway.retrieve_subscription(state.subscription_id)
    intent_id = _ours(engine, subscription.intent_id, None)
    if intent_id is None:
        return "ignored: not ours"
    paid = gateway.payments_of_invoice(state.id) if state.status == "paid" else []
    with transaction(engine) as session:
        intent = _locked(session, intent_id)
        known = _know(session, intent, state.subscription_id, now)
        _see(session, known, subscription, now)
        bill_id = _keep_bill(session, known, state, now)
        # What was taken off the invoice before it was paid took its part of the tax with it.
        unpaid_minor = state.total_minor - sum(payment.amount_minor for payment in paid)
        tax_minor = state.tax_minor - credited_tax_minor(session, bill_id, unpaid_minor)
        for payment in paid:
            cash.take_prepayment(session, intent, payment, now, tax_minor=tax_minor, bill_id=bill_id)
        enqueue(session, rules.FOLLOW_PURCHASE, intent_id=intent.id)
    return f"subscription invoice {state.status}, {len(paid)} payments"


def _ours(engine: Engine, intent_id: str, object_id: str | None) -> UUID | None:
    """The checkout intent that an object names. *Raises*: Busy while the answer that made it is not written down."""
    if not rules.is_uuid(intent_id):
        return None
    with transaction(engine) as session:
        intent = session.get(Intent, UUID(intent_id))
        if intent is None or intent.kind != "checkout":
            return None
        if intent.provider_object_id is None:
            raise Busy("What this event is about is still being written down.")
        if object_id is not None and intent.provider_object_id != object_id:
            return None
        return intent.id


def _locked(session: Session, intent_id: UUID) -> Intent:
    return session.get_one(Intent, intent_id, with_for_update=True, populate_existing=True)


def _keep_checkout(intent: Intent, state: CheckoutState) -> None:
    """A session goes from open to complete or expired, and a payment to paid, never back: an older look says less."""
    before = intent.progress
    status = before.get("checkout_status", "open")
    paid = before.get("payment_status") == "paid"
    intent.progress = {
        **before,
        "checkout_status": state.status if status == "open" else status,
        "payment_status": "paid" if paid else state.payment_status,
        "debit_failed": state.debit_failed and not paid,
        "total_minor": state.total_minor,
        "tax_minor": state.tax_minor,
        "discount_minor": state.discount_minor,
    }


def _know(session: Session, intent: Intent, subscription_id: str, now: datetime) -> ProviderSubscription:
    insert_once(
        session,
        ProviderSubscription(
            intent_id=intent.id,
            manufacturer_id=intent.manufacturer_id,
            payer_id=intent.organisation_id,
            provider_subscription_id=subscription_id,
            livemode=intent.livemode,
            recorded_at=now,
        ),
    )
    known = queries.subscription_of(session, intent.id)
    if known is None or known.provider_subscription_id != subscription_id:
        raise Conflict("This checkout began another subscription before.")
    return known


def _see(session: Session, known: ProviderSubscription, state: SubscriptionState, now: datetime) -> bool:
    """Keep how it stands; whether that was news. An ended subscription stays so, and no period comes back."""
    last = queries.last_seen(session, known.id)
    news = (state.status, state.covers_from, state.covers_until, state.ends_with_period)
    if last is not None:
        if news == (last.status, last.covers_from, last.covers_until, last.ends_with_period):
            return False
        if last.status == rules.SUBSCRIPTION_ENDED or state.covers_from < last.covers_from:
            return False
    session.add(
        SubscriptionSeen(
            subscription_id=known.id,
            manufacturer_id=known.manufacturer_id,
            payer_id=known.payer_id,
            seq=1 if last is None else last.seq + 1,
            status=state.status,
            covers_from=state.covers_from,
            covers_until=state.covers_until,
            ends_with_period=state.ends_with_period,
            seen_at=now,
        )
    )
    session.flush()
    return True


def _keep_bill(session: Session, known: ProviderSubscription, state: InvoiceState, now: datetime) -> int | None:
    """Keep what an invoice asks for, once; the bill's number, none while there is nothing to pay."""
    if state.status in ("draft", "void") or state.covers_from is None:
        return None
    change_id = _change_of(session, known, state)
    if change_id is not None:
        if state.status != "paid":
            # A change at once holds when it is paid, and not before.
            return None
        outcomes.succeed_change(session, change_id, known.provider_subscription_id, state.id, now)
    insert_once(
        session,
        SubscriptionBill(
            subscription_id=known.id,
            manufacturer_id=known.manufacturer_id,
            payer_id=known.payer_id,
            provider_invoice_id=state.id,
            currency=state.currency,
            amount_minor=state.total_minor - state.tax_minor,
            tax_minor=state.tax_minor,
            covers_from=state.covers_from,
            covers_until=state.covers_until,
            change_intent_id=change_id,
            credit_minor=state.credit_minor if change_id is not None else 0,
            recorded_at=now,
        ),
    )
    return session.scalar(select(SubscriptionBill.id).where(SubscriptionBill.provider_invoice_id == state.id))


def _change_of(session: Session, known: ProviderSubscription, state: InvoiceState) -> UUID | None:
    """The change at once that an invoice charges: what it asks for is named by the change's intent."""
    if state.reason != rules.CHANGED_INVOICE or not rules.is_uuid(state.product_id):
        return None
    intent = session.get(Intent, UUID(state.product_id))
    if intent is None or intent.kind != "plan_change" or not rules.is_at_once(intent.request):
        return None
    return intent.id if intent.request["checkout_intent"] == str(known.intent_id) else None
