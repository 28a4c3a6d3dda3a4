"""The tax on invoices as billing reads it: beside what is charged, never in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.billing.models import Invoice
from portal.billing.reductions.models import LineReduction
from portal.directory.models import Organisation
from portal.errors import RuleBroken
from portal.payments.models import Intent
from portal.payments.rules import WAITS_FOR_ADDRESS as WAITS
from portal.payments.taxing.models import InvoiceItemTax, InvoiceTax
from portal.taxes.exempting import exemption_at
from portal.taxes.queries import tax_identity
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.invoices import status_of_payer, words_for
from portal.taxes.rules.treatment import treatment_of
from portal.taxes.tables import known_rates
from portal.zones import local_day

SELLER, SELLERS_NUMBER = "Seller", "Seller's tax number"
NET_OF_STATEMENT = "The tax of a statement's net is the line that says so, by the documents of the statement."
WAITS_FOR_ADDRESS = "Stripe reckons its tax when it knows where the payer is; until then the invoice is not sent."
NOT_YET = "Stripe reckons its tax when it is sent."
NO_TAX = "No tax is added to this invoice."


# Of each invoice that a statement reads: its tax, nothing where it has none or waits to be taxed.
TAX_OF_INVOICE = (
    select(func.coalesce(func.sum(InvoiceTax.tax_minor), 0))
    .where(InvoiceTax.invoice_id == Invoice.id)
    .correlate(Invoice)
    .scalar_subquery()
)


def tax_of(session: Session, invoice_id: int) -> InvoiceTax | None:
    """What an invoice asks beyond its net; None where it is not taxed, or not yet."""
    return session.scalars(select(InvoiceTax).where(InvoiceTax.invoice_id == invoice_id)).one_or_none()


def tax_minor_of(session: Session, invoice_id: int) -> int:
    """The same as an amount."""
    found = tax_of(session, invoice_id)
    return found.tax_minor if found is not None else 0


def taxes_by_line(session: Session, invoice_id: int) -> dict[int, int]:
    """The tax on each line that has some, by the line."""
    rows = select(InvoiceItemTax.invoice_item_id, InvoiceItemTax.tax_minor).where(
        InvoiceItemTax.invoice_id == invoice_id
    )
    return dict(session.execute(rows).tuples().all())


def taxes_left(session: Session, invoice_ids: Collection[int]) -> dict[int, int]:
    """The tax on each of these invoices, less what credits took off it."""
    lowered = (
        select(func.coalesce(func.sum(LineReduction.tax_minor), 0))
        .where(LineReduction.invoice_id == InvoiceTax.invoice_id, LineReduction.lowers_net)
        .scalar_subquery()
    )
    rows = session.execute(
        select(InvoiceTax.invoice_id, InvoiceTax.tax_minor - lowered).where(InvoiceTax.invoice_id.in_(invoice_ids))
    ).tuples()
    return {invoice_id: int(minor) for invoice_id, minor in rows}


@dataclass(frozen=True)
class Parties:
    """Who makes an invoice, who pays it, and who sells what is on it."""

    manufacturer_id: int
    payer_id: int
    seller_id: int


@dataclass(frozen=True)
class Seller:
    """Who sells what is on an invoice, as it is known on the seller's own day."""

    name: str
    number: str
    on: date
    identity: TaxIdentity | None

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """What the invoice says of it, by name."""
        return (SELLER, self.name), (SELLERS_NUMBER, self.number)


def seller_of_record(session: Session, of: Parties, *, now: datetime) -> Seller:
    """The seller with its registration. A company that sells on what it owes here buys it from the manufacturer."""
    supplier = session.get_one(Organisation, of.manufacturer_id if of.seller_id == of.payer_id else of.seller_id)
    on = local_day(supplier.zone, now)
    known = tax_identity(session, supplier.id)
    name, number = (known.legal_name, known.number_on(on)) if known is not None else (supplier.name, "")
    return Seller(name, number, on, known)


def tax_status(session: Session, of: Parties, seller: Seller, *, now: datetime) -> str | None:
    """What the payer of an invoice that is made now is to Stripe; None where it asks for no tax."""
    operator_id = session.scalar(select(Organisation.id).where(Organisation.is_operator))
    return status_of_payer(
        seller_id=of.seller_id,
        issuer_ids=[of.manufacturer_id, *([operator_id] if operator_id is not None else [])],
        payer_id=of.payer_id,
        certified=exemption_at(session, of.payer_id, now) is not None,
        treatment=_treatment(seller.identity, tax_identity(session, of.payer_id), seller.on),
    )


def _treatment(supplier: TaxIdentity | None, payer: TaxIdentity | None, on: date) -> str:
    if supplier is None or payer is None:
        return ""
    try:
        return treatment_of(supplier, payer, on, known_rates()).kind
    except RuleBroken:
        # A country that the table of rates does not know is Stripe's to judge.
        return ""


@dataclass(frozen=True)
class TaxSaid:
    """What an invoice's page says of its tax: by line, in sentences, and who sells.

    ``is_asked`` whether Stripe reckons tax on it; ``waits`` for the payer's address.
    """

    by_line: Mapping[int, int]
    sentences: tuple[str, ...]
    seller: str
    is_asked: bool = False
    waits: bool = False


def tax_said(session: Session, invoice: Invoice, *, items: bool) -> TaxSaid:
    """What is said of an invoice's tax; ``items`` is false for the net of a statement, which has none."""
    intent = session.get_one(Intent, invoice.intent_id)
    asked = intent.request.get("tax")
    fields = {each["name"]: each["value"] for each in intent.request["invoice"].get("custom_fields", ())}
    seller = ", ".join(value for name, value in fields.items() if name in (SELLER, SELLERS_NUMBER))
    if not items:
        return TaxSaid({}, (NET_OF_STATEMENT,), seller)
    if asked is None:
        return TaxSaid({}, (NO_TAX,), seller)
    known = tax_of(session, invoice.id)
    if known is None:
        waits = intent.progress.get("waiting") == WAITS
        return TaxSaid({}, (WAITS_FOR_ADDRESS if waits else NOT_YET,), seller, is_asked=True, waits=waits)
    sentences = words_for(known.tax_minor, known.reasons)
    return TaxSaid(taxes_by_line(session, invoice.id), sentences, seller, is_asked=True)
