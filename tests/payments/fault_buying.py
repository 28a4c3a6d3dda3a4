"""Cells of the fault matrix about what buyers do: checkouts with what is taken off, subscriptions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from portal.access import Side
from portal.db import transaction
from portal.ledger.rules import Document
from portal.payments import rules
from portal.payments.actions import plan_customer, plan_portal_configuration
from portal.payments.checkouts import (
    MONTH,
    ONCE,
    Checkout,
    Wares,
    plan_change,
    plan_checkout,
    plan_end,
    plan_expiry,
    plan_other_price,
    recurring_price,
)
from portal.payments.following import refresh_bill, refresh_checkout
from portal.payments.models import Intent, ProviderSubscription
from portal.payments.provider import Busy, Unknown
from portal.payments.queries import portal_configuration
from tests.payments.fault_events import Family, Subject, add_family, deliver, handle
from tests.payments.fault_world import Between, Scenario, World

PRICE = 5_000
SESSIONS, SUBSCRIPTION = "/v1/checkout/sessions", "/v1/subscriptions/[^/]+"


def _planned(
    world: World, *, interval: str = ONCE, taxed: bool = False, off_minor: int = 0, payer_id: int | None = None
) -> UUID:
    """A checkout of the customer's, not made yet."""
    about = Document("test_purchase", str(next(world.numbers)))
    leads = Checkout(
        "https://portal.example/done",
        "https://portal.example/back",
        automatic_tax=taxed,
        discount=(off_minor, "FAULTS") if off_minor else None,
    )
    with transaction(world.engine) as session:
        return plan_checkout(
            session,
            Wares("Ten hours", PRICE, "EUR", interval=interval),
            leads,
            manufacturer_id=world.cast.factory.id,
            payer_id=payer_id or world.cast.customer.id,
            document=about,
            livemode=False,
            now=world.now,
        ).id


def _made(world: World, *, interval: str = ONCE) -> UUID:
    intent_id = _planned(world, interval=interval)
    assert world.perform(intent_id) == "succeeded"
    return intent_id


def _portal(world: World) -> UUID:
    """What payers may do at Stripe's own page, as if it were to be said anew."""
    with transaction(world.engine) as session:
        session.execute(update(Intent).where(Intent.kind == "portal_configuration").values(state="cancelled"))
        planned = plan_portal_configuration(session, livemode=False, now=world.now)
        assert planned is not None
        return planned.id


def _is_kept(world: World, intent_id: UUID) -> None:
    with transaction(world.engine) as session:
        assert portal_configuration(session) == session.get_one(Intent, intent_id).provider_object_id


def _expiry(world: World) -> UUID:
    made = _made(world)
    with transaction(world.engine) as session:
        return plan_expiry(session, session.get_one(Intent, made), now=world.now).id


def _subscribed(world: World) -> ProviderSubscription:
    """A subscription that was begun, paid and told of."""
    made = _made(world, interval=MONTH)
    world.standin.control.pay_session(world.object_of(made))
    refresh_checkout(world.engine, world.gateway, world.object_of(made), world.now)
    with transaction(world.engine) as session:
        return session.scalars(select(ProviderSubscription).where(ProviderSubscription.intent_id == made)).one()


def _change(world: World) -> UUID:
    subscription = _subscribed(world)
    with transaction(world.engine) as session:
        return plan_change(session, subscription, {"cancel_at_period_end": True}, number=1, now=world.now).id


def _other_plan(world: World) -> UUID:
    subscription = _subscribed(world)
    with transaction(world.engine) as session:
        wares = Wares("Premium", 2 * PRICE, "EUR", interval=MONTH)
        return plan_other_price(session, subscription, wares, {}, now=world.now).id


def _dearer_at_once(world: World) -> UUID:
    subscription = _subscribed(world)
    about, wares = subscription.provider_subscription_id, Wares("Premium", 2 * PRICE, "EUR", interval=MONTH)
    known = world.gateway.retrieve_subscription(about)
    change = rules.change_at_once(known.covers_from)
    asked = {name: said for name, said in change.items() if name.startswith("proration_")}
    price = {**recurring_price(wares), "product": known.product_id}
    shown = world.gateway.preview_change(about, {"items": [{"id": known.item_id, "price_data": price}], **asked})
    said = {"charge_minor": shown.charge_minor, "credit_minor": shown.credit_minor}
    with transaction(world.engine) as session:
        charged = {"change": change, "amount_minor": shown.total_minor, "now": world.now}
        return plan_other_price(session, subscription, wares, said, **charged).id


