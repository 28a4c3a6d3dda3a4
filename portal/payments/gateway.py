"""The one module that knows the stripe package: a client pinned and bounded, typed calls, verified webhooks.

Invariants:
 - One attempt per call: a retry is ours, with the key that was committed before the first attempt.
 - Every failure leaves as ``Refused``, ``Unknown`` or ``Busy``; no object or error of the package leaves at all.
 - All four base addresses are set, so that a test deployment reaches nothing but its own address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from portal.errors import Invalid, Misconfigured
from portal.lazily import lazily
from portal.payments.provider import (
    AccountState,
    Busy,
    InvoiceState,
    Movement,
    PaymentOfInvoice,
    ReceivedEvent,
    Refused,
    TransferState,
    Unknown,
)

if TYPE_CHECKING:
    import stripe
else:
    stripe = lazily("stripe")

# The version the calls below were written for; the package brings its own and must not move it unseen.
API_VERSION = "2026-10-28.endive"
ACCOUNT_INCLUDES = ["configuration.recipient", "requirements"]
TIMEOUT_SECONDS = (3.0, 20.0)
# For a call that a page waits for.
PAGE_TIMEOUT_SECONDS = (3.0, 8.0)
LONGEST_REASON = 300
PAGE_SIZE = 100
SIGNATURE_TOLERANCE_SECONDS = 300

Request = dict[str, Any]


@dataclass(frozen=True)
class Gateway:
    """Stripe as the portal uses it; ``hosted`` is the same with the patience of a page."""

    client: stripe.StripeClient
    hosted: stripe.StripeClient
    livemode: bool

    def for_page(self) -> Gateway:
        """The same, giving up while somebody still waits for the page."""
        return replace(self, client=self.hosted)

    def create_account(self, request: Request, key: str) -> AccountState:
        """A connected account by Accounts v2."""
        with _answers():
            wanted = {**request, "include": ACCOUNT_INCLUDES}
            return _account(self.client.v2.core.accounts.create(cast(Any, wanted), _keyed(key)))

    def retrieve_account(self, account_id: str) -> AccountState:
        """The account as it is now."""
        with _answers():
            wanted = cast(Any, {"include": ACCOUNT_INCLUDES})
            return _account(self.client.v2.core.accounts.retrieve(account_id, wanted))

    def find_account(self, intent_id: str) -> AccountState | None:
        """The account made for an intent."""
        with _answers():
            for found in self.client.v2.core.accounts.list(cast(Any, {"limit": PAGE_SIZE})).auto_paging_iter():
                if _meta(_plain(found), "intent_id") == intent_id:
                    return _account(found)
        return None

    def onboarding_link(self, account_id: str, refresh_url: str, return_url: str) -> str:
        """A single-use address, good for minutes: never stored."""
        use_case = {
            "type": "account_onboarding",
            "account_onboarding": {"refresh_url": refresh_url, "return_url": return_url},
        }
        with _answers():
            link = self.hosted.v2.core.account_links.create(cast(Any, {"account": account_id, "use_case": use_case}))
            return str(link.url)

    def create_customer(self, request: Request, key: str) -> str:
        """A payer; its id."""
        with _answers():
            return str(self.client.v1.customers.create(cast(Any, request), _keyed(key)).id)

    def find_customer(self, intent_id: str) -> str | None:
        """The customer made for an intent; search lags a minute, so this is for late retries only."""
        with _answers():
            found = self.client.v1.customers.search(cast(Any, {"query": f"metadata['intent_id']:'{intent_id}'"}))
            return str(found.data[0].id) if found.data else None

    def create_invoice(self, request: Request, key: str) -> InvoiceState:
        """An empty draft."""
        with _answers():
            return _invoice(self.client.v1.invoices.create(cast(Any, request), _keyed(key)))

    def find_invoice(self, customer_id: str, intent_id: str) -> InvoiceState | None:
        """The invoice made for an intent."""
        with _answers():
            listed = self.client.v1.invoices.list(cast(Any, {"customer": customer_id, "limit": PAGE_SIZE}))
            for found in listed.auto_paging_iter():
                if _meta(_plain(found), "intent_id") == intent_id:
                    return _invoice(found)
        return None

    def retrieve_invoice(self, invoice_id: str) -> InvoiceState:
        """The invoice as it is now."""
        with _answers():
            return _invoice(self.client.v1.invoices.retrieve(invoice_id))

    def add_invoice_lines(self, invoice_id: str, lines: Sequence[Mapping[str, Any]], key: str) -> str:
        """Lines of a draft invoice, all of them or none; the invoice's id."""
        with _answers():
            wanted = cast(Any, {"lines": list(lines)})
            return str(self.client.v1.invoices.add_lines(invoice_id, wanted, _keyed(key)).id)

    def invoice_line_positions(self, invoice_id: str) -> set[str]:
        """Which of our positions an invoice has already."""
        with _answers():
            listed = self.client.v1.invoices.line_items.list(invoice_id, cast(Any, {"limit": PAGE_SIZE}))
            bodies = [_plain(line) for line in listed.auto_paging_iter()]
        return {position for body in bodies if (position := _meta(body, "position"))}

    def finalize_invoice(self, invoice_id: str, key: str) -> InvoiceState:
        """Numbered and payable; afterwards its lines cannot change."""
        with _answers():
            return _invoice(self.client.v1.invoices.finalize_invoice(invoice_id, options=_keyed(key)))

    def send_invoice(self, invoice_id: str, key: str) -> InvoiceState:
        """Mailed by Stripe to the payer."""
        with _answers():
            return _invoice(self.client.v1.invoices.send_invoice(invoice_id, options=_keyed(key)))

    def mark_paid_out_of_band(self, invoice_id: str, key: str) -> InvoiceState:
        """Paid, but not through Stripe."""
        with _answers():
            wanted = cast(Any, {"paid_out_of_band": True})
            return _invoice(self.client.v1.invoices.pay(invoice_id, wanted, _keyed(key)))

    def payments_of_invoice(self, invoice_id: str) -> list[PaymentOfInvoice]:
        """What was paid through Stripe for an invoice, each with its fee; nothing that was paid elsewhere."""
        with _answers():
            wanted = cast(Any, {"invoice": invoice_id, "status": "paid", "limit": PAGE_SIZE})
            bodies = [_plain(found) for found in self.client.v1.invoice_payments.list(wanted).auto_paging_iter()]
            intents = [body["payment"].get("payment_intent") for body in bodies]
            return [self._payment(str(intent)) for intent in intents if intent]

    def _payment(self, payment_intent_id: str) -> PaymentOfInvoice:
        wanted = cast(Any, {"expand": ["latest_charge.balance_transaction"]})
        charge = _plain(self.client.v1.payment_intents.retrieve(payment_intent_id, wanted))["latest_charge"]
        moved = charge["balance_transaction"]
        if moved is None:
            raise Unknown("Stripe has not booked this payment yet.")
        return PaymentOfInvoice(
            charge_id=str(charge["id"]),
            amount_minor=int(charge["amount"]),
            fee_minor=int(moved["fee"]),
            currency=str(charge["currency"]).upper(),
            paid_at=_instant(moved["created"]),
        )

    def create_transfer(self, request: Request, key: str) -> TransferState:
        """Money to a connected account. *Raises*: Refused ``balance_insufficient`` when the balance does not cover."""
        with _answers():
            return _transfer(self.client.v1.transfers.create(cast(Any, request), _keyed(key)))

    def retrieve_transfer(self, transfer_id: str) -> TransferState:
        """The transfer as it is now."""
        with _answers():
            return _transfer(self.client.v1.transfers.retrieve(transfer_id))

    def find_transfers(self, transfer_group: str) -> list[TransferState]:
        """Every transfer of a group."""
        with _answers():
            wanted = cast(Any, {"transfer_group": transfer_group, "limit": PAGE_SIZE})
            return [_transfer(found) for found in self.client.v1.transfers.list(wanted).auto_paging_iter()]

    def reverse_transfer(self, transfer_id: str, request: Request, key: str) -> str:
        """Money back from a connected account; the reversal's id."""
        with _answers():
            made = self.client.v1.transfers.reversals.create(transfer_id, cast(Any, request), _keyed(key))
            return str(made.id)

    def find_reversal(self, transfer_id: str, intent_id: str) -> str | None:
        """The reversal made for an intent."""
        with _answers():
            for found in self.client.v1.transfers.reversals.list(transfer_id).auto_paging_iter():
                if _meta(_plain(found), "intent_id") == intent_id:
                    return str(found.id)
        return None

    def available_balance(self) -> dict[str, int]:
        """What can be transferred now, by currency."""
        with _answers():
            found = _plain(self.client.v1.balance.retrieve())
        return {str(row["currency"]).upper(): int(row["amount"]) for row in found["available"]}

    def movements(self, since: datetime) -> Iterator[Movement]:
        """Balance transactions from ``since`` on, newest first, page by page."""
        with _answers():
            wanted = cast(Any, {"created": {"gte": int(since.timestamp())}, "limit": PAGE_SIZE})
            for found in self.client.v1.balance_transactions.list(wanted).auto_paging_iter():
                yield _movement(_plain(found))

    def events(self, since: datetime, types: Sequence[str]) -> Iterator[ReceivedEvent]:
        """Snapshot events of the last thirty days at most, newest first."""
        with _answers():
            bounds = {"gte": int(since.timestamp())}
            wanted = cast(Any, {"created": bounds, "types": list(types), "limit": PAGE_SIZE})
            for found in self.client.v1.events.list(wanted).auto_paging_iter():
                yield _event(_plain(found))

    def retrieve_event(self, event_id: str) -> ReceivedEvent:
        """A snapshot event read back."""
        with _answers():
            return _event(_plain(self.client.v1.events.retrieve(event_id)))

    def retrieve_thin_event(self, event_id: str) -> ReceivedEvent:
        """A thin event with what its notification left out."""
        with _answers():
            return _event(_plain(self.client.v2.core.events.retrieve(event_id)))


