"""Which months of plans are to be sold: those that the open books are for, and those whose bill was known too late.

A subscription's month is sold while it runs, once its bill is known. One whose bill becomes known only after it, or
whose job was lost, is looked for here until it is sold: into the books that are open then. So is a month that was paid
while the plan waited for its cover, once it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.models import PlanSale
from portal.billing.rules.plans import months_late, months_waited, sale_instants
from portal.billing.supplements.lasting import moved, until_moved
from portal.calendars import Period
from portal.contracts.models import PlanChoice
from portal.entitlement.actions import anchor_of, choices_in_force
from portal.entitlement.queries import terms_in_force
from portal.entitlement.rules import window_of
from portal.ledger.models import Period as Books
from portal.payments import queries as payments


@dataclass(frozen=True)
class ForSale:
    """A choice in force at an instant of the month that is sold, and when the next one takes over."""

    choice: PlanChoice
    until: datetime | None
    at: datetime


def for_sale(session: Session, now: datetime) -> list[ForSale]:
    """What is sold into the open books: what is late, their own month, and each that began while they wait to close.

    In the order of time, because what a longer or changed term asks for a month is what the months before it left.
    """
    books = session.execute(select(Books.manufacturer_id, Books.zone, Books.ends_at).where(Books.state == "open"))
    found = late_months(session, now)
    for manufacturer_id, zone, ends_at in books.tuples():
        for at in sale_instants(zone, ends_at, now):
            found += [
                ForSale(choice, until, at)
                for choice, until in choices_in_force(session, at)
                if choice.manufacturer_id == manufacturer_id
            ]
    return found


# Choices that a subscription pays for of whose time some is over and within no sold month: of a plan that was taken up
# again from its payment on, though it may cover later. A plan may be held for a moment longer than its last month,
# because clocks differ.
_UNSOLD = text(
    """
    WITH held AS (
        SELECT choice.id, choice.site_id, choice.manufacturer_id, choice.terms,
            CASE WHEN choice.terms ? 'reinstatement'
                 THEN least(choice.from_at, (choice.terms ->> 'anchor')::timestamptz)
                 ELSE choice.from_at END AS from_at,
            lead(choice.from_at) OVER (
                PARTITION BY choice.site_id, choice.manufacturer_id ORDER BY choice.from_at) AS until
        FROM plan_choice choice
        WHERE CAST(:site_id AS bigint) IS NULL OR choice.site_id = :site_id
    )
    SELECT held.id, held.until FROM held
    JOIN period books ON books.manufacturer_id = held.manufacturer_id AND books.state = 'open'
    WHERE held.terms ? 'intent_id' AND held.from_at < :now
      AND NOT coalesce(
          (SELECT range_agg(tstzrange(sale.starts_at, sale.ends_at)) FROM plan_sale sale
           WHERE sale.site_id = held.site_id AND sale.manufacturer_id = held.manufacturer_id AND sale.kind = 'month'),
          '{}') @> tstzrange(
              held.from_at, greatest(held.from_at, least(held.until - interval '1 hour', :now)))
    ORDER BY held.from_at, held.id
    """
)


def late_months(session: Session, now: datetime, *, site_id: int | None = None) -> list[ForSale]:
    """The months that are over unsold though a bill of their subscription asks for them, in the order of time."""
    found = []
    for choice_id, until in session.execute(_UNSOLD, {"now": now, "site_id": site_id}).tuples():
        choice = session.get_one(PlanChoice, choice_id)
        found += [ForSale(choice, until, begun) for begun in _late(session, choice, until, now)]
    return sorted(found, key=lambda each: each.at)


def _late(session: Session, choice: PlanChoice, until: datetime | None, now: datetime) -> list[datetime]:
    """When each month of a choice began that is over, is asked for and is not sold."""
    maker_id = choice.manufacturer_id
    policy = terms_in_force(session, manufacturer_id=maker_id, integrator_id=maker_id, at=choice.from_at).policy
    anchor, billed = anchor_of(choice), _billed(session, choice)
    asked = months_late(choice.from_at, until, lambda at: window_of(policy, at, anchor), billed, now)
    if "reinstatement" in choice.terms and anchor is not None:
        waited = months_waited(anchor, choice.from_at, lambda at: window_of(policy, at, anchor))
        asked += [each.start for each in waited if each.end <= now]
    mine = (PlanSale.plan_choice_id == choice.id, PlanSale.kind == "month", PlanSale.starts_at.in_(asked))
    sold = set(session.scalars(select(PlanSale.starts_at).where(*mine)))
    return [begun for begun in asked if begun not in sold]


def _billed(session: Session, choice: PlanChoice) -> list[Period]:
    """The times that the bills of a choice's subscription ask for, with what moved their ends."""
    subscription = payments.subscription_of(session, UUID(choice.terms["intent_id"]))
    bills = payments.bills_of(session, subscription.id) if subscription is not None else ()
    longer = moved(session, choice) if bills else ()
    return [Period(bill.covers_from, until_moved(bill.covers_until, longer)) for bill in bills]
