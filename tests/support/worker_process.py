"""A real worker in a process of its own, with two tasks that a test can watch: run as a script.

``hold`` says on a channel that it runs, then waits for a lock the test holds; ``answer`` says that it ran.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from portal.config import Settings
from portal.db import engine_for
from portal.worker.registry import Edges, task
from portal.worker.running import work


@task("hold", own_transactions=True)
def hold(edges, now, *, lock):
    with edges.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_notify('held', :lock)"), {"lock": str(lock)})
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": lock})
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": lock})
        connection.execute(text("SELECT pg_notify('done', :lock)"), {"lock": str(lock)})


@task("answer")
def answer(session, now, *, word):
    session.execute(text("SELECT pg_notify('answered', :word)"), {"word": word})


if __name__ == "__main__":
    settings = Settings.from_env()
    edges = Edges(settings, engine_for(settings.work_database_url or ""), lambda: datetime.now(UTC))
    work(edges, concurrency=1, heartbeat_seconds=0.2, stalled_seconds=1, poll_seconds=0.2)
