"""The order in which hours left are used, time before incidents of one priority, and how a correction gives them back.

Invariants: a grant never goes below zero; what is drawn and what is left over sum to what was asked for; giving back
undoes the draws from the last to the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from portal.errors import RuleBroken
from portal.rating.facts import INCLUDED_GRANT, GrantState

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class Draw(NamedTuple):
    """``seconds``, or ``incidents``, used from one grant."""

    grant_id: int
    kind: str
    seconds: int
    incidents: int = 0


class Use(NamedTuple):
    """What one piece of work takes of a grant, seconds or an incident, at its start in seconds since 1970 UTC."""

    grant_id: int
    entry_id: int
    start: int
    seconds: int
    incidents: int = 0


def in_order_of_use(grants: Iterable[GrantState]) -> tuple[GrantState, ...]:
    """The grants in the order they are drawn: priority, expiry, included before bought, age, id."""
    return tuple(sorted(grants, key=_order))


def _order(grant: GrantState) -> tuple[int, datetime, bool, datetime, int]:
    return (
        grant.priority,
        grant.expires_at or _LATEST,
        grant.kind != INCLUDED_GRANT,
        grant.granted_at or _EARLIEST,
        grant.grant_id,
    )


def ranks_before(grant: GrantState, incident: GrantState) -> bool:
    """Whether the time of a grant is used before an incident: of the same priority it is."""
    return not grant.incidents and grant.priority <= incident.priority


def draw(grants: Iterable[GrantState], seconds: int) -> tuple[tuple[Draw, ...], int]:
    """What each grant gives towards ``seconds``, and the seconds that no grant covers."""
    draws = []
    for grant in in_order_of_use(grants):
        taken = min(grant.remaining_seconds, seconds)
        if taken > 0:
            draws.append(Draw(grant.grant_id, grant.kind, taken))
            seconds -= taken
    return tuple(draws), seconds


def give_back(draws: Sequence[Draw], seconds: int) -> tuple[Draw, ...]:
    """What a correction of ``seconds`` returns to each grant, the last draw first.

    *Raises*: RuleBroken when more is to be given back than was drawn.
    """
    returned = []
    for drawn in reversed(draws):
        taken = min(drawn.seconds, seconds)
        if taken > 0:
            returned.append(drawn._replace(seconds=taken))
            seconds -= taken
    if seconds > 0:
        raise RuleBroken("More hours would be given back than were drawn.")
    return tuple(returned)
