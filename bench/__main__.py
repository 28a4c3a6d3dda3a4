"""``python -m bench``: measure the portal beside its floor, print the table, keep it under bench/results/."""

from __future__ import annotations

import compileall
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench import loading, month, pages, rating, sign_in, sizes, starting, what_if, world
from bench.client import AppTransport, Visitor
from bench.databases import Databases, databases, engines, migrate
from bench.report import Report
from bench.sizes import Size
from portal import logs
from portal.app import create_app
from portal.config import ROOT
from portal.db import transaction

PARTS = ("statements", "pages", "jobs", "money", "close", "whatif", "sign_in", "demo", "import", "rating")
BY_SIZE = frozenset(PARTS[:4])
DEFAULT_CASES = (1_000, 100_000)
DEFAULT_ITEMS = (10_000,)
DEFAULT_TRIED = 100_000
DEMO_SECONDS, IMPORT_SECONDS, IMPORT_MB = 30.0, 120.0, 500.0
RATING_SECONDS, RATING_MB, CASE_MS = 60.0, 500.0, 2.0


@dataclass(frozen=True)
class Wanted:
    """What this run measures."""

    counts: Sequence[int]
    parts: frozenset[str]
    seconds: float
    most_billed: int
    items: Sequence[int]
    tried: int


