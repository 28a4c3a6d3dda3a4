"""What a plan that was left within its minimum term still owes is sold by itself, and stands on the next invoice.

It is charged once the plan has ended and what was paid is over: until then its buyer can keep the plan, and finance can
let it go. Invariants: a purchase is charged once; what finance let go is not charged, even while its job still waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry
from portal.billing.actions.months import LEFT_EARLY, keep_sale
from portal.billing.models import PlanSale
from portal.billing.packs.rules import BY_INVOICE
from portal.calendars import Period
from portal.entitlement.queries import terms_in_force
from portal.errors import PeriodClosed
from portal.money import Money
from portal.payments.rules import SUBSCRIPTION_ENDED
from portal.selling.actions.ending import leaving_cost
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import Bought, bought, choices_of
from portal.selling.rules import Step

_MOMENT = timedelta(seconds=1)


def charge_early_ends(session: Session, *, now: datetime, livemode: bool = False) -> int:
    """The job: sell the rest of each term that was left; how many. Again adds nothing; closed books are waited for."""
    let_go = select(PurchaseStep.purchase_id).where(PurchaseStep.kind == Step.LET_GO)
    rows = session.scalars(
        select(Purchase)
        .join(PurchaseStep, PurchaseStep.purchase_id == Purchase.id)
        .where(PurchaseStep.kind == Step.LEFT_EARLY, Purchase.id.not_in(let_go))
        .order_by(Purchase.id)
    ).all()
    return sum(_charge(session, row, now=now, livemode=livemode) for row in rows)


def charged_sale(session: Session, found: Bought) -> PlanSale | None:
    """What was sold for the rest of a purchase's term."""
    choices = [each.id for each in choices_of(session, found.purchase)]
    mine = (PlanSale.plan_choice_id.in_(choices), PlanSale.kind == LEFT_EARLY)
    return session.scalars(select(PlanSale).where(*mine)).one_or_none()


def _charge(session: Session, purchase: Purchase, *, now: datetime, livemode: bool) -> int:
    # As whoever follows the purchase: one transaction at a time.
    key = f"purchase:{purchase.id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    found = bought(session, purchase)
    leaving, choices = leaving_cost(session, found), choices_of(session, purchase)
    has_ended = found.seen is not None and found.seen.status == SUBSCRIPTION_ENDED
    if leaving is None or not choices or not has_ended or now < leaving.ends_at:
        return 0
    if {Step.LAPSED, Step.RETURNED} & set(found.steps) or _was_let_go(session, purchase):
        return 0
    if charged_sale(session, found) is not None:
        return 0
    terms = terms_in_force(
        session, manufacturer_id=purchase.manufacturer_id, integrator_id=purchase.integrator_id, at=leaving.ends_at
    )
    each, owed = (Money(minor, purchase.currency) for minor in (leaving.each_minor, leaving.owed_minor))
    said = f"Taken until {leaving.minimum_until} and left on {leaving.ends_on}:"
    said += f" {leaving.owed_minor // leaving.each_minor} × {each} are owed for the rest of the term, {owed}."
    try:
        with session.begin_nested():
            return keep_sale(
                session,
                choices[-1],
                terms,
                kind=LEFT_EARLY,
                price_minor=leaving.owed_minor,
                # Nothing is served for it any more: it is earned at once.
                covered=Period(leaving.ends_at, leaving.ends_at + _MOMENT),
                explanation={"minimum_until": leaving.minimum_until.isoformat(), "sentences": [said]},
                how=BY_INVOICE,
                now=now,
                livemode=livemode,
            )
    except PeriodClosed:
        return 0


def _was_let_go(session: Session, purchase: Purchase) -> bool:
    mine = (AuditEntry.act == "close_early_end", AuditEntry.object_id == str(purchase.id))
    return session.scalar(select(AuditEntry.id).where(*mine).limit(1)) is not None
