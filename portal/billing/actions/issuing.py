"""Invoices written: what a debtor owes, page by page, with its intent, its number, its posting and its job.

Many of them go to the database by one statement, because a month's close makes thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.billing.models import BillItem, Invoice, InvoiceItem, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.rules import INVOICE_PAIRS
from portal.billing.supplements.models import Supplement
from portal.billing.taxed import Parties, seller_of_record, tax_status
from portal.directory.models import Organisation
from portal.entitlement.orders.queries import OrderNamed
from portal.jobs import enqueue_many
from portal.ledger.bulk import Entry, hold_books, journal_rows
from portal.ledger.models import Period
from portal.ledger.rules import Document, Purpose, credit, debit, without_zeros
from portal.payments.actions import invoice_intent
from portal.payments.models import Intent
from portal.payments.rules import InvoiceLine, TaxClass
from portal.rows import Fact, given_columns, insert_rows, know, next_keys
from portal.zones import local_day

DAYS_UNTIL_DUE = 30
CHARGE, CREDIT = "charge", "credit"
# So many invoices to a statement: some thousand lines, a few megabytes.
_STORED_AT_ONCE = 20


@dataclass(frozen=True)
class Claim:
    """A line to be: an item or something sold, charged or credited, and who owes it."""

    item: Fact | PlanSale | PackSale | Supplement
    kind: str
    debtor_id: int
    amount_minor: int
    description: str
    orders: Sequence[OrderNamed] = ()

    @property
    def group(self) -> tuple[int, str, int]:
        return self.debtor_id, self.item.currency, self.item.seller_of_record_id

    @property
    def order(self) -> tuple[object, ...]:
        """Credits first, plans before cases, then as they came."""
        return self.group, self.kind != CREDIT, isinstance(self.item, Fact), self.item.id

    @property
    def table(self) -> str:
        """Where the item is kept; invoices name it so."""
        return BillItem.__tablename__ if isinstance(self.item, Fact) else self.item.__tablename__


@dataclass(frozen=True)
class Common:
    """What the invoices of one debtor, currency and seller have in common."""

    period: Period
    parties: Parties
    currency: str
    parts_before: int
    code: str
    seller: tuple[tuple[str, str], ...]
    tax_status: str | None
    now: datetime
    livemode: bool


@dataclass(frozen=True)
class Sheet:
    """An invoice to be: its part of what its debtor owes, and the tax classes of each claim."""

    common: Common
    part: int
    claims: Sequence[Claim]
    classes: Sequence[tuple[TaxClass, ...]]

    @property
    def owed_minor(self) -> int:
        """What the claims come to, before it is rounded up to what can be paid."""
        return sum(claim.amount_minor for claim in self.claims)


def common_of(
    session: Session,
    period: Period,
    parties: Parties,
    currency: str,
    *,
    now: datetime,
    livemode: bool,
    is_taxed: bool,
) -> Common:
    """Read once what all invoices of a debtor say alike."""
    parts: int | None = session.scalar(
        select(func.max(Invoice.part)).where(
            Invoice.manufacturer_id == period.manufacturer_id,
            Invoice.payer_id == parties.payer_id,
            Invoice.currency == currency,
            Invoice.period_id == period.id,
        )
    )
    seller = seller_of_record(session, parties, now=now)
    return Common(
        period,
        parties,
        currency,
        parts_before=parts or 0,
        code=session.get_one(Organisation, period.manufacturer_id).code or "",
        seller=seller.fields,
        tax_status=tax_status(session, parties, seller, now=now) if is_taxed else None,
        now=now,
        livemode=livemode,
    )


def issue(session: Session, sheets: Sequence[Sheet]) -> list[Invoice]:
    """Store the invoices of one manufacturer in their order, with all that follows from them."""
    made: list[Invoice] = []
    for first in range(0, len(sheets), _STORED_AT_ONCE):
        made += _store(session, sheets[first : first + _STORED_AT_ONCE])
    return made


def _store(session: Session, sheets: Sequence[Sheet]) -> list[Invoice]:
    of_all = sheets[0].common
    wanted = {"who": of_all.period.manufacturer_id, "count": len(sheets)}
    numbers = session.scalars(text("SELECT next_number(:who, 'invoice') FROM generate_series(1, :count)"), wanted)
    keys = next_keys(session, {"invoice": len(sheets), "journal_transaction": len(sheets)})
    made = [
        _made(sheet, key, number) for sheet, key, number in zip(sheets, keys["invoice"], numbers.all(), strict=True)
    ]
    rows: dict[str, list[dict[str, Any]]] = {
        Intent.__tablename__: [given_columns(intent) for intent, _ in made],
        Invoice.__tablename__: [given_columns(invoice) for _, invoice in made],
        InvoiceItem.__tablename__: [
            _row(invoice, claim, at)
            for (_, invoice), sheet in zip(made, sheets, strict=True)
            for at, claim in enumerate(sheet.claims, start=1)
        ],
    }
    for currency in sorted({sheet.common.currency for sheet in sheets}):
        entries = [
            _entry(invoice, sheet.owed_minor, of_all.now)
            for (_, invoice), sheet in zip(made, sheets, strict=True)
            if invoice.currency == currency
        ]
        payers = {invoice.payer_id for _, invoice in made if invoice.currency == currency}
        books = hold_books(session, of_all.period.manufacturer_id, currency, payers)
        posted = journal_rows(
            session,
            books,
            entries,
            keys["journal_transaction"],
            allowed_pairs=INVOICE_PAIRS,
            now=of_all.now,
            livemode=of_all.livemode,
        )
        for table, journal in posted.items():
            rows.setdefault(table, []).extend(journal)
    insert_rows(session, rows)
    for pair in made:
        for row in pair:
            know(session, row)
    enqueue_many(session, "perform_intent", [{"intent_id": intent.id} for intent, _ in made])
    return [invoice for _, invoice in made]


def _made(sheet: Sheet, key: int, number: int) -> tuple[Intent, Invoice]:
    common, claims = sheet.common, sheet.claims
    name = f"{common.code}-INV-{number}"
    # One invoice has one date: the longest terms of the orders behind it.
    days_until_due = max((each.terms_days for claim in claims for each in claim.orders), default=DAYS_UNTIL_DUE)
    intent = invoice_intent(
        manufacturer_id=common.period.manufacturer_id,
        payer_id=common.parties.payer_id,
        currency=common.currency,
        lines=_lines(claims, sheet.classes),
        days_until_due=days_until_due,
        document=Document("invoice_name", name),
        name=name,
        livemode=common.livemode,
        now=common.now,
        seller=common.seller,
        tax_status=common.tax_status,
    )
    invoice = Invoice(
        id=key,
        manufacturer_id=common.period.manufacturer_id,
        payer_id=common.parties.payer_id,
        collector_id=claims[0].item.collector_id,
        seller_of_record_id=common.parties.seller_id,
        period_id=common.period.id,
        part=sheet.part,
        number=number,
        name=name,
        currency=common.currency,
        total_minor=intent.amount_minor,
        due_on=local_day(common.period.zone, common.now) + timedelta(days=days_until_due),
        intent_id=intent.id,
        issued_at=common.now,
    )
    return intent, invoice


def _lines(claims: Sequence[Claim], taxed: Sequence[tuple[TaxClass, ...]]) -> list[InvoiceLine]:
    return [
        InvoiceLine(claim.description, claim.amount_minor, f"{claim.table}-{claim.item.id}", classes)
        for claim, classes in zip(claims, taxed, strict=True)
    ]


def _row(invoice: Invoice, claim: Claim, position: int) -> dict[str, object]:
    return {
        "invoice_id": invoice.id,
        "manufacturer_id": invoice.manufacturer_id,
        "payer_id": invoice.payer_id,
        f"{claim.table}_id": claim.item.id,
        "position": position,
        "kind": claim.kind,
        "description": claim.description,
        "amount_minor": claim.amount_minor,
    }


def _entry(invoice: Invoice, owed_minor: int, now: datetime) -> Entry:
    legs = without_zeros(
        [
            debit(Purpose.RECEIVABLE, invoice.total_minor, invoice.payer_id),
            credit(Purpose.UNBILLED, owed_minor, invoice.payer_id),
            credit(Purpose.ROUNDED_UP, invoice.total_minor - owed_minor),
        ]
    )
    return Entry("invoiced", Document("invoice", str(invoice.id)), legs, now, f"Invoice {invoice.name}")
