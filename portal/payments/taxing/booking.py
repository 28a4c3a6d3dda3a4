"""The tax on an invoice, kept line by line and posted: owed by the payer, and to the state by nobody's share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from portal.errors import RuleBroken
from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.payments import cash, queries
from portal.payments.models import CashReceipt, Intent
from portal.payments.rules import PAYMENT_PAIRS
from portal.payments.taxing.models import InvoiceItemTax, InvoiceTax
from portal.rows import insert_once

TAXED = "invoice_taxed"
# The lines are billing's, which stands above: the first of them has position 1.
_LINES = text("SELECT position - 1, id FROM invoice_item WHERE invoice_id = :id")


def book_tax(session: Session, intent: Intent, now: datetime) -> None:
    """Keep and post what Stripe reckoned on an invoice that was numbered; again changes nothing.

    *Raises*: RuleBroken for a tax on a line that the invoice does not have.
    """
    invoice = queries.invoice_of_intent(session, intent.id)
    if invoice is None:
        raise RuleBroken("Tax was reckoned for an intent that has no invoice.")
    said = intent.progress["tax"]
    by_place = {int(place): int(minor) for place, minor in said["lines"].items()}
    parties = {"manufacturer_id": invoice.manufacturer_id, "payer_id": invoice.payer_id}
    whole = sum(by_place.values())
    row = InvoiceTax(
        invoice_id=invoice.id,
        **parties,
        currency=invoice.currency,
        tax_minor=whole,
        reasons=said["reasons"],
        recorded_at=now,
    )
    if insert_once(session, row, unique=["invoice_id"]) is None:
        return
    if not whole:
        # What came in before was all that is owed.
        _tell_paid(session, intent, invoice.id, now)
        return
    lines: dict[int, int] = dict(session.execute(_LINES, {"id": invoice.id}).tuples().all())
    if set(by_place) - set(lines):
        raise RuleBroken("Stripe taxed a line that the invoice does not have.")
    both = {"invoice_id": invoice.id, **parties, "recorded_at": now}
    rows = [{**both, "invoice_item_id": lines[at], "tax_minor": minor} for at, minor in by_place.items()]
    session.execute(insert(InvoiceItemTax), rows)
    post(
        session,
        manufacturer_id=invoice.manufacturer_id,
        currency=invoice.currency,
        kind=TAXED,
        document=Document("invoice", str(invoice.id)),
        legs=[debit(Purpose.RECEIVABLE, whole, invoice.payer_id), credit(Purpose.TAX, whole)],
        allowed_pairs=PAYMENT_PAIRS,
        occurred_at=now,
        now=now,
        description=f"Tax of invoice {invoice.name}",
        livemode=intent.livemode,
    )


def _tell_paid(session: Session, intent: Intent, invoice_id: int, now: datetime) -> None:
    elsewhere = select(CashReceipt.id).where(
        CashReceipt.invoice_id == invoice_id, CashReceipt.source == cash.OUT_OF_BAND
    )
    if session.scalar(elsewhere.limit(1)) is not None:
        cash.tell_paid_elsewhere(session, intent, queries.invoice_facts(session, invoice_id), now)
