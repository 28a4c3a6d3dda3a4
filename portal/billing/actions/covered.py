"""Who resolved the cases that a plan covered in a month: by this what the month left unused is divided among resolvers.

A case counts once, in the month in which it was resolved, when its outcome is settled; a month without such a case
falls back to the document's word.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.gathering import read_cases
from portal.billing.models import PlanSale
from portal.cases.models import SupportCase
from portal.contracts.blocks import Weights
from portal.contracts.sharing import average_weights

MOST_CASES = 1_000


def covered_weights(session: Session, sale: PlanSale, fallback: Weights) -> Weights:
    """The average weights of the month's covered cases; the fallback where nobody resolved one."""
    cases = session.scalars(
        select(SupportCase)
        .where(
            SupportCase.site_id == sale.site_id,
            SupportCase.manufacturer_id == sale.manufacturer_id,
            SupportCase.integrator_id == sale.integrator_id,
            SupportCase.plan_code == sale.plan_code,
            SupportCase.state.in_(("resolved", "closed")),
            SupportCase.resolved_at >= sale.starts_at,
            SupportCase.resolved_at < sale.ends_at,
        )
        .order_by(SupportCase.id)
        .limit(MOST_CASES)
    ).all()
    if not cases:
        return fallback
    outcomes = [read.outcome for read in read_cases(session, cases)]
    return average_weights([each.weights for each in outcomes if each.weights is not None], fallback)
