"""What pages read of billing, scoped by the actor: items with their explanation, invoices, questions.

A customer reads what it pays; the two companies read every item of their cases; shares are for those who may see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Role, Side, may_see_shares
from portal.billing.models import (
    BillItem,
    BillItemReversal,
    BillLine,
    BillSegment,
    CashApplication,
    Invoice,
    InvoiceItem,
    LineQuery,
    LineQueryAnswer,
    Share,
)
from portal.billing.reductions.models import LineReduction
from portal.billing.taxed import TAX_OF_INVOICE
from portal.cases.models import SupportCase
from portal.directory.queries import organisation_names
from portal.errors import NotAllowed, NotFound
from portal.metering.models import TimeEntry
from portal.payments.cash import BORNE
from portal.payments.models import CashReceipt
from portal.rating.words import words

PAGE = 50


def readable(actor: Actor, table: type[BillItem]) -> ColumnElement[bool]:
    """The condition that the actor may read an item."""
    if actor.side is Side.MANUFACTURER:
        return table.manufacturer_id == actor.organisation_id
    if actor.side is Side.INTEGRATOR:
        return table.integrator_id == actor.organisation_id
    return and_(table.customer_id == actor.organisation_id, table.audience == Audience.CUSTOMER)


@dataclass(frozen=True)
class ItemRow:
    """A bill item as listed."""

    item: BillItem
    case_name: str
    case_title: str
    payer_name: str
    is_live: bool
    invoice_name: str | None
    invoice_id: int | None


@dataclass(frozen=True)
class WorkPiece:
    """A segment with the entry it is a piece of."""

    segment: BillSegment
    entry: TimeEntry


@dataclass(frozen=True)
class ShareRow:
    """A share as shown: whose, how much, why, and how much of it cash has made payable."""

    share: Share
    party_name: str
    sentences: tuple[str, ...]
    applied_minor: int


@dataclass(frozen=True)
class LineTree:
    """A line, the pieces of work it counts, and the questions about it with their answers."""

    line: BillLine
    pieces: tuple[WorkPiece, ...]
    questions: tuple[tuple[LineQuery, LineQueryAnswer | None], ...]


@dataclass(frozen=True)
class ItemTree:
    """A bill item with everything it explains itself by; ``shares`` None for those who may not see them."""

    row: ItemRow
    sentences: tuple[str, ...]
    lines: tuple[LineTree, ...]
    shares: tuple[ShareRow, ...] | None
    reversal: BillItemReversal | None


def bill_items(
    session: Session, actor: Actor, *, case_id: int | None = None, before_id: int | None = None, most: int = PAGE
) -> list[ItemRow]:
    """The items the actor may read, the latest first; of one case, or before an id."""
    statement = _items(actor).order_by(BillItem.id.desc()).limit(most)
    if case_id is not None:
        statement = statement.where(BillItem.case_id == case_id)
    if before_id is not None:
        statement = statement.where(BillItem.id < before_id)
    return _rows(session, statement)


def item_tree(session: Session, actor: Actor, item_id: int) -> ItemTree:
    """One item from line to note, and from share to tranche. *Raises*: NotFound."""
    rows = _rows(session, _items(actor).where(BillItem.id == item_id))
    if not rows:
        raise NotFound()
    item = rows[0].item
    reversal = session.scalars(select(BillItemReversal).where(BillItemReversal.bill_item_id == item.id)).one_or_none()
    shares = _shares(session, item) if may_see_shares(actor) else None
    return ItemTree(rows[0], words(item.explanation), _lines(session, item), shares, reversal)


def _items(actor: Actor) -> Select[BillItem, str, str, bool, str, int]:
    live = ~exists().where(BillItemReversal.bill_item_id == BillItem.id)
    charge = and_(InvoiceItem.bill_item_id == BillItem.id, InvoiceItem.kind == "charge")
    return (
        select(BillItem, SupportCase.name, SupportCase.title, live, Invoice.name, Invoice.id)
        .join(SupportCase, SupportCase.id == BillItem.case_id)
        .outerjoin(InvoiceItem, charge)
        .outerjoin(Invoice, Invoice.id == InvoiceItem.invoice_id)
        .where(readable(actor, BillItem))
    )


def _rows(session: Session, statement: Select[BillItem, str, str, bool, str, int]) -> list[ItemRow]:
    found = session.execute(statement).all()
    names = organisation_names(session, [row[0].payer_id for row in found])
    return [ItemRow(row[0], row[1], row[2], names.get(row[0].payer_id, ""), row[3], row[4], row[5]) for row in found]


def _lines(session: Session, item: BillItem) -> tuple[LineTree, ...]:
    lines = session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id).order_by(BillLine.position)).all()
    ids = [line.id for line in lines]
    segments = session.execute(
        select(BillSegment, TimeEntry)
        .join(TimeEntry, TimeEntry.id == BillSegment.entry_id)
        .where(BillSegment.line_id.in_(ids))
        .order_by(BillSegment.started_at, BillSegment.id)
    ).all()
    questions = session.execute(
        select(LineQuery, LineQueryAnswer)
        .outerjoin(LineQueryAnswer, LineQueryAnswer.query_id == LineQuery.id)
        .where(LineQuery.bill_line_id.in_(ids))
        .order_by(LineQuery.id)
    ).all()
    return tuple(
        LineTree(
            line,
            tuple(WorkPiece(segment, entry) for segment, entry in segments if segment.line_id == line.id),
            tuple((query, given) for query, given in questions if query.bill_line_id == line.id),
        )
        for line in lines
    )


def _shares(session: Session, item: BillItem) -> tuple[ShareRow, ...]:
    applied = (
        select(func.coalesce(func.sum(CashApplication.amount_minor), 0))
        .where(CashApplication.share_id == Share.id)
        .scalar_subquery()
    )
    rows = session.execute(select(Share, applied).where(Share.bill_item_id == item.id).order_by(Share.id)).all()
    names = organisation_names(session, [share.party_id for share, _ in rows if share.party_id is not None])
    return tuple(
        ShareRow(
            share,
            names.get(share.party_id, "") if share.party_id is not None else "Undetermined",
            tuple(share.explanation["sentences"]),
            int(minor),
        )
        for share, minor in rows
    )


@dataclass(frozen=True)
class InvoiceRow:
    """An invoice as listed: what was paid, what of it need not be paid, what of the payments went back, its tax."""

    invoice: Invoice
    payer_name: str
    paid_minor: int
    credited_minor: int = 0
    returned_minor: int = 0
    tax_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What is asked: what is charged, and the tax on it."""
        return self.invoice.total_minor + self.tax_minor

    @property
    def open_minor(self) -> int:
        """What is still owed."""
        return self.total_minor - self.paid_minor - self.credited_minor


