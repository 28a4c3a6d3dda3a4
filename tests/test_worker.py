"""Jobs run, fail, are tried again, and outlive the process that ran them."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text

from portal import embedded
from portal.config import MIGRATIONS, ROOT, Settings
from portal.db import driver_conninfo, engine_for, open_session, transaction, upgrade
from portal.errors import ProviderTrouble, RuleBroken
from portal.jobs import JobFailure, enqueue
from portal.worker.registry import TASKS, Edges, task
from portal.worker.running import MOST_ATTEMPTS, build_queue, pause_after, retry_stalled, run_pending
from tests.conftest import settings_for

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# The schedule of the minute is no part of any test here.
STATES = text(
    "SELECT task_name, status::text, attempts FROM procrastinate_jobs"
    " WHERE NOT EXISTS"
    " (SELECT FROM procrastinate_periodic_defers AS planned WHERE planned.job_id = procrastinate_jobs.id) ORDER BY id"
)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def edges(settings, work_engine, clock) -> Edges:
    return Edges(settings, work_engine, clock)


@pytest.fixture
def registered() -> Iterator[None]:
    """Tasks that a test registers are forgotten after it."""
    before = dict(TASKS)
    yield
    TASKS.clear()
    TASKS.update(before)


def put(edges: Edges, name: str, **ids) -> int:
    with transaction(edges.engine) as session:
        return enqueue(session, name, **ids)


def states(edges: Edges) -> list[tuple]:
    with open_session(edges.engine) as session:
        return [tuple(row) for row in session.execute(STATES)]


@pytest.mark.usefixtures("registered")
def test_jobs_run_in_order_with_those_they_enqueue_when_the_queue_is_drained(edges):
    seen = []

    @task("first")
    def first(session, now, *, number):
        seen.append((number, now))
        enqueue(session, "second", number=number)

    @task("second")
    def second(session, now, *, number):
        seen.append((number, now))

    put(edges, "first", number=1)
    assert run_pending(edges) == ["first", "second"]
    assert seen == [(1, NOW), (1, NOW)]
    assert states(edges) == []


@pytest.mark.usefixtures("registered")
def test_a_job_waits_when_its_time_has_not_come(edges, clock):
    task("later")(lambda session, now: None)
    with transaction(edges.engine) as session:
        enqueue(session, "later", run_at=NOW + timedelta(minutes=5))
    assert run_pending(edges) == []
    clock.now += timedelta(minutes=5)
    assert run_pending(edges) == ["later"]


@pytest.mark.usefixtures("registered")
def test_a_task_commits_nothing_when_it_fails_and_the_failure_is_kept(edges, clock):
    @task("unlucky")
    def unlucky(session, now, *, case_id):
        enqueue(session, "unlucky", case_id=case_id)
        raise ProviderTrouble("Stripe does not answer.")

    number = put(edges, "unlucky", case_id=1)
    with pytest.raises(ProviderTrouble):
        run_pending(edges)
    assert states(edges) == [("unlucky", "todo", 1)]
    assert run_pending(edges) == []
    clock.now += timedelta(seconds=5)
    assert run_pending(edges, raise_errors=False) == ["unlucky"]
    with open_session(edges.engine) as session:
        failures = session.scalars(select(JobFailure).order_by(JobFailure.attempt)).all()
    assert [(f.job_id, f.attempt, f.is_final) for f in failures] == [(number, 1, False), (number, 2, False)]
    assert failures[0].error == "ProviderTrouble: Stripe does not answer."


@pytest.mark.usefixtures("registered")
def test_a_job_is_given_up_when_a_rule_refuses(edges):
    @task("refused")
    def refused(session, now):
        raise RuleBroken("The period is closed.")

    put(edges, "refused")
    assert run_pending(edges, raise_errors=False) == ["refused"]
    assert states(edges) == [("refused", "failed", 1)]


@pytest.mark.usefixtures("registered")
def test_foreign_words_are_not_kept_when_an_error_is_not_ours(edges):
    @task("leaky")
    def leaky(session, now):
        raise ValueError("somebody@example.com")

    put(edges, "leaky")
    run_pending(edges, raise_errors=False)
    with open_session(edges.engine) as session:
        assert session.scalars(select(JobFailure.error)).all() == ["ValueError"]


@pytest.mark.usefixtures("registered")
def test_a_task_that_enqueues_itself_for_ever_is_stopped(edges):
    task("endless")(lambda session, now: enqueue(session, "endless"))
    put(edges, "endless")
    with pytest.raises(RuntimeError, match="without end"):
        run_pending(edges, most=5)


@pytest.mark.usefixtures("registered")
def test_a_name_is_registered_once():
    task("only")(lambda session, now: None)
    with pytest.raises(ValueError, match="two tasks"):
        task("only")(lambda session, now: None)


def test_a_job_without_a_task_is_recorded_and_put_back(edges):
    put(edges, "from_the_future")
    assert run_pending(edges, raise_errors=False) == ["from_the_future"]
    assert states(edges) == [("from_the_future", "todo", 1)]


@pytest.mark.usefixtures("registered")
def test_scheduled_tasks_are_on_the_queues_schedule(edges):
    task("sweep", every="*/5 * * * *")(lambda session, now: None)
    queue = build_queue(edges)
    scheduled = {found.task.name: found.cron for found in queue.periodic_registry.periodic_tasks.values()}
    assert scheduled["sweep"] == "*/5 * * * *"
    assert set(TASKS) <= set(queue.tasks)


@pytest.mark.usefixtures("registered")
def test_run_jobs_runs_what_is_due_at_the_moment_it_is_given(run_jobs, work_session):
    task("sent")(lambda session, now: enqueue(session, "kept", run_at=now + timedelta(days=1)))
    task("kept")(lambda session, now: None)
    enqueue(work_session, "sent")
    work_session.commit()
    assert run_jobs(NOW) == ["sent"]
    assert run_jobs(NOW + timedelta(days=1)) == ["kept"]


def test_pauses_double_up_to_an_hour_and_end():
    pauses = [pause_after(ProviderTrouble("no answer"), attempt) for attempt in range(1, MOST_ATTEMPTS + 1)]
    assert [p.total_seconds() for p in pauses[:3] if p] == [5, 10, 20]
    assert pauses[-2] == timedelta(hours=1)
    assert pauses[-1] is None


@contextmanager
def worker_process(settings) -> Iterator[subprocess.Popen]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database_url,
        "INSTANCE_DIR": str(settings.instance_dir),
        "SECRET_KEY": settings.secret_key,
    }
    process = subprocess.Popen([sys.executable, "-m", "tests.support.worker_process"], env=environ, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def next_word(connection: psycopg.Connection, channel: str) -> str:
    for notice in connection.notifies(timeout=30):
        if notice.channel == channel:
            return notice.payload
    raise AssertionError(f"nothing was said on {channel}")


@pytest.fixture
def listener(committed_database) -> Iterator[psycopg.Connection]:
    conninfo = driver_conninfo(committed_database.settings.database_url)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for channel in ("held", "done", "answered"):
            connection.execute(f"LISTEN {channel}")
        yield connection


def test_a_job_is_taken_up_again_when_its_worker_was_killed(committed_database, listener):
    settings = committed_database.settings
    listener.execute("SELECT pg_advisory_lock(77)")
    with transaction(committed_database.work_engine) as session:
        number = enqueue(session, "hold", lock=77)
    with worker_process(settings) as first:
        assert next_word(listener, "held") == "77"
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with worker_process(settings) as second:
        assert next_word(listener, "held") == "77"
        listener.execute("SELECT pg_advisory_unlock(77)")
        assert next_word(listener, "done") == "77"
        second.send_signal(signal.SIGINT)
        assert second.wait(timeout=30) == 0
    with open_session(committed_database.work_engine) as session:
        assert session.execute(STATES).all() == []
        failure = session.scalars(select(JobFailure)).one()
    assert (failure.job_id, failure.attempt, failure.is_final) == (number, 1, False)
    assert failure.error.startswith("WorkerLost")


def test_a_waiting_worker_answers_at_once_when_a_job_commits(committed_database, listener):
    with worker_process(committed_database.settings):
        for word in ("one", "two"):
            with transaction(committed_database.web_engine) as session:
                enqueue(session, "answer", word=word)
            assert next_word(listener, "answered") == word


def test_a_worker_goes_on_when_the_database_was_restarted(tmp_path):
    with tempfile.TemporaryDirectory(prefix="factoryline-test-") as folder:
        directory = Path(folder) / "postgres"
        before = embedded.start(directory, durable=False)
        settings = settings_for(before.url(), tmp_path)
        upgrade(before.url(), MIGRATIONS)
        try:
            with worker_process(settings):
                answer_to(settings, "one")
                with psycopg.connect(before.url()) as witness:
                    # PostgreSQL's fast shutdown ends every connection, the witness' too.
                    os.kill(int((directory / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
                    with pytest.raises(psycopg.OperationalError):
                        list(witness.notifies(timeout=30))
                embedded.start(directory, durable=False).release()
                answer_to(settings, "two")
        finally:
            before.release()


def answer_to(settings: Settings, word: str) -> None:
    engine = engine_for(settings.database_url)
    with psycopg.connect(driver_conninfo(settings.database_url), autocommit=True) as listening:
        listening.execute("LISTEN answered")
        with transaction(engine) as session:
            enqueue(session, "answer", word=word)
        # A job whose end was not recorded before the restart runs again: its word may come first.
        words = iter(lambda: next_word(listening, "answered"), None)
        assert word in itertools.islice(words, 2)
    engine.dispose()


def test_a_job_is_put_back_when_its_worker_died_between_its_failure_and_its_return(committed_database):
    edges = Edges(committed_database.settings, committed_database.work_engine, lambda: datetime.now(UTC))
    with transaction(committed_database.work_engine) as session:
        job_id = enqueue(session, "sweep_payments")
        session.add(JobFailure(job_id=job_id, name="sweep_payments", attempt=1, error="Unknown", is_final=False))
    with transaction(committed_database.owner_engine) as session:
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = :id"), {"id": job_id})

    async def look() -> int:
        app = build_queue(edges)
        async with app.open_async():
            return await retry_stalled(app, edges, 0)

    # A browser that an earlier test of this process has used keeps an event loop running in its thread.
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(asyncio.run, look()).result() == 1
    with transaction(committed_database.work_engine) as session:
        assert session.execute(STATES).one()[1:] == ("todo", 1)
        assert session.scalars(select(JobFailure.error)).all() == ["Unknown"]
