"""What the quote says of moments: times a clock skips or shows twice, deadlines by place, plans that change."""

from datetime import UTC, date, datetime

import pytest

from portal.contracts.packs import Lapse
from portal.contracts.renewals import plan_state
from portal.quoting.case_input import case_from_values
from portal.quoting.quote import quote
from portal.zones import change_notes, wall_note
from tests.support.documents import policy


def asked(*changes, **case):
    return quote(policy(*changes), None, case_from_values({"opened_at": "2026-03-03T16:30:00", **case}))


@pytest.mark.parametrize(
    ("at", "words", "due_at"),
    [
        (
            "2026-03-29T02:30:00",
            "does not exist in Europe/Berlin: the clock skips it, 03:30",
            "04:00:00+02:00",
        ),
        ("2026-10-25T02:30:00", "comes twice in Europe/Berlin: the first is meant (CEST)", "02:00:00+01:00"),
        ("2026-03-03T16:30:00", "", "17:00:00+01:00"),
    ],
)
def test_a_time_that_does_not_exist_or_comes_twice_follows_a_rule_and_says_so(at, words, due_at):
    answer = asked(opened_at=at, plan="assured", severity=1)
    assert (words in answer["notes"][0]) if words else answer["notes"] == []
    response = next(due for due in answer["deadlines"] if due["clock"] == "response")
    assert response["due_at"].endswith(due_at)


def test_half_hours_and_midnights_that_are_skipped_are_said():
    said = (
        wall_note(zone, datetime.fromisoformat(at))
        for zone, at in (("America/Sao_Paulo", "2015-10-18T00:15"), ("Australia/Lord_Howe", "2026-10-04T02:15"))
    )
    assert [note[-15:] for note in said if note] == ["01:15 is meant.", "02:45 is meant."]
    spring = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    (note,) = change_notes("Europe/Berlin", *spring)
    assert (
        note == "On 2026-03-29 the clock in Europe/Berlin goes from 02:00 to 03:00: the time skipped is no open time."
    )
    assert change_notes("UTC", *spring) == ()


UNLIMITED = ('included_minutes_per_month = 120\nincluded_worth_per_hour = "120.00"', "unlimited = true")
UPGRADE = {
    "work": [{"minutes": 30}, {"minutes": 60}],
    "plan_changes": [{"at": "2026-03-03T17:00:00", "plan": "assured"}],
    "severity": 1,
}


def test_a_plan_chosen_while_the_case_runs_covers_what_comes_after():
    before, after = asked(UNLIMITED, work=UPGRADE["work"], severity=1), asked(UNLIMITED, **UPGRADE)
    assert (before["bill"]["amount"], after["bill"]["amount"]) == ("300.00", "75.00")


def test_a_plan_may_cover_the_running_case_from_its_opening():
    backward = asked(UNLIMITED, ("rank = 20", "back_cover = true\nrank = 20"), **UPGRADE)
    assert backward["bill"]["amount"] == "0.00"


@pytest.mark.parametrize(
    ("on", "state"),
    [("2026-01-31", "active"), ("2026-03-02", "grace"), ("2026-03-03", "lapsed"), ("2026-08-01", "ended")],
)
def test_a_plan_that_ended_is_in_grace_then_lapsed_then_gone(on, state):
    terms = Lapse(grace_days=30, ends_after_days=180)
    assert plan_state(terms, date(2026, 1, 31), date.fromisoformat(on)) == state
