"""Cash: what arrived through Stripe, what two people say arrived elsewhere, and its booking.

Invariants: a charge or a confirmed record is one receipt, a receipt one journal transaction; a receipt never exceeds
what is open on its invoice by a person's hand.
"""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.ledger.actions import post
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, without_zeros
from portal.payments import queries, rules
from portal.payments.actions import plan, standing_intent
from portal.payments.exchanges import booking
from portal.payments.exchanges.legs import Exchanged
from portal.payments.models import CashReceipt, Intent, PaymentRecord
from portal.payments.provider import PaymentOfInvoice
from portal.payments.rules import PAYMENT_PAIRS
from portal.rows import insert_once

PAYMENT_METHODS = ("check", "ach", "wire", "card_elsewhere", "other")
LONGEST_REFERENCE = 100
# Where cash comes from: Stripe, elsewhere, or a party that bears what the payer need not pay.
STRIPE, OUT_OF_BAND, BORNE = "stripe", "out_of_band", "borne"


def record_payment(
    session: Session,
    actor: Actor,
    *,
    invoice_id: int,
    amount_minor: int,
    method: str,
    reference: str,
    received_at: datetime,
    now: datetime,
) -> PaymentRecord:
    """One person notes a payment that did not go through Stripe; it is cash when a second person confirms it.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict for a reference that is recorded already.
    """
    _check_manufacturer_finance(actor)
    invoice = queries.invoice_facts(session, invoice_id)
    if invoice.manufacturer_id != actor.organisation_id:
        raise NotFound
    problems = _payment_problems(session, invoice, amount_minor, method, reference.strip())
    if received_at > now:
        problems["received_at"] = "A payment cannot have arrived in the future."
    if problems:
        raise Invalid("The payment cannot be recorded like this.", problems)
    record = insert_once(
        session,
        PaymentRecord(
            invoice_id=invoice.id,
            manufacturer_id=invoice.manufacturer_id,
            payer_id=invoice.payer_id,
            currency=invoice.currency,
            amount_minor=amount_minor,
            method=method,
            reference=reference.strip(),
            recorded_by=actor.person_id,
            received_at=received_at,
            recorded_at=now,
        ),
    )
    if record is None:
        raise Conflict("A payment with this reference is recorded already for this invoice.")
    return record


def _payment_problems(
    session: Session, invoice: queries.InvoiceFacts, amount_minor: int, method: str, reference: str
) -> dict[str, str]:
    problems = {}
    open_minor = still_open_minor(session, invoice)
    if amount_minor <= 0 or amount_minor > open_minor:
        problems["amount"] = "The amount is more than zero and at most what is still open on the invoice."
    if method not in PAYMENT_METHODS:
        problems["method"] = "Choose how the payment came."
    if not 1 <= len(reference) <= LONGEST_REFERENCE:
        problems["reference"] = f"The bank's or check's reference, 1 to {LONGEST_REFERENCE} characters."
    return problems


def received_minor(session: Session, invoice_id: int) -> int:
    """What has come in for an invoice so far, or was borne by a party in the payer's place."""
    found: int = session.scalar(
        text("SELECT coalesce(sum(amount_minor), 0)::bigint FROM cash_receipt WHERE invoice_id = :id"),
        {"id": invoice_id},
    )
    return found


def still_open_minor(session: Session, invoice: queries.InvoiceFacts) -> int:
    """What is owed on an invoice: its total, less what its lines cost less since, less what has come in."""
    lowered: int = session.scalar(
        text("SELECT coalesce(sum(amount_minor), 0)::bigint FROM line_reduction WHERE invoice_id = :id AND lowers_net"),
        {"id": invoice.id},
    )
    return invoice.total_minor - lowered - received_minor(session, invoice.id)


