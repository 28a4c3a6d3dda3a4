"""A term of a subscription within which its plan was changed at once: what was paid for it, and what of that is sold.

The months of the plan that took the other's place share what is not sold yet: what the change charged, and what the
month that ran gave back. So the term's months and its bills come to the same, to the cent.

Invariant: what is sold of a term is never more than was paid for it and has not gone back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.models import PlanSale
from portal.billing.queries import taken_of_payment
from portal.billing.rules.plans import Term, terms_of
from portal.billing.supplements.lasting import moved, until_moved
from portal.calendars import Period
from portal.contracts.models import PlanChoice
from portal.payments import queries as payments
from portal.payments.models import CashReceipt, SubscriptionBill


@dataclass(frozen=True)
class ChangedTerm:
    """The bills of a term in their order, what was sold of it so far, and when it ends."""

    bills: tuple[SubscriptionBill, ...]
    sales: tuple[PlanSale, ...]
    term: Term

    @property
    def sold_minor(self) -> int:
        """What its months come to, less what they gave back."""
        return sum(sale.amount_minor for sale in self.sales)


def changed_term_at(session: Session, intent_id: UUID, at: datetime) -> ChangedTerm | None:
    """The term of a checkout's subscription that an instant is in, where its plan was changed at once within it."""
    subscription = payments.subscription_of(session, intent_id)
    bills = payments.bills_of(session, subscription.id) if subscription is not None else ()
    if not any(row.change_intent_id for row in bills):
        return None
    paid = PlanChoice.terms["intent_id"].astext == str(intent_id)
    longer = [row for choice in session.scalars(select(PlanChoice).where(paid)) for row in moved(session, choice)]
    said = [
        (row.id, Period(row.covers_from, until_moved(row.covers_until, longer)), row.change_intent_id is not None)
        for row in bills
    ]
    for term in terms_of(said):
        if term.is_changed and term.starts_at <= at < term.ends_at:
            mine = tuple(row for row in bills if row.id in term.bill_ids)
            return ChangedTerm(mine, _sales(session, intent_id, term, is_first=mine[0].id == bills[0].id), term)
    return None


def unsold_minor(session: Session, changed: ChangedTerm, *, until: SubscriptionBill | None = None) -> int:
    """What of a term's payments is neither sold nor gone; of those before a bill where one is named."""
    bills = changed.bills if until is None else changed.bills[: changed.bills.index(until)]
    return sum(bill.amount_minor - gone_unsold_minor(session, bill) for bill in bills) - changed.sold_minor


def gone_unsold_minor(session: Session, bill: SubscriptionBill) -> int:
    """What of a bill's payment went back before it was sold."""
    receipts = session.scalars(select(CashReceipt.id).where(CashReceipt.bill_id == bill.id)).all()
    return sum(taken_of_payment(session, receipt_id).prepaid_minor for receipt_id in receipts)


def _sales(session: Session, intent_id: UUID, term: Term, *, is_first: bool) -> tuple[PlanSale, ...]:
    """What was sold of a term, in order; the first one also paid for taking a lapsed plan up again."""
    rows: Sequence[PlanSale] = session.scalars(
        select(PlanSale)
        .join(PlanChoice, PlanChoice.id == PlanSale.plan_choice_id)
        .where(PlanSale.paid_by == "ahead", PlanChoice.terms["intent_id"].astext == str(intent_id))
        .order_by(PlanSale.starts_at, PlanSale.id)
    ).all()
    return tuple(sale for sale in rows if (is_first if sale.kind == "reinstatement" else _within(sale, term)))


def _within(sale: PlanSale, term: Term) -> bool:
    middle = sale.starts_at + (sale.ends_at - sale.starts_at) / 2
    return term.starts_at <= middle < term.ends_at
