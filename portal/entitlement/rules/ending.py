"""What lives on of hours whose time is over: a plan's minutes within its most, a pack that was topped up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Left:
    """Unused seconds of one grant of a plan."""

    grant_id: int
    starts_at: datetime
    seconds: int


def kept_minutes(left: Iterable[Left], most_seconds: int) -> dict[int, int]:
    """The seconds of each grant that roll over, the newest first, together within the most; none has no entry."""
    kept = {}
    for each in sorted(left, key=lambda row: (row.starts_at, row.grant_id), reverse=True):
        taken = min(each.seconds, most_seconds)
        if taken > 0:
            kept[each.grant_id] = taken
            most_seconds -= taken
    return kept


def ends_with(
    bought: Sequence[tuple[int, datetime | None]], *, needed_seconds: int, after: datetime
) -> tuple[datetime | None] | None:
    """Until when a pack is kept by what was bought of it since, as (seconds, end) rows: the latest of their ends.

    *Shape*: a tuple of the end, whose None is for ever; None where too little was bought, or nothing that lasts longer.
    """
    if sum(seconds for seconds, _ in bought) < needed_seconds:
        return None
    if any(end is None for _, end in bought):
        return (None,)
    latest = max(end for _, end in bought if end is not None)
    return (latest,) if latest > after else None
