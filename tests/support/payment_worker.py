"""A real worker that talks to the stand-in, in a process of its own that a test may kill: run as a script."""

from __future__ import annotations

from datetime import UTC, datetime

from portal.config import Settings
from portal.db import engine_for
from portal.payments.gateway import connect
from portal.worker.registry import Edges
from portal.worker.running import work

if __name__ == "__main__":
    settings = Settings.from_env()
    gateway = connect(settings.stripe_secret_key, settings.stripe_api_base, livemode=settings.livemode)
    edges = Edges(settings, engine_for(settings.work_database_url or ""), lambda: datetime.now(UTC), gateway=gateway)
    work(edges, concurrency=2, heartbeat_seconds=0.2, stalled_seconds=1, poll_seconds=0.2)
