"""Hours left are promised to approved work, in order of work time, and drawn when it is billed.

What is free and what is promised stand in one counter row per grant, locked here before it is read and never below
zero. Reservations, their releases, draws and expiries are facts. Who promises decides how much of what is held goes to
which work (billing asks rating); here it is only kept. Run by jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal.entitlement import queries
from portal.entitlement.actions.topping_up import note_crossings
from portal.entitlement.models import (
    GrantBalance,
    GrantDraw,
    GrantExpiry,
    GrantReservation,
    ReservationRelease,
    UsageGrant,
)
from portal.entitlement.queries import CaseParts
from portal.entitlement.rules.reservations import Amount, Promise
from portal.errors import RuleBroken
from portal.jobs import enqueue

_EARLIER_WORK = "earlier work of another case came first"
_AGAIN = "counted again"
_DRAWN = "drawn"


@dataclass(frozen=True)
class Available:
    """What of a grant a case may be promised: what is free and what it is promised now, and what has expired.

    What expired at ``expired_at`` serves work that began before; all of it ends at ``ends_at``, None is never.
    """

    grant: UsageGrant
    seconds: int
    incidents: int
    ends_at: datetime | None
    expired_seconds: int = 0
    expired_incidents: int = 0
    expired_at: datetime | None = None


@dataclass(frozen=True)
class Held:
    """The hours of a case's site that its work may use, held by this transaction until it ends."""

    available: tuple[Available, ...]
    balances: Mapping[int, GrantBalance]


def hold_hours(session: Session, case: CaseParts, span: tuple[datetime, datetime]) -> Held:
    """Hold the grants of the case's site that can serve work of a span, or have been promised to the case."""
    first, last = span
    promised = {each.grant_id for each in _live(session, case.id)}
    holds = (UsageGrant.starts_at <= last) & or_(GrantBalance.ends_at.is_(None), GrantBalance.ends_at > first)
    found = session.scalars(
        select(UsageGrant)
        .join(GrantBalance, GrantBalance.grant_id == UsageGrant.id)
        .where(
            UsageGrant.site_id == case.site_id,
            UsageGrant.manufacturer_id == case.manufacturer_id,
            holds | UsageGrant.id.in_(promised),
        )
        .order_by(UsageGrant.id)
    ).all()
    balances = _lock(session, [grant.id for grant in found])
    expired = _expired(session, balances)
    own: dict[int, Amount] = {}
    # Only who holds the grants may take promises back, so what is promised is read once they are held.
    for each in _live(session, case.id):
        own[each.grant_id] = own.get(each.grant_id, Amount()) + Amount(each.seconds, each.incidents)
    return Held(tuple(_available(grant, balances[grant.id], own, expired) for grant in found), balances)


def make_room(session: Session, case: CaseParts, held: Held, *, after: datetime, now: datetime) -> bool:
    """Take back promises to other cases' later work, which is promised again by job; whether there were any.

    An incident stays with its case: work may have begun because it was said to be paid in advance.
    """
    later = session.scalars(
        select(GrantReservation).where(
            GrantReservation.grant_id.in_(held.balances),
            GrantReservation.case_id != case.id,
            GrantReservation.worked_from > after,
            GrantReservation.incidents == 0,
            ~queries.released(),
        )
    ).all()
    for reservation in later:
        _give_back(session, reservation, held.balances[reservation.grant_id], _EARLIER_WORK, now)
    session.flush()
    for case_id in sorted({reservation.case_id for reservation in later}):
        enqueue(session, "reserve_case_hours", case_id=case_id)
    return bool(later)


def keep_promises(session: Session, case: CaseParts, held: Held, promises: Sequence[Promise], *, now: datetime) -> None:
    """Let a case be promised exactly this of what it holds; the same again changes nothing.

    What is promised of time that had expired is taken back from the expiry: the work was earlier.
    *Raises*: RuleBroken when more would be promised than there is.
    """
    live = _live(session, case.id)
    wanted = sorted((each.grant_id, each.worked_from, each.seconds, each.incidents) for each in promises)
    if sorted((each.grant_id, each.worked_from, each.seconds, each.incidents) for each in live) == wanted:
        return
    for reservation in live:
        _give_back(session, reservation, held.balances[reservation.grant_id], _AGAIN, now)
    expired_at = {each.grant.id: each.expired_at for each in held.available}
    for promise in promises:
        balance = held.balances[promise.grant_id]
        if promise.from_expired:
            _revive(session, balance, promise, expired_at[promise.grant_id], now)
        if balance.free_seconds < promise.seconds or balance.free_incidents < promise.incidents:
            raise RuleBroken("More hours would be promised than are left.")
        _reserve(session, case, balance, promise, now)
    session.flush()
    note_crossings(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, now=now)


def release_for_case(session: Session, case: CaseParts, *, reason: str, now: datetime) -> int:
    """Give back everything promised to a case and not drawn; the seconds given back."""
    balances = _lock(session, [each.grant_id for each in _live(session, case.id)])
    return _release(session, _live(session, case.id), balances, reason, now)


