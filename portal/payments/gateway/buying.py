"""What buyers do at Stripe: checkout, subscriptions, the customer portal, coupons."""

from __future__ import annotations

from typing import Any, cast

from portal.payments.gateway.books import exchanged_of
from portal.payments.gateway.connection import PAGE_SIZE, Connection, Request, answers, instant, keyed, meta, plain
from portal.payments.gateway.invoices import preview_of
from portal.payments.provider import (
    ChangePreview,
    CheckoutState,
    PaymentOfInvoice,
    Refused,
    SubscriptionState,
    Unknown,
)

_WAY = "default_payment_method"
_PAID = ["payment_intent.latest_charge.balance_transaction"]


class Buying(Connection):
    """Calls about checkout sessions, subscriptions and coupons."""

    def create_checkout(self, request: Request, key: str) -> CheckoutState:
        """A session with its page, open for a day at most."""
        with answers():
            return _checkout(self.client.v1.checkout.sessions.create(cast(Any, request), keyed(key)))

    def retrieve_checkout(self, session_id: str) -> CheckoutState:
        """The session as it is now, with the payment behind it. *Raises*: Unknown while its money is not booked."""
        with answers():
            wanted = cast(Any, {"expand": _PAID})
            return _checkout(self.client.v1.checkout.sessions.retrieve(session_id, wanted))

    def find_checkout(self, customer_id: str, intent_id: str) -> CheckoutState | None:
        """The session made for an intent."""
        with answers():
            listed = self.client.v1.checkout.sessions.list(cast(Any, {"customer": customer_id, "limit": PAGE_SIZE}))
            for found in listed.auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return _checkout(found)
        return None

    def expire_checkout(self, session_id: str, key: str) -> CheckoutState:
        """Closed before anybody paid. *Raises*: Refused when it is no longer open."""
        with answers():
            return _checkout(self.client.v1.checkout.sessions.expire(session_id, options=keyed(key)))

    def set_tax_status(self, customer_id: str, status: str, key: str) -> str:
        """Whether sales tax is due from a payer: none (nothing special), or exempt."""
        with answers():
            wanted = cast(Any, {"tax_exempt": status})
            return str(self.client.v1.customers.update(customer_id, wanted, keyed(key)).id)

    def retrieve_subscription(self, subscription_id: str) -> SubscriptionState:
        """The subscription as it is now."""
        with answers():
            return _subscription(self.client.v1.subscriptions.retrieve(subscription_id))

    def update_subscription(self, subscription_id: str, change: Request, key: str) -> SubscriptionState:
        """Changed, as the request says."""
        with answers():
            return _subscription(self.client.v1.subscriptions.update(subscription_id, cast(Any, change), keyed(key)))

    def change_at_once(self, subscription_id: str, change: Request, key: str) -> SubscriptionState:
        """Another price from the request's instant on, charged now. *Raises*: Refused when that cannot be paid."""
        with answers():
            return _subscription(self.client.v1.subscriptions.update(subscription_id, cast(Any, change), keyed(key)))

    def preview_change(self, subscription_id: str, change: Request) -> ChangePreview:
        """What the same change would be invoiced at once; nothing is made of it."""
        with answers():
            wanted = cast(Any, {"subscription": subscription_id, "subscription_details": change})
            return preview_of(self.client.v1.invoices.create_preview(wanted))

    def way_to_pay(self, subscription_id: str) -> str:
        """By what Stripe would charge a subscription now, such as card; empty where it knows of nothing."""
        with answers():
            wanted = cast(Any, {"expand": [_WAY, f"customer.invoice_settings.{_WAY}"]})
            body = plain(self.client.v1.subscriptions.retrieve(subscription_id, wanted))
        method = body.get(_WAY) or (body["customer"].get("invoice_settings") or {}).get(_WAY) or {}
        return str(method.get("type") or "")

    def create_product(self, request: Request, key: str) -> str:
        """What a subscription is for from its next change on, under an id of the request's; the same id."""
        with answers():
            return str(self.client.v1.products.create(cast(Any, request), keyed(key)).id)

    def find_product(self, product_id: str) -> str | None:
        """The product of an id, where it was made."""
        try:
            with answers():
                return str(self.client.v1.products.retrieve(product_id).id)
        except Refused as refusal:
            if refusal.code != "resource_missing":
                raise
            return None

    def sell_product(self, product_id: str, *, active: bool) -> bool:
        """Say whether a product is sold on, the same however often it is said; False where it was never made."""
        try:
            with answers():
                return str(self.client.v1.products.update(product_id, {"active": active}).id) == product_id
        except Refused as refusal:
            if refusal.code != "resource_missing":
                raise
            return False

    def cancel_subscription(self, subscription_id: str, key: str) -> SubscriptionState:
        """Ended at once; nothing of it is prorated or invoiced, which is what Stripe does unless told otherwise."""
        with answers():
            return _subscription(self.client.v1.subscriptions.cancel(subscription_id, options=keyed(key)))

    def create_portal_configuration(self, request: Request, key: str) -> str:
        """What payers may do at Stripe's customer portal; its id."""
        with answers():
            return str(self.client.v1.billing_portal.configurations.create(cast(Any, request), keyed(key)).id)

    def find_portal_configuration(self, intent_id: str) -> str | None:
        """The configuration made for an intent."""
        with answers():
            listed = self.client.v1.billing_portal.configurations.list(cast(Any, {"limit": PAGE_SIZE}))
            for found in listed.auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return str(found.id)
        return None

    def customer_portal_link(self, customer_id: str, configuration_id: str, return_url: str) -> str:
        """An address for one payer and a short time: never stored."""
        with answers():
            wanted = cast(Any, {"customer": customer_id, "configuration": configuration_id, "return_url": return_url})
            return str(self.hosted.v1.billing_portal.sessions.create(wanted).url)

    def create_coupon(self, request: Request, key: str) -> str:
        """What one checkout costs less, under an id of the request's; the same id."""
        with answers():
            return str(self.client.v1.coupons.create(cast(Any, request), keyed(key)).id)

    def find_coupon(self, coupon_id: str) -> str | None:
        """The coupon of an id, where it was made."""
        try:
            with answers():
                return str(self.client.v1.coupons.retrieve(coupon_id).id)
        except Refused as refusal:
            if refusal.code != "resource_missing":
                raise
            return None


