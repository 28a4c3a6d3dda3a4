"""Invoices: what a payer owes of a period goes onto one invoice, issued through Stripe by the intent it names.

Invariants: a bill item is charged once and, once taken back, credited once; a plan's month or a pack is charged
once; an invoice's total is above zero, so that a credit that is larger than what is charged waits for the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    any_,
    cast,
    exists,
    func,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session

from portal.billing.actions.issuing import CHARGE, CREDIT, Claim, Sheet, common_of, issue
from portal.billing.actions.money import debtor_of
from portal.billing.actions.months import plan_debtor, plan_words
from portal.billing.models import BillItem, BillItemReversal, Invoice, InvoiceItem, PlanSale, Share
from portal.billing.packs.models import PackSale
from portal.billing.packs.rules import BY_INVOICE
from portal.billing.packs.selling import pack_words
from portal.billing.queries import stands
from portal.billing.rules.postings import SET_OFF
from portal.billing.supplements.actions import supplement_debtor
from portal.billing.supplements.models import Supplement
from portal.billing.tax_classes import classes_of
from portal.billing.taxed import Parties
from portal.cases.models import SupportCase
from portal.entitlement.orders.queries import orders_behind
from portal.errors import NotFound
from portal.ledger.models import Period
from portal.payments.actions import MOST_INVOICE_LINES
from portal.rows import Fact

# What of an item its invoice is made from: a month has too many items for whole rows.
_ITEM = tuple(
    getattr(BillItem, name)
    for name in (
        *("id", "case_id", "manufacturer_id", "integrator_id", "customer_id", "payer_id", "collector_id"),
        *("seller_of_record_id", "currency", "amount_minor", "occurred_at"),
    )
)


def gather_invoices(
    session: Session,
    period_id: int,
    *,
    now: datetime,
    livemode: bool = False,
    debtor_ids: Collection[int] | None = None,
    automatic_tax: bool = False,
) -> list[Invoice]:
    """Invoice what was billed up to a period and is on no invoice yet, of all debtors or of some.

    ``automatic_tax`` has Stripe reckon tax on it. Again finds nothing more. *Raises*: NotFound.
    """
    period = session.get(Period, period_id)
    if period is None:
        raise NotFound()
    key = f"invoices:{period.manufacturer_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    claims = sorted(_claims(session, period, debtor_ids), key=lambda claim: claim.order)
    classes = classes_of(session, [claim.item for claim in claims]) if automatic_tax else {}
    # A line that is taxed by several classes is as many lines at Stripe.
    most = MOST_INVOICE_LINES // max(map(len, classes.values()), default=1)
    sheets: list[Sheet] = []
    for (debtor_id, currency, seller_id), mine in groupby(claims, key=lambda claim: claim.group):
        pages = list(_pages(list(mine), most))
        if pages:
            parties = Parties(period.manufacturer_id, debtor_id, seller_id)
            common = common_of(session, period, parties, currency, now=now, livemode=livemode, is_taxed=automatic_tax)
            for part, page in enumerate(pages, start=common.parts_before + 1):
                by_class = [classes.get(f"{claim.table}-{claim.item.id}", ()) for claim in page]
                sheets.append(Sheet(common, part, page, by_class))
    return issue(session, sheets)


def _claims(session: Session, period: Period, debtor_ids: Collection[int] | None) -> Iterable[Claim]:
    found = list(_open_items(session, period, debtor_ids))
    item_ids = cast([item.id for _, item in found], ARRAY(BigInteger))
    kept = dict(
        session.execute(
            select(Share.bill_item_id, func.sum(Share.amount_minor))
            .where(Share.bill_item_id == any_(item_ids), Share.funding == SET_OFF, Share.kind == "original")
            .group_by(Share.bill_item_id)
        )
        .tuples()
        .all()
    )
    behind = orders_behind(session, [(item.case_id, debtor_of(item)) for _, item in found])
    for kind, item in found:
        due = item.amount_minor - int(kept.get(item.id, 0))
        if due:
            orders = behind.get((item.case_id, debtor_of(item)), ())
            words = ", ".join(
                [
                    f"{item.case_name}, support on {item.occurred_at.date()}",
                    *(f"order {each.number}" for each in orders),
                ]
            )
            sign = 1 if kind == CHARGE else -1
            yield Claim(item, kind, debtor_of(item), sign * due, words if sign > 0 else f"Credit: {words}", orders)
    for one in session.scalars(_open_supplements(period, debtor_ids)):
        kind = CHARGE if one.amount_minor > 0 else CREDIT
        words = one.description if kind == CHARGE else f"Credit: {one.description}"
        yield Claim(one, kind, supplement_debtor(one), one.amount_minor, words)
    for sale in session.scalars(_open_sales(period, debtor_ids)):
        kind = CHARGE if sale.amount_minor > 0 else CREDIT
        words = plan_words(session, sale) if kind == CHARGE else f"Credit: {plan_words(session, sale)}"
        yield Claim(sale, kind, plan_debtor(sale), sale.amount_minor, words)
    for pack in session.scalars(_open_packs(period, debtor_ids)):
        yield Claim(pack, CHARGE, pack.payer_id, pack.amount_minor, pack_words(session, pack))


def _owed_by(item: type[BillItem | PlanSale | Supplement], debtor_ids: Collection[int] | None) -> ColumnElement[bool]:
    """Rows that one of these debtors owes, as ``debtor_of`` and ``plan_debtor`` have it."""
    if debtor_ids is None:
        return true()
    collects = (item.collector_id == item.integrator_id) & (item.integrator_id != item.manufacturer_id)
    if item is BillItem:
        collects &= item.payer_id == item.customer_id
    # Each side reads an index of its own.
    return (collects & item.collector_id.in_(debtor_ids)) | (~collects & item.payer_id.in_(debtor_ids))


def _open_sales(period: Period, debtor_ids: Collection[int] | None) -> Select[PlanSale]:
    """Months of plans that were sold up to the period and are on no invoice."""
    return (
        select(PlanSale)
        .join(Period, Period.id == PlanSale.period_id)
        .where(
            PlanSale.manufacturer_id == period.manufacturer_id,
            Period.starts_at <= period.starts_at,
            _owed_by(PlanSale, debtor_ids),
            PlanSale.paid_by == BY_INVOICE,
            PlanSale.id.not_in(select(InvoiceItem.plan_sale_id).where(InvoiceItem.plan_sale_id.is_not(None))),
        )
        .order_by(PlanSale.id)
    )


def _open_supplements(period: Period, debtor_ids: Collection[int] | None) -> Select[Supplement]:
    """Supplements up to the period that somebody owes, or has coming, and that are on no invoice."""
    return (
        select(Supplement)
        .join(Period, Period.id == Supplement.period_id)
        .where(
            Supplement.manufacturer_id == period.manufacturer_id,
            Supplement.amount_minor != 0,
            Period.starts_at <= period.starts_at,
            _owed_by(Supplement, debtor_ids),
            Supplement.id.not_in(select(InvoiceItem.supplement_id).where(InvoiceItem.supplement_id.is_not(None))),
        )
        .order_by(Supplement.id)
    )


def _open_packs(period: Period, debtor_ids: Collection[int] | None) -> Select[PackSale]:
    """Packs that were sold up to the period, are not paid otherwise and are on no invoice."""
    return (
        select(PackSale)
        .join(Period, Period.id == PackSale.period_id)
        .where(
            PackSale.manufacturer_id == period.manufacturer_id,
            PackSale.paid_by == BY_INVOICE,
            Period.starts_at <= period.starts_at,
            true() if debtor_ids is None else PackSale.payer_id.in_(debtor_ids),
            PackSale.id.not_in(select(InvoiceItem.pack_sale_id).where(InvoiceItem.pack_sale_id.is_not(None))),
        )
        .order_by(PackSale.id)
    )


def _open_items(session: Session, period: Period, debtor_ids: Collection[int] | None) -> Iterable[tuple[str, Fact]]:
    """Items that stand and were never charged, and items taken back that were charged and never credited."""
    base = (
        select(*_ITEM, SupportCase.name.label("case_name"))
        .join(SupportCase, SupportCase.id == BillItem.case_id)
        .join(Period, Period.id == BillItem.period_id)
        .where(
            BillItem.manufacturer_id == period.manufacturer_id,
            BillItem.amount_minor > 0,
            Period.starts_at <= period.starts_at,
            _owed_by(BillItem, debtor_ids),
        )
        .order_by(BillItem.id)
    )
    billed = InvoiceItem.bill_item_id.is_not(None)
    charged = select(InvoiceItem.bill_item_id).where(billed, InvoiceItem.kind == CHARGE)
    credited = select(InvoiceItem.bill_item_id).where(billed, InvoiceItem.kind == CREDIT)
    for row in session.execute(
        base.where(stands(), ~exists().where(InvoiceItem.bill_item_id == BillItem.id, InvoiceItem.kind == CHARGE))
    ).mappings():
        yield CHARGE, Fact(**row)
    taken_back = base.join(BillItemReversal, BillItemReversal.bill_item_id == BillItem.id)
    for row in session.execute(taken_back.where(BillItem.id.in_(charged), BillItem.id.not_in(credited))).mappings():
        yield CREDIT, Fact(**row)


def _pages(claims: Sequence[Claim], most: int) -> Iterable[Sequence[Claim]]:
    """The claims of one payer by invoice, credits on the first; a page that nobody would owe is left for later."""
    credits_ = [claim for claim in claims if claim.kind == CREDIT][: most // 2]
    charges = [claim for claim in claims if claim.kind == CHARGE]
    if sum(claim.amount_minor for claim in claims) <= 0:
        return
    first = most - len(credits_)
    pages = [[*credits_, *charges[:first]]]
    pages += [charges[at : at + most] for at in range(first, len(charges), most)]
    for page in pages:
        if sum(claim.amount_minor for claim in page) > 0:
            yield page