def confirm_payment(session: Session, actor: Actor, record_id: int, *, livemode: bool, now: datetime) -> CashReceipt:
    """A second person confirms a recorded payment: it is cash, booked by job.

    *Raises*: NotAllowed, also for the person who recorded it; NotFound; Conflict when confirmed or no longer owed.
    """
    _check_manufacturer_finance(actor)
    record = session.get(PaymentRecord, record_id)
    if record is None or record.manufacturer_id != actor.organisation_id:
        raise NotFound
    if record.recorded_by == actor.person_id:
        raise NotAllowed("A payment is confirmed by somebody other than the person who recorded it.")
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"cash:{record.invoice_id}"}
    )
    invoice = queries.invoice_facts(session, record.invoice_id)
    if record.amount_minor > still_open_minor(session, invoice):
        raise Conflict("The invoice is paid already, or this payment is confirmed already.")
    receipt = CashReceipt(
        invoice_id=record.invoice_id,
        manufacturer_id=record.manufacturer_id,
        payer_id=record.payer_id,
        currency=record.currency,
        amount_minor=record.amount_minor,
        fee_minor=0,
        source="out_of_band",
        record_id=record.id,
        recorded_by=record.recorded_by,
        confirmed_by=actor.person_id,
        livemode=livemode,
        received_at=record.received_at,
        recorded_at=now,
    )
    session.add(receipt)
    session.flush()
    enqueue(session, "book_cash", receipt_id=receipt.id)
    return receipt


