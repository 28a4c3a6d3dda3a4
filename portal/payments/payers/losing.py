"""A customer at Stripe that is gone: recorded once with what ended with it, and read for finance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.payments import queries
from portal.payments.models import ProviderCustomer, ProviderSubscription
from portal.payments.payers.models import ProviderCustomerEnd
from portal.payments.rules import SUBSCRIPTION_ENDED
from portal.rows import insert_once

BY_EVENT, BY_CALL = "event", "call"


def lose_customer(session: Session, customer_id: str, learned_by: str, *, now: datetime) -> list[ProviderSubscription]:
    """Record that Stripe no longer has a customer, once; its subscriptions, which ended with it."""
    known = customer_named(session, customer_id)
    if known is None:
        return []
    running = running_subscriptions(session, known)
    end = ProviderCustomerEnd(
        customer_id=known.id,
        manufacturer_id=known.manufacturer_id,
        payer_id=known.payer_id,
        learned_by=learned_by,
        ended={"subscriptions": [each.id for each in running]},
        learned_at=now,
    )
    insert_once(session, end, unique=["customer_id"])
    return running


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


def running_subscriptions(session: Session, customer: ProviderCustomer) -> list[ProviderSubscription]:
    """The subscriptions of a payer that, as far as was seen, have not ended."""
    mine = (
        ProviderSubscription.manufacturer_id == customer.manufacturer_id,
        ProviderSubscription.payer_id == customer.payer_id,
    )
    found = session.scalars(select(ProviderSubscription).where(*mine).order_by(ProviderSubscription.id)).all()
    seen = {each.id: queries.last_seen(session, each.id) for each in found}
    return [each for each in found if (last := seen[each.id]) is None or last.status != SUBSCRIPTION_ENDED]
