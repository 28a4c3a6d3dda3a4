"""A job commits with its rows, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from portal.db import Scope
from portal.jobs import enqueue, enqueue_many, forget_jobs, jobs_in_line

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
JOBS = text("SELECT task_name, args, scheduled_at FROM procrastinate_jobs ORDER BY id")


def test_job_is_there_when_its_transaction_commits(committed_database):
    with committed_database.work_engine.connect() as other:
        with committed_database.work_engine.connect() as connection:
            from sqlalchemy.orm import Session

            session = Session(connection)
            enqueue(session, "close_case", case_id=7)
            assert other.execute(JOBS).all() == []
            other.rollback()
            session.commit()
        assert other.execute(JOBS).all() == [("close_case", {"case_id": 7}, None)]


def test_job_is_gone_when_its_transaction_is_rolled_back(work_session):
    enqueue(work_session, "close_case", case_id=7)
    work_session.rollback()
    assert work_session.execute(JOBS).all() == []


def test_the_same_job_twice_is_no_error(work_session):
    assert enqueue(work_session, "close_case", case_id=7) != enqueue(work_session, "close_case", case_id=7)


def test_uuid_becomes_text_and_time_is_kept_when_a_job_waits(work_session):
    intent = UUID(int=5)
    enqueue(work_session, "perform_intent", run_at=NOW + timedelta(hours=1), intent_id=intent)
    assert work_session.execute(JOBS).all() == [
        ("perform_intent", {"intent_id": str(intent)}, NOW + timedelta(hours=1))
    ]


def test_naive_time_is_refused(work_session):
    with pytest.raises(TypeError):
        enqueue(work_session, "close_case", run_at=NOW.replace(tzinfo=None), case_id=7)


def test_many_jobs_keep_their_order_and_none_is_no_statement(work_session):
    assert enqueue_many(work_session, "bill_cut", []) == []
    numbers = enqueue_many(work_session, "bill_cut", [{"cut_id": n} for n in range(3)])
    assert numbers == sorted(numbers)
    assert [row.args for row in work_session.execute(JOBS)] == [{"cut_id": 0}, {"cut_id": 1}, {"cut_id": 2}]


def test_the_next_of_a_task_are_found_behind_any_number_of_others(work_session):
    enqueue_many(work_session, "notify_security", [{"entry_id": n} for n in range(1_001)])
    enqueue(work_session, "bill_cut", run_at=NOW + timedelta(hours=1), case_id=6)
    due = [enqueue(work_session, "bill_cut", run_at=at, case_id=7) for at in (None, NOW, None)]
    assert jobs_in_line(work_session, "bill_cut", now=NOW, most=2) == {key: {"case_id": 7} for key in due[:2]}
    forget_jobs(work_session, due[:2])
    assert list(jobs_in_line(work_session, "bill_cut", now=NOW, most=2)) == due[2:]


def test_web_adds_jobs_and_cannot_read_them(web_session, work_session):
    session = web_session(Scope(1, 1))
    enqueue(session, "close_case", case_id=7)
    session.commit()
    for statement in (
        "SELECT 1 FROM procrastinate_jobs",
        "DELETE FROM procrastinate_jobs",
        "SELECT 1 FROM job_failure",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            session.execute(text(statement))
        session.rollback()
    assert [row.task_name for row in work_session.execute(JOBS)] == ["close_case"]


def test_job_lag_counts_from_when_a_job_was_due(web_session):
    session = web_session(Scope(1, 1))
    lag = text("SELECT job_lag_seconds()")
    assert session.scalar(lag) == 0
    enqueue(session, "later", run_at=datetime.now(UTC) + timedelta(hours=1), case_id=1)
    assert session.scalar(lag) == 0
    enqueue(session, "overdue", run_at=datetime.now(UTC) - timedelta(hours=2), case_id=1)
    assert 7190 <= session.scalar(lag) <= 7210