def _is_charged_once(world: World, intent_id: UUID) -> None:
    about = world.gateway.retrieve_subscription(_subscription_of(world, intent_id))
    assert about.unit_minor == 2 * PRICE
    for _ in range(2):
        refresh_bill(world.engine, world.gateway, world.gateway.retrieve_invoice(about.latest_invoice_id), world.now)
    paid = """
        SELECT count(*) FROM cash_receipt receipt JOIN subscription_bill bill ON bill.id = receipt.bill_id
        WHERE bill.change_intent_id = :id AND bill.amount_minor = receipt.amount_minor AND bill.credit_minor > 0
    """
    assert world.count(paid, id=intent_id) == 1
    _ended_now(world, about.id)


def _is_not_charged(world: World, intent_id: UUID) -> None:
    with transaction(world.engine) as session:
        intent = session.get_one(Intent, intent_id)
    assert intent.progress[rules.FIGURES_MOVED]
    assert "after you saw what it charges" in intent.failure
    about = intent.request["subscription"]
    assert world.gateway.retrieve_subscription(about).unit_minor == PRICE
    _ended_now(world, about)


def _costs_more_later(world: World, intent_id: UUID) -> None:
    about = _subscription_of(world, intent_id)
    assert world.gateway.retrieve_subscription(about).unit_minor == 2 * PRICE
    _ended_now(world, about)


def _end(world: World) -> UUID:
    """By its buyer at once, so that what goes back follows from it."""
    subscription = _subscribed(world)
    with transaction(world.engine) as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'follow_purchase'"))
        return plan_end(session, subscription, said={"total_minor": PRICE}, now=world.now).id


def _is_cheaper(world: World, intent_id: UUID) -> None:
    made = world.gateway.retrieve_checkout(world.object_of(intent_id))
    assert (made.total_minor, made.discount_minor) == (PRICE - 500, 500)
    with transaction(world.engine) as session:
        assert session.get_one(Intent, intent_id).amount_minor == made.total_minor


def _is_expired(world: World, intent_id: UUID) -> None:
    with transaction(world.engine) as session:
        made = session.get_one(Intent, UUID(session.get_one(Intent, intent_id).request["checkout_intent"]))
    assert world.gateway.retrieve_checkout(str(made.provider_object_id)).status == "expired"


def _ends_with_its_period(world: World, intent_id: UUID) -> None:
    about = _subscription_of(world, intent_id)
    assert world.gateway.retrieve_subscription(about).ends_with_period
    _ended_now(world, about)


def _has_ended(world: World, intent_id: UUID) -> None:
    assert world.gateway.retrieve_subscription(_subscription_of(world, intent_id)).status == "canceled"
    followed = """
        SELECT count(*) FROM procrastinate_jobs job JOIN intent ON intent.id = :id
        WHERE job.task_name = 'follow_purchase' AND job.args ->> 'intent_id' = intent.request ->> 'checkout_intent'
    """
    # Its purchase is followed once for each outcome; one that was refused first has two.
    assert world.count(followed, id=intent_id) in (1, 2)


def _subscription_of(world: World, intent_id: UUID) -> str:
    with transaction(world.engine) as session:
        return str(session.get_one(Intent, intent_id).request["subscription"])


def _ended_now(world: World, subscription_id: str) -> None:
    """Another cell moves the clock on: nothing may be renewed there."""
    world.standin.client().v1.subscriptions.cancel(subscription_id)


SCENARIOS = {
    "create_checkout": Scenario(_planned, SESSIONS, {"checkout.session": 1}),
    "set_tax_status": Scenario(
        lambda world: _planned(world, taxed=True), "/v1/customers/[^/]+", {"checkout.session": 1}
    ),
    "expire_checkout": Scenario(_expiry, f"{SESSIONS}/.*/expire", {}, _is_expired),
    "update_subscription": Scenario(_change, SUBSCRIPTION, {}, _ends_with_its_period),
    "change_at_once": Scenario(
        _dearer_at_once, SUBSCRIPTION, {"invoice": 1}, _is_charged_once, too_late=_is_not_charged
    ),
    "create_product": Scenario(_other_plan, "/v1/products", {}, _costs_more_later),
    "cancel_subscription": Scenario(_end, SUBSCRIPTION, {}, _has_ended, method="DELETE"),
    "create_portal_configuration": Scenario(
        _portal, "/v1/billing_portal/configurations", {"billing_portal.configuration": 1}, _is_kept
    ),
    "create_coupon": Scenario(
        lambda world: _planned(world, off_minor=500), "/v1/coupons", {"checkout.session": 1}, _is_cheaper
    ),
}


def _paid_checkout(world: World) -> Subject:
    made = _made(world)
    world.standin.control.pay_session(world.object_of(made))
    return Subject(world.object_of(made), lambda: None, lambda: _paid_once(world, made))


