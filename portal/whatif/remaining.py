"""What was recorded in the period and is not recomputed by a draft: how much of each kind, by currency.

Nothing here is in the sums of the comparison, but for what the sentence of its kind says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.adjustments.models import AdjustmentPart
from portal.billing.models import BillItem, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.queries import stands
from portal.billing.supplements.models import Supplement
from portal.whatif.discounts import PACKS, PLANS, Discounted
from portal.whatif.question import Question

CASES = "Bills of cases that are left out"
MONTHS = (
    "Plans sold: their months stand beside their price in the draft, but what is earned of them is shared as signed"
)
SOLD_PACKS = (
    "Packs sold: their price, the seller's commission and what expires stay as signed; their use is in the cases"
)
SUPPLEMENTS = "Remedies, warranty labour, parts and referral bonuses"
ADJUSTMENTS = "What parties lost by refunds, credits and other adjustments"


def not_recomputed(
    session: Session, question: Question, currency: str, compared_minor: int, lowered: Discounted
) -> list[dict[str, Any]]:
    """A row for each kind and currency there is any of; ``compared_minor`` is what was compared, in ``currency``."""
    found = []
    for what, count, code, minor in _rows(session, question, lowered):
        left = minor - compared_minor if (what, code) == (CASES, currency) else minor
        if left:
            found.append({"what": what, "count": None if what == CASES else count, "currency": code, "amount": left})
    return found


def _rows(session: Session, question: Question, lowered: Discounted) -> Iterator[tuple[str, int, str, int]]:
    kinds: tuple[tuple[str, Any, Any, tuple[ColumnElement[bool], ...]], ...] = (
        (CASES, BillItem, BillItem.occurred_at, (stands(),)),
        (MONTHS, PlanSale, PlanSale.starts_at, (PlanSale.id.not_in(lowered.sales[PLANS]),)),
        (SOLD_PACKS, PackSale, PackSale.sold_at, (PackSale.id.not_in(lowered.sales[PACKS]),)),
        (SUPPLEMENTS, Supplement, Supplement.occurred_at, ()),
        (ADJUSTMENTS, AdjustmentPart, AdjustmentPart.recorded_at, (AdjustmentPart.cause_type == "adjustment",)),
    )
    for what, table, at, only in kinds:
        wanted = (
            select(func.count(), table.currency, func.sum(table.amount_minor))
            .where(table.manufacturer_id == question.manufacturer_id, at >= question.from_at, at < question.until_at)
            .where(*only)
            .group_by(table.currency)
            .order_by(table.currency)
        )
        if question.integrator_id is not None:
            # A company learns of its own partnership only, and of adjustments what it lost itself.
            of_partnership = table.party_id if table is AdjustmentPart else table.integrator_id
            wanted = wanted.where(of_partnership == question.integrator_id)
        for count, code, minor in session.execute(wanted).tuples():
            yield what, int(count), code, int(minor or 0)
