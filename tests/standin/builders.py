"""What the tests of the stand-in need before they begin, made through the API."""

from typing import Any

import stripe

from tests.standin.process import Standin

RECIPIENT = {"recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}}


def an_account(client: stripe.StripeClient, **details: Any) -> stripe.v2.core.Account:
    return client.v2.core.accounts.create(
        {
            "contact_email": "finance@integrator.example",
            "display_name": "Integrator",
            "dashboard": "express",
            "identity": {"country": "us", "entity_type": "company"},
            "configuration": RECIPIENT,
            "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
            "include": ["configuration.recipient", "requirements"],
            **details,
        }
    )


def an_active_account(standin: Standin) -> str:
    account_id = an_account(standin.client()).id
    standin.control.complete_onboarding(account_id)
    return account_id


def an_open_invoice(client: stripe.StripeClient, amount_minor: int = 10_000, **details: Any) -> stripe.Invoice:
    customer = client.v1.customers.create({"email": "payable@customer.example", "name": "Customer"})
    invoice = client.v1.invoices.create(
        {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 30, **details}
    )
    client.v1.invoice_items.create(
        {
            "customer": customer.id,
            "invoice": invoice.id,
            "currency": "usd",
            "amount": amount_minor,
            "description": "Work",
        }
    )
    return client.v1.invoices.finalize_invoice(invoice.id)


def a_transfer(client: stripe.StripeClient, destination: str, amount: int = 700, **details: Any) -> stripe.Transfer:
    options = {"idempotency_key": details.pop("key")} if "key" in details else {}
    return client.v1.transfers.create(
        {"amount": amount, "currency": "usd", "destination": destination, **details}, options=options
    )


def status_of(account: stripe.v2.core.Account) -> str:
    return account.configuration.recipient.capabilities.stripe_balance.stripe_transfers.status
