"""What may be logged, when a timer asks, who approves and corrects."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal.access import Actor, Audience, Role, Side
from portal.errors import Invalid
from portal.metering import rules
from portal.metering.rules import TimerQuestion
from tests.support.cast import NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def actor(*roles: Role, person_id: int = 1, organisation_id: int = 1) -> Actor:
    return Actor(person_id, organisation_id, Side.MANUFACTURER, frozenset(roles))


@pytest.mark.parametrize(
    ("started", "seen", "question"),
    [
        (HOUR, MINUTE, TimerQuestion.NONE),
        (HOUR, 45 * MINUTE, TimerQuestion.IDLE),
        (HOUR, 44 * MINUTE, TimerQuestion.NONE),
        (10 * HOUR, MINUTE, TimerQuestion.FORGOTTEN),
        (11 * HOUR, 5 * HOUR, TimerQuestion.FORGOTTEN),
    ],
)
def test_timer_asks_when_idle_or_forgotten(started: timedelta, seen: timedelta, question: TimerQuestion) -> None:
    assert rules.question_about(NOW - started, NOW - seen, NOW) is question


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ended_at": NOW - 2 * HOUR}, "ended_at"),
        ({"ended_at": NOW - HOUR}, "ended_at"),
        ({"ended_at": NOW + MINUTE}, "ended_at"),
        ({"started_at": NOW - 25 * HOUR}, "ended_at"),
        ({"mode": "telepathy"}, "mode"),
        ({"task_class": "lunch"}, "task_class"),
        ({"note": " \n"}, "note"),
        ({"note": "x" * 4001}, "note"),
    ],
)
def test_work_is_refused_at_the_field(change: dict[str, object], field: str) -> None:
    said: dict[str, object] = {
        "started_at": NOW - HOUR,
        "ended_at": NOW,
        "mode": "remote",
        "task_class": "support",
        "note": "Read the log",
    } | change
    started_at, ended_at = said.pop("started_at"), said.pop("ended_at")
    assert isinstance(started_at, datetime)
    assert isinstance(ended_at, datetime)
    with pytest.raises(Invalid) as refused:
        rules.check_work(started_at, ended_at, now=NOW, **said)  # type: ignore[arg-type]
    assert set(refused.value.fields) == {field}


def test_work_passes_when_it_is_whole() -> None:
    rules.check_work(NOW - HOUR, NOW, mode="phone", task_class="how_to", note="Explained", now=NOW)


def test_fraction_of_a_second_is_dropped() -> None:
    assert rules.whole_second(NOW.replace(microsecond=999_999)) == NOW


@pytest.mark.parametrize(
    ("task_class", "audience"),
    [("support", Audience.CUSTOMER), ("how_to", Audience.COMPANIES), ("commissioning", Audience.COMPANIES)],
)
def test_customer_reads_support_only(task_class: str, audience: Audience) -> None:
    assert rules.audience_of(task_class) is audience


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (actor(Role.SUPPORT_LEAD, person_id=2), True),
        (actor(Role.SUPPORT_LEAD, person_id=1), False),
        (actor(Role.SUPPORT_LEAD, person_id=2, organisation_id=2), False),
        (actor(Role.ENGINEER, person_id=2), False),
    ],
)
def test_time_is_approved_by_another_in_charge(who: Actor, expected: bool) -> None:
    assert rules.may_approve(who, worker_id=1, company_id=1) is expected


@pytest.mark.parametrize(
    ("who", "is_approved", "expected"),
    [
        (actor(Role.ENGINEER, person_id=1), False, True),
        (actor(Role.ENGINEER, person_id=1), True, False),
        (actor(Role.ENGINEER, person_id=2), False, False),
        (actor(Role.SUPPORT_LEAD, person_id=2), True, True),
        (actor(Role.SUPPORT_LEAD, person_id=2, organisation_id=2), False, False),
        (actor(Role.FINANCE, person_id=1), False, False),
    ],
)
def test_approved_time_is_corrected_by_those_in_charge(who: Actor, is_approved: bool, expected: bool) -> None:
    assert rules.may_correct(who, worker_id=1, company_id=1, is_approved=is_approved) is expected
