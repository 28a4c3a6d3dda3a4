"""How many minutes the first month of a plan has that took another's place at once: pure.

What was used stays used, and nothing is promised twice: within the same month the new plan's minutes are those of the
whole month, less what was used of it; where a month of its own begins, the old plan's minutes for the days that stay
paid are the old month's, and only what was used beyond them counts as used of the new one.
"""

from __future__ import annotations

from datetime import datetime

from portal.calendars import Period


def kept_seconds(granted_seconds: int, month: Period, until: datetime) -> int:
    """What of a month's seconds belongs to its time until an instant."""
    whole = month.seconds
    return granted_seconds * Period(month.start, until).seconds // whole if whole else 0


def first_seconds(granted_seconds: int, used_seconds: int, *, kept: int = 0) -> int:
    """What is granted of a plan's seconds when so many of the other's are used, of which ``kept`` are the old month's.

    *Shape*: never below zero, never more than the plan grants.
    """
    return max(granted_seconds - max(used_seconds - kept, 0), 0)
