"""An amount that goes back, divided: over the lines of its invoice, over their shares or to who bears it, by the facts.

Read only, so that a page shows before the act exactly what the act does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.adjustments.ahead import divide_payment
from portal.adjustments.lines import (
    CHARGEBACKS,
    REFUNDS,
    ROUNDING,
    LineLoss,
    Of,
    Source,
    Taking,
    agreement_behind,
    minutes_back,
    named_bearer,
    signed,
    unearned_minor,
)
from portal.adjustments.models import AdjustmentPart
from portal.adjustments.rules.sharing import (
    Line,
    Part,
    Stake,
    parts_of_line,
    reduction_by_line,
    rounding_of,
    within_window,
)
from portal.adjustments.taxed import TaxedLine, charged_lines, with_tax
from portal.billing.models import BillItem, BillItemReversal, Invoice, InvoiceItem, PlanSale, PlanShare, Share
from portal.billing.packs.expiring import stands_of
from portal.billing.packs.models import PackSale
from portal.billing.packs.rules import commission_of
from portal.billing.queries import live_item
from portal.billing.rules.postings import CASH
from portal.billing.taxed import tax_minor_of
from portal.contracts.agreement import Settlement
from portal.errors import RuleBroken

__all__ = [
    "CHARGEBACKS",
    "REFUNDS",
    "LineLoss",
    "Taking",
    "bearer_of",
    "divide",
    "settlement_terms",
    "share_stakes",
    "source_of",
]


def divide(session: Session, taking: Taking, *, now: datetime) -> tuple[LineLoss, ...]:
    """Who loses what by an amount. *Raises*: RuleBroken for more than is left of what was charged."""
    if taking.invoice_id is None:
        return divide_payment(session, taking, now=now)
    lines = charged_lines(session, taking.invoice_id)
    wholes = [line.whole for line in lines]
    rounded = _rounded_minor(session, taking, wholes)
    minor = taking.amount_minor - rounded
    by_line = reduction_by_line(wholes, minor, taking.invoice_item_id) if minor or not rounded else {}
    losses = [
        _taxed_loss(session, taking, line, by_line[line.item.id], now=now) for line in lines if line.item.id in by_line
    ]
    return tuple(_with_rounding(losses, lines[-1].item, rounded))


def _taxed_loss(session: Session, taking: Taking, line: TaxedLine, minor: int, *, now: datetime) -> LineLoss:
    price, tax = line.of(minor)
    if not price:
        return LineLoss(Of(line.item.id), tax, 0, (), line.item.payer_id, tax_minor=tax)
    loss = _line_loss(session, taking, line.item, price, line.asked.gone_net_minor, now=now)
    return with_tax(loss, tax, is_unpaid=taking.paid_at is None) if tax else loss


def _rounded_minor(session: Session, taking: Taking, lines: Sequence[Line]) -> int:
    """What of a payment that goes back is its invoice's rounding; nothing where a line is named or none was paid."""
    if taking.invoice_item_id is not None or taking.paid_at is None:
        return 0
    gone = session.scalar(
        select(func.coalesce(func.sum(AdjustmentPart.amount_minor), 0)).where(
            AdjustmentPart.stage == ROUNDING,
            AdjustmentPart.invoice_item_id.in_([line.line_id for line in lines]),
        )
    )
    gone_minor = sum(line.reduced_minor for line in lines) + int(gone or 0)
    invoice = session.get_one(Invoice, taking.invoice_id)
    asked = invoice.total_minor + tax_minor_of(session, invoice.id)
    return rounding_of(lines, taking.amount_minor, asked_minor=asked, gone_minor=gone_minor)


def _with_rounding(losses: list[LineLoss], last: InvoiceItem, rounded_minor: int) -> list[LineLoss]:
    """The rounding goes back with the last line that gives something, or by itself under the invoice's last one."""
    if not rounded_minor:
        return losses
    if not losses:
        return [LineLoss(Of(last.id), rounded_minor, 0, (), last.payer_id, rounded_minor=rounded_minor)]
    whole = losses[-1].amount_minor + rounded_minor
    return [*losses[:-1], replace(losses[-1], amount_minor=whole, rounded_minor=rounded_minor)]


def _line_loss(
    session: Session, taking: Taking, item: InvoiceItem, minor: int, gone_minor: int, *, now: datetime
) -> LineLoss:
    """``gone_minor`` is what was taken off the line before."""
    source = source_of(session, item)
    settlement, bearer_id = signed(session, source, taking)
    if bearer_id is not None:
        return _borne(item, minor, bearer_id, source.customer_id)
    if isinstance(source, PackSale):
        lost = _in_time(_of_pack(session, source, taking, minor, gone_minor), taking, settlement, now)
        return LineLoss(Of(item.id), minor, 0, lost, source.customer_id, by_shares=False)
    if isinstance(source, PlanSale):
        loss = _month_loss(session, taking, item, source, minor)
        return replace(loss, parts=_in_time(loss.parts, taking, settlement, now))
    parts = _in_time(_shared(share_stakes(session, item, source), minor, taking), taking, settlement, now)
    return LineLoss(Of(item.id), minor, 0, parts, customer_id=source.customer_id)


def _month_loss(session: Session, taking: Taking, item: InvoiceItem, sale: PlanSale, minor: int) -> LineLoss:
    """Of a plan's month first what is not earned yet, with its minutes; the rest from who has earned it."""
    deferred = min(minor, unearned_minor(session, sale))
    earned = minor - deferred
    waiting = select(PlanShare.id).where(PlanShare.plan_sale_id == sale.id, PlanShare.funding == CASH)
    return LineLoss(
        Of(item.id),
        minor,
        deferred,
        _shared(_plan_stakes(session, item, sale), earned, taking) if earned else (),
        customer_id=sale.customer_id,
        withdrawn=minutes_back(session, sale, deferred),
        is_payable=session.scalar(waiting.limit(1)) is None,
    )


