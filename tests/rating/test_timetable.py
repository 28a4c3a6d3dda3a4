"""Pieces of time against the plain question whether a calendar is open at an instant."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.calendars import Calendar, is_open
from portal.rating.terms import BandTerm
from portal.rating.timetable import Timetable
from tests.rating.builders import weekly

ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago"]
STAMPS = st.integers(
    int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
)


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_pieces_agree_with_the_calendars_at_every_instant(zone, data):
    business = weekly((0, 4, 8, 17), zone=zone)
    sunday = weekly((6, 6, 0, 24), zone=zone)
    cover = Calendar(zone, weekly((0, 5, 6, 20), zone=zone).windows, frozenset({date(2025, 12, 25)}))
    table = Timetable(zone, (BandTerm("business", business), BandTerm("sunday", sunday)), "other", cover, by_day=True)
    start = data.draw(STAMPS)
    end = start + data.draw(st.integers(1, 10 * 86_400))

    pieces = list(table.pieces(start, end))

    assert [pieces[0].start, *(piece.end for piece in pieces)] == [*(piece.start for piece in pieces), end]
    assert all(one[2:] != other[2:] for one, other in pairwise(pieces))
    for piece in pieces:
        for stamp in (piece.start, piece.end - 1, data.draw(st.integers(piece.start, piece.end - 1))):
            at = datetime.fromtimestamp(stamp, UTC)
            band = "business" if is_open(business, at) else "sunday" if is_open(sunday, at) else "other"
            day = at.astimezone(ZoneInfo(zone)).toordinal()
            assert piece[2:] == (band, is_open(cover, at), day)