@click.command()
@click.option("--cases", "counts", type=click.IntRange(100), multiple=True, help="How many cases; again for more.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure only this; again for more.")
@click.option("--seconds", default=4.0, show_default=True, type=float, help="The most that one measurement takes.")
@click.option("--bill", "most_billed", default=10_000, show_default=True, help="Cases billed together and closed.")
@click.option(
    "--items", type=click.IntRange(1_000), multiple=True, help="Bill items of the month closed; again for more."
)
@click.option(
    "--tried", type=click.IntRange(1_000), default=DEFAULT_TRIED, show_default=True, help="Cases a draft is tried over."
)
@click.option("--database", help="Owner's address on a server that may make databases; else the embedded one.")
def main(
    counts: Sequence[int],
    only: Sequence[str],
    seconds: float,
    most_billed: int,
    *,
    items: Sequence[int],
    tried: int,
    database: str | None,
) -> None:
    """Measure the portal and the floor side by side; one line per figure with its bar."""
    logs.configure("ERROR")
    # As an installation does: a start measures what people wait for.
    compileall.compile_dir(ROOT / "portal", quiet=1)
    wanted = Wanted(
        sorted(counts or DEFAULT_CASES),
        frozenset(only or PARTS),
        seconds,
        most_billed,
        sorted(items or DEFAULT_ITEMS),
        tried,
    )
    report = Report(pages.utc_now(), say)
    report.add("machine", f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before")
    try:
        with databases(database) as server:
            if wanted.parts & BY_SIZE:
                measure_sizes(server, report, wanted)
            if "close" in wanted.parts:
                month.measure_close(server, report, wanted.items, say=say)
            if "whatif" in wanted.parts:
                say(f"what-if over {wanted.tried:,} cases")
                what_if.measure_what_if(server, report, wanted.tried, say=say)
            if "sign_in" in wanted.parts:
                measure_sign_in(server, report)
            if "demo" in wanted.parts:
                measure_demo(report, server.folder)
            if "import" in wanted.parts:
                measure_import(server, report)
            if "rating" in wanted.parts:
                measure_rating(report)
    finally:
        # A run that was stopped, or that failed late, has measured something.
        click.echo(report.as_text())
        click.echo(f"Kept in {report.save()}")


def measure_sizes(server: Databases, report: Report, wanted: Wanted) -> None:
    """Found once, then load and measure each number of cases in a copy."""
    with server.fresh("seed") as seed_url:
        migrate(seed_url)
        with engines(seed_url) as seeded, transaction(seeded.work) as session:
            seed = world.found(session, pages.utc_now().replace(microsecond=0))
        for count in wanted.counts:
            say(f"{count:,} cases")
            with server.fresh(str(count), "seed") as url, engines(url) as bound:
                loaded = loading.load(bound.work, bound.owner, seed, count, say=say)
                rows = sum(loaded.rows.values())
                report.add(f"load {count:,} cases", f"{loaded.seconds:.0f} s, {rows:,} rows, {rows / count:.0f} a case")
                report.keep(f"load {count}", asdict(loaded))
                settings = sizes.settings_on(url, server.folder)
                size = Size(report, bound, settings, count, wanted.seconds, pages.places(bound.work))
                measure_size(size, wanted)
    sizes.compare_sizes(report, wanted.counts)


def measure_size(size: Size, wanted: Wanted) -> None:
    """Reading before writing, so that what is written slows nothing."""
    for part, run in (
        ("statements", sizes.measure_statements),
        ("pages", sizes.measure_pages),
        ("jobs", lambda each: sizes.measure_jobs(each, wanted.most_billed)),
        ("money", lambda each: sizes.measure_money(each, wanted.most_billed)),
    ):
        if part in wanted.parts:
            say(f"  {part}")
            run(size)


def measure_sign_in(server: Databases, report: Report) -> None:
    """Whether time tells a known address from an unknown one."""
    say("sign-in")
    with server.fresh("sign-in") as url:
        migrate(url)
        with engines(url) as bound:
            with transaction(bound.work) as session:
                world.found(session, pages.utc_now().replace(microsecond=0))
            app = create_app(sizes.settings_on(url, server.folder))
            sign_in.measure_sign_in(report, bound.owner, Visitor(AppTransport(app)))


def measure_demo(report: Report, folder: Path) -> None:
    """Everything from nothing."""
    say("demo")
    took = starting.demo_seconds(folder)
    report.add(
        "cold start with database and demo", f"{took:.1f} s", f"{DEMO_SECONDS:.0f} s", reached=took <= DEMO_SECONDS
    )
    report.keep("demo seconds", took)


def measure_import(server: Databases, report: Report) -> None:
    """The event log, where it is there."""
    log = starting.event_log()
    if log is None:
        report.add("import of the event log", "PORTAL_TEST_DATA names no folder with it", f"{IMPORT_SECONDS:.0f} s")
        return
    say("import")
    with server.fresh("import") as url:
        migrate(url)
        done = starting.import_log(url, log, server.folder)
        billed = starting.import_log(url, log, server.folder, bill=True)
    report.add(
        "import of the event log",
        f"{done.seconds:.0f} s, {done.peak_mb:.0f} MB at most",
        f"{IMPORT_SECONDS:.0f} s, {IMPORT_MB:.0f} MB",
        reached=done.seconds <= IMPORT_SECONDS and done.peak_mb <= IMPORT_MB,
    )
    report.keep("import", asdict(done))
    # The second run reads the log again, changes nothing in it, and bills the closed cases together.
    report.add("bill the imported cases together", f"{billed.seconds:.0f} s, {billed.peak_mb:.0f} MB at most")
    report.keep("import and bill", asdict(billed))


def measure_rating(report: Report) -> None:
    """A million work entries, without a database."""
    say("rating")
    done = rating.rate_apart()
    report.add(
        f"rate {done.entries:,} entries, one core",
        f"{done.seconds:.1f} s, {done.peak_mb:.0f} MB at most",
        f"{RATING_SECONDS:.0f} s, {RATING_MB:.0f} MB",
        reached=done.seconds <= RATING_SECONDS and done.peak_mb <= RATING_MB,
    )
    report.add(
        "rate one case",
        f"{1_000 * done.seconds / done.cases:.2f} ms, p99 {done.case_p99_ms:.2f} ms",
        f"{CASE_MS:.0f} ms",
        reached=done.case_p99_ms <= CASE_MS,
    )
    report.keep("rating", asdict(done))


def say(words: str) -> None:
    """What is going on, beside the table."""
    click.echo(words, err=True)


if __name__ == "__main__":
    main()