def _checkout(found: Any) -> CheckoutState:
    body = plain(found)
    details = body.get("total_details") or {}
    return CheckoutState(
        id=str(body["id"]),
        status=str(body["status"]),
        payment_status=str(body["payment_status"]),
        url=str(body.get("url") or ""),
        subscription_id=str(body.get("subscription") or ""),
        invoice_id=str(body.get("invoice") or ""),
        total_minor=int(body["amount_total"]),
        tax_minor=int(details.get("amount_tax") or 0),
        discount_minor=int(details.get("amount_discount") or 0),
        currency=str(body["currency"]).upper(),
        expires_at=instant(body["expires_at"]),
        intent_id=meta(body, "intent_id"),
        payment=_payment(body),
        debit_failed=_has_failed(body),
        livemode=bool(body["livemode"]),
    )


def _has_failed(body: dict[str, Any]) -> bool:
    paid_by = body.get("payment_intent")
    if body["status"] != "complete" or not isinstance(paid_by, dict):
        return False
    return paid_by["status"] in ("requires_payment_method", "canceled")


def _payment(body: dict[str, Any]) -> PaymentOfInvoice | None:
    """What arrived, where the answer was asked to bring it along."""
    paid_by = body.get("payment_intent")
    if body["payment_status"] != "paid" or not isinstance(paid_by, dict):
        return None
    charge = paid_by["latest_charge"]
    moved = charge["balance_transaction"]
    if moved is None:
        raise Unknown("Stripe has not booked this payment yet.")
    return PaymentOfInvoice(
        charge_id=str(charge["id"]),
        amount_minor=int(charge["amount"]),
        fee_minor=int(moved["fee"]),
        currency=str(charge["currency"]).upper(),
        paid_at=instant(moved["created"]),
        exchanged=exchanged_of(int(charge["amount"]), str(charge["currency"]).upper(), moved),
    )


def _subscription(found: Any) -> SubscriptionState:
    body = plain(found)
    item = body["items"]["data"][0]
    return SubscriptionState(
        id=str(body["id"]),
        status=str(body["status"]),
        covers_from=instant(item["current_period_start"]),
        covers_until=instant(item["current_period_end"]),
        ends_with_period=bool(body["cancel_at_period_end"]),
        item_id=str(item["id"]),
        unit_minor=int(item["price"]["unit_amount"]),
        currency=str(body["currency"]).upper(),
        intent_id=meta(body, "intent_id"),
        livemode=bool(body["livemode"]),
        product_id=str(item["price"]["product"]),
        latest_invoice_id=str(body.get("latest_invoice") or ""),
    )
