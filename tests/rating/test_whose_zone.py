"""A calendar that goes by the engineer's own clock: each entry's band by the zone it was worked in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.rating.engine import rate
from portal.rating.facts import CaseFacts, Cover, WorkInterval
from portal.rating.policies import compile_tariff
from tests.support.documents import policy

CLOCK = 'windows = ["mon-fri 08:00-17:00"]'
BY_ENGINEER = policy((CLOCK, f'whose_zone = "engineer"\n{CLOCK}'))
# 17:30 in Berlin, 11:30 in New York, 22:00 in Kolkata.
START = datetime(2026, 3, 10, 16, 30, tzinfo=UTC)


def bands(document, *zones: str) -> list[str]:
    tariff = compile_tariff(document, product_line="DoorController")
    work = [
        WorkInterval(number, 1, START, START + timedelta(minutes=15), "remote", zone=zone)
        for number, zone in enumerate(zones, start=1)
    ]
    done = rate(CaseFacts(cover=(Cover(START, "complimentary"),)), work, (), tariff)
    found = {segment.entry_id: line.key.band for line in done.lines for segment in line.segments}
    return [found[number] for number in range(1, len(zones) + 1)]


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        (("Europe/Berlin",), ["after_hours"]),
        (("America/New_York",), ["business"]),
        (("Asia/Kolkata",), ["after_hours"]),
        # Nobody knows where it was: the document's zone counts.
        (("",), ["after_hours"]),
        (("America/New_York", "Europe/Berlin", "America/New_York"), ["business", "after_hours", "business"]),
    ],
)
def test_the_band_is_that_of_the_workers_clock(zones, expected):
    assert bands(BY_ENGINEER, *zones) == expected


def test_without_such_a_calendar_zones_change_nothing():
    assert bands(policy(), "America/New_York") == ["after_hours"]


def test_timetables_of_a_zone_are_made_once():
    tariff = compile_tariff(BY_ENGINEER, product_line="DoorController")
    first = tariff.timetable("complimentary", "America/New_York")
    assert tariff.timetable("complimentary", "America/New_York") is first
    assert tariff.timetable("complimentary") is not first