def _in_time(parts: tuple[Part, ...], taking: Taking, settlement: Settlement, now: datetime) -> tuple[Part, ...]:
    """The parts, what was paid too long ago as the manufacturer's; what nobody has paid yet is never too old."""
    if taking.paid_at is None:
        return parts
    return within_window(
        parts,
        paid_at=taking.paid_at,
        now=now,
        days=settlement.clawback_days,
        manufacturer_id=taking.manufacturer_id,
    )


def _of_pack(session: Session, sale: PackSale, taking: Taking, minor: int, gone_minor: int) -> tuple[Part, ...]:
    """Of a pack the seller loses its commission on what goes back, and the manufacturer the rest.

    The hours stay usable and go on earning their shares, so nobody else loses by it.
    """
    commission = stands_of(session, sale).commission_minor
    reached, before = (commission_of(each, sale.amount_minor, commission) for each in (gone_minor + minor, gone_minor))
    lost = {sale.seller_id: reached - before}
    lost[taking.manufacturer_id] = lost.get(taking.manufacturer_id, 0) + minor - reached + before
    return tuple(Part(party_id, each) for party_id, each in lost.items() if each)


def _borne(item: InvoiceItem, minor: int, bearer_id: int, customer_id: int) -> LineLoss:
    return LineLoss(Of(item.id), minor, 0, (Part(bearer_id, minor),), customer_id, by_shares=False)


def source_of(session: Session, item: InvoiceItem) -> Source:
    """What a line of an invoice charges for."""
    if item.bill_item_id is not None:
        return session.get_one(BillItem, item.bill_item_id)
    if item.pack_sale_id is not None:
        return session.get_one(PackSale, item.pack_sale_id)
    if item.supplement_id is not None:
        raise RuleBroken("This line takes back a credit: it is not given back with the invoice. Choose other lines.")
    return session.get_one(PlanSale, item.plan_sale_id)


def settlement_terms(session: Session, item: InvoiceItem) -> Settlement:
    """How the parties of an invoice's line settle; what is usual where nothing was signed."""
    agreement = agreement_behind(session, source_of(session, item))
    return agreement.settlement if agreement is not None else Settlement()


def bearer_of(session: Session, item: InvoiceItem, word: str) -> int | None:
    """Who bears what a word of the agreement behind a line names; nobody where nothing was signed."""
    return named_bearer(session, source_of(session, item), word)


def _shared(stakes: Sequence[Stake], minor: int, taking: Taking) -> tuple[Part, ...]:
    """By the shares; what they do not cover, because the work was billed anew since, is the manufacturer's."""
    room = sum(stake.weight_minor - stake.taken_minor for stake in stakes)
    covered = min(minor, max(room, 0))
    parts = parts_of_line(stakes, covered) if covered else ()
    if covered == minor:
        return parts
    if taking.paid_at is None:
        raise RuleBroken("This work was billed anew since; credit the line that stands now.")
    return (*parts, Part(taking.manufacturer_id, minor - covered))


def share_stakes(session: Session, item: InvoiceItem, billed: BillItem) -> tuple[Stake, ...]:
    """The shares of a line's work that stand now, and those that lost something before they were decided over."""
    is_gone = session.scalar(select(BillItemReversal.id).where(BillItemReversal.bill_item_id == billed.id)) is not None
    stands = live_item(session, billed.cut_id) if is_gone else billed
    taken = _taken(session, item, AdjustmentPart.share_id)
    rows: Sequence[Share] = ()
    if stands is not None:
        rows = session.scalars(select(Share).where(Share.bill_item_id == stands.id, Share.funding == CASH)).all()
    gone = {row.reverses_id for row in rows if row.reverses_id is not None}
    live = sorted((row for row in rows if row.reverses_id is None and row.id not in gone), key=lambda row: row.id)
    stakes = [Stake(row.id, row.party_id, row.amount_minor, taken.pop(row.id, 0)) for row in live]
    before = session.scalars(select(Share).where(Share.id.in_([key for key, minor in taken.items() if minor]))).all()
    return (*stakes, *(Stake(row.id, row.party_id, 0, taken[row.id]) for row in sorted(before, key=lambda row: row.id)))


def _plan_stakes(session: Session, item: InvoiceItem, sale: PlanSale) -> tuple[Stake, ...]:
    taken = _taken(session, item, AdjustmentPart.party_id)
    rows = session.execute(
        select(PlanShare.party_id, func.sum(PlanShare.amount_minor))
        .where(PlanShare.plan_sale_id == sale.id)
        .group_by(PlanShare.party_id)
        .order_by(func.min(PlanShare.id))
    ).tuples()
    return tuple(Stake(0, party, max(int(minor), 0), taken.get(party, 0)) for party, minor in rows)


def _taken(session: Session, item: InvoiceItem, key: object) -> dict[int, int]:
    """What each share, or party of a plan's month, has lost of a line so far."""
    rows = session.execute(
        select(key, func.sum(AdjustmentPart.amount_minor))  # type: ignore[call-overload]
        .where(AdjustmentPart.invoice_item_id == item.id, key.is_not(None))  # type: ignore[attr-defined]
        .where(AdjustmentPart.stage != "deferred")
        .group_by(key)
    ).tuples()
    return {int(found): int(minor) for found, minor in rows}
