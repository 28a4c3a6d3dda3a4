"""A worker killed with -9 around a transfer's call, and two at once: the money moves exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text

from portal.config import ROOT
from portal.db import driver_conninfo, transaction
from portal.jobs import enqueue
from portal.ledger.rules import Purpose
from portal.worker.payment_tasks import LOOK_AGAIN_AFTER
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.support.cast import build_cast
from tests.support.payments import balance_of, connected, open_books, planned_transfer, state_of

AMOUNT = 7_000
WATCH_INTENTS = """
    CREATE FUNCTION say_state() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_notify('intent', NEW.state); RETURN NULL; END $$;
    CREATE TRIGGER say_state AFTER UPDATE ON intent FOR EACH ROW WHEN (NEW.kind = 'transfer')
    EXECUTE FUNCTION say_state();
"""
BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0 AND pid <> pg_backend_pid()"
)


@pytest.fixture
def intent_id(committed_database, gateway, standin):
    standin.control.fund(100_000, "eur")
    with transaction(committed_database.work_engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        connected(session, gateway, standin, cast.integrator)
    with transaction(committed_database.owner_engine) as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
        session.execute(text(WATCH_INTENTS))
    with transaction(committed_database.work_engine) as session:
        return planned_transfer(session, cast, AMOUNT).id


@pytest.fixture
def listener(committed_database, intent_id) -> Iterator[psycopg.Connection]:
    conninfo = driver_conninfo(committed_database.settings.database_url)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("LISTEN intent")
        yield connection


@contextmanager
def worker(committed_database, standin) -> Iterator[subprocess.Popen]:
    settings = committed_database.settings
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database_url,
        "INSTANCE_DIR": str(settings.instance_dir),
        "SECRET_KEY": settings.secret_key,
        "STRIPE_SECRET_KEY": standin.key,
        "STRIPE_API_BASE": standin.base_url,
        "STRIPE_WEBHOOK_SECRET": standin.webhook_secret,
        "STRIPE_THIN_WEBHOOK_SECRET": standin.thin_webhook_secret,
    }
    process = subprocess.Popen([sys.executable, "-m", "tests.support.payment_worker"], env=environ, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_for(listener: psycopg.Connection, state: str) -> None:
    for notice in listener.notifies(timeout=60):
        if notice.payload == state:
            return
    raise AssertionError(f"the transfer was not {state} in time")


def assert_moved_once(committed_database, standin) -> None:
    assert standin.control.counters()["transfer"] == 1
    with transaction(committed_database.work_engine) as session:
        # At some minutes of an hour the worker has imported the top-up already: it came from the bank.
        assert balance_of(session, Purpose.STRIPE) + balance_of(session, Purpose.BANK) == -AMOUNT
        assert balance_of(session, Purpose.IN_TRANSFER) == 0


@pytest.mark.parametrize(
    ("fault", "method", "path"),
    [
        ("hold_before", "GET", "/v1/balance"),
        ("hold_before", "POST", "/v1/transfers"),
        ("hold_after", "POST", "/v1/transfers"),
    ],
)
def test_the_transfer_happens_once_when_the_worker_is_killed_at_the_call(
    committed_database, standin, listener, fault, method, path
):
    standin.control.fault(fault, method=method, path=path)
    with worker(committed_database, standin) as first:
        standin.control.wait_until_held(seconds=30)
        kill(first)
    standin.control.release_held_calls()
    with worker(committed_database, standin):
        wait_for(listener, "succeeded")
    assert_moved_once(committed_database, standin)


def test_the_transfer_happens_once_when_the_worker_is_killed_before_it_commits(
    committed_database, standin, listener, intent_id
):
    standin.control.fault("hold_after", method="POST", path="/v1/transfers")
    with worker(committed_database, standin) as first:
        standin.control.wait_until_held(seconds=30)
        with committed_database.owner_engine.connect() as watching:
            watching.execute(text("SELECT FROM intent WHERE id = :id FOR UPDATE"), {"id": intent_id})
            standin.control.release_held_calls()
            # The answer is there; the worker stands at the row it wants to write.
            while not listener.execute(BLOCKED).fetchone()[0]:
                assert first.poll() is None
            kill(first)
    with worker(committed_database, standin):
        wait_for(listener, "succeeded")
    assert_moved_once(committed_database, standin)


def test_the_transfer_happens_once_when_the_answer_is_lost_and_two_workers_try(committed_database, standin, listener):
    standin.control.fault("lose_answer", method="POST", path="/v1/transfers")
    with worker(committed_database, standin), worker(committed_database, standin):
        wait_for(listener, "unknown")
        wait_for(listener, "succeeded")
    assert_moved_once(committed_database, standin)


def test_one_call_is_made_when_two_jobs_for_one_transfer_run_at_once(committed_database, standin, listener, intent_id):

    with transaction(committed_database.work_engine) as session:
        for _ in range(3):
            enqueue(session, "perform_intent", intent_id=intent_id)
    standin.control.fault("hold_before", method="POST", path="/v1/transfers")
    with worker(committed_database, standin), worker(committed_database, standin):
        standin.control.wait_until_held(seconds=30)
        standin.control.release_held_calls()
        wait_for(listener, "succeeded")
    assert len(standin.control.calls(method="POST", path="/v1/transfers")) == 1
    assert_moved_once(committed_database, standin)


def test_somebody_looks_again_when_another_process_holds_the_transfer(committed_database, gateway, intent_id):
    """A job that was put back meets the one that goes on, which is killed then: the transfer is not forgotten."""
    now = datetime.now(UTC)
    edges = Edges(committed_database.settings, committed_database.work_engine, lambda: now, gateway=gateway)
    with committed_database.work_engine.connect() as held:
        held.execute(text("SELECT pg_advisory_lock(hashtextextended(:key, 0))"), {"key": f"intent:{intent_id}"})
        assert "perform_intent" in run_pending(edges)
        assert "perform_intent" not in run_pending(edges)
        assert state_of(committed_database.work_engine, intent_id) == ("planned", "")
        held.invalidate()
    assert "perform_intent" in run_pending(replace(edges, clock=lambda: now + LOOK_AGAIN_AFTER))
    assert state_of(committed_database.work_engine, intent_id) == ("succeeded", "")


def test_a_transfer_refused_for_balance_at_the_last_moment_goes_later_under_a_new_key(
    committed_database, standin, listener
):
    standin.control.fault("hold_before", method="POST", path="/v1/transfers")
    with worker(committed_database, standin):
        standin.control.wait_until_held(seconds=30)
        standin.control.set_available(AMOUNT - 1, "eur")
        standin.control.release_held_calls()
        wait_for(listener, "planned")
    standin.control.set_available(AMOUNT, "eur")
    with transaction(committed_database.work_engine) as session:
        enqueue(session, "perform_waiting")
    with worker(committed_database, standin):
        wait_for(listener, "succeeded")
    assert len({one["idempotency_key"] for one in standin.control.calls(method="POST", path="/v1/transfers")}) == 2
    assert_moved_once(committed_database, standin)
