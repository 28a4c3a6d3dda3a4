"""Packs bought for tests: at the customer's site, from the integrator, at the policy's price."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.billing.actions import PackOrder, PackPrice, sell_pack
from portal.billing.packs.models import PackSale
from portal.directory.models import Site
from portal.entitlement.models import UsageGrant
from tests.support.cast import NOW, Cast

PRICE_MINOR = 135_000


def order_of(
    cast: Cast,
    *,
    pack_code: str = "hours_10",
    quantity: int = 1,
    site: Site | None = None,
    bought_at: datetime = NOW,
    source: str = "checkout:1",
) -> PackOrder:
    """Packs of the policy in force for the customer's site."""
    place = (site or cast.site).id
    return PackOrder(place, cast.integrator.id, cast.policy_version.id, pack_code, quantity, bought_at, source)


def bought(
    session: Session,
    cast: Cast,
    *,
    price_minor: int | None = None,
    pack_code: str = "hours_10",
    quantity: int = 1,
    site: Site | None = None,
    bought_at: datetime = NOW,
    source: str = "checkout:1",
) -> tuple[UsageGrant, PackSale]:
    """The packs, owed by the customer with its next invoice."""
    order = order_of(cast, pack_code=pack_code, quantity=quantity, site=site, bought_at=bought_at, source=source)
    price = PackPrice(PRICE_MINOR * quantity if price_minor is None else price_minor, "EUR", cast.integrator.id)
    return sell_pack(session, order, price, now=bought_at)
