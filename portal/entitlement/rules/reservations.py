"""Which hours left are promised to which work: in order of work time, never twice, never more than there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.calendars import Period, resolve_local
from portal.contracts.policy import Policy
from portal.zones import zone_named

INCLUDED = "included"
_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Grant:
    """Hours left, neither used nor promised; for work that starts in [starts_at, expires_at), None is for ever."""

    grant_id: int
    kind: str
    free_seconds: int
    starts_at: datetime
    expires_at: datetime | None
    priority: int = 0


@dataclass(frozen=True)
class Work:
    """Approved work that may use hours: the seconds that count, at its start."""

    entry_id: int
    started_at: datetime
    seconds: int


@dataclass(frozen=True)
class Reservation:
    """Seconds of one grant promised to one piece of work."""

    entry_id: int
    grant_id: int
    seconds: int


def reserve(
    work: Iterable[Work], grants: Iterable[Grant], *, case_limit_seconds: int | None = None, case_used_seconds: int = 0
) -> tuple[Reservation, ...]:
    """The reservations of some approved work of one case, earliest work first.

    *Shape*: for each piece grants go by priority, then by earlier expiry, then included before bought, then by number;
    a piece that no grant covers has no row. Never more than a grant has, nor than the case's limit allows.
    """
    ordered = sorted(
        grants, key=lambda grant: (grant.priority, grant.expires_at or _EVER, grant.kind != INCLUDED, grant.grant_id)
    )
    left = {grant.grant_id: grant.free_seconds for grant in ordered}
    room = None if case_limit_seconds is None else max(case_limit_seconds - case_used_seconds, 0)
    reservations: list[Reservation] = []
    for piece in sorted(work, key=lambda piece: (piece.started_at, piece.entry_id)):
        wanted = piece.seconds if room is None else min(piece.seconds, room)
        for grant in ordered:
            if not grant.starts_at <= piece.started_at < (grant.expires_at or _EVER):
                continue
            taken = min(wanted, left[grant.grant_id])
            if taken > 0:
                reservations.append(Reservation(piece.entry_id, grant.grant_id, taken))
                left[grant.grant_id] -= taken
                wanted -= taken
                room = None if room is None else room - taken
    return tuple(reservations)


def included_window(policy: Policy, at: datetime) -> Period:
    """The calendar month, in the policy's zone, whose included minutes hold at ``at``."""
    local = at.astimezone(zone_named(policy.zone))
    first = datetime(local.year, local.month, 1)  # noqa: DTZ001 - a time on the wall, resolved in its zone below
    following = datetime(local.year + local.month // 12, local.month % 12 + 1, 1)  # noqa: DTZ001
    return Period(resolve_local(policy.zone, first), resolve_local(policy.zone, following))
