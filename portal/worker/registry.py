"""Tasks by job name, and the edges they are given.

Invariants:
 - One task per job name; a name is registered once.
 - A task is idempotent: it may run again after it has succeeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from portal.config import Settings

Run = Callable[..., None]


@dataclass(frozen=True)
class Edges:
    """Where the worker touches the world: the database as portal_work, the clock, and what ``portal.app`` wires in.

    *Shape*: ``gateway`` is the Stripe gateway, ``mailer`` sends one message, ``files`` keeps files; each is None in a
    process that has no use for it.
    """

    settings: Settings
    engine: Engine
    clock: Callable[[], datetime]
    gateway: Any = field(default=None)
    mailer: Any = field(default=None)
    files: Any = field(default=None)


@dataclass(frozen=True)
class Task:
    """What runs for a job name; ``every`` is its own schedule as a cron line, None when it is only enqueued."""

    name: str
    run: Run
    own_transactions: bool
    every: str | None


TASKS: dict[str, Task] = {}


def task(name: str, *, own_transactions: bool = False, every: str | None = None) -> Callable[[Run], Run]:
    """Register a task.

    It is called ``run(session, now, **ids)`` in one transaction that commits when it returns; or, with
    ``own_transactions``, ``run(edges, now, **ids)``, for what must not hold a transaction open (a call to the world).
    """

    def register(run: Run) -> Run:
        if name in TASKS:
            raise ValueError(f"two tasks are called {name}")
        TASKS[name] = Task(name, run, own_transactions, every)
        return run

    return register
