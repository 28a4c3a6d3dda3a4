"""What billing and closing cost: one bill item by its job, many at once, and the close of the period they are in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from bench.client import Measured, summed
from portal.billing.actions.batch import BILLED_AT_ONCE, bill_closed
from portal.billing.books import check_books
from portal.config import Settings
from portal.db import open_session, transaction
from portal.demo.founding import DOCUMENTS
from portal.settlement.closing import close_period
from portal.whatif.actions import policy_from
from portal.whatif.question import Question
from portal.whatif.running import compare
from portal.worker.registry import Edges
from portal.worker.running import perform

# What the draft of a policy changes: the price of an hour in one of its bands.
SIGNED_PRICE, DRAFT_PRICE = 'per_hour = "180.00"', 'per_hour = "195.00"'
EVER = timedelta(days=3_650)
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


def bill_and_close(work: Engine, *, now: datetime, most: int, seconds: float) -> Closed:
    """Bill closed cases, many at a time, until ``most`` or the time is up, then close their period."""
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


@dataclass(frozen=True)
class Compared:
    """A draft tried over what was billed: cases and seconds."""

    cases: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Cases in a second."""
        return self.cases / self.seconds


def let_settle(owner: Engine) -> None:
    """Have the database do what it does by itself in the days before somebody asks about a past month."""
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))


def what_if(work: Engine, *, now: datetime) -> Compared:
    """Try a dearer policy over every case that the factory has billed."""
    body = (DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8")
    with open_session(work) as session:
        factory = session.scalars(text("SELECT id FROM organisation WHERE code = 'NOR'")).one()
    question = Question(factory, now - EVER, now + EVER, policy=policy_from(body.replace(SIGNED_PRICE, DRAFT_PRICE)))
    seen = [0]
    began = time.perf_counter()
    compare(work, question, progress=lambda done, _: seen.append(done))
    return Compared(seen[-1], time.perf_counter() - began)


def unbilled(work: Engine, most: int) -> list[int]:
    """Closed cases that no item was made for."""
    with open_session(work) as session:
        return list(session.scalars(_UNBILLED, {"most": most}))
