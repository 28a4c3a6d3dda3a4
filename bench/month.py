"""The close of a month measured: beside its floor, killed and finished, and what people do with it afterwards."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, text

from bench import closing, loading, pages, world
from bench.billed import Month, load_month
from bench.client import AppTransport, Visitor
from bench.databases import Databases, Engines, engines, migrate
from bench.report import Report
from bench.serving import portal_environment
from bench.sizes import settings_on
from portal.app import create_app
from portal.config import ROOT, child_environment
from portal.db import transaction
from portal.demo.world import PASSWORD
from portal.web.paging import cursor

# Times the floor with its constraints in place; and what the closing process may hold.
TIMES_FLOOR, CLOSE_MB = 2.0, 1_024.0
# From so many items on; of fewer, what each invoice and statement costs by itself weighs more than the items.
HELD_FROM = 1_000_000
STATEMENT_MS, EXPORT_MB = 200.0, 250.0
# So many bill items to a case that carries them, and never fewer cases than this.
ITEMS_PER_CASE, FEWEST_CASES = 50, 400
OPENED = 9

Say = Callable[[str], None]


def measure_close(server: Databases, report: Report, counts: Sequence[int], *, say: Say) -> None:
    """Each number of bill items: loaded once, closed in one copy, killed and finished in another."""
    for count in counts:
        say(f"close of {count:,} bill items")
        now = pages.utc_now().replace(microsecond=0)
        with server.fresh("month") as loaded_url:
            migrate(loaded_url)
            with engines(loaded_url) as bound:
                month = _loaded(bound, count, now, say)
                report.add(f"load {count:,} bill items", f"{month.seconds:.0f} s")
                floor = closing.floor_seconds(bound.owner, month)
            say("  closed at once")
            with server.fresh("month_once", "month") as url, engines(url) as bound:
                run, outcome = _once(report, bound, server.folder, (month, now, floor))
                _afterwards(report, bound, server.folder, month)
            say("  killed and finished")
            with server.fresh("month_killed", "month") as url, engines(url) as bound:
                _killed(report, bound, server.folder, (month, now, run), outcome)
            report.save()


def _loaded(bound: Engines, count: int, now: datetime, say: Say) -> Month:
    with transaction(bound.work) as session:
        seed = world.found(session, now)
    loading.load(bound.work, bound.owner, seed, max(count // ITEMS_PER_CASE, FEWEST_CASES))
    return load_month(bound.owner, count, now=now, say=lambda words: say(f"  {words}"))


def _once(
    report: Report, bound: Engines, folder: Path, what: tuple[Month, datetime, float]
) -> tuple[closing.Run, closing.Outcome]:
    month, now, floor = what
    with closing.others_going_on(bound.work, month) as waits:
        run = closing.close_once(bound.url, folder, month, now)
    came = closing.outcome(bound.work, month)
    label, took = f"{month.items:,}", run.steps["end"]
    report.add(
        f"close {label} items",
        f"{took:.1f} s ({_steps(run)}); floor {floor:.1f} s",
        f"{TIMES_FLOOR:.0f} times the floor" if month.items >= HELD_FROM else "",
        reached=took <= TIMES_FLOOR * floor if month.items >= HELD_FROM else None,
    )
    report.add(
        f"memory of the closing process, {label}",
        f"{run.peak_mb:.0f} MB",
        f"{CLOSE_MB:.0f} MB",
        reached=run.peak_mb <= CLOSE_MB,
    )
    report.add(
        f"meanwhile, {label}",
        f"{waits.posts} posts, longest {waits.longest_post_ms:.0f} ms;"
        f" {waits.events} webhooks, longest {waits.longest_event_ms:.0f} ms",
    )
    lines = sum(row[3] for row in came.statements)
    report.add(
        f"made, {label}",
        f"{len(came.statements)} statements of {lines:,} lines, {came.invoices:,} invoices,"
        f" {len(came.problems)} problems in the books",
        "0 problems",
        reached=not came.problems,
    )
    report.keep(f"close {month.items}", {"run": asdict(run), "waits": asdict(waits), "floor": floor})
    report.keep(f"close {month.items} problems", came.problems)
    return run, came


def _killed(
    report: Report, bound: Engines, folder: Path, what: tuple[Month, datetime, closing.Run], expected: closing.Outcome
) -> None:
    month, now, whole = what
    killed = closing.close_killed(bound.url, folder, month, now, whole.steps["end"])
    same = closing.outcome(bound.work, month) == expected
    lost = max(0.0, killed.seconds - whole.seconds) / max(1, len(killed.after_seconds))
    where = ", ".join(f"{after} s in {step}" for after, step in zip(killed.after_seconds, killed.steps, strict=True))
    report.add(
        f"killed {len(killed.after_seconds)} times and finished, {month.items:,}",
        f"{'same result' if same else 'ANOTHER RESULT'}; {lost:.1f} s lost a kill ({where})",
        "same, 60 s lost",
        reached=same and lost <= 60 and len(killed.steps) == closing.KILLS,
    )
    report.keep(f"close killed {month.items}", asdict(killed))


def _steps(run: closing.Run) -> str:
    spans = [(name, after - at) for (name, at), (_, after) in itertools.pairwise(run.steps.items())]
    return ", ".join(f"{name} {span:.1f}" for name, span in spans)


def _afterwards(report: Report, bound: Engines, folder: Path, month: Month) -> None:
    """The longest statement opened at its beginning and its end; the journal taken away as a file."""
    statement_id, lines = _longest(bound.owner, month)
    reader = _finance_person(bound.owner)
    app = create_app(settings_on(bound.url, folder))
    visitor = Visitor(AppTransport(app)).sign_in(reader, PASSWORD)
    first = _opened(visitor, f"/statements/{statement_id}")
    last = _opened(visitor, f"/statements/{statement_id}?after={cursor((max(0, lines - 150),))}")
    report.add(
        f"statement page of {lines:,} lines",
        f"first page {first.wall:.0f} ms ({first.worked:.0f} ms of CPU), last {last.wall:.0f} ({last.worked:.0f})",
        f"{STATEMENT_MS:.0f} ms",
        reached=max(first.wall, last.wall) <= STATEMENT_MS,
    )
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
    seconds, peak = _export(bound.url, folder, month)
    report.add(
        f"journal export, {month.items:,}",
        f"{seconds:.1f} s, {peak:.0f} MB at most",
        f"{EXPORT_MB:.0f} MB",
        reached=peak <= EXPORT_MB,
    )


def _longest(owner: Engine, month: Month) -> tuple[int, int]:
    wanted = text("SELECT id, line_count FROM statement WHERE period_id = :id ORDER BY line_count DESC LIMIT 1")
    with owner.connect() as connection:
        row = connection.execute(wanted, {"id": month.period_id}).one()
    return row.id, row.line_count


def _finance_person(owner: Engine) -> str:
    """Somebody of the factory who may sign in, made finance for the measurement."""
    change = text("""
        UPDATE membership SET roles = ARRAY['finance'] WHERE id = (
            SELECT membership.id FROM membership
            JOIN person ON person.id = membership.person_id AND person.email ~ '^p[0-9]+@nor[.]'
            ORDER BY membership.id LIMIT 1)
        RETURNING (SELECT email FROM person WHERE person.id = membership.person_id)
    """)
    with transaction(owner) as session:
        return str(session.scalars(change).one())


@dataclass(frozen=True)
class Opened:
    """Milliseconds of a page: on the clock, and of work in this process, which a busy machine does not stretch."""

    wall: float
    worked: float


def _opened(visitor: Visitor, path: str) -> Opened:
    times = []
    for _ in range(OPENED):
        began, worked = time.perf_counter(), time.process_time()
        answer = visitor.get(path)
        times.append(Opened(1_000 * (time.perf_counter() - began), 1_000 * (time.process_time() - worked)))
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    # The first fills the caches of the process.
    return Opened(statistics.median(each.wall for each in times[1:]), min(each.worked for each in times[1:]))


_EXPORT = """
import resource, sys, time
from portal.config import Settings
from portal.db import engine_for, open_session
from portal.ledger.exports import journal_text
from portal.ledger.models import Period
began = time.perf_counter()
with open_session(engine_for(Settings.from_env().work_database_url)) as session:
    size = sum(len(piece) for piece in journal_text(session, session.get_one(Period, int(sys.argv[1])), "beancount"))
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, size)
"""


def _export(url: str, folder: Path, month: Month) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _EXPORT, str(month.period_id)],
        cwd=ROOT,
        env=child_environment(portal_environment(url, folder, 0)),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak, _ = done.stdout.split()
    return float(seconds), float(peak)
