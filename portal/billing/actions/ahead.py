"""Months of a plan that a subscription pays for: what its bills ask for each of them.

Invariant: the months of a bill sum to it. A month of which no bill is known yet is not sold yet.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from portal.billing.packs.rules import AHEAD, BY_INVOICE
from portal.billing.rules.plans import month_of_bill_minor
from portal.calendars import Period
from portal.contracts.models import PlanChoice
from portal.payments import queries as payments


def paid_by(choice: PlanChoice) -> str:
    """Whether a choice's months stand on invoices or come out of what its subscription paid."""
    return AHEAD if "intent_id" in choice.terms else BY_INVOICE


def month_minor(session: Session, choice: PlanChoice, month: Period) -> int | None:
    """What a subscription asks for one month; None where no bill for it is known."""
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    if subscription is None:
        return None
    middle = month.start + (month.end - month.start) / 2
    for bill in payments.bills_of(session, subscription.id):
        if bill.covers_from <= middle < bill.covers_until:
            return month_of_bill_minor(bill.amount_minor, Period(bill.covers_from, bill.covers_until), middle)
    return None
