"""Work for later: a job commits with the rows it is about, or not at all.

The queue is procrastinate's, in the same PostgreSQL. A job is deferred on the session's own connection, so a rolled
back transaction leaves no job and a committed one cannot lose it.

Invariants:
 - A job carries ids, never facts: its task reads the facts when it runs.
 - No queueing lock: it would raise inside the business transaction. The same job twice is harmless, because every
   task is idempotent.
 - A job that another one does with its own work is forgotten in the transaction of that work, or stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, Session

from portal.db import Base, Id, RecordedAt, Ref, Words
from portal.sql import Sql

# procrastinate's own way in, in our words: its package brings an event loop, a pool and a calendar of schedules, which
# a web process that only enqueues neither waits for nor holds.
_DEFER = Sql("""
    SELECT procrastinate_defer_jobs_v1(array_agg(
        ROW('default', name, 0, NULL, NULL, ids, run_at)::procrastinate_job_to_defer_v1 ORDER BY place))
    FROM ROWS FROM (json_to_recordset(:jobs::json) AS (name text, ids jsonb, run_at timestamptz))
        WITH ORDINALITY AS wanted (name, ids, run_at, place)
""")
# By an index of the waiting jobs of each task: a long line of other work before them is not read.
_IN_LINE = Sql("""
    SELECT id, args FROM procrastinate_jobs
    WHERE task_name = :name AND status = 'todo' AND attempts = 0 AND (scheduled_at IS NULL OR scheduled_at <= :now)
    ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_DONE = Sql("SELECT procrastinate_finish_job_v1(id, 'succeeded', true) FROM unnest(CAST(:numbers AS bigint[])) id")


class JobFailure(Base):
    """One attempt of a job that ended in an error; ``is_final`` when no further attempt follows by itself."""

    __tablename__ = "job_failure"
    __table_args__ = (UniqueConstraint("job_id", "attempt"),)

    id: Mapped[Id]
    job_id: Mapped[Ref]
    name: Mapped[Words]
    attempt: Mapped[int]
    error: Mapped[Words]
    is_final: Mapped[bool]
    recorded_at: Mapped[RecordedAt]


@dataclass(frozen=True)
class NewJob:
    """A job to be enqueued: its task, the ids it is about, and from when on it may run."""

    name: str
    ids: Mapping[str, int | str | UUID]
    run_at: datetime | None = None


def enqueue(session: Session, name: str, /, *, run_at: datetime | None = None, **ids: int | str | UUID) -> int:
    """Have the worker run task ``name`` once this transaction commits, not before ``run_at``; the job's number."""
    return enqueue_all(session, [NewJob(name, ids, run_at)])[0]


def enqueue_many(
    session: Session, name: str, batch: Sequence[Mapping[str, int | str | UUID]], *, run_at: datetime | None = None
) -> list[int]:
    """Like ``enqueue`` for each of ``batch``, in one statement."""
    return enqueue_all(session, [NewJob(name, ids, run_at) for ids in batch])


def enqueue_all(session: Session, wanted: Sequence[NewJob]) -> list[int]:
    """Enqueue jobs of several tasks in one statement; their numbers."""
    if not wanted:
        return []
    if any(each.run_at is not None and each.run_at.utcoffset() is None for each in wanted):
        raise TypeError("a job's time needs a time zone")
    jobs = [{"name": each.name, "ids": each.ids, "run_at": each.run_at} for each in wanted]
    # Dates and uuids become text, which the database and the tasks read.
    [(numbers,)] = _DEFER.rows(session, {"jobs": json.dumps(jobs, default=str)})
    return list(numbers)


def jobs_in_line(session: Session, name: str, *, now: datetime, most: int) -> dict[int, Mapping[str, Any]]:
    """The ids that the next jobs of a task carry, by job number; nobody else takes these jobs in this transaction.

    Due, not begun, and none that has failed before: what is wrong with it stays with its own job.
    """
    return dict(_IN_LINE.rows(session, {"name": name, "now": now, "most": most}))


def forget_jobs(session: Session, numbers: Sequence[int]) -> None:
    """Take jobs in line off it, because this transaction has done their work."""
    if numbers:
        _DONE.rows(session, {"numbers": list(numbers)})
