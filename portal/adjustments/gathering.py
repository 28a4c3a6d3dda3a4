"""What speaks for a payment that its payer's bank has taken back: gathered from the record of the work it paid for.

Only what the customer itself may read goes to its bank: the case's timeline, who said yes to the work, when and by
what, the work itself with its notes, and the signed policy by its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from portal.access import Audience
from portal.adjustments.ahead import paid_for
from portal.adjustments.queries import subject_of
from portal.billing.models import BillItem, BillLine, BillSegment, Invoice, InvoiceItem, PlanSale
from portal.billing.packs.models import PackSale, PackUse
from portal.billing.queries import stands as item_stands
from portal.cases.models import CaseEvent, SupportCase
from portal.cases.words import sentence
from portal.contracts.models import Document, DocumentSignature, DocumentVersion, PlanChoice
from portal.directory.models import Organisation
from portal.directory.queries import organisation_names
from portal.entitlement.models import Authorization, GrantDraw, UsageGrant
from portal.identity import queries as people
from portal.metering.models import TimeEntry
from portal.payments.models import CashReceipt, Chargeback, Intent

BASES = {
    "account": "signed in to the portal",
    "link": "by a link mailed to them",
    "standing": "by a standing authorization signed before",
    "spoken": "spoken, read back and mailed at once",
    "ratified": "afterwards, for an emergency",
    "import": "recorded before the portal was used",
}


@dataclass(frozen=True)
class Happening:
    """Something that happened on a case."""

    at: datetime
    says: str


@dataclass(frozen=True)
class Yes:
    """Somebody of the payer's said yes to the work, up to an amount."""

    at: datetime
    person_name: str
    basis: str
    currency: str
    nte_minor: int
    price_per_hour_minor: int


@dataclass(frozen=True)
class Worked:
    """A piece of work that was billed."""

    started_at: datetime
    ended_at: datetime
    person_name: str
    mode: str
    note: str


@dataclass(frozen=True)
class CaseProof:
    """What the record says of one case."""

    name: str
    title: str
    customer_name: str
    amount_minor: int
    happenings: tuple[Happening, ...]
    yeses: tuple[Yes, ...]
    work: tuple[Worked, ...]


@dataclass(frozen=True)
class Signed:
    """The policy that the price comes from, and who said yes to exactly this text."""

    title: str
    number: int
    sha256: str
    effective_from: datetime
    signed: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True)
class Sold:
    """A line of what was paid for."""

    description: str
    amount_minor: int


@dataclass(frozen=True)
class Proof:
    """Everything that is handed to the payer's bank: of an invoice, or of a purchase, with who ordered it."""

    chargeback: Chargeback
    name: str
    invoice: Invoice | None
    receipt: CashReceipt
    payer: Organisation
    manufacturer_name: str
    items: tuple[Sold, ...]
    ordered: tuple[str, datetime, str] | None
    cases: tuple[CaseProof, ...]
    policies: tuple[Signed, ...]


def proof_for(session: Session, chargeback: Chargeback) -> Proof:
    """What the record says for a payment, as far as the session sees it."""
    about = subject_of(session, chargeback.invoice_id, chargeback.receipt_id)
    receipt = session.get_one(CashReceipt, chargeback.receipt_id)
    charged = _invoiced(session, about.invoice) if about.invoice is not None else _bought(session, about.name, receipt)
    priced: tuple[BillItem | PlanSale | PackSale, ...] = (*charged.billed, *charged.months, *charged.packs)
    versions = {row.policy_version_id for row in priced}
    names = organisation_names(session, [chargeback.manufacturer_id])
    return Proof(
        chargeback,
        about.name,
        about.invoice,
        receipt,
        session.get_one(Organisation, chargeback.payer_id),
        names.get(chargeback.manufacturer_id, ""),
        charged.items,
        _ordered(session, receipt),
        tuple(_case(session, item) for item in charged.billed),
        tuple(_signed(session, version_id, charged.months) for version_id in sorted(versions)),
    )


@dataclass(frozen=True)
class _Charged:
    items: tuple[Sold, ...]
    billed: tuple[BillItem, ...]
    months: tuple[PlanSale, ...]
    packs: tuple[PackSale, ...]


def _invoiced(session: Session, invoice: Invoice) -> _Charged:
    items = session.scalars(
        select(InvoiceItem)
        .where(InvoiceItem.invoice_id == invoice.id, InvoiceItem.amount_minor > 0)
        .order_by(InvoiceItem.position)
    ).all()
    return _Charged(
        tuple(Sold(item.description, item.amount_minor) for item in items),
        tuple(session.get_one(BillItem, item.bill_item_id) for item in items if item.bill_item_id is not None),
        tuple(session.get_one(PlanSale, item.plan_sale_id) for item in items if item.plan_sale_id is not None),
        tuple(session.get_one(PackSale, item.pack_sale_id) for item in items if item.pack_sale_id is not None),
    )


