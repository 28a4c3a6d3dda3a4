"""What a party still owes of shares that were paid out to it, and what its next statement nets: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Stripe sets an account's debt to zero after 180 days (Connect reserves FAQ, 2026-11): proposed for writing off before.
WRITE_OFF_AFTER = timedelta(days=150)


@dataclass(frozen=True)
class Owed:
    """A claw-back that could not be taken at once."""

    claw_back_id: int
    owed_minor: int
    recovered_minor: int
    opened_at: datetime

    @property
    def rest_minor(self) -> int:
        """What is still owed."""
        return self.owed_minor - self.recovered_minor


def netted(owed: Sequence[Owed], has_minor: int) -> dict[int, int]:
    """What each claw-back takes of what its party has coming: the oldest first, never more than there is."""
    left = max(has_minor, 0)
    found: dict[int, int] = {}
    for one in sorted(owed, key=lambda each: (each.opened_at, each.claw_back_id)):
        part = min(left, one.rest_minor)
        if part > 0:
            found[one.claw_back_id] = part
            left -= part
    return found


def may_write_off(one: Owed, now: datetime) -> bool:
    """Whether so much time has passed that it is given up."""
    return one.rest_minor > 0 and now >= one.opened_at + WRITE_OFF_AFTER
