"""Performing jobs: one, all that wait, or until told to stop.

Invariants:
 - The failure of an attempt is a row, written in a transaction of its own, before the job is put back or given up.
 - Pauses double from 5 seconds to an hour; after ``MOST_ATTEMPTS`` the job stays failed until somebody asks again.
 - A worker outlives a restart of the database.
 - A job whose worker was killed is put back when its heartbeat has been missing for ``stalled_seconds``; killing
   workers again and again counts as attempts, so a job that brings workers down is given up too.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from sqlalchemy import text

import portal.worker.tasks  # noqa: F401  registers every task
from portal.db import driver_conninfo, transaction
from portal.errors import NotAllowed, NotFound, PortalError, RuleBroken
from portal.jobs import JobFailure
from portal.rows import insert_once
from portal.worker.registry import TASKS, Edges, Task

MOST_ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 3600
RECONNECT_SECONDS = 1
# What a rule refuses now it refuses the next time too.
PERMANENT = (RuleBroken, NotFound, NotAllowed)

_TAKE = text("""
    UPDATE procrastinate_jobs SET status = 'doing'
    WHERE id = (SELECT id FROM procrastinate_jobs
                WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= :now)
                ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, task_name, args, attempts + 1
""")
_FINISH = text("SELECT procrastinate_finish_job_v1(:number, CAST(:status AS procrastinate_job_status), :forget)")
_RETRY = text("SELECT procrastinate_retry_job_v2(:number, :at, NULL, NULL, NULL)")

log = structlog.get_logger(__name__)


class WorkerLost(PortalError):
    """The process that ran a job ended without a word."""


def perform(edges: Edges, name: str, ids: Mapping[str, Any]) -> None:
    """Run the task of one job now. *Raises*: LookupError for a name that has no task."""
    found = TASKS.get(name)
    if found is None:
        raise LookupError(f"no task is called {name}")
    now = edges.clock()
    if found.own_transactions:
        found.run(edges, now, **ids)
        return
    with transaction(edges.engine) as session:
        found.run(session, now, **ids)


def pause_after(error: BaseException, attempt: int) -> timedelta | None:
    """How long to wait before the next attempt after the ``attempt``-th failed; None: give up."""
    if isinstance(error, PERMANENT) or attempt >= MOST_ATTEMPTS:
        return None
    # The exponent is capped too: only the pause matters, not the number.
    return timedelta(seconds=min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS))


def run_pending(edges: Edges, *, most: int = 10_000, raise_errors: bool = True) -> list[str]:
    """Run every job that is due by the edges' clock, and those they enqueue, in this process; the names, in order.

    For tests and for building a demonstration under a clock of its own; not beside a running worker, which takes a job
    without a worker's heartbeat for abandoned.

    *Raises*: with ``raise_errors`` the error of the first failing job, after recording it and putting the job back.
    """
    done: list[str] = []
    while len(done) < most:
        taken = _take(edges)
        if taken is None:
            return done
        number, name, ids, attempt = taken
        done.append(name)
        try:
            perform(edges, name, ids)
        except Exception as error:
            # The worker's outermost step: whatever went wrong is recorded on the job.
            _put_back(edges, number, error, name=name, attempt=attempt)
            if raise_errors:
                raise
        else:
            _finish(edges, number)
    raise RuntimeError(f"{most} jobs ran and more are waiting: a task enqueues itself without end")


def work(
    edges: Edges,
    *,
    concurrency: int = 2,
    heartbeat_seconds: float = 10,
    stalled_seconds: float = 30,
    poll_seconds: float = 2,
    until_empty: bool = False,
) -> None:
    """Run jobs until told to stop (SIGINT, SIGTERM), letting those under way end; or until none is due.

    While the database is away it waits for it; the jobs it was running are then taken for a lost worker's.
    """
    options: dict[str, Any] = {
        "concurrency": concurrency,
        "wait": not until_empty,
        "delete_jobs": "successful",
        # New jobs announce themselves; a job put back for later does not.
        "fetch_job_polling_interval": poll_seconds,
        "update_heartbeat_interval": heartbeat_seconds,
        "stalled_worker_timeout": stalled_seconds,
        "shutdown_graceful_timeout": stalled_seconds,
        "install_signal_handlers": False,
    }

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        while not stop.is_set():
            app = build_queue(edges, connections=concurrency + 2)
            ended_well = await _work_while_connected(app, edges, stop, options)
            if ended_well and until_empty:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RECONNECT_SECONDS)

    asyncio.run(run())


async def _work_while_connected(app: App, edges: Edges, stop: asyncio.Event, options: dict[str, Any]) -> bool:
    """Work until ``stop``, an empty queue, or the loss of the database; False after a loss."""
    stalled_seconds = options["stalled_worker_timeout"]
    try:
        async with app.open_async():
            side = [
                asyncio.create_task(_watch_for_stalled(app, edges, stalled_seconds)),
                asyncio.create_task(stop.wait()),
            ]
            working = asyncio.create_task(app.run_worker_async(**options))
            try:
                await asyncio.wait({working, side[1]}, return_when=asyncio.FIRST_COMPLETED)
                # To procrastinate, cancelling means: finish the jobs under way, take no more.
                working.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await working
            finally:
                for task_beside in side:
                    task_beside.cancel()
                await asyncio.gather(*side, return_exceptions=True)
    except (ConnectorException, OperationalError, PoolTimeout) as error:
        log.warning("worker_lost_the_database", error=type(error).__name__)
        return False
    return True


def build_queue(edges: Edges, *, connections: int = 4) -> App:
    """procrastinate's app with every task and the schedule; not opened."""
    conninfo = driver_conninfo(edges.settings.work_database_url or "")
    connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=connections)
    app = App(connector=connector)
    for found in TASKS.values():
        _register(app, edges, found)
    return app


