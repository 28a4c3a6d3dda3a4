"""What follows a resolution."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.cases.rules import (
    LadderStage,
    SilenceStep,
    closes_at,
    deemed_at,
    ladder,
    ladder_stage,
    may_undo_deemed,
    needs_confirmation,
    reopen_until,
    return_path,
    second_notice_at,
    silence_step,
)
from portal.contracts.blocks import Company
from tests.support.documents import agreement, policy

P, K = policy(), agreement()
MAKER, INTEGRATOR = Company.MANUFACTURER, Company.INTEGRATOR
RESOLVED = datetime(2026, 12, 21, 10, 0, tzinfo=UTC)  # Monday before Christmas
WEEK = timedelta(days=7)


def test_notices_count_the_silent_companys_business_days():
    # Kessler is closed on the 24th, 25th and 31st; the 26th is a Saturday.
    assert second_notice_at(P, K, INTEGRATOR, RESOLVED) == datetime(2026, 12, 28, 10, 0, tzinfo=UTC)
    assert second_notice_at(P, K, MAKER, RESOLVED) == datetime(2026, 12, 24, 10, 0, tzinfo=UTC)
    assert deemed_at(P, K, INTEGRATOR, RESOLVED) == datetime(2026, 12, 30, 10, 0, tzinfo=UTC)
    assert deemed_at(P, None, INTEGRATOR, RESOLVED) == datetime(2026, 12, 29, 10, 0, tzinfo=UTC)


DELIVERED = datetime(2026, 12, 28, 11, 0, tzinfo=UTC)
DEEMED = datetime(2027, 1, 6, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("delivered", "amount", "now", "step"),
    [
        (None, 1, RESOLVED + timedelta(days=1), SilenceStep.WAIT),
        (None, 1, datetime(2026, 12, 28, 10, 0, tzinfo=UTC), SilenceStep.SECOND_NOTICE),
        (None, 1, RESOLVED + 52 * WEEK, SilenceStep.SECOND_NOTICE),
        (DELIVERED, 1, DEEMED - timedelta(seconds=1), SilenceStep.WAIT),
        (DELIVERED, 50_000, DEEMED, SilenceStep.DEEM),
        (DELIVERED, 50_001, DEEMED, SilenceStep.TO_MANAGER),
    ],
)
def test_silence_counts_only_after_a_delivered_second_notice(delivered, amount, now, step):
    found = silence_step(
        P,
        K,
        silent=INTEGRATOR,
        resolved_at=RESOLVED,
        second_notice_delivered_at=delivered,
        amount=amount,
        now=now,
    )
    assert found is step


def test_deemed_yes_can_be_undone_until_the_hard_close():
    assert may_undo_deemed(deemed=True, hard_closed=False)
    assert not may_undo_deemed(deemed=True, hard_closed=True)
    assert not may_undo_deemed(deemed=False, hard_closed=False)
    assert needs_confirmation(has_integrator=True)
    assert not needs_confirmation(has_integrator=False)


def test_challenge_climbs_from_managers_to_neutral_to_fallback():
    raised = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    steps = ladder(P, K, raised)
    assert [(step.stage, step.from_at, step.until) for step in steps] == [
        (LadderStage.MANAGERS, raised, datetime(2026, 11, 27, 10, 0, tzinfo=UTC)),
        (LadderStage.NEUTRAL, datetime(2026, 11, 27, 10, 0, tzinfo=UTC), datetime(2026, 12, 11, 10, 0, tzinfo=UTC)),
        (LadderStage.FALLBACK, datetime(2026, 12, 11, 10, 0, tzinfo=UTC), None),
    ]
    assert ladder_stage(steps, raised).stage is LadderStage.MANAGERS
    assert ladder_stage(steps, steps[1].from_at).stage is LadderStage.NEUTRAL
    assert ladder_stage(steps, raised + 52 * WEEK).stage is LadderStage.FALLBACK


def test_neither_company_loses_days_to_the_others_holidays():
    steps = ladder(P, K, RESOLVED)
    # Five days of Kessler's take until the 30th, five of the factory's until the 29th.
    assert steps[0].until == datetime(2026, 12, 30, 10, 0, tzinfo=UTC)


def test_fallback_follows_the_managers_when_no_neutral_is_named():
    assert [step.stage for step in ladder(P, None, RESOLVED)] == [LadderStage.MANAGERS, LadderStage.FALLBACK]


def test_case_closes_at_the_end_of_its_window_or_when_the_contact_confirms():
    assert reopen_until(P, RESOLVED) == RESOLVED + WEEK
    assert closes_at(P, RESOLVED, None) == RESOLVED + WEEK
    assert closes_at(P, RESOLVED, RESOLVED + timedelta(hours=1)) == RESOLVED + timedelta(hours=1)
    at_once = policy(("reopen_hours = 168", "reopen_hours = 0"))
    assert closes_at(at_once, RESOLVED, None) == RESOLVED


@pytest.mark.parametrize(
    ("closed", "after", "path"),
    [(False, WEEK - timedelta(seconds=1), "reopen"), (False, WEEK, "linked_case"), (True, timedelta(0), "linked_case")],
)
def test_return_reopens_before_the_closing_and_links_after_it(closed, after, path):
    assert return_path(P, resolved_at=RESOLVED, closed=closed, now=RESOLVED + after) == path
