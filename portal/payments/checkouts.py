"""Planning what buyers do at Stripe: a checkout with its exact request, a change or the end of a subscription.

Nothing is asked of Stripe here; an intent and its job are stored, and a checkout is usually performed by the page that
planned it, because somebody waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.ledger.rules import Document, Purpose
from portal.payments import rules
from portal.payments.actions import plan
from portal.payments.models import Intent, ProviderSubscription

# The name of a line and the description of a payment, as Stripe shows them.
LONGEST_NAME = 250
# docs.stripe.com/api/coupons/create: what a coupon is called on receipts.
LONGEST_COUPON_NAME = 40
ONCE, MONTH, YEAR = "once", "month", "year"


@dataclass(frozen=True)
class Wares:
    """What a checkout is for: one kind of thing, its price each, and how often it is paid (once, month, year).

    ``once`` are lines that are paid with the first payment only, by name. ``first_until`` is where a first term ends
    that is paid by those lines and not by the price: the price is asked from then on. ``tax_code`` is its tax class,
    the account's own where it is empty.
    """

    name: str
    unit_minor: int
    currency: str
    quantity: int = 1
    interval: str = ONCE
    once: tuple[tuple[str, int], ...] = ()
    first_until: datetime | None = None
    tax_code: str = ""

    @property
    def total_minor(self) -> int:
        """What is paid at the page."""
        first = 0 if self.first_until is not None else self.unit_minor * self.quantity
        return first + sum(minor for _, minor in self.once)


@dataclass(frozen=True)
class Checkout:
    """Where Stripe's page leads back to, what is taken off, and how tax is treated.

    ``discount`` is how much is paid less with the first payment, and how that is called. ``automatic_tax`` is the
    deployment's switch; ``tax_exempt`` what the payer's certificate says; ``accepted`` who ordered, and the policy
    accepted with the order by its hash.
    """

    success_url: str
    cancel_url: str
    automatic_tax: bool = False
    tax_exempt: bool = False
    accepted: Mapping[str, Any] | None = None
    discount: tuple[int, str] | None = None


def plan_checkout(
    session: Session,
    wares: Wares,
    checkout: Checkout,
    *,
    manufacturer_id: int,
    payer_id: int,
    document: Document,
    livemode: bool,
    now: datetime,
) -> Intent:
    """Plan the page where a purchase is paid; what is paid there is the customer's until the sale is recorded."""
    intent_id = uuid4()
    status = ("exempt" if checkout.tax_exempt else "none") if checkout.automatic_tax else ""
    request = {
        "session": checkout_request(str(intent_id), wares, checkout),
        "tax_status": status,
        "name": wares.name,
        "receivable": str(Purpose.PREPAID),
        **({"accepted": dict(checkout.accepted)} if checkout.accepted is not None else {}),
        **({"coupon": _coupon(str(intent_id), wares, *checkout.discount)} if checkout.discount is not None else {}),
    }
    off_minor = checkout.discount[0] if checkout.discount is not None else 0
    return plan(
        session,
        intent_id,
        kind="checkout",
        manufacturer_id=manufacturer_id,
        organisation_id=payer_id,
        document=document,
        currency=wares.currency,
        amount_minor=wares.total_minor - off_minor,
        request=request,
        livemode=livemode,
        now=now,
    )


def checkout_request(intent_id: str, wares: Wares, checkout: Checkout) -> dict[str, Any]:
    """A session's request; the customer is added when it is known."""
    price = _price(wares, wares.name, wares.unit_minor)
    of_intent = {"metadata": {"intent_id": intent_id}}
    request: dict[str, Any] = {
        "mode": "payment",
        "line_items": [
            {"price_data": price, "quantity": wares.quantity},
            *({"price_data": _price(wares, name, minor), "quantity": 1} for name, minor in wares.once),
        ],
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
        "client_reference_id": intent_id,
        **of_intent,
    }
    if checkout.discount is not None:
        request["discounts"] = [{"coupon": intent_id}]
    if wares.interval == ONCE:
        request["payment_intent_data"] = {**of_intent, "description": wares.name, "transfer_group": intent_id}
    else:
        request["mode"] = "subscription"
        price["recurring"] = {"interval": wares.interval}
        request["subscription_data"] = {**of_intent, "description": wares.name}
        if wares.first_until is not None:
            request["subscription_data"]["trial_end"] = int(wares.first_until.timestamp())
    if checkout.automatic_tax:
        request["automatic_tax"] = {"enabled": True}
        request["customer_update"] = {"address": "auto", "name": "auto"}
    return request


