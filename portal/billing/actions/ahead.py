"""Months of a plan that a subscription pays for: what its bills ask for each of them.

Invariant: the months of a bill sum to it, less what of it went back to its payer before it was sold: the last months
are then not paid. A month of which no bill is known yet is not sold yet.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions.changed import ChangedTerm, changed_term_at, gone_unsold_minor, unsold_minor
from portal.billing.models import PlanSale
from portal.billing.packs.rules import AHEAD, BY_INVOICE
from portal.billing.rules.plans import longer_month_minor, month_of_bill_minor, stretch_minor
from portal.billing.supplements.lasting import moved, until_moved
from portal.calendars import Period
from portal.contracts.discounts import discount_between
from portal.contracts.models import PlanChoice
from portal.contracts.reinstatement import due_from
from portal.money import allocate
from portal.payments import queries as payments


def paid_by(choice: PlanChoice) -> str:
    """Whether a choice's months stand on invoices or come out of what its subscription paid."""
    return AHEAD if "intent_id" in choice.terms else BY_INVOICE


def held_from(choice: PlanChoice, month: Period) -> datetime:
    """Since when a choice holds in one of its months; a month that it only waited in is its own, whole."""
    return month.start if month.end <= choice.from_at else max(month.start, choice.from_at)


def month_minor(session: Session, choice: PlanChoice, month: Period) -> int | None:
    """What a subscription asks for one month; None where no bill for it is known."""
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    if subscription is None:
        return None
    stretch = Period(held_from(choice, month), month.end)
    changed = changed_term_at(session, subscription.intent_id, stretch.start + (stretch.end - stretch.start) / 2)
    if changed is not None:
        return _changed_minor(session, choice, changed, stretch=stretch, month=month)
    middle = month.start + (month.end - month.start) / 2
    longer = moved(session, choice)
    for number, bill in enumerate(payments.bills_of(session, subscription.id)):
        until = until_moved(bill.covers_until, longer)
        if bill.covers_from <= middle < until:
            minor = bill.amount_minor - (_of_first_bill(choice, bill.amount_minor) if number == 0 else 0)
            gone = gone_unsold_minor(session, bill)
            if until != bill.covers_until:
                sold = _sold_minor(session, choice, bill.covers_from, month.start)
                due = longer_month_minor(max(minor - gone, sold), sold, month=month, ends_at=until)
                # A month that is sold late takes nothing from those that are sold after it.
                return min(due, max(minor - gone - _sold_minor(session, choice, bill.covers_from, until), 0))
            whole = month_of_bill_minor(minor, Period(bill.covers_from, bill.covers_until), middle)
            if not gone:
                return whole
            return min(whole, max(minor - gone - _sold_minor(session, choice, bill.covers_from, until), 0))
    return None


def _changed_minor(
    session: Session, choice: PlanChoice, changed: ChangedTerm, *, stretch: Period, month: Period
) -> int:
    """What of a changed term is for a month: of what is not sold yet, over the months to its end.

    A month of the plan before the change that is sold late costs what its own bill asks for it, as far as that is left.
    """
    left = max(unsold_minor(session, changed), 0)
    *_, change = (row for row in changed.bills if row.change_intent_id)
    if choice.terms.get("change_intent") == str(change.change_intent_id) or choice.from_at >= change.covers_from:
        return stretch_minor(left, stretch=stretch, month=month, ends_at=changed.term.ends_at)
    first = changed.bills[0]
    minor = first.amount_minor - _of_first_bill(choice, first.amount_minor)
    middle = month.start + (month.end - month.start) / 2
    return min(month_of_bill_minor(minor, Period(first.covers_from, first.covers_until), middle), left)


def reinstatement_minor(session: Session, choice: PlanChoice) -> int:
    """What a choice owes, or has paid, for taking a lapsed plan up again; 0 while its first bill is not known."""
    kept = choice.terms.get("reinstatement", {})
    if paid_by(choice) != AHEAD:
        return due_from(kept)
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    bills = payments.bills_of(session, subscription.id) if subscription is not None else ()
    return _of_first_bill(choice, bills[0].amount_minor) if bills else 0


def month_discount_minor(session: Session, choice: PlanChoice, month: Period, price_minor: int) -> int:
    """What a promotion code took off a month that is sold at a price: its part of the first bill's discount."""
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    bills = payments.bills_of(session, subscription.id) if subscription is not None and _discount(choice) else ()
    middle = month.start + (month.end - month.start) / 2
    for bill in bills[:1]:
        if bill.covers_from <= middle < until_moved(bill.covers_until, moved(session, choice)):
            whole = bill.amount_minor - _of_first_bill(choice, bill.amount_minor)
            sold = _sold_minor(session, choice, bill.covers_from, month.start)
            off = _discount(choice) - reinstatement_discount_minor(choice)
            return discount_between(off, whole, sold, sold + price_minor)
    return 0


def reinstatement_discount_minor(choice: PlanChoice) -> int:
    """What a promotion code took off the taking up of a lapsed plan: it took off the plan alike."""
    return _of_first_bill(choice, _discount(choice)) if _discount(choice) else 0


def _discount(choice: PlanChoice) -> int:
    """What a promotion code took off all of the first bill."""
    return int(choice.terms.get("discount_minor", 0))


def _sold_minor(session: Session, choice: PlanChoice, since: datetime, until: datetime) -> int:
    """What of a bill's time is sold by months so far; they are in its currency."""
    mine = (PlanSale.plan_choice_id == choice.id, PlanSale.kind == "month")
    return sum(
        sale.amount_minor
        for sale in session.scalars(select(PlanSale).where(*mine))
        if since <= sale.starts_at + (sale.ends_at - sale.starts_at) / 2 < until
    )


def _of_first_bill(choice: PlanChoice, bill_minor: int) -> int:
    """The reinstatement within a first bill; a promotion code took off both alike."""
    kept = choice.terms.get("reinstatement", {})
    minor = due_from(kept)
    return allocate(bill_minor, [int(kept["with_minor"]) - minor, minor])[1] if minor else 0
