"""A deadline counted again, in words: each window, each change of the clock, and whether it agrees."""

from datetime import UTC, datetime

import pytest

from portal.calendars import ALWAYS, Calendar, Window
from portal.cases.rules import ClockFacts, recount
from portal.cases.rules.proof import proof_of
from portal.contracts.targets import Clock
from portal.quoting.printing import clock_words, printed_recount

OFFICE = Calendar("Europe/Berlin", tuple(Window(day, 8 * 60, 17 * 60) for day in range(5)))
FRIDAY = datetime(2026, 3, 27, 15, 0, tzinfo=UTC)
ABOUT = {"case": "NOR-1042", "calendar_label": "Business hours"}


def said(facts: ClockFacts, about: dict[str, str], **given: object) -> list[str]:
    proof = proof_of(facts, FRIDAY, about)
    proof["answer"] = {**proof["answer"], **given}
    return printed_recount(proof, recount(proof)).splitlines()


def test_a_deadline_over_a_weekend_is_told_window_by_window():
    assert said(ClockFacts(Clock.RESPONSE, OFFICE, 7_230, FRIDAY), ABOUT) == [
        "NOR-1042: response, Business hours (Europe/Berlin)",
        "Started 2026-03-27 16:00:00 CET.",
        "  Fri 2026-03-27 16:00:00 CET to 2026-03-27 17:00:00 CET: 1 h",
        "  Mon 2026-03-30 08:00:00 CEST to 2026-03-30 09:00:30 CEST: 1 h 30 s",
        "  On 2026-03-29 the clock in Europe/Berlin goes from 02:00 to 03:00: the time skipped is no open time.",
        "Due 2026-03-30 09:00:30 CEST.",
        "Counted again from this file alone: it agrees.",
    ]


def test_what_differs_is_said():
    lines = said(ClockFacts(Clock.RESOLUTION, ALWAYS, 60, FRIDAY), {}, used_seconds=9)
    assert lines[0] == "a case: resolution, its calendar (UTC)"
    assert lines[-3:] == [
        "Without a date: it stands still.",
        "DIFFERS: used seconds: given 9, counted 0",
        "It does not agree.",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (3_600, "1 h"), (30_600, "8 h 30 min"), (3_661, "1 h 1 min 1 s")]
)
def test_lengths_name_the_units_that_count(seconds, words):
    assert clock_words(seconds) == words
