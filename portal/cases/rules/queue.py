"""The order of the factory's queue: what was bought first, then how bad it is, then what is due next."""

from __future__ import annotations

from datetime import UTC, datetime

_NEVER = datetime.max.replace(tzinfo=UTC)


def queue_key(rank: int, severity: int, due_at: datetime | None, case_number: int) -> tuple[int, int, datetime, int]:
    """The key that sorts the queue: plan's rank, severity, deadline (none comes last), and the older case first."""
    return rank, severity, due_at or _NEVER, case_number
