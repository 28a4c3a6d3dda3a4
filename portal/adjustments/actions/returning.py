"""What was paid ahead for a plan that its buyer ended at once goes back, as its signed policy says: nobody is asked.

The month that ran was given up before, so that what goes back is money of the payer that nothing was sold of.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.adjustments.lines import agreement_behind
from portal.adjustments.models import Adjustment
from portal.adjustments.rules.asking import REFUND, SIGNED
from portal.billing.models import PlanSale
from portal.contracts.agreement import Settlement
from portal.jobs import enqueue
from portal.payments.models import CashReceipt


def return_of_plan(
    session: Session,
    receipt: CashReceipt,
    sale: PlanSale,
    *,
    amount_minor: int,
    reason: str,
    person_id: int,
    now: datetime,
) -> Adjustment:
    """A refund of a payment for a plan that ended, by the person who ended it; a job carries it out.

    ``sale`` is the month that ran: the agreement behind it says in which order money and shares go back.
    """
    agreement = agreement_behind(session, sale)
    adjustment = Adjustment(
        manufacturer_id=receipt.manufacturer_id,
        payer_id=receipt.payer_id,
        receipt_id=receipt.id,
        kind=REFUND,
        bearer=SIGNED,
        payout_order=(agreement.settlement if agreement is not None else Settlement()).refund_order,
        needs_second=False,
        currency=receipt.currency,
        amount_minor=amount_minor,
        reason=reason,
        asked_by=person_id,
        asked_at=now,
    )
    session.add(adjustment)
    session.flush()
    enqueue(session, "advance_adjustment", adjustment_id=adjustment.id)
    return adjustment
