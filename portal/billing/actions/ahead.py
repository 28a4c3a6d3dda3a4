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
from portal.contracts.reinstatement import due_from
from portal.money import allocate
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
    for number, bill in enumerate(payments.bills_of(session, subscription.id)):
        if bill.covers_from <= middle < bill.covers_until:
            minor = bill.amount_minor - (_of_first_bill(choice, bill.amount_minor) if number == 0 else 0)
            return month_of_bill_minor(minor, Period(bill.covers_from, bill.covers_until), middle)
    return None


def reinstatement_minor(session: Session, choice: PlanChoice) -> int:
    """What a choice owes, or has paid, for taking a lapsed plan up again; 0 while its first bill is not known."""
    kept = choice.terms.get("reinstatement", {})
    if paid_by(choice) != AHEAD:
        return due_from(kept)
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    bills = payments.bills_of(session, subscription.id) if subscription is not None else ()
    return _of_first_bill(choice, bills[0].amount_minor) if bills else 0


def _of_first_bill(choice: PlanChoice, bill_minor: int) -> int:
    """The reinstatement within a first bill; a promotion code took off both alike."""
    kept = choice.terms.get("reinstatement", {})
    minor = due_from(kept)
    return allocate(bill_minor, [int(kept["with_minor"]) - minor, minor])[1] if minor else 0
