"""A draft of a policy tried over very many billed cases: how long it takes, how often it says how far it is.

The cases are billed by the portal itself before, so what is measured reads rows that the portal wrote.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Engine, text

from bench import loading, pages, world
from bench.databases import Databases, engines, migrate
from bench.money import BATCH, unbilled
from bench.report import Report
from portal.billing.actions.batch import bill_closed
from portal.db import open_session, transaction
from portal.demo.founding import DOCUMENTS
from portal.whatif.actions import policy_from
from portal.whatif.question import Question
from portal.whatif.running import compare

# A draft over 100,000 cases in a minute; and people see that it goes on.
SECONDS, OF_CASES, SILENT_SECONDS = 60.0, 100_000, 5.0
# What the draft of a policy changes: the price of an hour in one of its bands.
SIGNED_PRICE, DRAFT_PRICE = 'per_hour = "180.00"', 'per_hour = "195.00"'
EVER = timedelta(days=3_650)
# Of the cases that are loaded more than two thirds are closed and of the factory that tries.
LOADED_PER_BILLED = 1.45

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """A draft tried over what was billed.

    ``cpu_seconds`` are those of this process and of the ones that it began, without the database's; ``silent_seconds``
    is the longest time between two words of progress.
    """

    cases: int
    seconds: float
    cpu_seconds: float
    silent_seconds: float


def measure_what_if(server: Databases, report: Report, count: int, *, say: Say) -> None:
    """Found, load, bill ``count`` cases, then try a draft over all of them."""
    now = pages.utc_now().replace(microsecond=0)
    with server.fresh("what_if") as url:
        migrate(url)
        with engines(url) as bound:
            with transaction(bound.work) as session:
                seed = world.found(session, now)
            loading.load(bound.work, bound.owner, seed, round(count * LOADED_PER_BILLED), say=say)
            _bill(bound.work, unbilled(bound.work, count), now, say)
            _let_settle(bound.owner)
            tried = try_draft(bound.work, now=now)
    most = SECONDS * tried.cases / OF_CASES
    report.add(
        f"draft tried over {tried.cases:,} billed cases",
        f"{tried.seconds:.1f} s, {tried.cpu_seconds:.0f} s of CPU, silent {tried.silent_seconds:.1f} s at most",
        f"{most:.0f} s, silent {SILENT_SECONDS:.0f} s",
        reached=tried.seconds <= most and tried.silent_seconds <= SILENT_SECONDS,
    )
    report.keep(f"what-if {count}", asdict(tried))


def _bill(work: Engine, case_ids: Sequence[int], now: datetime, say: Say) -> None:
    for first in range(0, len(case_ids), BATCH):
        with transaction(work) as session:
            bill_closed(session, case_ids[first : first + BATCH], now=now)
        if first % (40 * BATCH) == 0:
            say(f"  {first:,} of {len(case_ids):,} cases billed")


def _let_settle(owner: Engine) -> None:
    """Have the database do what it does by itself in the days before somebody asks about a past month."""
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))


def try_draft(work: Engine, *, now: datetime) -> Tried:
    """Try a dearer policy over every case that the factory has billed."""
    body = (DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8")
    with open_session(work) as session:
        factory = session.scalars(text("SELECT id FROM organisation WHERE code = 'NOR'")).one()
    question = Question(factory, now - EVER, now + EVER, policy=policy_from(body.replace(SIGNED_PRICE, DRAFT_PRICE)))
    said, done = [time.perf_counter()], [0]
    used = _cpu_seconds()

    def progress(so_far: int, _: int) -> None:
        done.append(so_far)
        said.append(time.perf_counter())

    compare(work, question, progress=progress)
    said.append(time.perf_counter())
    silent = max(later - earlier for earlier, later in pairwise(said))
    return Tried(done[-1], said[-1] - said[0], _cpu_seconds() - used, silent)


def _cpu_seconds() -> float:
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)
