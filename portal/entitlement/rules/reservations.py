"""Which hours left are promised to which work: in order of work time, never twice, never more than there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.calendars import Period, resolve_local
from portal.contracts.policy import Policy
from portal.contracts.rules import months_after
from portal.rating.grants import Use
from portal.zones import zone_named


@dataclass(frozen=True)
class Amount:
    """Seconds, incidents, or both of a grant; below zero where they are given back."""

    seconds: int = 0
    incidents: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.seconds + other.seconds, self.incidents + other.incidents)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.seconds - other.seconds, self.incidents - other.incidents)

    def __bool__(self) -> bool:
        return self != Amount()


NOTHING = Amount()


@dataclass(frozen=True)
class Room:
    """What a case may be promised of one grant: what is left to it, beside what its bills have drawn already.

    ``expired`` serves only work that began before ``expired_at``.
    """

    left: Amount
    drawn: Amount = NOTHING
    expired: Amount = NOTHING
    expired_at: datetime | None = None
    outlives_expiry: bool = False
    """Whether the rest holds beyond ``expired_at``: then earlier work takes what expired first."""


@dataclass(frozen=True)
class Promise:
    """Seconds or an incident of one grant for work that began at an instant; ``from_expired`` takes back an expiry."""

    grant_id: int
    worked_from: datetime
    seconds: int = 0
    incidents: int = 0
    from_expired: bool = False


def promises(uses: Iterable[Use], rooms: Mapping[int, Room]) -> tuple[Promise, ...]:
    """What is promised of a case's uses, earliest work first: what its bills have not drawn.

    *Shape*: one row per grant, instant and kind of time. Never more than a grant has; that the uses keep to the case's
    limit is rating's to see to.
    """
    drawn = {grant_id: room.drawn for grant_id, room in rooms.items()}
    pools = {grant_id: (room.left, room.expired) for grant_id, room in rooms.items()}
    found: dict[tuple[int, datetime, bool], Amount] = {}
    for use in sorted(uses, key=lambda each: (each.start, each.entry_id)):
        wanted = Amount(use.seconds, use.incidents)
        before = _least(wanted, drawn[use.grant_id])
        drawn[use.grant_id] -= before
        wanted -= before
        at, room = datetime.fromtimestamp(use.start, UTC), rooms[use.grant_id]
        for is_expired in (True, False) if room.outlives_expiry else (False, True):
            if is_expired and (room.expired_at is None or at >= room.expired_at):
                continue
            left, expired = pools[use.grant_id]
            taken = _least(wanted, expired if is_expired else left)
            pools[use.grant_id] = (left, expired - taken) if is_expired else (left - taken, expired)
            key = use.grant_id, at, is_expired
            found[key] = found.get(key, NOTHING) + taken
            wanted -= taken
    return tuple(
        Promise(grant_id, at, amount.seconds, amount.incidents, is_expired)
        for (grant_id, at, is_expired), amount in found.items()
        if amount
    )


def _least(one: Amount, other: Amount) -> Amount:
    return Amount(min(one.seconds, other.seconds), min(one.incidents, other.incidents))


def window_of(policy: Policy, at: datetime, anchor: datetime | None) -> Period:
    """The month whose included minutes hold at ``at``: from the anchor on where a plan is paid by subscription."""
    if anchor is None:
        return included_window(policy, at)
    months = (at.year - anchor.year) * 12 + at.month - anchor.month
    if _months_on(anchor, months) > at:
        months -= 1
    return Period(_months_on(anchor, months), _months_on(anchor, months + 1))


def _months_on(anchor: datetime, months: int) -> datetime:
    return datetime.combine(months_after(anchor.date(), months), anchor.timetz())


def included_window(policy: Policy, at: datetime) -> Period:
    """The calendar month, in the policy's zone, whose included minutes hold at ``at``."""
    local = at.astimezone(zone_named(policy.zone))
    first = datetime(local.year, local.month, 1)  # noqa: DTZ001 - a time on the wall, resolved in its zone below
    following = datetime(local.year + local.month // 12, local.month % 12 + 1, 1)  # noqa: DTZ001
    return Period(resolve_local(policy.zone, first), resolve_local(policy.zone, following))