def connect(secret_key: str | None, api_base: str | None = None, *, livemode: bool = False) -> Gateway:
    """A gateway with the deployment's key; ``api_base`` None means Stripe itself.

    *Raises*: Misconfigured without a key, or when the package speaks another version than this module was written for.
    """
    if not secret_key:
        raise Misconfigured("STRIPE_SECRET_KEY is not set, so nothing can be invoiced or paid.")
    packaged = stripe.api_version
    if packaged != API_VERSION:
        raise Misconfigured(f"The stripe package speaks {packaged}, the portal was written for {API_VERSION}.")
    # Otherwise the package writes an identifier into the user's folder and reports the platform.
    stripe.enable_telemetry = False
    return Gateway(
        _client(secret_key, api_base, TIMEOUT_SECONDS), _client(secret_key, api_base, PAGE_TIMEOUT_SECONDS), livemode
    )


def _client(secret_key: str, api_base: str | None, timeout: tuple[float, float]) -> stripe.StripeClient:
    bases = {"api": api_base, "connect": api_base, "files": api_base, "meter_events": api_base} if api_base else {}
    return stripe.StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses=cast(Any, bases),
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


def read_event(raw: bytes, signature: str, secrets: Iterable[str], *, style: str) -> ReceivedEvent:
    """The event in a delivery of ``style``, signed with any of ``secrets``: two are valid while they are rotated.

    *Raises*: Invalid for a signature that is missing, wrong or old, or a body that is not an event of this style.
    """
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(raw, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        return _signed_event(raw, style)
    raise Invalid("The delivery is not signed by Stripe.")


def _signed_event(raw: bytes, style: str) -> ReceivedEvent:
    try:
        event = _event(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("The delivery is not an event.") from error
    if event.style != style:
        raise Invalid(f"This address takes {style} events.")
    return event


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except stripe.StripeError as error:
        raise _trouble(error) from error


def _trouble(error: stripe.StripeError) -> Refused | Unknown | Busy:
    status, reason = error.http_status, (error.user_message or "no reason given").strip()[:LONGEST_REASON]
    if isinstance(error, stripe.APIConnectionError) or status is None or status >= 500 or error.json_body is None:
        return Unknown("Stripe did not answer; whether it acted is looked up before anything is repeated.")
    if status in (409, 429) or isinstance(error, stripe.RateLimitError):
        return Busy("Stripe asks to try again later.")
    if status == 401 or isinstance(error, stripe.AuthenticationError):
        return Busy("Stripe does not accept this deployment's key.")
    return Refused(f"Stripe refused: {reason}", error.code or _kind(error))


def _kind(error: stripe.StripeError) -> str:
    return "idempotency_error" if isinstance(error, stripe.IdempotencyError) else ""


def _keyed(key: str) -> Any:
    return {"idempotency_key": key}


def _plain(found: Any) -> dict[str, Any]:
    return cast(dict[str, Any], found.to_dict())


def _meta(body: dict[str, Any], name: str) -> str:
    return str((body.get("metadata") or {}).get(name) or "")


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _account(found: Any) -> AccountState:
    body = _plain(found)
    recipient = (body.get("configuration") or {}).get("recipient") or {}
    balance = (recipient.get("capabilities") or {}).get("stripe_balance") or {}
    entries = (body.get("requirements") or {}).get("entries") or []
    return AccountState(
        id=str(body["id"]),
        transfers_state=str((balance.get("stripe_transfers") or {}).get("status") or "pending"),
        requirements=tuple(sorted({str(entry.get("description")) for entry in entries})),
        intent_id=_meta(body, "intent_id"),
        livemode=bool(body.get("livemode")),
    )


def _invoice(found: Any) -> InvoiceState:
    body = _plain(found)
    return InvoiceState(
        id=str(body["id"]),
        customer_id=str(body["customer"]),
        status=str(body["status"]),
        total_minor=int(body["total"]),
        currency=str(body["currency"]).upper(),
        hosted_url=str(body.get("hosted_invoice_url") or ""),
        intent_id=_meta(body, "intent_id"),
        attempted=bool(body.get("attempted")),
        livemode=bool(body["livemode"]),
    )


def _transfer(found: Any) -> TransferState:
    body = _plain(found)
    return TransferState(
        id=str(body["id"]),
        amount_minor=int(body["amount"]),
        reversed_minor=int(body["amount_reversed"]),
        currency=str(body["currency"]).upper(),
        destination=str(body["destination"]),
        transfer_group=str(body.get("transfer_group") or ""),
        intent_id=_meta(body, "intent_id"),
        livemode=bool(body["livemode"]),
    )


def _movement(body: dict[str, Any]) -> Movement:
    return Movement(
        id=str(body["id"]),
        category=str(body.get("reporting_category") or body["type"]),
        currency=str(body["currency"]).upper(),
        amount_minor=int(body["amount"]),
        fee_minor=int(body["fee"]),
        net_minor=int(body["net"]),
        source_id=str(body.get("source") or ""),
        occurred_at=_instant(body["created"]),
    )


def _event(body: dict[str, Any]) -> ReceivedEvent:
    thin = body["object"] == "v2.core.event"
    about = body["related_object"] if thin else body["data"]["object"]
    object_id = str((about or {}).get("id") or "")
    # Only what names the object is kept: it is fetched again when handled, and people's data stays at Stripe.
    kept = {"object": object_id, "created": body["created"], "account": body.get("account")}
    return ReceivedEvent(
        id=str(body["id"]),
        style="thin" if thin else "snapshot",
        type=str(body["type"]),
        object_id=object_id,
        api_version=str(body.get("api_version") or ""),
        payload=kept,
        livemode=bool(body["livemode"]),
    )
