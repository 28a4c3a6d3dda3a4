"""Ten bill items of ten kinds, rated again from what is stored with them: the same lines, seconds and amounts."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.rating.explanation import replay
from portal.rating.words import words
from tests.support.billed import billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast, hours_later

EVENING = NOW + timedelta(hours=8)

# Whether the case is on the plan, what was authorized, the work, and what the resolution said.
KINDS = {
    "included minutes": (True, None, [{"minutes": 40}], {}),
    "included minutes, then time": (True, 100_000, [{"minutes": 170}], {}),
    "time, rounded up": (False, 100_000, [{"minutes": 65}], {}),
    "the least of half an hour": (False, 100_000, [{"minutes": 5}], {}),
    "a visit and the way to it": (
        False,
        200_000,
        [{"minutes": 60, "mode": "on_site"}, {"minutes": 35, "mode": "travel", "start": hours_later(3)}],
        {},
    ),
    "across the end of the working day": (
        False,
        200_000,
        [{"minutes": 90, "start": NOW + timedelta(hours=6, minutes=30)}],
        {},
    ),
    "in the evening": (False, 200_000, [{"minutes": 45, "start": EVENING}], {}),
    "a free cause": (False, 100_000, [{"minutes": 60}], {"cause": "firmware_defect", "last_action": "firmware_update"}),
    "nobody said yes": (False, None, [{"minutes": 60}], {}),
    "beyond what was authorized": (False, 10_000, [{"minutes": 121}], {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_is_rated_again_from_its_explanation_alone(work_session: Session, cast: Cast, kind: str) -> None:
    on_plan, nte_minor, work, resolving = KINDS[kind]
    open_books(work_session, cast)
    case = accepted(work_session, cast) if on_plan else paid_case(work_session, cast, nte_minor=nte_minor)
    for piece in work:
        worked(work_session, cast, case, **piece)
    settled(work_session, cast, case, **resolving)
    item = billed(work_session, case)
    # Nothing but the row's own JSON, read as it is stored.
    stored = json.loads(
        work_session.scalar(text("SELECT explanation::text FROM bill_item WHERE id = :id"), {"id": item.id})
    )
    rated = replay(stored)
    assert (rated.currency, rated.amount_minor) == (item.currency, item.amount_minor)
    billed_lines = work_session.execute(
        text(
            "SELECT kind, mode, band, seconds, amount_minor, list_amount_minor FROM bill_line"
            " WHERE bill_item_id = :id ORDER BY position"
        ),
        {"id": item.id},
    ).all()
    assert [
        (line.kind, line.key.mode, line.key.band, line.seconds, line.amount_minor, line.list_amount_minor)
        for line in rated.lines
    ] == [tuple(line) for line in billed_lines]
    assert all(words(stored))
