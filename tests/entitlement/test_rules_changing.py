"""The minutes of a plan that took another's place at once: used stays used, and none is there twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.calendars import Period
from portal.entitlement.rules.changing import first_seconds, kept_seconds

FIRST = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("granted", "used", "kept", "first"),
    [
        (600, 0, 0, 600),
        (600, 200, 0, 400),
        (600, 900, 0, 0),
        (0, 200, 0, 0),
        # A month of its own: only what was used beyond the old month's days counts.
        (600, 200, 100, 500),
        (600, 50, 100, 600),
    ],
)
def test_what_was_used_of_the_other_plan_counts(granted, used, kept, first):
    assert first_seconds(granted, used, kept=kept) == first


@pytest.mark.parametrize(("days", "until", "kept"), [(30, 10, 200), (30, 30, 600), (30, 0, 0), (0, 0, 0)])
def test_the_days_that_stay_paid_keep_their_part(days, until, kept):
    month = Period(FIRST, FIRST + timedelta(days=days))
    assert kept_seconds(600, month, FIRST + timedelta(days=until)) == kept
