"""What an intent does next, with which key, and when a key has become too old: pure.

An intent goes through steps, each one call. Its key for a step is made of intent, step and generation, so that every
repetition is the same request to Stripe; the generation rises only after proof that nothing was created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from portal.ledger.rules import Pairs, Purpose, pairs

# Stripe may forget a key once it is a day old (docs.stripe.com/api/idempotent_requests, 2026-11); four hours to spare.
KEY_LIFE = timedelta(hours=20)
# Events can be listed for thirty days (docs.stripe.com/api/events, 2026-11).
EVENT_LIFE = timedelta(days=30)
POLL_OVERLAP = timedelta(hours=2)
MOVEMENT_OVERLAP = timedelta(days=2)
# A movement whose source is not in our books yet waits this long for the event that brings it, and as long as events
# last while one is stored that nobody has handled.
MOVEMENT_PATIENCE = timedelta(hours=6)
# A job that has not done its work by then is looked after.
SWEEP_AGE = timedelta(minutes=15)
ACCOUNT_CHECK_AGE = timedelta(hours=24)

# The value of a custom field on an invoice (docs.stripe.com/api/invoices/create, 2026-11).
LONGEST_FIELD = 140
# Lines that one call adds to a draft; an invoice has at most 250, and a request should stay small.
LINES_AT_ONCE = 100

PLANNED, SENT, UNKNOWN = "planned", "sent", "unknown"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
UNFINISHED = (PLANNED, SENT, UNKNOWN)

# The steps that make an object; the others change the invoice that is there.
MAKING_STEPS = frozenset(
    {"account", "customer", "invoice", "transfer", "transfer_reversal", "refund", "credit_note", "checkout"}
    | {"portal_configuration"}
)
# Evidence is a file and then the words that name it.
EVIDENCE_STEPS = ("file", "submit")
# What somebody else has to go on with when it has ended, well or not: the job by name.
FOLLOWED_UP = frozenset({"refund", "credit_note", "evidence"})
# The job that makes of a checkout's state what became of its purchase.
FOLLOW_PURCHASE = "follow_purchase"
# The job that transfers what was approved and held until the account was ready.
TRANSFER_HELD = "transfer_held"
# Intents of several steps, each kept under its name; the first of those of a payer is the payer.
MANY_STEPS = frozenset({"invoice", "checkout", "evidence", "plan_change"})
OF_A_PAYER = frozenset({"invoice", "checkout"})

# What an unfinished transfer waits for, kept in its progress.
WAITS_FOR_BALANCE, WAITS_FOR_ACCOUNT, WAITS_FOR_PARTY = "balance", "account", "party"
# What an unfinished invoice waits for: Stripe has to place its payer before it reckons tax.
WAITS_FOR_ADDRESS = "address"
ADDRESS_CODE = "customer_tax_location_invalid"
WAITING_CODES = {
    "balance_insufficient": WAITS_FOR_BALANCE,
    "insufficient_capabilities_for_transfer": WAITS_FOR_ACCOUNT,
    ADDRESS_CODE: WAITS_FOR_ADDRESS,
}

# What a reversal waits for: the money has to be in the party's account still, or again.
REVERSAL_WAITING_CODES = {"balance_insufficient": WAITS_FOR_PARTY}

_MOVES = {
    PLANNED: {SENT, CANCELLED, SUCCEEDED, FAILED},
    SENT: {SENT, SUCCEEDED, FAILED, UNKNOWN, PLANNED},
    UNKNOWN: {SENT, SUCCEEDED, FAILED, UNKNOWN, PLANNED},
    FAILED: {UNKNOWN, CANCELLED, SUCCEEDED},
    SUCCEEDED: set[str](),
    CANCELLED: set[str](),
}

# What payments posts: cash against receivables, its fee, transfers out, the platform's own top-ups and payouts.
PAYMENT_PAIRS: Pairs = pairs(
    (Purpose.STRIPE, Purpose.RECEIVABLE),
    (Purpose.FEES, Purpose.RECEIVABLE),
    (Purpose.BANK, Purpose.RECEIVABLE),
    (Purpose.STRIPE, Purpose.PARTY_RECEIVABLE),
    (Purpose.FEES, Purpose.PARTY_RECEIVABLE),
    (Purpose.BANK, Purpose.PARTY_RECEIVABLE),
    (Purpose.STRIPE, Purpose.PREPAID),
    (Purpose.FEES, Purpose.PREPAID),
    (Purpose.STRIPE, Purpose.TAX),
    (Purpose.FEES, Purpose.TAX),
    (Purpose.IN_TRANSFER, Purpose.STRIPE),
    (Purpose.STRIPE, Purpose.BANK),
    (Purpose.FEES, Purpose.STRIPE),
    (Purpose.REFUNDS, Purpose.STRIPE),
    (Purpose.REFUNDS, Purpose.BANK),
    (Purpose.DISPUTED, Purpose.STRIPE),
    (Purpose.STRIPE, Purpose.PAYABLE),
    (Purpose.PAYABLE, Purpose.RECEIVABLE),
    (Purpose.RECEIVABLE, Purpose.TAX),
)

# Two linked transactions, each in its currency's ledger: what was asked for, and what lies in the balance.
EXCHANGE_PAIRS: Pairs = pairs(
    (Purpose.EXCHANGE, Purpose.RECEIVABLE),
    (Purpose.EXCHANGE, Purpose.PARTY_RECEIVABLE),
    (Purpose.EXCHANGE, Purpose.PREPAID),
    (Purpose.EXCHANGE, Purpose.TAX),
    (Purpose.REFUNDS, Purpose.EXCHANGE),
    (Purpose.DISPUTED, Purpose.EXCHANGE),
    (Purpose.STRIPE, Purpose.EXCHANGE),
    (Purpose.FEES, Purpose.EXCHANGE),
    (Purpose.FEES, Purpose.STRIPE),
    (Purpose.EXCHANGE_DIFFERENCE, Purpose.STRIPE),
    (Purpose.EXCHANGE_DIFFERENCE, Purpose.EXCHANGE),
    (Purpose.EXCHANGE_DIFFERENCE, Purpose.FEES),
)

# Snapshot events that say something about us; the rest is kept and ignored. Stripe takes twenty types at most.
INVOICE_EVENTS = (
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.voided",
    "invoice.marked_uncollectible",
)
TRANSFER_EVENTS = ("transfer.created", "transfer.updated", "transfer.reversed")
BALANCE_EVENTS = ("topup.succeeded", "balance.available")
REFUND_EVENTS = ("refund.created", "refund.updated", "refund.failed")
CREDIT_NOTE_EVENTS = ("credit_note.created",)
DISPUTE_EVENTS = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
WARNING_EVENTS = ("radar.early_fraud_warning.created", "radar.early_fraud_warning.updated")
# What one listing may ask for.
MOST_EVENT_TYPES = 20
CHECKOUT_EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
CUSTOMER_EVENTS = ("customer.deleted",)
SUBSCRIPTION_EVENTS = ("customer.subscription.updated", "customer.subscription.deleted")
POLLED_EVENTS = (
    *INVOICE_EVENTS, *TRANSFER_EVENTS, *BALANCE_EVENTS, *REFUND_EVENTS, *CREDIT_NOTE_EVENTS, *DISPUTE_EVENTS,
    *WARNING_EVENTS, *CHECKOUT_EVENTS, *SUBSCRIPTION_EVENTS, *CUSTOMER_EVENTS,
)  # fmt: skip
ACCOUNT_EVENT_PREFIX = "v2.core.account"

# A dispute waits for our answer, or is over; what lies between is the bank's.
ANSWERABLE_DISPUTES = frozenset({"warning_needs_response", "needs_response"})
INQUIRY, OPENED, SUBMITTED, WON, LOST, CLOSED = "inquiry", "opened", "submitted", "won", "lost", "closed"
_DISPUTE_STEPS = {
    "warning_needs_response": (INQUIRY,),
    "warning_under_review": (INQUIRY, SUBMITTED),
    "warning_closed": (INQUIRY, CLOSED),
    "needs_response": (OPENED,),
    "under_review": (OPENED, SUBMITTED),
    "won": (OPENED, WON),
    "lost": (OPENED, LOST),
}
# A subscription that is over, as Stripe spells it.
SUBSCRIPTION_ACTIVE, SUBSCRIPTION_ENDED, SUBSCRIPTION_PAST_DUE = "active", "canceled", "past_due"
# To Stripe a first term that is paid at once, or one that was made longer, is a trial: nothing is asked before its end.
SUBSCRIPTION_RUNS = ("active", "trialing")

# Stripe's word for an invoice that a change of a subscription made, and how a change asks for one
# (docs.stripe.com/billing/subscriptions/prorations, 2026-11).
CHANGED_INVOICE = "subscription_update"
_CHARGED_NOW = "always_invoice"
# A change that cannot be paid is not made: Stripe answers with the refusal and leaves the subscription as it was
# (docs.stripe.com/api/subscriptions/update, 2026-11). A pending update would hold a price open for a day and charge it
# when nobody expects it any more, and takes no price that is stated with it.
_ELSE_NOTHING = "error_if_incomplete"
# In the progress of a change that was not charged, because what it would charge is no longer what its buyer saw.
FIGURES_MOVED = "figures_moved"
# What the end of a subscription says that its buyer asked for: what goes back, as it was shown.
END_NOW = "end_now"
# The document of a credit note on what a subscription asked for.
SUBSCRIPTION_BILL = "subscription_bill"
# What is paid at once, or not at all; a debit that fails days later would leave work done under a plan nobody paid for.
INSTANT_WAYS = frozenset({"card", "link"})

ACCOUNT_STATES = frozenset({"pending", "active", "restricted", "unsupported"})


@dataclass(frozen=True)
class TaxClass:
    """A part of a line with its tax code, empty where it is the account's: how much of it, and how it is called."""

    code: str
    weight_minor: int = 1
    name: str = ""


