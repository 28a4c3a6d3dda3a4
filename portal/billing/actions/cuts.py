"""Billing cuts: the points up to which a case is billed, made by its closing and by a period's end.

A cut only marks the point; its bill item follows by the job ``bill_cut``, at once or when what holds it is gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.billing.facts import CLOSING, PERIOD_END
from portal.billing.models import BillingCut
from portal.cases.models import SupportCase
from portal.contracts.queries import policy_in_force
from portal.errors import NotFound, RuleBroken
from portal.jobs import enqueue

# What a period's end bills: approved work and parts that were fitted, old enough, on no item yet, of a case that is not
# closed. A part stands on no segment: what its case was cut at since it was fitted has billed it.
_OLD_WORK = text(
    """
    SELECT done.case_id
    FROM (SELECT entry.case_id, entry.ended_at AS done_at
          FROM time_entry entry
          JOIN time_approval ON time_approval.entry_id = entry.id
          WHERE entry.manufacturer_id = :manufacturer_id AND entry.ended_at <= :old
            AND NOT EXISTS (SELECT FROM time_reversal WHERE time_reversal.entry_id = entry.id)
            AND NOT EXISTS (SELECT FROM bill_segment WHERE bill_segment.entry_id = entry.id)
          UNION ALL
          SELECT part.case_id, part.fitted_at
          FROM fitted_part part
          WHERE part.manufacturer_id = :manufacturer_id AND part.fitted_at <= :old
            AND (NOT part.needs_second OR EXISTS (SELECT FROM part_confirmation sure WHERE sure.part_id = part.id))
            AND NOT EXISTS (SELECT FROM part_reversal WHERE part_reversal.part_id = part.id)) done
    WHERE NOT EXISTS (SELECT FROM billing_cut
                      WHERE billing_cut.case_id = done.case_id
                        AND (billing_cut.kind = 'closing' OR billing_cut.cut_at >= done.done_at))
    GROUP BY done.case_id
    ORDER BY done.case_id
    """
)


def cut(session: Session, case: SupportCase, kind: str, *, now: datetime, cut_at: datetime | None = None) -> BillingCut:
    """Mark a point up to which the case is billed and enqueue its bill; the same point again is harmless.

    *Raises*: RuleBroken for a period's end after the case's closing.
    """
    lock_case(session, case.id)
    cuts = session.scalars(select(BillingCut).where(BillingCut.case_id == case.id).order_by(BillingCut.seq)).all()
    at = cut_at or now
    closing = next((each for each in cuts if each.kind == CLOSING), None)
    if kind == CLOSING and closing is not None:
        return closing
    if closing is not None:
        raise RuleBroken("A closed case is billed by its closing.")
    for each in cuts:
        if each.kind == kind and each.cut_at == at:
            return each
    made = add_cut(session, case, kind, at)
    enqueue(session, "bill_cut", case_id=case.id)
    return made


def add_cut(session: Session, case: SupportCase, kind: str, cut_at: datetime) -> BillingCut:
    """The row of the case's next cut; the caller holds the case."""
    last: int = (
        session.scalar(select(func.coalesce(func.max(BillingCut.seq), 0)).where(BillingCut.case_id == case.id)) or 0
    )
    made = BillingCut(
        case_id=case.id,
        manufacturer_id=case.manufacturer_id,
        integrator_id=case.integrator_id,
        customer_id=case.customer_id,
        seq=last + 1,
        kind=kind,
        cut_at=cut_at,
    )
    session.add(made)
    session.flush()
    return made


def cut_period_end(session: Session, manufacturer_id: int, *, cut_at: datetime, now: datetime) -> int:
    """Cut every running case with approved work or parts older than the policy's days at a period's end; how many."""
    days = policy_in_force(session, manufacturer_id, cut_at).policy.lifecycle.interim_cut_days
    if days is None:
        return 0
    old = {"manufacturer_id": manufacturer_id, "old": cut_at - timedelta(days=days)}
    case_ids = session.scalars(_OLD_WORK, old).all()
    for case_id in case_ids:
        cut(session, lock_case(session, case_id), PERIOD_END, now=now, cut_at=cut_at)
    return len(case_ids)


def lock_case(session: Session, case_id: int) -> SupportCase:
    """The case, held by this transaction: its bills are made one after the other. *Raises*: NotFound."""
    case = session.scalars(
        select(SupportCase)
        .where(SupportCase.id == case_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if case is None:
        raise NotFound()
    return case