def draw_reserved(
    session: Session, case: CaseParts, *, bill_item_id: int, drawn: Mapping[int, Amount], now: datetime
) -> None:
    """Turn a case's promises into use by a bill item; what it did not use is free again.

    Amounts below zero give back what an earlier item of the same cut had drawn.
    *Raises*: RuleBroken when a grant has less left than is drawn.
    """
    balances = _lock(session, {each.grant_id for each in _live(session, case.id)} | set(drawn))
    _release(session, _live(session, case.id), balances, _DRAWN, now)
    for grant_id, amount in sorted(drawn.items()):
        if not amount:
            continue
        balance = balances[grant_id]
        if balance.free_seconds < amount.seconds or balance.free_incidents < amount.incidents:
            raise RuleBroken("Fewer hours are left than the bill would use.")
        balance.free_seconds -= amount.seconds
        balance.free_incidents -= amount.incidents
        session.add(
            GrantDraw(
                **_parties(case),
                grant_id=grant_id,
                bill_item_id=bill_item_id,
                seconds=amount.seconds,
                incidents=amount.incidents,
                drawn_at=now,
            )
        )
    note_crossings(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, now=now)


def _available(
    grant: UsageGrant, balance: GrantBalance, own: Mapping[int, Amount], expired: Mapping[int, tuple[Amount, datetime]]
) -> Available:
    mine = own.get(grant.id, Amount())
    gone, at = expired.get(grant.id, (Amount(), None))
    return Available(
        grant,
        balance.free_seconds + mine.seconds,
        balance.free_incidents + mine.incidents,
        balance.ends_at,
        gone.seconds,
        gone.incidents,
        at,
    )


def _expired(session: Session, grant_ids: Iterable[int]) -> dict[int, tuple[Amount, datetime]]:
    """What has expired of each grant, and when the last of it did."""
    rows = session.execute(
        select(
            GrantExpiry.grant_id,
            func.sum(GrantExpiry.seconds),
            func.sum(GrantExpiry.incidents),
            func.max(GrantExpiry.expired_at),
        )
        .where(GrantExpiry.grant_id.in_(list(grant_ids)))
        .group_by(GrantExpiry.grant_id)
    )
    return {row[0]: (Amount(int(row[1]), int(row[2])), row[3]) for row in rows}


def _revive(
    session: Session, balance: GrantBalance, promise: Promise, expired_at: datetime | None, now: datetime
) -> None:
    """Take back an expiry for work that was earlier."""
    session.add(
        GrantExpiry(
            grant_id=balance.grant_id,
            manufacturer_id=balance.manufacturer_id,
            integrator_id=balance.integrator_id,
            customer_id=balance.customer_id,
            seconds=-promise.seconds,
            incidents=-promise.incidents,
            expired_at=expired_at,
            recorded_at=now,
        )
    )
    balance.free_seconds += promise.seconds
    balance.free_incidents += promise.incidents


def _reserve(session: Session, case: CaseParts, balance: GrantBalance, promise: Promise, now: datetime) -> None:
    session.add(
        GrantReservation(
            **_parties(case),
            grant_id=promise.grant_id,
            worked_from=promise.worked_from,
            seconds=promise.seconds,
            incidents=promise.incidents,
            reserved_at=now,
        )
    )
    balance.free_seconds -= promise.seconds
    balance.reserved_seconds += promise.seconds
    balance.free_incidents -= promise.incidents
    balance.reserved_incidents += promise.incidents


def _live(session: Session, case_id: int) -> Sequence[GrantReservation]:
    mine = GrantReservation.case_id == case_id
    return session.scalars(
        select(GrantReservation).where(mine, ~queries.released()).order_by(GrantReservation.id)
    ).all()


def _lock(session: Session, grant_ids: Iterable[int]) -> dict[int, GrantBalance]:
    rows = session.scalars(
        select(GrantBalance)
        .where(GrantBalance.grant_id.in_(set(grant_ids)))
        .order_by(GrantBalance.grant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {balance.grant_id: balance for balance in rows}


def _release(
    session: Session,
    live: Sequence[GrantReservation],
    balances: Mapping[int, GrantBalance],
    reason: str,
    now: datetime,
) -> int:
    for reservation in live:
        _give_back(session, reservation, balances[reservation.grant_id], reason, now)
    session.flush()
    return sum(reservation.seconds for reservation in live)


def _give_back(
    session: Session, reservation: GrantReservation, balance: GrantBalance, reason: str, now: datetime
) -> None:
    session.add(
        ReservationRelease(
            case_id=reservation.case_id,
            manufacturer_id=reservation.manufacturer_id,
            integrator_id=reservation.integrator_id,
            customer_id=reservation.customer_id,
            reservation_id=reservation.id,
            reason=reason,
            released_at=now,
        )
    )
    balance.reserved_seconds -= reservation.seconds
    balance.free_seconds += reservation.seconds
    balance.reserved_incidents -= reservation.incidents
    balance.free_incidents += reservation.incidents


def _parties(case: CaseParts) -> dict[str, int]:
    return {
        "case_id": case.id,
        "manufacturer_id": case.manufacturer_id,
        "integrator_id": case.integrator_id,
        "customer_id": case.customer_id,
    }
