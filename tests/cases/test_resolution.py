"""Resolve, confirm, silence, reopen and close: weights from the table, windows by the policy, one closing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.cases import actions, rules
from portal.contracts.blocks import Weights
from portal.errors import Conflict, Invalid, NotAllowed, RuleBroken
from portal.ledger.actions import open_first_period
from tests.support.cases import RESOLVING, accepted, closed, escalated, event_kinds, new_case, resolved
from tests.support.cast import everything, hours_later


def jobs(session, name: str) -> list[dict]:
    rows = session.execute(
        text("SELECT args, scheduled_at FROM procrastinate_jobs WHERE task_name = :name ORDER BY id"), {"name": name}
    )
    return [{**row.args, "at": row.scheduled_at} for row in rows]


def test_weights_come_from_the_signed_table(work_session, cast):
    case = resolved(work_session, cast)

    (resolution,) = everything(work_session, "resolution")
    assert resolution["integrator_bp"] + resolution["manufacturer_bp"] == 10_000
    assert resolution["off_table_reason"] == ""
    assert (case.state, case.due_at, case.reopen_until) == ("resolved", None, hours_later(2) + timedelta(hours=168))
    assert [row["outcome"] for row in everything(work_session, "clock_closing")] == ["met", "met"]
    (closing_job,) = jobs(work_session, "close_case")
    assert (closing_job["case_id"], closing_job["at"]) == (case.id, case.reopen_until)


def test_leaving_the_table_needs_a_reason(work_session, cast):
    case = accepted(work_session, cast)
    off_table = replace(RESOLVING, proposed=Weights(integrator_bp=1234, manufacturer_bp=8766))
    with pytest.raises(Invalid) as refused:
        actions.resolve(work_session, cast.ana, case, off_table, seq=case.seq, now=hours_later(2))
    assert set(refused.value.fields) == {"reason"}
    found = actions.resolve(
        work_session, cast.ana, case, replace(off_table, reason="Both looked"), seq=case.seq, now=hours_later(2)
    )

    assert (found.integrator_bp, found.resolved_by, found.off_table_reason) == (1234, "jointly", "Both looked")


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"cause": "magic"}, "cause"), ({"last_action": "x"}, "last_action"), ({"summary": " "}, "summary")],
)
def test_resolution_names_the_field_that_is_wrong(work_session, cast, changes, field):
    case = accepted(work_session, cast)
    with pytest.raises(Invalid) as refused:
        actions.resolve(work_session, cast.ana, case, replace(RESOLVING, **changes), seq=case.seq, now=hours_later(2))
    assert field in refused.value.fields


def test_only_the_holder_resolves(work_session, cast):
    case = escalated(work_session, cast)
    with pytest.raises(Conflict):
        actions.resolve(work_session, cast.ana, case, RESOLVING, seq=case.seq, now=hours_later(2))


def test_own_resolution_is_not_confirmed_by_its_author_nor_twice(work_session, cast):
    case = resolved(work_session, cast)
    with pytest.raises(Conflict):
        actions.confirm(work_session, cast.eli, case, seq=case.seq, now=hours_later(3))
    actions.confirm(work_session, cast.tom, case, seq=case.seq, now=hours_later(3))
    with pytest.raises(Conflict):
        actions.confirm(work_session, cast.mia, case, seq=case.seq, now=hours_later(4))

    assert [job["case_id"] for job in jobs(work_session, "settle_shares")] == [case.id]


def silence(session, resolution_id, *, delivered=None, amount=0, at):
    return actions.answer_silence(
        session, resolution_id, second_notice_delivered_at=delivered, amount_minor=amount, now=at
    )


def test_silence_counts_only_after_a_delivered_second_notice(work_session, cast):
    case = resolved(work_session, cast)
    resolution_id = everything(work_session, "resolution")[0]["id"]
    day = 24
    assert silence(work_session, resolution_id, at=hours_later(3)) is rules.SilenceStep.WAIT
    for _ in range(2):
        assert silence(work_session, resolution_id, at=hours_later(9 * day)) is rules.SilenceStep.SECOND_NOTICE
    assert event_kinds(work_session, case).count("second_notice") == 1
    delivered = hours_later(9 * day)
    assert silence(work_session, resolution_id, delivered=delivered, at=hours_later(10 * day)) is rules.SilenceStep.WAIT
    late = hours_later(30 * day)
    big = silence(work_session, resolution_id, delivered=delivered, amount=10_000_000, at=late)
    assert big is rules.SilenceStep.TO_MANAGER
    assert silence(work_session, resolution_id, delivered=delivered, at=late) is rules.SilenceStep.DEEM
    assert silence(work_session, resolution_id, delivered=delivered, at=late) is rules.SilenceStep.WAIT

    assert [row["basis"] for row in everything(work_session, "resolution_answer")] == ["deemed"]
    assert event_kinds(work_session, case).count("deemed_confirmed") == 1


def test_confirmation_by_silence_is_undone_until_the_hard_close(work_session, cast):
    case = resolved(work_session, cast)
    resolution_id = everything(work_session, "resolution")[0]["id"]
    late = hours_later(40 * 24)
    with pytest.raises(Conflict):
        actions.undo_deemed(work_session, cast.tom, case, reason="Holidays", seq=case.seq, now=late)
    silence(work_session, resolution_id, delivered=hours_later(9 * 24), at=late)
    with pytest.raises(Invalid):
        actions.undo_deemed(work_session, cast.tom, case, reason=" ", seq=case.seq, now=late)
    open_first_period(work_session, manufacturer_id=cast.factory.id, zone="Europe/Berlin", now=late)
    actions.undo_deemed(work_session, cast.tom, case, reason="Holidays", seq=case.seq, now=late)
    assert silence(work_session, resolution_id, delivered=hours_later(9 * 24), at=late) is rules.SilenceStep.WAIT
    actions.confirm(work_session, cast.tom, case, seq=case.seq, now=late)

    assert [row["basis"] for row in everything(work_session, "resolution_answer")] == ["deemed", "undone", "confirmed"]


def test_confirmation_by_silence_stands_once_its_period_is_closed_for_good(work_session, cast):
    case = resolved(work_session, cast)
    late = hours_later(40 * 24)
    silence(work_session, everything(work_session, "resolution")[0]["id"], delivered=hours_later(9 * 24), at=late)
    period = open_first_period(work_session, manufacturer_id=cast.factory.id, zone="Europe/Berlin", now=late)
    for state in ("closing", "soft_closed", "hard_closed"):
        period.state = state
        work_session.flush()
    with pytest.raises(RuleBroken):
        actions.undo_deemed(work_session, cast.tom, case, reason="Holidays", seq=case.seq, now=late)


def test_reopened_case_has_its_promises_again(work_session, cast):
    case = resolved(work_session, cast)
    actions.reopen(work_session, cast.tom, case, reason="Back", seq=case.seq, now=hours_later(24))

    assert (case.state, case.holder_side, case.due_kind) == ("open", "manufacturer", "resolution")
    assert actions.close_case(work_session, case.id, now=hours_later(500)) is None


def test_customers_reopening_restarts_clocks_by_job(work_session, cast):
    case = resolved(work_session, cast)
    actions.reopen(work_session, cast.cal, case, reason="Back", seq=case.seq, now=hours_later(24))
    assert case.due_at is None
    for _ in range(2):
        actions.restart_clocks(work_session, case.id, now=hours_later(24))

    assert case.due_kind == "resolution"
    assert len(jobs(work_session, "restart_clocks")) == 1


def test_nothing_is_reopened_after_the_window(work_session, cast):
    case = resolved(work_session, cast)
    with pytest.raises(Conflict):
        actions.reopen(work_session, cast.tom, case, reason="Back", seq=case.seq, now=case.reopen_until)


def test_case_closes_once_when_the_window_ends(work_session, cast):
    case = resolved(work_session, cast)
    assert actions.close_case(work_session, case.id, now=case.reopen_until - timedelta(seconds=1)) is None
    end = case.reopen_until
    assert actions.close_due(work_session, now=end) == 1
    assert actions.close_case(work_session, case.id, now=end) is None
    assert actions.close_due(work_session, now=end) == 0

    assert (case.state, case.closed_at) == ("closed", end)
    assert [row["basis"] for row in everything(work_session, "case_closing")] == ["window"]
    assert [job["case_id"] for job in jobs(work_session, "bill_cut")] == [case.id]


def test_customers_word_closes_at_once(work_session, cast):
    case = resolved(work_session, cast)
    actions.confirm_fixed(work_session, cast.cal, case, seq=case.seq, now=hours_later(3))
    with pytest.raises(Conflict):
        actions.confirm_fixed(work_session, cast.cal, case, seq=case.seq, now=hours_later(3))
    actions.close_case(work_session, case.id, now=hours_later(3))

    assert everything(work_session, "case_closing")[0]["basis"] == "customer"


def test_closing_never_waits_for_a_challenge_of_the_split(work_session, cast):
    case = resolved(work_session, cast)
    halves = {"integrator_bp": 5000, "manufacturer_bp": 5000}
    actions.challenge(
        work_session, cast.mia, case, subject="split", reason="Ours", proposal=halves, seq=case.seq, now=hours_later(3)
    )

    assert actions.close_case(work_session, case.id, now=case.reopen_until) is not None


def test_return_after_the_closing_opens_a_linked_case(work_session, cast):
    old = closed(work_session, cast)
    late = hours_later(1000)
    with pytest.raises(Conflict):
        actions.reopen(work_session, cast.tom, old, reason="Back", seq=old.seq, now=late)
    case = actions.follow_up(work_session, cast.tom, old, new_case(cast), now=late)

    (link,) = everything(work_session, "case_link")
    assert (link["from_case_id"], link["to_case_id"], link["kind"]) == (old.id, case.id, "follow_up")


def test_closed_case_takes_no_more_work(work_session, cast):
    case = closed(work_session, cast)
    for act in (
        lambda: actions.take_back(work_session, cast.tom, case, seq=case.seq, now=hours_later(1000)),
        lambda: actions.resolve(work_session, cast.ana, case, RESOLVING, seq=case.seq, now=hours_later(1000)),
        lambda: actions.accept_custody(work_session, cast.eli, case, seq=case.seq, now=hours_later(1000)),
    ):
        with pytest.raises((Conflict, NotAllowed)):
            act()
