"""What billing and closing cost: one bill item by its job, many at once, and the close of the period they are in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from bench.client import Measured, summed
from portal.billing.actions.batch import BILLED_AT_ONCE, bill_closed
from portal.billing.books import check_books
from portal.collecting import collect_seldom
from portal.config import Settings
from portal.db import open_session, transaction
from portal.jobs import enqueue_many
from portal.settlement.closing import close_period
from portal.worker.registry import Edges
from portal.worker.running import perform

# As many as a job takes at once.
BATCH = BILLED_AT_ONCE
_UNBILLED = text("""
    SELECT support_case.id FROM support_case JOIN organisation ON organisation.id = manufacturer_id
    WHERE organisation.code = 'NOR' AND state = 'closed'
      AND NOT EXISTS (SELECT FROM bill_item WHERE bill_item.case_id = support_case.id)
    ORDER BY support_case.id LIMIT :most
""")


_OPEN_PERIOD = text("""
    SELECT organisation.id, period.id FROM organisation JOIN period ON period.manufacturer_id = organisation.id
    WHERE organisation.code = 'NOR' AND period.state = 'open'
""")
# Without what else waits there: mail and the like is no part of it.
_NEXT_JOB = text("""
    DELETE FROM procrastinate_jobs WHERE id = (
        SELECT id FROM procrastinate_jobs WHERE task_name = 'bill_cut' AND status = 'todo' ORDER BY id LIMIT 1)
    RETURNING args
""")


@dataclass(frozen=True)
class Closed:
    """A set-based bill and close: items, seconds of each step, invoices gathered, what the books say afterwards.

    *Shape*: there are no statements: a share of time and materials becomes payable when its cash arrives.
    """

    items: int
    bill_seconds: float
    close_seconds: float
    invoices: int
    problems: int


def bill_one_by_one(work: Engine, settings: Settings, *, now: datetime, seconds: float, most: int) -> Measured:
    """Run the job of one closed case after the other on one connection."""
    # As the worker's process does.
    collect_seldom()
    empty_line(work)
    edges = Edges(settings, work, lambda: now)
    times: list[float] = []
    started = time.perf_counter()
    for turn, case_id in enumerate(unbilled(work, most + 1)):
        began = time.perf_counter()
        perform(edges, "bill_cut", {"case_id": case_id})
        if turn == 0:
            # The first fills the caches of the process.
            started = time.perf_counter()
            continue
        times.append(time.perf_counter() - began)
        if time.perf_counter() - started > seconds:
            break
    return summed(sorted(times), time.perf_counter() - started)


def bill_in_line(work: Engine, settings: Settings, *, now: datetime, most: int) -> float:
    """Put the jobs of closed cases in line and run them on one connection until none is left: cases in a second.

    A part of them goes before the clock starts: it fills the caches of the process.
    """
    collect_seldom()
    empty_line(work)
    edges = Edges(settings, work, lambda: now)
    wanted = unbilled(work, most)
    first = min(BATCH, len(wanted) // 2)
    _drain(edges, wanted[:first])
    started = time.perf_counter()
    _drain(edges, wanted[first:])
    return (len(wanted) - first) / (time.perf_counter() - started)


def _drain(edges: Edges, case_ids: Sequence[int]) -> None:
    with transaction(edges.engine) as session:
        enqueue_many(session, "bill_cut", [{"case_id": case_id} for case_id in case_ids])
    while True:
        with transaction(edges.engine) as session:
            ids = session.scalars(_NEXT_JOB).one_or_none()
        if ids is None:
            return
        perform(edges, "bill_cut", ids)


def bill_and_close(work: Engine, *, now: datetime, most: int, seconds: float) -> Closed:
    """Bill closed cases, many at a time, until ``most`` or the time is up, then close their period."""
    collect_seldom()
    wanted = unbilled(work, most)
    began = time.perf_counter()
    items = 0
    for first in range(0, len(wanted), BATCH):
        with transaction(work) as session:
            items += bill_closed(session, wanted[first : first + BATCH], now=now)
        if time.perf_counter() - began > seconds:
            break
    billed = time.perf_counter()
    with open_session(work) as session:
        factory, period_id = session.execute(_OPEN_PERIOD).one()
    close_period(work, factory, period_id, livemode=False, now=now)
    ended = time.perf_counter()
    with open_session(work) as session:
        invoices = session.scalars(text("SELECT count(*) FROM invoice")).one()
        problems = check_books(session)
    return Closed(items, billed - began, ended - billed, invoices, len(problems))


def empty_line(work: Engine) -> None:
    """Forget the jobs of cases that were closed before: a job bills those that wait with it."""
    with transaction(work) as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'bill_cut'"))


def unbilled(work: Engine, most: int) -> list[int]:
    """Closed cases that no item was made for."""
    with open_session(work) as session:
        return list(session.scalars(_UNBILLED, {"most": most}))
