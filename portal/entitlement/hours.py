"""Hours left at a site, grant by grant: what each began with, and where it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Subquery, func, or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.entitlement.models import GrantBalance, GrantExpiry, UsageGrant
from portal.entitlement.withdrawals.models import GrantWithdrawal

# So many ended grants are listed at most beside those that hold.
ENDED_AT_MOST = 24


@dataclass(frozen=True)
class HoursLeft:
    """One grant of a site: what it began with, what is free, promised to approved work, and expired; None is for ever.

    What went back to its payer is no part of it. A grant is of time or of incidents: the other unit is 0 throughout.
    """

    grant_id: int
    kind: str
    label: str
    granted_seconds: int
    granted_incidents: int
    free_seconds: int
    free_incidents: int
    reserved_seconds: int
    reserved_incidents: int
    expired_seconds: int
    expired_incidents: int
    starts_at: datetime
    given_until: datetime | None
    expires_at: datetime | None

    @property
    def drawn_seconds(self) -> int:
        """What bills have used."""
        return self.granted_seconds - self.free_seconds - self.reserved_seconds - self.expired_seconds

    @property
    def drawn_incidents(self) -> int:
        """Cases that bills have used."""
        return self.granted_incidents - self.free_incidents - self.reserved_incidents - self.expired_incidents

    @property
    def is_longer(self) -> bool:
        """Whether it holds beyond the time it was given for: it rolled over, or was topped up."""
        return self.given_until != self.expires_at


def hours_left(
    session: Session, actor: Actor, *, site_id: int, manufacturer_id: int, now: datetime, since: datetime | None = None
) -> list[HoursLeft]:
    """The grants of a site that hold now, the first to expire first; then those that ended since, newest first."""
    holds = or_(GrantBalance.ends_at.is_(None), GrantBalance.ends_at > now)
    found = _read(session, actor, site_id, manufacturer_id, UsageGrant.starts_at <= now, holds)
    if since is None:
        return found
    ended = _read(session, actor, site_id, manufacturer_id, GrantBalance.ends_at <= now, GrantBalance.ends_at > since)
    return [*found, *ended[::-1][:ENDED_AT_MOST]]


def _read(
    session: Session, actor: Actor, site_id: int, manufacturer_id: int, *conditions: ColumnElement[bool]
) -> list[HoursLeft]:
    own = {
        Side.MANUFACTURER: UsageGrant.manufacturer_id,
        Side.INTEGRATOR: UsageGrant.integrator_id,
        Side.CUSTOMER: UsageGrant.customer_id,
    }[actor.side]
    gone, back = _sums_of(GrantExpiry), _sums_of(GrantWithdrawal)
    rows = session.execute(
        select(
            UsageGrant, GrantBalance, gone.c.seconds, gone.c.incidents,
            func.coalesce(back.c.seconds, 0), func.coalesce(back.c.incidents, 0),
        )
        .join(GrantBalance, GrantBalance.grant_id == UsageGrant.id)
        .outerjoin(gone, gone.c.grant_id == UsageGrant.id)
        .outerjoin(back, back.c.grant_id == UsageGrant.id)
        .where(
            own == actor.organisation_id,
            UsageGrant.site_id == site_id,
            UsageGrant.manufacturer_id == manufacturer_id,
            *conditions,
        )
        .order_by(GrantBalance.ends_at, UsageGrant.id)
    ).tuples()  # fmt: skip
    return [
        HoursLeft(
            grant_id=grant.id,
            kind=grant.kind,
            label=(grant.terms or {}).get("label", "Included this month"),
            granted_seconds=grant.granted_seconds - int(back_seconds),
            granted_incidents=grant.granted_incidents - int(back_incidents),
            free_seconds=balance.free_seconds,
            free_incidents=balance.free_incidents,
            reserved_seconds=balance.reserved_seconds,
            reserved_incidents=balance.reserved_incidents,
            expired_seconds=int(seconds or 0),
            expired_incidents=int(incidents or 0),
            starts_at=grant.starts_at,
            given_until=grant.expires_at,
            expires_at=balance.ends_at,
        )
        for grant, balance, seconds, incidents, back_seconds, back_incidents in rows
    ]


def _sums_of(table: type[GrantExpiry] | type[GrantWithdrawal]) -> Subquery:
    """What rows of a table say of each grant together."""
    return (
        select(
            table.grant_id,
            func.sum(table.seconds).label("seconds"),
            func.sum(table.incidents).label("incidents"),
        )
        .group_by(table.grant_id)
        .subquery()
    )