def invoices(
    session: Session, actor: Actor, *, payer_id: int | None = None, before_id: int | None = None, most: int = PAGE
) -> list[InvoiceRow]:
    """The invoices the actor's organisation issued (to one payer) or pays, the latest first. *Raises*: NotAllowed."""
    statement = _invoices(actor).order_by(Invoice.id.desc()).limit(most)
    if payer_id is not None:
        statement = statement.where(Invoice.payer_id == payer_id)
    if before_id is not None:
        statement = statement.where(Invoice.id < before_id)
    return _invoice_rows(session, statement)


def invoice(session: Session, actor: Actor, invoice_id: int) -> tuple[InvoiceRow, Sequence[InvoiceItem]]:
    """One invoice with its lines. *Raises*: NotFound, NotAllowed."""
    rows = _invoice_rows(session, _invoices(actor).where(Invoice.id == invoice_id))
    if not rows:
        raise NotFound()
    lines = select(InvoiceItem).where(InvoiceItem.invoice_id == invoice_id).order_by(InvoiceItem.position)
    return rows[0], session.scalars(lines).all()


def _invoices(actor: Actor) -> Select[Any]:
    if not actor.has(Role.FINANCE, Role.BUYER, Role.ADMINISTRATOR, Role.SERVICE_MANAGER, Role.SUPPORT_LEAD):
        raise NotAllowed("Invoices are for finance, buyers and managers.")
    paid, borne = (
        select(func.coalesce(func.sum(CashReceipt.amount_minor), 0))
        .where(CashReceipt.invoice_id == Invoice.id, which)
        .scalar_subquery()
        for which in (CashReceipt.source != BORNE, CashReceipt.source == BORNE)
    )
    taken_off = select(func.coalesce(func.sum(LineReduction.amount_minor), 0)).where(
        LineReduction.invoice_id == Invoice.id
    )
    lowered = taken_off.where(LineReduction.lowers_net).scalar_subquery()
    whose = Invoice.manufacturer_id if actor.side is Side.MANUFACTURER else Invoice.payer_id
    returned = taken_off.scalar_subquery() - borne - lowered
    return select(Invoice, paid, borne + lowered, returned, TAX_OF_INVOICE).where(whose == actor.organisation_id)


def _invoice_rows(session: Session, statement: Select[Any]) -> list[InvoiceRow]:
    found = session.execute(statement).all()
    names = organisation_names(session, [row[0].payer_id for row in found])
    return [InvoiceRow(row[0], names.get(row[0].payer_id, ""), *(int(minor) for minor in row[1:])) for row in found]
