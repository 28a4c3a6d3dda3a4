"""A customer at Stripe that is gone: recorded once with what ended with it, and read for finance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.payments import queries
from portal.payments.models import Intent, ProviderCustomer, ProviderSubscription
from portal.payments.payers.models import ProviderCustomerEnd
from portal.payments.rules import SUBSCRIPTION_ENDED
from portal.rows import insert_once

BY_EVENT, BY_CALL = "event", "call"
# Stripe tells of the end of a subscription and of its customer at once, and in any order.
TOLD_WITHIN = timedelta(days=1)


def lose_customer(session: Session, customer_id: str, learned_by: str, *, now: datetime) -> list[ProviderSubscription]:
    """Record that Stripe no longer has a customer, once; its subscriptions, which ended with it."""
    known = customer_named(session, customer_id)
    if known is None:
        return []
    ended = _ended_with(session, known, now)
    end = ProviderCustomerEnd(
        customer_id=known.id,
        manufacturer_id=known.manufacturer_id,
        payer_id=known.payer_id,
        learned_by=learned_by,
        ended={"subscriptions": [each.id for each in ended]},
        learned_at=now,
    )
    insert_once(session, end, unique=["customer_id"])
    return ended


def customer_named(session: Session, customer_id: str) -> ProviderCustomer | None:
    """The payer that Stripe knew, or knows, by an id."""
    wanted = select(ProviderCustomer).where(ProviderCustomer.provider_customer_id == customer_id)
    return session.scalars(wanted).one_or_none()


def customers_lost(session: Session, *, manufacturer_id: int, payer_id: int) -> int:
    """How many customers of a payer Stripe had and no longer has."""
    mine = (ProviderCustomerEnd.manufacturer_id == manufacturer_id, ProviderCustomerEnd.payer_id == payer_id)
    return session.scalar(select(func.count()).select_from(ProviderCustomerEnd).where(*mine)) or 0


@dataclass(frozen=True)
class LostCustomer:
    """A payer deleted at Stripe: when that was learned, what ended with it, and the customer that came after."""

    end: ProviderCustomerEnd
    ended: Sequence[ProviderSubscription]
    next: ProviderCustomer | None


def lost_customers(session: Session, manufacturer_id: int, *, most: int = 100) -> list[LostCustomer]:
    """The payers of a manufacturer that were deleted at Stripe, the newest first."""
    rows = session.execute(
        select(ProviderCustomerEnd, ProviderCustomer)
        .join(ProviderCustomer, ProviderCustomer.id == ProviderCustomerEnd.customer_id)
        .where(ProviderCustomerEnd.manufacturer_id == manufacturer_id)
        .order_by(ProviderCustomerEnd.id.desc())
        .limit(most)
    ).tuples()
    return [_lost(session, end, customer) for end, customer in rows]


def _lost(session: Session, end: ProviderCustomerEnd, customer: ProviderCustomer) -> LostCustomer:
    after = (
        ProviderCustomer.manufacturer_id == customer.manufacturer_id,
        ProviderCustomer.payer_id == customer.payer_id,
        ProviderCustomer.number == customer.number + 1,
    )
    ended = select(ProviderSubscription).where(ProviderSubscription.id.in_(end.ended["subscriptions"]))
    return LostCustomer(
        end, session.scalars(ended).all(), session.scalars(select(ProviderCustomer).where(*after)).one_or_none()
    )


def _ended_with(session: Session, customer: ProviderCustomer, now: datetime) -> list[ProviderSubscription]:
    """The subscriptions that ran until a payer was deleted, in whichever order that is told."""
    mine = (
        ProviderSubscription.manufacturer_id == customer.manufacturer_id,
        ProviderSubscription.payer_id == customer.payer_id,
    )
    found = session.scalars(select(ProviderSubscription).where(*mine).order_by(ProviderSubscription.id)).all()
    return [each for each in found if _ran_until(session, each, now - TOLD_WITHIN)]


def _ran_until(session: Session, subscription: ProviderSubscription, since: datetime) -> bool:
    """Whether it runs as far as was seen, or ended since an instant without the portal's doing."""
    last = queries.last_seen(session, subscription.id)
    if last is None or last.status != SUBSCRIPTION_ENDED:
        return True
    ours = select(Intent.id).where(
        Intent.kind == "subscription_end",
        Intent.request["subscription"].astext == subscription.provider_subscription_id,
    )
    return last.seen_at >= since and not last.ends_with_period and session.scalar(ours.limit(1)) is None
