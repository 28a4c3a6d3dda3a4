"""Tasks that answer what a draft would have changed."""

from __future__ import annotations

from datetime import datetime

from portal.whatif import actions
from portal.worker.registry import Edges, task


@task("run_what_if", own_transactions=True)
def run_what_if(edges: Edges, now: datetime, *, what_if_id: int) -> None:
    actions.run(edges.engine, what_if_id, now=now)
