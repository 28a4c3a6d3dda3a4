"""The portal as a process of the machine: its time, its transactions and jobs, crashes, and Stripe's faults.

A crash is a commit that does not happen: whatever the portal was about to commit is rolled back, and the act or the job
runs again. A job whose end was not written down is put back, as the worker does for one that was killed. While
something waits, time passes as it does for a worker: what has a schedule of its own runs by it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import TypeVar

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.db import WORK_ROLE, transaction
from portal.jobs import enqueue
from portal.ledger.actions import open_first_period
from portal.payments import handling
from portal.payments.gateway import Gateway, connect
from portal.payments.provider import Busy, Unknown
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.standin.process import Standin
from tests.support.cast import NOW, Cast
from tests.support.going_back import Kept
from tests.support.payments import connected
from tests.support.shared_connection import SharedConnection

FUNDS = 5_000_000
# Pages and letters are others' tests: their jobs, and those of a case's clocks, are set aside.
_SET_ASIDE = text(
    """
    DELETE FROM procrastinate_jobs WHERE task_name NOT IN (
        'bill_cut', 'bill_cuts', 'rebill', 'time_changed', 'reserve_case_hours', 'apply_cash', 'book_cash',
        'end_grants', 'perform_intent', 'perform_waiting', 'handle_provider_event', 'refresh_account',
        'retry_waiting_transfers', 'sweep_payments', 'poll_events',
        'advance_adjustment', 'follow_up_intent', 'advance_chargeback', 'close_period', 'dispose_approval',
        'hard_close_period', 'settle_shares', 'transfer_held')
    """
)
_PUT_BACK = text("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'")
# A job that was given up is made good by the sweep, which finds what has not ended; the row stays to be seen.
_UNDONE = text(
    """
    SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')) AS is_waiting,
           EXISTS (SELECT FROM intent WHERE state IN ('sent', 'unknown')
                   OR (state = 'planned' AND NOT progress ? 'waiting')) AS is_unfinished,
           ARRAY(SELECT task_name FROM procrastinate_jobs
                 WHERE status = 'failed' AND task_name <> 'perform_intent') AS failed
    """
)
# How long the worker lets pass between one look and the next; Stripe forgets a key after a day.
_PAUSES = (timedelta(minutes=10), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=8))
# What the worker does by the clock.
_BY_THE_CLOCK = ("sweep_payments", "poll_events", "retry_waiting_transfers")
MOST_ROUNDS = 40

Result = TypeVar("Result")


class Crash(Exception):
    """The process ends before a commit."""


@dataclass
class Ground:
    """What one process has once: a database with the cast, and a stand-in."""

    shared: SharedConnection
    cast: Cast
    standin: Standin
    settings: Settings


@dataclass
class Portal:
    """The portal on a fresh ground, at its own time."""

    ground: Ground
    now: datetime = NOW
    crash_in: int = field(default=0, init=False)
    met: Counter[str] = field(default_factory=Counter)
    sales: int = 0

    def __post_init__(self) -> None:
        self.engine: Engine = self.ground.shared.engine(WORK_ROLE)
        self.standin = self.ground.standin
        self.standin.control.reset()
        self.standin.control.endpoints(webhook_url="", thin_webhook_url="")
        self.gateway: Gateway = connect(self.standin.key, self.standin.base_url)
        self._theirs_ahead = 0
        self.at(self.now)
        self.standin.control.fund(FUNDS, "eur")
        self.cast = cast = self.ground.cast
        with self.look() as session:
            open_first_period(session, manufacturer_id=cast.factory.id, zone="Europe/Berlin", now=NOW)
            self.account = connected(session, self.gateway, self.standin, cast.integrator)
            self.parties = {
                None: "", cast.factory.id: "factory", cast.integrator.id: "integrator", cast.customer.id: "customer"
            }  # fmt: skip
            self.ids = {name: number for number, name in self.parties.items()}
        handling.import_movements(self.engine, self.gateway, self.now)
        event.listen(self.engine, "commit", self._committing)

    def leave(self) -> None:
        """Forget everything."""
        event.remove(self.engine, "commit", self._committing)
        self.ground.shared.undo_everything()

    # Time

    def at(self, moment: datetime) -> None:
        """Let time pass, here and at Stripe, whose clock runs on between operations: set back, it would take what has
        arrived for money that is still to come.
        """
        before = int(time.time())
        # The second in which it was set may have been the next one there.
        theirs = before + 1 + self._theirs_ahead
        seconds = ceil(max(self.now, moment).timestamp())
        if self._theirs_ahead:
            seconds = max(seconds, theirs)
        self.now = max(self.now, moment, datetime.fromtimestamp(seconds, self.now.tzinfo))
        self.standin.control.set_clock(seconds)
        self._theirs_ahead = seconds - before

    def later(self, **by: float) -> None:
        """Let so much time pass."""
        self.at(self.now + timedelta(**by))

    # Crashes and faults

    def _committing(self, _connection: object) -> None:
        if self.crash_in:
            self.crash_in -= 1
            if not self.crash_in:
                self.met["crash"] += 1
                raise Crash

    def disturb(self, commits: int, fault: str) -> None:
        """The next operation meets a crash at its so manieth commit, or a fault of Stripe's at its first call."""
        self.crash_in = commits
        if fault:
            kind, _, has_effect = fault.partition(" ")
            details = {"execute": True} if has_effect else {}
            self.standin.control.fault(
                kind, method="POST", path="/v1/(transfers|refunds|invoices|credit_notes).*", **details
            )
            self._is_faulty = True

    _is_faulty = False

    def settle_down(self) -> None:
        """What was to disturb and did not find anything is over."""
        self.crash_in = 0
        if self._is_faulty:
            self.standin.control.clear_faults()
            self._is_faulty = False

    # Transactions and jobs

    @contextmanager
    def look(self) -> Iterator[Session]:
        """A transaction of the test's own, which meets no crash."""
        self.crash_in, waits = 0, self.crash_in
        with transaction(self.engine) as session:
            yield session
        self.crash_in = waits

    def do(self, act: Callable[[Session, Cast], Result]) -> Result:
        """An act in one transaction, again when it crashed."""
        try:
            return self._once(act)
        except Crash:
            return self._once(act)

    def _once(self, act: Callable[[Session, Cast], Result]) -> Result:
        with transaction(self.engine) as session:
            return act(session, self.cast)

    def jobs(self) -> None:
        """Every job, again when it crashed or Stripe's answer was missing, until none waits and nothing is half done.

        A job that is given up is no end: what it was about is found by the sweep and by asking Stripe for its events.
        """
        edges = Edges(self.ground.settings, self.engine, lambda: self.now, gateway=self.gateway, mailer=Kept())
        for turn in range(MOST_ROUNDS):
            with self.may_break():
                with self.look() as session:
                    session.execute(_SET_ASIDE)
                    if turn:
                        session.execute(_PUT_BACK)
                run_pending(edges)
                with self.look() as session:
                    session.execute(_SET_ASIDE)
                    undone = session.execute(_UNDONE).one()
                assert undone.failed == []
                if not undone.is_waiting and not undone.is_unfinished:
                    return
            self.at(self.now + _PAUSES[min(turn, len(_PAUSES) - 1)])
            if turn > 1:
                with self.look() as session:
                    for name in _BY_THE_CLOCK:
                        enqueue(session, name)
        raise AssertionError("jobs are waiting without end")

    @contextmanager
    def may_break(self) -> Iterator[None]:
        """A crash, or an answer of Stripe's that is missing, ends what is done here and nothing else."""
        try:
            yield
        except Crash:
            pass
        except (Unknown, Busy) as trouble:
            self.met[type(trouble).__name__] += 1

    def news(self) -> None:
        """Stripe's events are taken in, and everything they set off is done."""
        for _ in range(MOST_ROUNDS):
            try:
                handling.poll_events(self.engine, self.gateway, self.now)
                break
            except (Crash, Unknown, Busy):
                self.later(minutes=1)
        self.jobs()