def _check_manufacturer_finance(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("Payments are recorded by the manufacturer's finance.")


def take_cash(session: Session, intent: Intent, payment: PaymentOfInvoice, now: datetime) -> CashReceipt | None:
    """Cash that arrived through Stripe for an invoice, once per charge; None when it is known already."""
    invoice = queries.invoice_of_intent(session, intent.id)
    if invoice is None:
        raise RuleBroken("Cash arrived for an intent that has no invoice.")
    receipt = insert_once(
        session,
        CashReceipt(
            invoice_id=invoice.id,
            manufacturer_id=invoice.manufacturer_id,
            payer_id=invoice.payer_id,
            currency=payment.currency,
            amount_minor=payment.amount_minor,
            fee_minor=payment.fee_minor,
            settled_currency=payment.exchanged.settled_currency if payment.exchanged else None,
            source="stripe",
            provider_object_id=payment.charge_id,
            livemode=intent.livemode,
            received_at=payment.paid_at,
            recorded_at=now,
        ),
    )
    if receipt is None:
        return None
    book_cash(session, receipt.id, now, exchanged=payment.exchanged)
    return receipt


def bear(
    session: Session,
    invoice_id: int,
    *,
    party_id: int,
    amount_minor: int,
    adjustment_id: int,
    description: str,
    now: datetime,
) -> int:
    """A party pays part of an invoice in its payer's place, out of what it has coming; the receipt's id.

    For the shares it is cash like any other: nobody else's share falls by what one party gives up.
    """
    invoice = queries.invoice_facts(session, invoice_id)
    intent = session.get_one(Intent, invoice.intent_id)
    receipt = CashReceipt(
        invoice_id=invoice.id,
        manufacturer_id=invoice.manufacturer_id,
        payer_id=invoice.payer_id,
        currency=invoice.currency,
        amount_minor=amount_minor,
        fee_minor=0,
        source=BORNE,
        livemode=intent.livemode,
        received_at=now,
        recorded_at=now,
    )
    session.add(receipt)
    session.flush()
    post(
        session,
        manufacturer_id=invoice.manufacturer_id,
        currency=invoice.currency,
        kind="cash_received",
        document=Document("cash_receipt", str(receipt.id)),
        legs=[
            debit(Purpose.PAYABLE, amount_minor, party_id, Document("adjustment", str(adjustment_id))),
            credit(Purpose.RECEIVABLE, amount_minor, invoice.payer_id),
        ],
        allowed_pairs=PAYMENT_PAIRS,
        occurred_at=now,
        now=now,
        description=description,
        livemode=intent.livemode,
    )
    enqueue(session, "apply_cash", receipt_id=receipt.id)
    return receipt.id


def take_prepayment(
    session: Session,
    intent: Intent,
    payment: PaymentOfInvoice,
    now: datetime,
    *,
    tax_minor: int,
    bill_id: int | None = None,
) -> CashReceipt | None:
    """Cash that arrived ahead for a purchase, once per charge; None when it is known already."""
    receipt = insert_once(
        session,
        CashReceipt(
            intent_id=intent.id,
            bill_id=bill_id,
            manufacturer_id=intent.manufacturer_id,
            payer_id=intent.organisation_id,
            currency=payment.currency,
            amount_minor=payment.amount_minor,
            tax_minor=tax_minor,
            fee_minor=payment.fee_minor,
            settled_currency=payment.exchanged.settled_currency if payment.exchanged else None,
            source="stripe",
            provider_object_id=payment.charge_id,
            livemode=intent.livemode,
            received_at=payment.paid_at,
            recorded_at=now,
        ),
    )
    if receipt is not None:
        book_cash(session, receipt.id, now, exchanged=payment.exchanged)
    return receipt


def _book_prepayment(session: Session, receipt: CashReceipt, exchanged: Exchanged | None, now: datetime) -> int:
    """The payer's money, held for what it bought; the tax in it is the state's."""
    intent = session.get_one(Intent, receipt.intent_id)
    against = [
        credit(Purpose.PREPAID, receipt.amount_minor - receipt.tax_minor, receipt.payer_id),
        credit(Purpose.TAX, receipt.tax_minor),
    ]
    return _post_cash(session, receipt, exchanged, against, says=f"Paid ahead: {intent.request['name']}", now=now)


def book_cash(session: Session, receipt_id: int, now: datetime, *, exchanged: Exchanged | None = None) -> int:
    """Post a receipt against its receivable, have its shares made payable, and tell Stripe of a payment elsewhere."""
    receipt = session.get_one(CashReceipt, receipt_id)
    if receipt.invoice_id is None:
        return _book_prepayment(session, receipt, exchanged, now)
    invoice = queries.invoice_facts(session, receipt.invoice_id)
    intent = session.get_one(Intent, invoice.intent_id)
    receivable = Purpose(intent.request.get("receivable", Purpose.RECEIVABLE))
    against = [credit(receivable, receipt.amount_minor, receipt.payer_id)]
    transaction_id = _post_cash(session, receipt, exchanged, against, says=f"Payment of {invoice.name}", now=now)
    if receivable is Purpose.RECEIVABLE:
        enqueue(session, "apply_cash", receipt_id=receipt.id)
    if receipt.source == OUT_OF_BAND:
        tell_paid_elsewhere(session, intent, invoice, now)
    return transaction_id


def tell_paid_elsewhere(session: Session, intent: Intent, invoice: queries.InvoiceFacts, now: datetime) -> None:
    """Have Stripe told that nothing is owed of an invoice, once it has reckoned what is: it would number a draft."""
    if still_open_minor(session, invoice) <= 0 and not waits_for_tax(session, intent, invoice.id):
        _plan_out_of_band(session, intent, invoice, now)


def waits_for_tax(session: Session, intent: Intent, invoice_id: int) -> bool:
    """Whether an invoice is to be taxed and Stripe has not reckoned its tax."""
    reckoned = text("SELECT EXISTS (SELECT FROM invoice_tax WHERE invoice_id = :id)")
    return "tax" in intent.request and not session.scalar(reckoned, {"id": invoice_id})


def _post_cash(
    session: Session,
    receipt: CashReceipt,
    exchanged: Exchanged | None,
    against: list[Leg],
    *,
    says: str,
    now: datetime,
) -> int:
    """Cash and its fee against what it pays; over the exchange accounts where it lies in another currency."""
    document = Document("cash_receipt", str(receipt.id))
    if exchanged is not None:
        about = booking.About(booking.CASH_RECEIVED, document, says, receipt.received_at)
        return booking.book_exchange(session, receipt, exchanged, about, against=against, now=now)
    if receipt.settled_currency is not None:
        raise RuleBroken("A payment that settled in another currency is booked with what it became there.")
    arrived, fee = rules.cash_legs_minor(receipt.amount_minor, receipt.fee_minor)
    place = Purpose.STRIPE if receipt.source == STRIPE else Purpose.BANK
    return post(
        session,
        manufacturer_id=receipt.manufacturer_id,
        currency=receipt.currency,
        kind=booking.CASH_RECEIVED,
        document=document,
        legs=without_zeros([debit(place, arrived), debit(Purpose.FEES, fee), *against]),
        allowed_pairs=PAYMENT_PAIRS,
        occurred_at=receipt.received_at,
        now=now,
        description=says,
        person_id=receipt.confirmed_by,
        livemode=receipt.livemode,
    )


def _plan_out_of_band(session: Session, intent: Intent, invoice: queries.InvoiceFacts, now: datetime) -> None:
    document = Document("invoice", str(invoice.id))
    if standing_intent(session, "out_of_band", document) is None:
        plan(
            session,
            uuid4(),
            kind="out_of_band",
            manufacturer_id=intent.manufacturer_id,
            organisation_id=intent.organisation_id,
            document=document,
            currency=intent.currency,
            amount_minor=intent.amount_minor,
            request={"invoice_intent": str(intent.id)},
            livemode=intent.livemode,
            now=now,
        )