def _coupon(intent_id: str, wares: Wares, off_minor: int, name: str) -> dict[str, Any]:
    """A coupon that no other checkout can use: a code of the portal's would hold for every checkout at Stripe."""
    return {
        "id": intent_id,
        "amount_off": off_minor,
        "currency": wares.currency.lower(),
        "duration": "once",
        "max_redemptions": 1,
        "name": name[:LONGEST_COUPON_NAME],
        "metadata": {"intent_id": intent_id},
    }


def _price(wares: Wares, name: str, minor: int) -> dict[str, Any]:
    return {
        "currency": wares.currency.lower(),
        "unit_amount": minor,
        "tax_behavior": "exclusive",
        "product_data": {"name": name[:LONGEST_NAME], **_class_of(wares)},
    }


def _class_of(wares: Wares) -> dict[str, str]:
    return {"tax_code": wares.tax_code} if wares.tax_code else {}


def plan_expiry(session: Session, checkout: Intent, *, now: datetime) -> Intent:
    """Plan closing a checkout that nobody is to pay any more."""
    return _plan_about(session, checkout, "checkout_expiry", {"checkout_intent": str(checkout.id)}, now)


def plan_change(
    session: Session, subscription: ProviderSubscription, change: dict[str, Any], *, number: int, now: datetime
) -> Intent:
    """Plan a change of a subscription, such as its end with the period; ``number`` counts the changes of one."""
    begun = session.get_one(Intent, subscription.intent_id)
    request = {"subscription": subscription.provider_subscription_id, "change": change}
    return _plan_about(session, begun, "subscription_change", request, now, number=number)


def plan_other_price(
    session: Session,
    subscription: ProviderSubscription,
    wares: Wares,
    plan_said: Mapping[str, Any],
    *,
    change: Mapping[str, Any] | None = None,
    item_id: str = "",
    amount_minor: int = 0,
    now: datetime,
) -> Intent:
    """Plan that a subscription is for something else; ``plan_said`` is what follows from it.

    ``change`` says how (``rules.change_at_once``, ``rules.change_with_period``; by itself from the next period on),
    ``item_id`` of what, ``amount_minor`` what that charges now.
    """
    begun = session.get_one(Intent, subscription.intent_id)
    planned = select(func.count()).where(
        Intent.kind == "plan_change", Intent.request["checkout_intent"].astext == str(begun.id)
    )
    intent_id = uuid4()
    request = {
        "subscription": subscription.provider_subscription_id,
        "product": {"id": str(intent_id), "name": wares.name[:LONGEST_NAME], **_class_of(wares)},
        "price": recurring_price(wares),
        "change": dict(change or {"proration_behavior": "none"}),
        **({"item": item_id} if item_id else {}),
        "checkout_intent": str(begun.id),
        "plan": dict(plan_said),
    }
    return plan(
        session,
        intent_id,
        kind="plan_change",
        manufacturer_id=begun.manufacturer_id,
        organisation_id=begun.organisation_id,
        document=Document(begun.document_type, f"{begun.document_id}:{1 + (session.scalar(planned) or 0)}"),
        currency=wares.currency,
        amount_minor=amount_minor,
        request=request,
        livemode=begun.livemode,
        now=now,
    )


def recurring_price(wares: Wares) -> dict[str, Any]:
    """What a subscription costs each period."""
    return {
        "currency": wares.currency.lower(),
        "unit_amount": wares.unit_minor,
        "tax_behavior": "exclusive",
        "recurring": {"interval": wares.interval},
    }


def plan_end(
    session: Session, subscription: ProviderSubscription, *, now: datetime, said: Mapping[str, Any] | None = None
) -> Intent:
    """Plan the end of a subscription at once; ``said`` is what follows from it, for who follows its purchase."""
    begun = session.get_one(Intent, subscription.intent_id)
    request: dict[str, Any] = {"subscription": subscription.provider_subscription_id}
    if said is not None:
        request |= {"checkout_intent": str(begun.id), rules.END_NOW: dict(said)}
    return _plan_about(session, begun, "subscription_end", request, now)


def _plan_about(
    session: Session, checkout: Intent, kind: str, request: dict[str, Any], now: datetime, *, number: int = 1
) -> Intent:
    return plan(
        session,
        uuid4(),
        kind=kind,
        manufacturer_id=checkout.manufacturer_id,
        organisation_id=checkout.organisation_id,
        document=Document(checkout.document_type, f"{checkout.document_id}:{number}"),
        currency=checkout.currency,
        amount_minor=0,
        request=request,
        livemode=checkout.livemode,
        now=now,
    )


def page_of(intent: Intent, now: datetime) -> str:
    """The address of a checkout's page while it can be paid there; empty before it is made and afterwards."""
    if intent.state != rules.SUCCEEDED or intent.progress.get("checkout_status", "open") != "open":
        return ""
    until = datetime.fromisoformat(intent.progress["open_until"])
    return str(intent.progress.get("url", "")) if now < until else ""
