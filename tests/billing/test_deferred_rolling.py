"""Months of deferred revenue laid out: each opening is the closing before it, currencies and kinds stay apart."""

from __future__ import annotations

from portal.billing.deferred.rolling import (
    EXPIRED,
    HOURS,
    INCIDENTS,
    PLAN,
    REFUNDED,
    SOLD,
    USED,
    Moved,
    closing_of,
    roll,
)

MONTHS = ("2026-03", "2026-02", "2026-01", "2026-04")


def test_each_month_opens_with_what_the_one_before_closed_with():
    moved = [
        Moved("2026-02", "EUR", HOURS, SOLD, 1_000),
        Moved("2026-02", "EUR", HOURS, SOLD, 500),
        Moved("2026-02", "EUR", HOURS, USED, -200),
        Moved("2026-04", "EUR", HOURS, EXPIRED, -1_000),
        Moved("2026-04", "EUR", HOURS, REFUNDED, -300),
    ]
    rows = roll(MONTHS, moved)
    assert [(row.month, row.opening_minor, row.closing_minor) for row in rows] == [
        ("2026-04", 1_300, 0), ("2026-03", 1_300, 1_300), ("2026-02", 0, 1_300)
    ]  # fmt: skip
    assert rows[2].moved == {"sold": 1_500, "used": -200, "commission": 0, "expired": 0, "refunded": 0}
    assert rows[1].moved == dict.fromkeys(rows[2].moved, 0)


def test_currencies_and_kinds_never_meet_and_kinds_keep_their_order():
    moved = [
        Moved("2026-01", "USD", PLAN, SOLD, 7),
        Moved("2026-01", "EUR", PLAN, SOLD, 1),
        Moved("2026-01", "EUR", INCIDENTS, SOLD, 20),
        Moved("2026-01", "EUR", HOURS, SOLD, 300),
    ]
    rows = roll(["2026-01"], moved)
    assert [(row.currency, row.kind, row.closing_minor) for row in rows] == [
        ("EUR", HOURS, 300), ("EUR", INCIDENTS, 20), ("EUR", PLAN, 1), ("USD", PLAN, 7)
    ]  # fmt: skip
    assert closing_of(rows, "2026-01") == {"EUR": 321, "USD": 7}
    assert closing_of(rows, "2025-12") == {}
    assert roll(MONTHS, []) == []
