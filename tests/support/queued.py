"""Which jobs a test left in the queue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


def queued(session: Session, like: str = "%") -> list[tuple[str, dict[str, Any]]]:
    """Name and arguments of the jobs whose name is like the pattern, oldest first."""
    statement = text("SELECT task_name, args FROM procrastinate_jobs WHERE task_name LIKE :like ORDER BY id")
    return [(row.task_name, row.args) for row in session.execute(statement, {"like": like})]