def _bought(session: Session, name: str, receipt: CashReceipt) -> _Charged:
    """What a payment ahead bought, and the work that has used it."""
    found = paid_for(session, receipt)
    of_pack = select(PackUse.bill_item_id).where(
        PackUse.pack_sale_id == (found.pack.id if found.pack is not None else None), PackUse.amount_minor > 0
    )
    of_months = (
        select(GrantDraw.bill_item_id)
        .join(UsageGrant, UsageGrant.id == GrantDraw.grant_id)
        .where(
            tuple_(UsageGrant.plan_choice_id, UsageGrant.starts_at).in_(
                [(sale.plan_choice_id, sale.starts_at) for sale in found.months]
            )
        )
    )
    used = session.scalars(
        select(BillItem)
        .where(or_(BillItem.id.in_(of_pack), BillItem.id.in_(of_months)), item_stands())
        .order_by(BillItem.id)
    ).all()
    packs = (found.pack,) if found.pack is not None else ()
    return _Charged((Sold(name, receipt.amount_minor),), tuple(used), found.months, packs)


def _ordered(session: Session, receipt: CashReceipt) -> tuple[str, datetime, str] | None:
    """Who ordered what was paid ahead, when, and the policy accepted with it by its hash."""
    checkout = session.get(Intent, receipt.intent_id) if receipt.intent_id is not None else None
    accepted = checkout.request.get("accepted") if checkout is not None else None
    if checkout is None or accepted is None:
        return None
    person_id = int(accepted["person_id"])
    return people.names(session, {person_id}).get(person_id, "The buyer"), checkout.created_at, str(accepted["sha256"])


def _case(session: Session, item: BillItem) -> CaseProof:
    case = session.get_one(SupportCase, item.case_id)
    events = session.scalars(
        select(CaseEvent)
        .where(CaseEvent.case_id == case.id, CaseEvent.audience == Audience.CUSTOMER)
        .order_by(CaseEvent.seq)
    ).all()
    yeses = session.scalars(
        select(Authorization)
        .where(Authorization.case_id == case.id, Authorization.payer_id == item.payer_id)
        .order_by(Authorization.authorized_at, Authorization.id)
    ).all()
    names = organisation_names(session, [case.customer_id])
    return CaseProof(
        case.name,
        case.title,
        names.get(case.customer_id, ""),
        item.amount_minor,
        tuple(Happening(row.occurred_at, f"{row.person_name} {sentence(row.kind)}".strip()) for row in events),
        tuple(
            Yes(
                row.authorized_at,
                row.person_name,
                BASES.get(row.basis, row.basis),
                row.currency,
                row.nte_minor,
                row.price_per_hour_minor,
            )
            for row in yeses
        ),
        _work(session, item),
    )


def _work(session: Session, item: BillItem) -> tuple[Worked, ...]:
    entry_ids = (
        select(BillSegment.entry_id)
        .join(BillLine, BillLine.id == BillSegment.line_id)
        .where(BillLine.bill_item_id == item.id)
    )
    rows: Sequence[TimeEntry] = session.scalars(
        select(TimeEntry)
        .where(TimeEntry.id.in_(entry_ids), TimeEntry.audience == Audience.CUSTOMER)
        .order_by(TimeEntry.started_at, TimeEntry.id)
    ).all()
    return tuple(Worked(row.started_at, row.ended_at, row.person_name, row.mode, row.note) for row in rows)


def _signed(session: Session, version_id: int, sales: Sequence[PlanSale]) -> Signed:
    version = session.get_one(DocumentVersion, version_id)
    rows = session.execute(
        select(DocumentSignature.person_id, DocumentSignature.signed_at).where(
            DocumentSignature.version_id == version_id
        )
    ).tuples()
    chosen = session.execute(
        select(PlanChoice.accepted_by, PlanChoice.accepted_at).where(
            PlanChoice.id.in_([sale.plan_choice_id for sale in sales]), PlanChoice.sha256 == version.sha256
        )
    ).tuples()
    said = sorted((*rows, *chosen), key=lambda row: row[1])
    names = people.names(session, {person for person, _ in said})
    return Signed(
        session.get_one(Document, version.document_id).title,
        version.number,
        version.sha256,
        version.effective_from,
        tuple((names.get(person, "a person of the company"), at) for person, at in said),
    )
