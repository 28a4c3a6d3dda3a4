"""Performs the jobs of a time that is over, fast: for building a demonstration, whose months have to pass in seconds.

Invariants:
 - Acts and jobs share one connection, so that no transaction begins, ends or asks whether the server is there. What
   they commit they find again; it is in the database for good after ``run_jobs``.
 - Nothing is put back or tried again: the first error ends it all, and what was made so far is thrown away.
 - Letters of one moment are written and sent together, after the other jobs of that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.pool import StaticPool

from portal.db import driver_conninfo, engine_for, transaction, without_waiting_for_disk
from portal.worker.mail_tasks import send_deliveries
from portal.worker.registry import Edges
from portal.worker.running import perform

# Jobs that enqueue jobs that enqueue jobs, all for the same moment: more than this is a task that never ends.
MOST_TURNS = 100
# Every statement of the portal is parsed once; the driver's own limit is a tenth of what a demonstration says.
MOST_PREPARED = 1_000
LETTER = "send_delivery"

_TAKE_ALL = text("""
    WITH taken AS (
        DELETE FROM procrastinate_jobs
        WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= :now)
        RETURNING id, priority, task_name, args)
    SELECT task_name, args FROM taken ORDER BY priority DESC, id
""")


class _Patient(psycopg.Connection[Any]):
    """Commits only when told to keep; an error is the end, so there is nothing to roll back to."""

    def commit(self) -> None:
        """Go on in the same transaction."""

    def rollback(self) -> None:
        """Go on in the same transaction: only sessions that read end like this."""

    def keep(self) -> None:
        """Commit."""
        super().commit()


@dataclass(frozen=True)
class CatchUp:
    """The edges on the one connection, and the jobs that are due there."""

    edges: Edges
    _connection: _Patient = field(repr=False)

    def run_jobs(self) -> list[str]:
        """Perform every job that is due by the edges' clock, and those they enqueue; the names, in order."""
        done: list[str] = []
        letters: list[int] = []
        for _ in range(MOST_TURNS):
            taken = self._taken()
            for name, ids in taken:
                done.append(name)
                if name == LETTER:
                    letters.append(ids["delivery_id"])
                else:
                    perform(self.edges, name, ids)
            if not taken:
                send_deliveries(self.edges, self.edges.clock(), delivery_ids=letters)
                self._connection.keep()
                return done
        raise RuntimeError(f"jobs were enqueued {MOST_TURNS} times over: a task enqueues itself without end")

    def _taken(self) -> list[tuple[str, Mapping[str, Any]]]:
        with transaction(self.edges.engine) as session:
            return [(row.task_name, row.args) for row in session.execute(_TAKE_ALL, {"now": self.edges.clock()})]


@contextmanager
def catching_up(edges: Edges) -> Iterator[CatchUp]:
    """Have acts and jobs share a connection while the block runs; what was done is kept when it ends without error."""
    # What is interrupted is made again: nothing waits for the disk meanwhile.
    address = without_waiting_for_disk(edges.settings.work_database_url or "")
    connection = _Patient.connect(driver_conninfo(address))
    connection.prepared_max = MOST_PREPARED
    engine = engine_for(
        address, creator=lambda: connection, poolclass=StaticPool, pool_events=(), pool_reset_on_return=None
    )
    try:
        yield CatchUp(replace(edges, engine=engine), connection)
        connection.keep()
    finally:
        engine.dispose()
        connection.close()
