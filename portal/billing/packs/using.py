"""What a bill item earns of the packs it draws from: the part of each price that its minutes or incident come to.

The part is counted over all use of the pack together, so that single uses sum to the price and the last one takes the
remainder. A use that was taken back with its item earns nothing any more; what it leaves is the next one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from portal.billing.models import BillItem
from portal.billing.packs.expiring import before_use, stands_of
from portal.billing.packs.models import PackSale, PackUse
from portal.billing.packs.rules import earned_minor, sharable_minor, units
from portal.billing.rules import draw_changes, drawn_by
from portal.contracts.discounts import discount_between
from portal.entitlement.models import GrantDraw, UsageGrant
from portal.entitlement.queries import CaseParts
from portal.entitlement.rules import NOTHING, Amount
from portal.rating.lines import RatedCase


@dataclass(frozen=True)
class PackPart:
    """What an item earns of one sale, and who sold it."""

    sale: PackSale
    amount: Amount
    minor: int
    explanation: dict[str, Any]

    @property
    def discount_minor(self) -> int:
        """What a promotion code took off this part of the price."""
        return int(self.explanation.get("discount_minor", 0))


def pack_parts(
    session: Session, case: CaseParts, rated: RatedCase, earlier: RatedCase | None, *, now: datetime, livemode: bool
) -> tuple[PackPart, ...]:
    """What an item with this rating earns of the packs it draws from beyond the earlier one; not stored yet.

    Where a pack had expired and earlier work uses it after all, what the expiry had earned is taken back first.
    """
    used = draw_changes(rated, drawn_by(earlier))
    if not used:
        return ()
    sales = session.scalars(select(PackSale).where(PackSale.grant_id.in_(used)).order_by(PackSale.id)).all()
    after = drawn_by(rated)
    return tuple(
        _part(session, case, sale, (used[sale.grant_id], after.get(sale.grant_id, NOTHING)), now=now, livemode=livemode)
        for sale in sales
    )


def store_uses(session: Session, item: BillItem, parts: Sequence[PackPart], *, now: datetime) -> None:
    """Keep what an item earns of packs."""
    rows = [
        {
            "case_id": item.case_id,
            "manufacturer_id": item.manufacturer_id,
            "integrator_id": item.integrator_id,
            "customer_id": item.customer_id,
            "bill_item_id": item.id,
            "pack_sale_id": part.sale.id,
            "seconds": part.amount.seconds,
            "incidents": part.amount.incidents,
            "currency": part.sale.currency,
            "amount_minor": part.minor,
            "explanation": part.explanation,
            "used_at": now,
        }
        for part in parts
    ]
    if rows:
        session.execute(insert(PackUse).values(rows))


def stored_parts(session: Session, item: BillItem) -> tuple[PackPart, ...]:
    """What an item earns of packs, as it was stored."""
    rows = session.execute(
        select(PackUse, PackSale)
        .join(PackSale, PackSale.id == PackUse.pack_sale_id)
        .where(PackUse.bill_item_id == item.id)
        .order_by(PackUse.id)
    ).tuples()
    return tuple(
        PackPart(sale, Amount(use.seconds, use.incidents), use.amount_minor, use.explanation) for use, sale in rows
    )


def _part(
    session: Session, case: CaseParts, sale: PackSale, used: tuple[Amount, Amount], *, now: datetime, livemode: bool
) -> PackPart:
    """``used`` are what the item uses and what the whole case does with it."""
    grant = session.get_one(UsageGrant, sale.grant_id)
    before = _drawn_by_others(session, case, grant.id)
    drawn = units(grant, before + used[1])
    stands = stands_of(session, sale)
    granted = units(grant) - units(grant, stands.withdrawn)
    target = earned_minor(stands.sharable_minor(sale.amount_minor), drawn, granted)
    minor = max(target - stands.used_minor, 0)
    whole = sharable_minor(sale.amount_minor, stands.commission_minor)
    off = discount_between(sale.discount_left_minor, whole, stands.used_minor, stands.used_minor + minor)
    before_use(session, sale, grant, stands, more_minor=minor, drawn=before + used[1], now=now, livemode=livemode)
    return PackPart(
        sale,
        used[0],
        minor,
        {
            "price_minor": sale.amount_minor,
            "commission_minor": stands.commission_minor,
            "granted": granted,
            "used_by_all": drawn,
            "used_here": units(grant, used[0]),
            "earned_by_all_minor": target,
            "earned_before_minor": stands.used_minor,
            **({"discount_minor": off} if off else {}),
        },
    )


def _drawn_by_others(session: Session, case: CaseParts, grant_id: int) -> Amount:
    seconds, incidents = session.execute(
        select(func.coalesce(func.sum(GrantDraw.seconds), 0), func.coalesce(func.sum(GrantDraw.incidents), 0)).where(
            GrantDraw.grant_id == grant_id, GrantDraw.case_id != case.id
        )
    ).one()
    return Amount(int(seconds), int(incidents))
