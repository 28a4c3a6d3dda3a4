"""Plans that are left within their minimum term: what is still owed, and what finance made of it.

What is owed goes on the next invoice when what is paid is over (``actions.charging``); until then finance can close the
finding with what was agreed with the customer, and nothing is charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.audit import actions as audit
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.payments.rules import SUBSCRIPTION_ENDED
from portal.rows import insert_once
from portal.selling.actions.charging import charged_sale
from portal.selling.actions.ending import leaving_cost
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import Bought, bought
from portal.selling.rules import Step

LONGEST_EXPLANATION = 500


@dataclass(frozen=True)
class EarlyEnd:
    """A plan that ends before its minimum term does; paid until ``ends_at``, ``ends_on`` by its policy's days."""

    purchase: Purchase
    since: datetime
    ends_at: datetime
    ends_on: date
    minimum_until: date
    owed_minor: int
    each_minor: int


def early_end_of(session: Session, found: Bought) -> EarlyEnd | None:
    """The finding of a purchase while it is one: not where the end was taken back, or finance closed it."""
    leaving = leaving_cost(session, found)
    step, seen = found.steps.get(Step.LEFT_EARLY), found.seen
    if step is None or seen is None or leaving is None or Step.LET_GO in found.steps:
        return None
    if not seen.ends_with_period and seen.status != SUBSCRIPTION_ENDED:
        return None
    return EarlyEnd(
        purchase=found.purchase,
        since=step.happened_at,
        ends_at=leaving.ends_at,
        ends_on=leaving.ends_on,
        minimum_until=leaving.minimum_until,
        owed_minor=leaving.owed_minor,
        each_minor=leaving.each_minor,
    )


def early_ends(session: Session, actor: Actor, *, most: int = 200) -> list[EarlyEnd]:
    """The findings of the actor's manufacturer, the oldest first. *Raises*: NotAllowed."""
    _must_be_finance(actor)
    rows = session.scalars(
        select(Purchase)
        .join(PurchaseStep, PurchaseStep.purchase_id == Purchase.id)
        .where(Purchase.manufacturer_id == actor.organisation_id, PurchaseStep.kind == Step.LEFT_EARLY)
        .order_by(PurchaseStep.id)
        .limit(most)
    )
    found = [_uncharged(session, row) for row in rows]
    return [each for each in found if each is not None]


def early_end(session: Session, actor: Actor, purchase_id: int) -> EarlyEnd:
    """One finding of the actor's manufacturer. *Raises*: NotAllowed, NotFound, Conflict for one that is closed."""
    _must_be_finance(actor)
    row = session.get(Purchase, purchase_id)
    if row is None or row.manufacturer_id != actor.organisation_id:
        raise NotFound()
    found = _uncharged(session, row)
    if found is None:
        raise Conflict("Nothing is owed for this plan's minimum term, or it was closed or charged.")
    return found


def _uncharged(session: Session, row: Purchase) -> EarlyEnd | None:
    found = bought(session, row)
    return None if charged_sale(session, found) is not None else early_end_of(session, found)


def close_early_end(session: Session, actor: Actor, purchase_id: int, *, explanation: str, now: datetime) -> None:
    """Close a finding with what was agreed; a job keeps it. *Raises*: as ``early_end``, and Invalid."""
    found = early_end(session, actor, purchase_id)
    words = explanation.strip()
    if not 1 <= len(words) <= LONGEST_EXPLANATION:
        raise Invalid("Say what was agreed.", {"explanation": f"In 1 to {LONGEST_EXPLANATION} characters."})
    details = {"owed_minor": found.owed_minor, "explanation": words}
    audit.record(session, actor, "close_early_end", "purchase", purchase_id, details=details, now=now)
    enqueue(session, "keep_let_go", purchase_id=purchase_id, person_id=actor.person_id, explanation=words)


def keep_let_go(session: Session, purchase_id: int, *, person_id: int, explanation: str, now: datetime) -> None:
    """The job: what finance agreed is kept with the purchase. Again is harmless."""
    purchase = session.get_one(Purchase, purchase_id)
    row = PurchaseStep(
        purchase_id=purchase.id,
        manufacturer_id=purchase.manufacturer_id,
        integrator_id=purchase.integrator_id,
        customer_id=purchase.customer_id,
        kind=Step.LET_GO,
        details={"person_id": person_id, "explanation": explanation},
        happened_at=now,
        recorded_at=now,
    )
    insert_once(session, row, unique=["purchase_id", "kind"])


def _must_be_finance(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("This is for the manufacturer's finance.")