def _paid_once(world: World, intent_id: UUID) -> None:
    receipts = "SELECT count(*) FROM cash_receipt WHERE intent_id = :id AND amount_minor = 5000"
    booked = """
        SELECT count(*) FROM journal_transaction journal JOIN cash_receipt receipt
            ON journal.kind = 'cash_received' AND journal.document_id = receipt.id::text
        WHERE receipt.intent_id = :id
    """
    assert world.count(receipts, id=intent_id) == world.count(booked, id=intent_id) == 1


def _early_checkout(world: World, kind: str) -> None:
    intent_id, told = _planned(world), list[str]()

    def tell(made: Any) -> None:
        told.append(deliver(world, kind, made.id))
        with pytest.raises(Busy):
            handle(world, told[0])

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_checkout", after=tell)) == "succeeded"
    world.standin.control.pay_session(world.object_of(intent_id))
    handle(world, told[0])
    _paid_once(world, intent_id)


def _begun_subscription(world: World) -> Subject:
    made = _made(world, interval=MONTH)
    at_stripe = world.object_of(made)
    world.standin.control.pay_session(at_stripe)
    begun = world.gateway.retrieve_checkout(at_stripe).subscription_id
    return Subject(
        begun,
        lambda: _refreshed(world, at_stripe),
        lambda: _known_once(world, made, begun),
    )


def _refreshed(world: World, session_id: str) -> None:
    refresh_checkout(world.engine, world.gateway, session_id, world.now)


def _known_once(world: World, intent_id: UUID, subscription_id: str) -> None:
    known = "SELECT count(*) FROM provider_subscription WHERE intent_id = :id"
    seen = """
        SELECT count(*) FROM subscription_seen seen JOIN provider_subscription one ON one.id = seen.subscription_id
        WHERE one.intent_id = :id
    """
    assert world.count(known, id=intent_id) == world.count(seen, id=intent_id) == 1
    _paid_once(world, intent_id)
    _ended_now(world, subscription_id)


def _early_subscription(world: World, kind: str) -> None:
    """The page was paid although its answer never came; what it began is told of first."""
    intent_id = _planned(world, interval=MONTH)
    world.standin.control.fault("lose_answer", method="POST", path=SESSIONS)
    with pytest.raises(Unknown):
        world.perform(intent_id)
    made = world.standin.client().v1.checkout.sessions.list({"limit": 1}).data[0].id
    world.standin.control.pay_session(made)
    begun = world.gateway.retrieve_checkout(made).subscription_id
    told = deliver(world, kind, begun)
    with pytest.raises(Busy):
        handle(world, told)
    assert world.perform(intent_id) == "succeeded"
    handle(world, told)
    refresh_checkout(world.engine, world.gateway, made, world.now)
    _known_once(world, intent_id, begun)


def _deleted(world: World, payer_id: int) -> str:
    """A payer that was made known to Stripe, and deleted there."""
    with transaction(world.engine) as session:
        maker_id = world.cast.factory.id
        made = plan_customer(session, manufacturer_id=maker_id, payer_id=payer_id, livemode=False, now=world.now).id
    assert world.perform(made) == "succeeded"
    object_id = world.object_of(made)
    world.standin.client().v1.customers.delete(object_id)
    return object_id


def _lost_customer(world: World) -> Subject:
    payer_id = world.company(Side.CUSTOMER).id
    return Subject(_deleted(world, payer_id), lambda: None, lambda: _made_anew(world, payer_id))


def _made_anew(world: World, payer_id: int) -> None:
    """What is planned next finds a new customer; the old one ended once."""
    made = _planned(world, payer_id=payer_id)
    assert world.perform(made) == "succeeded"
    assert world.count("SELECT count(*) FROM provider_customer_end WHERE payer_id = :id", id=payer_id) == 1
    assert world.count("SELECT max(number) FROM provider_customer WHERE payer_id = :id", id=payer_id) == 2


def _early_lost_customer(world: World, kind: str) -> None:
    """It is told of before anybody here knows the customer: the first call that names it says so."""
    payer_id = world.company(Side.CUSTOMER).id
    with transaction(world.engine) as session:
        maker_id = world.cast.factory.id
        made = plan_customer(session, manufacturer_id=maker_id, payer_id=payer_id, livemode=False, now=world.now).id

    def tell(customer_id: str) -> None:
        world.standin.client().v1.customers.delete(customer_id)
        assert handle(world, deliver(world, kind, customer_id)).startswith("ignored")

    assert world.perform(made, gateway=Between(world.gateway, "create_customer", after=tell)) == "succeeded"
    _made_anew(world, payer_id)


add_family(rules.CUSTOMER_EVENTS, Family(_lost_customer, _early_lost_customer, "customer.deleted"))
add_family(rules.CHECKOUT_EVENTS, Family(_paid_checkout, _early_checkout, "checkout.session.completed"))
add_family(rules.SUBSCRIPTION_EVENTS, Family(_begun_subscription, _early_subscription, "customer.subscription.updated"))