def _register(app: App, edges: Edges, found: Task) -> None:
    def run(context: JobContext, /, timestamp: int | None = None, **ids: Any) -> None:
        # A scheduled job carries the minute it was due; the task reads the clock it is given.
        attempt = context.job.attempts + 1
        structlog.contextvars.bind_contextvars(job=found.name, job_id=context.job.id, attempt=attempt)
        try:
            perform(edges, found.name, ids)
        except Exception as error:
            _record(edges, context.job.id, error, name=found.name, attempt=attempt)
            raise
        finally:
            structlog.contextvars.clear_contextvars()

    registered = app.task(name=found.name, pass_context=True, retry=_Pauses())(run)
    if found.every is not None:
        # The lock keeps a slow sweep from meeting its successor.
        app.periodic(cron=found.every, lock=found.name)(registered)


class _Pauses(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        pause = pause_after(exception, job.attempts + 1)
        return None if pause is None else RetryDecision(retry_in={"seconds": int(pause.total_seconds())})


async def _watch_for_stalled(app: App, edges: Edges, stalled_seconds: float) -> None:
    while True:
        try:
            await retry_stalled(app, edges, stalled_seconds)
        except Exception as error:  # noqa: BLE001  the database may be restarting: look again at the next turn
            log.warning("stalled_jobs_not_checked", error=type(error).__name__)
        await asyncio.sleep(max(stalled_seconds / 2, 0.2))


async def retry_stalled(app: App, edges: Edges, stalled_seconds: float) -> int:
    """Put back the jobs of workers that have gone silent; how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_seconds))
    for job in stalled:
        attempt = job.attempts + 1
        killed = WorkerLost(f"the worker that ran attempt {attempt} is gone")
        await asyncio.to_thread(_record, edges, job.id, killed, name=job.task_name, attempt=attempt)
        if pause_after(killed, attempt) is None:
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
        else:
            await app.job_manager.retry_job(job, retry_at=edges.clock())
    return len(stalled)


def _take(edges: Edges) -> tuple[int, str, dict[str, Any], int] | None:
    with transaction(edges.engine) as session:
        row = session.execute(_TAKE, {"now": edges.clock()}).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])


def _finish(edges: Edges, number: int) -> None:
    with transaction(edges.engine) as session:
        session.execute(_FINISH, {"number": number, "status": "succeeded", "forget": True})


def _put_back(edges: Edges, number: int, error: Exception, *, name: str, attempt: int) -> None:
    _record(edges, number, error, name=name, attempt=attempt)
    pause = pause_after(error, attempt)
    with transaction(edges.engine) as session:
        if pause is None:
            session.execute(_FINISH, {"number": number, "status": "failed", "forget": False})
        else:
            session.execute(_RETRY, {"number": number, "at": edges.clock() + pause})


def _record(edges: Edges, number: int | None, error: Exception, *, name: str, attempt: int) -> None:
    """Keep the failure: its kind always, its words only where they are ours, because others' may hold personal data."""
    words = error.sentence if isinstance(error, PortalError) else ""
    kind = type(error).__name__
    final = pause_after(error, attempt) is None
    log.error("job_failed", job=name, job_id=number, attempt=attempt, error=kind, is_final=final)
    words = f"{kind}: {words}".rstrip(": ")
    with transaction(edges.engine) as session:
        # A worker may be killed after it has kept a failure and before it has put the job back: the first word stands.
        insert_once(session, JobFailure(job_id=number, name=name, attempt=attempt, error=words, is_final=final))
