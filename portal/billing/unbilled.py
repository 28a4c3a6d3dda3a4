"""What approved work and parts are worth that no bill item covers yet: for the accrual at a period's end.

The same rating as the bill, over the work that ended by then, less what stands on earlier items. An estimate: a
resolution, a correction or more work may still change the price, so what is accrued is taken back in the next period.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.billing.facts import PERIOD_END, up_to
from portal.billing.gathering import facts_of, read_cases
from portal.billing.models import BillingCut, BillItem
from portal.billing.queries import stands
from portal.billing.rules import parts_by_payer
from portal.cases.models import SupportCase
from portal.rating.engine import rate
from portal.rating.facts import INTEGRATOR

_CASES = text(
    """
    SELECT DISTINCT entry.case_id
    FROM time_entry entry JOIN time_approval ON time_approval.entry_id = entry.id
    WHERE entry.manufacturer_id = :manufacturer_id AND entry.ended_at <= :before AND entry.case_id > :after
      AND NOT EXISTS (SELECT FROM time_reversal WHERE time_reversal.entry_id = entry.id)
      AND NOT EXISTS (
          SELECT FROM bill_segment segment JOIN bill_line line ON line.id = segment.line_id
          WHERE segment.entry_id = entry.id
            AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = line.bill_item_id))
    UNION
    SELECT part.case_id
    FROM fitted_part part
    WHERE part.manufacturer_id = :manufacturer_id AND part.fitted_at <= :before AND part.case_id > :after
      AND (NOT part.needs_second OR EXISTS (SELECT FROM part_confirmation sure WHERE sure.part_id = part.id))
      AND NOT EXISTS (SELECT FROM part_reversal WHERE part_reversal.part_id = part.id)
      AND NOT EXISTS (
          SELECT FROM bill_item item JOIN billing_cut ON billing_cut.id = item.cut_id
          WHERE item.case_id = part.case_id
            AND (billing_cut.kind = 'closing' OR billing_cut.cut_at >= part.fitted_at)
            AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = item.id))
    ORDER BY case_id LIMIT :most
    """
)


@dataclass(frozen=True)
class UnbilledWork:
    """What one payer of a case would owe for work that is on no bill item."""

    case_id: int
    case_name: str
    payer_id: int
    currency: str
    amount_minor: int


def cases_with_unbilled_work(
    session: Session, manufacturer_id: int, *, before: datetime, after: int, most: int
) -> Sequence[int]:
    """Cases with approved work or parts of that time on no item that stands, by id from ``after`` on."""
    values = {"manufacturer_id": manufacturer_id, "before": before, "after": after, "most": most}
    return session.scalars(_CASES, values).all()


def unbilled_work(session: Session, case_ids: Sequence[int], *, before: datetime) -> Iterator[UnbilledWork]:
    """What the cases' work up to ``before`` is worth beyond what was billed; nothing where that is nothing.

    *Raises*: NotFound or RuleBroken for a case that its documents cannot price.
    """
    cases = session.scalars(select(SupportCase).where(SupportCase.id.in_(case_ids)).order_by(SupportCase.id)).all()
    if not cases:
        return
    billed = _billed(session, case_ids)
    parties: dict[tuple[int | None, ...], dict[str, int]] = {}
    # No row: it only says up to when the work counts.
    until = BillingCut(kind=PERIOD_END, cut_at=before)
    for read in read_cases(session, cases):
        case = read.case
        facts = up_to(facts_of(session, read, parties=parties), until)
        for part in parts_by_payer(rate(facts.facts, facts.work, facts.grants, facts.tariff)):
            payer_id = case.integrator_id if part.payer == INTEGRATOR else case.customer_id
            left = part.rated.amount_minor - billed.get((case.id, payer_id), 0)
            if left > 0:
                yield UnbilledWork(case.id, case.name, payer_id, facts.tariff.currency, left)


def _billed(session: Session, case_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    rows = session.execute(
        select(BillItem.case_id, BillItem.payer_id, func.sum(BillItem.amount_minor))
        .where(BillItem.case_id.in_(case_ids), stands())
        .group_by(BillItem.case_id, BillItem.payer_id)
    )
    return {(case_id, payer_id): int(minor) for case_id, payer_id, minor in rows}