@dataclass(frozen=True)
class InvoiceLine:
    """One line of an invoice as Stripe shows it; a credit is negative. ``classes`` are what its tax is reckoned by."""

    description: str
    amount_minor: int
    reference: str = ""
    classes: tuple[TaxClass, ...] = ()


def is_uuid(text: str) -> bool:
    """Whether metadata names an intent at all: other programs may use the same Stripe account."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def may_move(before: str, after: str) -> bool:
    """Whether an intent's state may go so."""
    return after in _MOVES[before]


def idempotency_key(intent_id: object, step: str, generation: int) -> str:
    """The key of a step: the same for every repetition of the same request."""
    return f"{intent_id}:{step}:{generation}"


def key_is_fresh(first_sent_at: datetime | None, now: datetime) -> bool:
    """Whether a key may be sent (again) without looking first whether its effect exists."""
    return first_sent_at is None or now - first_sent_at < KEY_LIFE


def next_step(kind: str, request: Mapping[str, Any], progress: Mapping[str, Any]) -> str | None:
    """The step an intent does next; None when all are done."""
    if kind not in MANY_STEPS:
        return None if "object" in progress else kind
    for step in _steps(kind, request):
        if step not in progress:
            return step
    return None


def _steps(kind: str, request: Mapping[str, Any]) -> tuple[str, ...]:
    if kind == "checkout":
        before = (*(("tax_status",) if request["tax_status"] else ()), *(("coupon",) if "coupon" in request else ()))
        return ("customer", *before, "checkout")
    if kind == "evidence":
        return EVIDENCE_STEPS
    return ("product", "plan_change") if kind == "plan_change" else invoice_steps(request)


