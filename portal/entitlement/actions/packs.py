"""Packs as grants: minutes or incidents a customer bought for a site, under the terms of the policy it accepted.

Invariants: one source grants once; what a pack is good for (until when, for which work, in which order) is copied from
the signed policy at the purchase and never changes with a later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.calendars import resolve_local
from portal.contracts.holdings import expires_on, pack_named
from portal.contracts.models import DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.queries import policy_of
from portal.directory.models import Site
from portal.entitlement.actions.topping_up import note_crossings
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.errors import Conflict, NotFound, RuleBroken
from portal.zones import local_day

PACK = "pack"


def grant_pack(
    session: Session,
    *,
    site_id: int,
    integrator_id: int | None,
    policy_version_id: int,
    pack_code: str,
    quantity: int,
    bought_at: datetime,
    source: str,
    now: datetime,
) -> UsageGrant:
    """Give a site the hours or incidents of some packs of a policy, once per source; the grant, new or known.

    ``source`` names what brought them ("checkout:cs_123"), unique within the manufacturer; ``integrator_id`` services
    the site when they are bought, None where nobody does. Holds from the instant of the purchase to the end of the
    policy's months, by the policy's days. Run with a work session; money is recorded by ``billing.actions.sell_pack``.

    *Raises*: NotFound for an unknown site or policy, RuleBroken for a pack the policy does not have or no quantity,
    Conflict when the source granted something else before.
    """
    version, site = session.get(DocumentVersion, policy_version_id), session.get(Site, site_id)
    if version is None or site is None or version.kind != "policy":
        raise NotFound()
    if quantity < 1:
        raise RuleBroken("At least one pack is bought.")
    policy = policy_of(version)
    pack = pack_named(policy, pack_code)
    columns = {
        "manufacturer_id": version.manufacturer_id,
        "integrator_id": integrator_id or version.manufacturer_id,
        "customer_id": site.customer_id,
        "kind": PACK,
        "site_id": site_id,
        "policy_version_id": version.id,
        "pack_code": pack_code,
        "terms": pack.model_dump(mode="json"),
        "source": source,
        "granted_seconds": (pack.minutes or 0) * 60 * quantity,
        "granted_incidents": (pack.incidents or 0) * quantity,
        "starts_at": bought_at,
        "expires_at": _ends_at(policy, expires_on(pack, local_day(policy.zone, bought_at))),
        "granted_at": now,
    }
    once = insert(UsageGrant).values(columns).on_conflict_do_nothing(index_elements=["manufacturer_id", "source"])
    grant_id = session.scalar(once.returning(UsageGrant.id))
    if grant_id is None:
        return _known(session, columns)
    grant = session.get_one(UsageGrant, grant_id)
    session.add(_balance(grant))
    note_crossings(session, site_id=site_id, manufacturer_id=version.manufacturer_id, now=now)
    return grant


def _balance(grant: UsageGrant) -> GrantBalance:
    """The counter row of a grant that nobody has used yet."""
    return GrantBalance(
        grant_id=grant.id,
        manufacturer_id=grant.manufacturer_id,
        integrator_id=grant.integrator_id,
        customer_id=grant.customer_id,
        free_seconds=grant.granted_seconds,
        reserved_seconds=0,
        free_incidents=grant.granted_incidents,
        reserved_incidents=0,
        ends_at=grant.expires_at,
    )


def _known(session: Session, wanted: Mapping[str, Any]) -> UsageGrant:
    """The grant the source gave before. *Raises*: Conflict when it is another one."""
    found = session.scalars(
        select(UsageGrant).where(
            UsageGrant.manufacturer_id == wanted["manufacturer_id"], UsageGrant.source == wanted["source"]
        )
    ).one()
    same = ("site_id", "pack_code", "granted_seconds", "granted_incidents")
    if any(getattr(found, name) != wanted[name] for name in same):
        raise Conflict(f"{found.source} brought another pack before.")
    return found


def _ends_at(policy: Policy, on: date | None) -> datetime | None:
    """The midnight, by the policy's clock, from which a pack can no longer be used."""
    return None if on is None else resolve_local(policy.zone, datetime.combine(on, time()))
