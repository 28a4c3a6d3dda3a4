"""Stripe's answers in our own words: small frozen values, and the three ways in which a call can fail to succeed.

Nothing here knows the stripe package; ``gateway`` turns its objects and errors into these. Amounts are minor units,
currencies ISO 4217 in capitals, instants UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from portal.errors import ProviderTrouble
from portal.payments.exchanges.legs import Exchanged

ACTIVE = "active"


class Refused(ProviderTrouble):
    """A definite no: nothing was created; ``code`` is Stripe's word for the reason."""

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class Unknown(ProviderTrouble):
    """No answer, a broken one, or an error on Stripe's side: the effect may have happened or not."""


class Busy(ProviderTrouble):
    """Nothing happened, try later: too many calls, the same call still under way, or the key not accepted."""


@dataclass(frozen=True)
class AccountState:
    """A connected account: may it receive transfers, and what does Stripe still want to know."""

    id: str
    transfers_state: str
    requirements: tuple[str, ...]
    intent_id: str
    livemode: bool


@dataclass(frozen=True)
class PaymentOfInvoice:
    """A payment that went through Stripe for an invoice; ``charge_id`` is what its balance transaction names.

    ``exchanged`` where it settled in another currency, which is then the fee's too.
    """

    charge_id: str
    amount_minor: int
    fee_minor: int
    currency: str
    paid_at: datetime
    exchanged: Exchanged | None = None


@dataclass(frozen=True)
class InvoiceState:
    """An invoice at Stripe; ``status`` is draft, open, paid, void or uncollectible.

    ``tax_status`` is how far Stripe has reckoned its tax, ``tax_disabled`` why it no longer does. Of a subscription:
    ``reason`` is why it was made, ``product_id`` what it asks for, ``credit_minor`` what it takes
    off for what was paid before.
    """

    id: str
    customer_id: str
    status: str
    total_minor: int
    currency: str
    hosted_url: str
    intent_id: str
    attempted: bool
    livemode: bool
    subscription_id: str = ""
    covers_from: datetime | None = None
    covers_until: datetime | None = None
    tax_minor: int = 0
    reason: str = ""
    product_id: str = ""
    credit_minor: int = 0
    tax_status: str = ""
    tax_disabled: str = ""


@dataclass(frozen=True)
class TaxOfLine:
    """The tax on a line of an invoice, and why none is due; ``position`` is ours."""

    position: str
    tax_minor: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ChangePreview:
    """What a change of a subscription would ask for at once: ``charge_minor`` less ``credit_minor``, and its tax."""

    charge_minor: int
    credit_minor: int
    tax_minor: int
    total_minor: int
    covers_from: datetime
    covers_until: datetime


@dataclass(frozen=True)
class CheckoutState:
    """A checkout session: ``status`` is open, complete or expired; ``payment_status`` paid, unpaid or nothing due.

    ``payment`` is what arrived for something bought once; a subscription is paid by its invoices. A completed session
    whose debit then failed stays complete and unpaid: ``debit_failed`` says so.
    """

    id: str
    status: str
    payment_status: str
    url: str
    subscription_id: str
    invoice_id: str
    total_minor: int
    tax_minor: int
    discount_minor: int
    currency: str
    expires_at: datetime
    intent_id: str
    payment: PaymentOfInvoice | None
    debit_failed: bool
    livemode: bool


@dataclass(frozen=True)
class SubscriptionState:
    """A subscription: ``status`` is active, past_due, canceled or another of Stripe's; the period it is in."""

    id: str
    status: str
    covers_from: datetime
    covers_until: datetime
    ends_with_period: bool
    item_id: str
    unit_minor: int
    currency: str
    intent_id: str
    livemode: bool
    product_id: str = ""
    latest_invoice_id: str = ""


@dataclass(frozen=True)
class TransferState:
    """A transfer at Stripe, with the intent named in its metadata."""

    id: str
    amount_minor: int
    reversed_minor: int
    currency: str
    destination: str
    transfer_group: str
    intent_id: str
    livemode: bool


@dataclass(frozen=True)
class Movement:
    """One balance transaction of the platform account; the fee is taken from the amount.

    ``rate`` where it is about money of another currency; ``available_at`` is when it can be used.
    """

    id: str
    category: str
    currency: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    source_id: str
    occurred_at: datetime
    available_at: datetime
    rate: Fraction | None = None


@dataclass(frozen=True)
class ReceivedEvent:
    """An event whose signature was right, or that was read back from Stripe: the object's id is what matters."""

    id: str
    style: str
    type: str
    object_id: str
    api_version: str
    payload: dict[str, Any]
    livemode: bool


@dataclass(frozen=True)
class RefundState:
    """A refund at Stripe; ``status`` is pending, succeeded, failed or canceled, movements are empty where none was.

    Where the payment settled in another currency, so does what goes back of it, and what comes back of that.
    """

    id: str
    charge_id: str
    amount_minor: int
    currency: str
    status: str
    failure: str
    movement_id: str
    returned_movement_id: str
    intent_id: str
    made_at: datetime
    livemode: bool
    exchanged: Exchanged | None = None
    returned_exchanged: Exchanged | None = None


@dataclass(frozen=True)
class CreditNoteState:
    """A credit note at Stripe; ``before_payment_minor`` is what an open invoice costs less by it."""

    id: str
    invoice_id: str
    before_payment_minor: int
    currency: str
    memo: str
    intent_id: str
    made_at: datetime
    livemode: bool


@dataclass(frozen=True)
class DisputeState:
    """A dispute of a charge at Stripe, with the movements of the balance that it made so far."""

    id: str
    charge_id: str
    amount_minor: int
    currency: str
    status: str
    reason: str
    opened_at: datetime
    answer_by: datetime | None
    movements: tuple[Movement, ...]
    livemode: bool


@dataclass(frozen=True)
class WarningState:
    """An early fraud warning; ``is_open`` while there is something left to do about it."""

    id: str
    charge_id: str
    kind: str
    warned_at: datetime
    is_open: bool
    livemode: bool
