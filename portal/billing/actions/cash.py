"""Cash makes shares payable: from the receipts of a payer's invoices, over the cuts they bill, to each share.

What ought to be payable is computed from all receipts and what is missing is added, so that a repeated job, a bill made
again and a decided challenge all come to the same. Invariant: a payer's cash is moved by one transaction at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from portal.billing.actions.fees import charge_fee
from portal.billing.actions.money import debtor_of
from portal.billing.left_early.paying import rest_legs, rests_on, store_rests
from portal.billing.models import (
    BillItem,
    BillItemReversal,
    CashApplication,
    Invoice,
    InvoiceItem,
    PlanSale,
    PlanShare,
    Share,
)
from portal.billing.packs.models import PackShare
from portal.billing.packs.paying import commission_legs, commissions_on, store_commissions
from portal.billing.reductions.models import LineReduction
from portal.billing.rules import (
    FUNDING_PAIRS,
    InvoiceCash,
    ShareAmount,
    ShareCash,
    cut_funding,
    funding_legs,
    leaf_targets,
)
from portal.billing.rules.cash import base_paid, months_owed
from portal.billing.rules.postings import APPLIED, CARRIED, CASH
from portal.billing.taxed import taxes_left
from portal.errors import NotFound
from portal.ledger.actions import post
from portal.ledger.models import JournalTransaction
from portal.ledger.rules import Document
from portal.payments.models import CashReceipt


@dataclass(frozen=True)
class Cause:
    """Why cash is moved now: the kind and document of the posting, and the receipt that the rows name.

    What is moved once more names the period into which it was applied first.
    """

    kind: str
    document: Document
    receipt: CashReceipt
    origin_period_id: int | None = None


def apply_cash(session: Session, receipt_id: int, *, now: datetime) -> int:
    """Make payable what a receipt pays for, and charge its fee; again adds nothing. *Raises*: NotFound."""
    receipt = session.get(CashReceipt, receipt_id)
    if receipt is None or receipt.invoice_id is None:
        raise NotFound()
    cause = Cause(APPLIED, Document("cash_receipt", str(receipt.id)), receipt)
    moved = _move(session, {receipt.invoice_id}, cause, now=now)
    charge_fee(session, receipt, now=now)
    return moved


def move_cash(session: Session, items: Iterable[BillItem], *, now: datetime) -> None:
    """Carry the cash of items that were taken back or decided over to the shares that stand now."""
    for item in items:
        # By its cut: an item that is on no invoice yet may hold the cash that was carried to it from one that is.
        invoice_ids = set(
            session.scalars(
                select(InvoiceItem.invoice_id)
                .join(BillItem, BillItem.id == InvoiceItem.bill_item_id)
                .where(BillItem.cut_id == item.cut_id, InvoiceItem.payer_id == debtor_of(item))
            )
        )
        receipt = session.scalars(
            select(CashReceipt).where(CashReceipt.invoice_id.in_(invoice_ids)).order_by(CashReceipt.id.desc()).limit(1)
        ).one_or_none()
        if receipt is not None:
            newest: int | None = session.scalar(select(func.max(Share.id)).where(Share.bill_item_id == item.id))
            cause = Cause(CARRIED, Document("share", str(newest)), receipt, _applied_in(session, receipt))
            _move(session, invoice_ids, cause, now=now)


def _applied_in(session: Session, receipt: CashReceipt) -> int | None:
    """The period in which a receipt was applied first; none where it paid for nothing then."""
    return session.scalar(
        select(JournalTransaction.period_id).where(
            JournalTransaction.kind == APPLIED,
            JournalTransaction.document_type == "cash_receipt",
            JournalTransaction.document_id == str(receipt.id),
        )
    )


def _move(session: Session, invoice_ids: Collection[int], cause: Cause, *, now: datetime) -> int:
    receipt = cause.receipt
    key = f"cash:{receipt.manufacturer_id}:{receipt.payer_id}:{receipt.currency}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    invoices = _connected(session, invoice_ids)
    cut_ids = {cut for invoice in invoices for cut, _ in invoice.net_by_cut}
    items = session.scalars(select(BillItem).where(BillItem.cut_id.in_(cut_ids)).order_by(BillItem.id)).all()
    gone = set(
        session.scalars(
            select(BillItemReversal.bill_item_id).where(BillItemReversal.bill_item_id.in_([item.id for item in items]))
        )
    )
    shares = _shares(session, [item.id for item in items])
    live = {item.cut_id: item for item in items if item.id not in gone and debtor_of(item) == receipt.payer_id}
    owed = {cut: sum(row.amount_minor for _, row in shares.get(item.id, ())) for cut, item in live.items()}
    lines = [line for invoice in invoices for line, _ in invoice.net_by_cut]
    commissions, rests = commissions_on(session, lines), rests_on(session, lines)
    owed |= months_owed(invoices)
    owed |= {line: each.price_minor for line, each in commissions.items()}
    owed |= {line: each.price_minor for line, each in rests.items()}
    funding = cut_funding(invoices, owed)
    moved: list[tuple[Share, int]] = []
    for item in items:
        rows = shares.get(item.id, [])
        stands = live.get(item.cut_id) is item
        targets = leaf_targets([row for _, row in rows], funding.get(item.cut_id, 0) if stands else 0)
        changes = ((share, targets.get(row.share_id, row.applied_minor) - row.applied_minor) for share, row in rows)
        moved.extend((share, change) for share, change in changes if change)
    paid = [(each.share, each.change_at(funding.get(line, 0))) for line, each in commissions.items()]
    earned = [(share, change) for share, change in paid if change]
    left = [change for line, each in rests.items() for change in each.changes_at(funding.get(line, 0))]
    _record(session, moved, earned, left, cause, now=now)
    return sum(change for _, change in (*moved, *earned, *left))


def _connected(session: Session, invoice_ids: Collection[int]) -> list[InvoiceCash]:
    """The invoices, and those that bill or credit the same cuts, in the order issued, with their cash."""
    known: set[int] = set()
    found = set(invoice_ids)
    while found != known:
        known = found
        cuts = (
            select(BillItem.cut_id)
            .join(InvoiceItem, InvoiceItem.bill_item_id == BillItem.id)
            .where(InvoiceItem.invoice_id.in_(known))
        )
        payers = select(Invoice.payer_id).where(Invoice.id.in_(known))
        found = known | set(
            session.scalars(
                select(InvoiceItem.invoice_id)
                .join(BillItem, BillItem.id == InvoiceItem.bill_item_id)
                .where(BillItem.cut_id.in_(cuts), InvoiceItem.payer_id.in_(payers))
            )
        )
        found |= _of_given_up(session, known)
    # A plan's month, a pack or a supplement takes its part of the cash like a cut, though of a pack only its commission
    # becomes payable by it: no cut has its number, and neither has another of them. What goes back of a month that was
    # given up has the month's.
    of_sale = func.coalesce(
        -3 * func.coalesce(PlanSale.credits_id, PlanSale.id),
        -3 * InvoiceItem.pack_sale_id - 1,
        -3 * InvoiceItem.supplement_id - 2,
    )
    line_id = func.coalesce(BillItem.cut_id, of_sale).label("cut_id")
    lowered = (
        select(func.coalesce(func.sum(LineReduction.amount_minor - LineReduction.tax_minor), 0))
        .where(LineReduction.invoice_item_id == InvoiceItem.id, LineReduction.lowers_net)
        .correlate(InvoiceItem)
        .scalar_subquery()
    )
    nets = session.execute(
        select(InvoiceItem.invoice_id, line_id, func.sum(InvoiceItem.amount_minor - lowered))
        .outerjoin(BillItem, BillItem.id == InvoiceItem.bill_item_id)
        .outerjoin(PlanSale, PlanSale.id == InvoiceItem.plan_sale_id)
        .where(InvoiceItem.invoice_id.in_(known))
        .group_by(InvoiceItem.invoice_id, line_id)
        .order_by(InvoiceItem.invoice_id, func.min(InvoiceItem.position))
    ).all()
    cash, credited, taxes = _received(session, known), _credited(session, known), taxes_left(session, known)
    by_line = {
        invoice_id: tuple((row.cut_id, int(row[2])) for row in nets if row.invoice_id == invoice_id)
        for invoice_id in sorted(known)
    }
    return [
        InvoiceCash(
            invoice_id,
            base_paid(cash.get(invoice_id, 0), sum(net for _, net in lines), taxes.get(invoice_id, 0))
            + credited.get(invoice_id, 0),
            lines,
        )
        for invoice_id, lines in by_line.items()
    ]


def _received(session: Session, invoice_ids: Collection[int]) -> dict[int, int]:
    """What was paid of invoices."""
    rows = session.execute(
        select(CashReceipt.invoice_id, func.sum(CashReceipt.amount_minor))
        .where(CashReceipt.invoice_id.in_(invoice_ids))
        .group_by(CashReceipt.invoice_id)
    ).tuples()
    return {invoice_id: int(minor) for invoice_id, minor in rows if invoice_id is not None}


def _of_given_up(session: Session, invoice_ids: Collection[int]) -> set[int]:
    """The invoices of the months on these that were given up, and of what went back of them."""
    rows = session.execute(
        select(PlanSale.id, PlanSale.credits_id)
        .join(InvoiceItem, InvoiceItem.plan_sale_id == PlanSale.id)
        .where(InvoiceItem.invoice_id.in_(invoice_ids))
    ).tuples()
    months = {sale_id if credits_id is None else credits_id for sale_id, credits_id in rows}
    if not months:
        return set()
    back = session.scalars(select(PlanSale.id).where(PlanSale.credits_id.in_(months)))
    on = select(InvoiceItem.invoice_id).where(InvoiceItem.plan_sale_id.in_(months | set(back)))
    return set(session.scalars(on))


def _credited(session: Session, invoice_ids: Collection[int]) -> dict[int, int]:
    """What supplements credit on invoices: whoever bears it has paid it, so it settles the invoice like cash."""
    rows = session.execute(
        select(InvoiceItem.invoice_id, -func.sum(InvoiceItem.amount_minor))
        .where(
            InvoiceItem.invoice_id.in_(invoice_ids),
            InvoiceItem.supplement_id.is_not(None),
            InvoiceItem.amount_minor < 0,
        )
        .group_by(InvoiceItem.invoice_id)
    ).tuples()
    return {invoice_id: int(minor) for invoice_id, minor in rows}


def _shares(session: Session, item_ids: Sequence[int]) -> dict[int, list[tuple[Share, ShareCash]]]:
    """The shares funded by cash of each item, with what was made payable of each so far."""
    applied = (
        select(CashApplication.share_id, func.sum(CashApplication.amount_minor).label("minor"))
        .join(Share, Share.id == CashApplication.share_id)
        .where(Share.bill_item_id.in_(item_ids))
        .group_by(CashApplication.share_id)
        .subquery()
    )
    rows = session.execute(
        select(Share, func.coalesce(applied.c.minor, 0))
        .outerjoin(applied, applied.c.share_id == Share.id)
        .where(Share.bill_item_id.in_(item_ids), Share.funding == CASH)
        .order_by(Share.id)
    )
    found: dict[int, list[tuple[Share, ShareCash]]] = {}
    for share, minor in rows:
        row = ShareCash(share.id, share.kind, share.party_id, share.amount_minor, int(minor), share.reverses_id)
        found.setdefault(share.bill_item_id, []).append((share, row))
    return found


def _record(
    session: Session,
    moved: Sequence[tuple[Share, int]],
    earned: Sequence[tuple[PackShare, int]],
    left: Sequence[tuple[PlanShare, int]],
    cause: Cause,
    *,
    now: datetime,
) -> None:
    if not moved and not earned and not left:
        return
    receipt = cause.receipt
    kept = ("case_id", "manufacturer_id", "integrator_id", "customer_id", "party_id", "currency")
    if moved:
        session.execute(
            insert(CashApplication),
            [
                {name: getattr(share, name) for name in kept}
                | {"receipt_id": receipt.id, "share_id": share.id, "amount_minor": change, "applied_at": now}
                for share, change in moved
            ],
        )
    if earned:
        store_commissions(session, earned, receipt_id=receipt.id, now=now)
    store_rests(session, left, receipt_id=receipt.id, now=now)
    post(
        session,
        manufacturer_id=receipt.manufacturer_id,
        currency=receipt.currency,
        kind=cause.kind,
        document=cause.document,
        legs=[
            *funding_legs([ShareAmount(share.id, share.party_id, CASH, change) for share, change in moved]),
            *commission_legs(earned),
            *rest_legs(left),
        ],
        allowed_pairs=FUNDING_PAIRS,
        occurred_at=receipt.received_at,
        now=now,
        livemode=receipt.livemode,
        origin_period_id=cause.origin_period_id,
    )