def change_at_once(at: datetime) -> dict[str, Any]:
    """How a price is changed from an instant on and what is due for it charged now; whole seconds, as Stripe counts."""
    return {
        "proration_behavior": _CHARGED_NOW,
        "proration_date": int(at.timestamp()),
        "payment_behavior": _ELSE_NOTHING,
    }


def change_with_period(until: datetime, *, other_interval: bool) -> dict[str, Any]:
    """How a price is changed where what is paid ends; nothing is asked before.

    Another interval would begin at once, so that its period is made to begin where a trial of the old rest ends.
    """
    return {"proration_behavior": "none", **({"trial_end": int(until.timestamp())} if other_interval else {})}


def is_at_once(request: Mapping[str, Any]) -> bool:
    """Whether a change of plan is charged at once."""
    return bool(request.get("change", {}).get("proration_behavior") == _CHARGED_NOW)


def invoice_steps(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The steps of an invoice, in order: the payer, an empty draft, its lines, numbered, mailed.

    Of one that is taxed, what the payer is for tax and where comes before.
    """
    batches = range(0, len(request["items"]), LINES_AT_ONCE)
    payer = ("tax_payer",) if "tax" in request else ()
    return ("customer", *payer, "invoice", *(f"lines-{first}" for first in batches), "finalize", "send")


def lines_of_step(step: str, items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Which of an invoice's lines a step adds, all by one call; none where it does something else."""
    if not step.startswith("lines-"):
        return ()
    first = int(step.removeprefix("lines-"))
    return items[first : first + LINES_AT_ONCE]


def account_request(*, intent_id: str, name: str, email: str, country: str) -> dict[str, Any]:
    """A recipient by Accounts v2: Stripe's hosted onboarding, fees and losses with the platform."""
    return {
        "contact_email": email,
        "display_name": name,
        "dashboard": "express",
        "identity": {"country": country.lower(), "entity_type": "company"},
        "configuration": {"recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}},
        "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
        "metadata": {"intent_id": intent_id},
    }


def portal_configuration_request(*, intent_id: str) -> dict[str, Any]:
    """What a payer may do at Stripe's own page: all but end a plan, whose minimum term only the portal knows."""
    features = {"invoice_history": True, "payment_method_update": True, "subscription_cancel": False}
    return {
        "features": {name: {"enabled": enabled} for name, enabled in features.items()},
        "metadata": {"intent_id": intent_id},
    }


def customer_document(manufacturer_id: int, payer_id: int, number: int) -> str:
    """How the intent is known that makes a payer's first customer at Stripe, or a later one."""
    first = f"{manufacturer_id}:{payer_id}"
    return first if number == 1 else f"{first}:{number}"


def customer_number(document_id: str) -> int:
    """Which of a payer's customers an intent makes."""
    parts = document_id.split(":")
    return int(parts[2]) if len(parts) > 2 else 1


def names_lost_customer(code: str, sentence: str, customer_id: str | None) -> bool:
    """Whether a call was refused because Stripe no longer has the payer it was for."""
    return code == "resource_missing" and bool(customer_id) and str(customer_id) in sentence


def customer_request(*, intent_id: str, name: str, email: str) -> dict[str, Any]:
    """A payer; an address that is not known is left out."""
    known = {"email": email} if email else {}
    return {"name": name, **known, "metadata": {"intent_id": intent_id}}


def transfer_request(
    *, intent_id: str, amount_minor: int, currency: str, destination: str, group: str, description: str
) -> dict[str, Any]:
    """A transfer whose group and metadata let it be found again."""
    return {
        "amount": amount_minor,
        "currency": currency.lower(),
        "destination": destination,
        "description": description,
        "transfer_group": group,
        "metadata": {"intent_id": intent_id},
    }


def reversal_request(*, intent_id: str, amount_minor: int, description: str) -> dict[str, Any]:
    """Part or all of a transfer taken back, to be found again by its metadata."""
    return {"amount": amount_minor, "description": description, "metadata": {"intent_id": intent_id}}


def refund_request(*, intent_id: str, charge_id: str, amount_minor: int) -> dict[str, Any]:
    """Part or all of a charge back to its payer, to be found again by its metadata."""
    return {"charge": charge_id, "amount": amount_minor, "metadata": {"intent_id": intent_id}}


def credit_note_request(*, intent_id: str, amount_minor: int, memo: str) -> dict[str, Any]:
    """An open invoice costs less; the invoice is named when the call is made."""
    return {"amount": amount_minor, "memo": memo, "metadata": {"intent_id": intent_id}}


def invoice_request(
    *, intent_id: str, currency: str, lines: Sequence[InvoiceLine], days_until_due: int, said: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """An invoice's parts: the draft with what is ``said`` on it, by name, and one item per line, in its currency."""
    fields = [{"name": name, "value": value[:LONGEST_FIELD]} for name, value in said if value]
    draft = {
        "collection_method": "send_invoice",
        "days_until_due": days_until_due,
        "currency": currency.lower(),
        "auto_advance": False,
        "custom_fields": fields,
        "metadata": {"intent_id": intent_id},
    }
    items = [
        {
            "amount": line.amount_minor,
            "description": line.description,
            "metadata": {"intent_id": intent_id, "position": str(position), "reference": line.reference},
        }
        for position, line in enumerate(lines)
    ]
    return {"invoice": draft, "items": items}


def dispute_steps(status: str) -> tuple[str, ...]:
    """What has certainly happened to a dispute with this status at Stripe; of a status we do not know, nothing."""
    return _DISPUTE_STEPS.get(status, ())


def cash_legs_minor(amount_minor: int, fee_minor: int) -> tuple[int, int]:
    """What of a payment reaches the Stripe balance, and its fee; they sum to the payment."""
    return amount_minor - fee_minor, fee_minor
