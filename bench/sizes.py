"""The measurements at one number of cases, each held to its bar, and how figures grow with the number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import money, pages, serving, statements
from bench.client import HttpTransport, Measured, Visitor, measure
from bench.databases import Engines
from bench.pages import Asked, Places
from bench.report import Report
from bench.serving import Serving
from portal.app import create_app
from portal.config import Settings

USERS = (1, 4)
# The bars of a page: of the floor's requests in a second, and milliseconds at four users.
FLOOR_SHARE, PAGE_P95_MS = 10, 60.0
# 1.5 times what django-helpdesk created in a second where the floor created 890: times drift between machines.
ESCALATE_FLOOR_SHARE = 890 / (1.5 * 94)
# With fewer cases the whole table is some forty pages, and reading them all can be the quickest.
INDEXED_FROM = 10_000
MOST_STATEMENTS = {"queue page": 8, "case page": 10, "search": 8, "escalate": 12, "reply with time": 15}
BILL_P95_MS, BILL_PER_SECOND = 60.0, 490.0
START_SECONDS, WEB_MB = 3.0, 180.0
# Times the p50 at the fewest cases.
GROWTH = 1.5
MOST_BILLED_ALONE = 400


@dataclass(frozen=True)
class Size:
    """A loaded database and where its figures go."""

    report: Report
    engines: Engines
    settings: Settings
    cases: int
    seconds: float
    where: Places

    @property
    def label(self) -> str:
        """The number of cases as it stands in the table."""
        return f"{self.cases:,}"


def settings_on(url: str, folder: Path) -> Settings:
    """A development deployment on a database, in this process."""
    return Settings.from_env({**serving.portal_environment(url, folder, 0), "BASE_URL": "http://localhost"})


def measure_statements(size: Size) -> None:
    """Statements of each operation, and the plans of the lists."""
    app = create_app(size.settings)
    for name, count in statements.counted(app, size.where).items():
        most = MOST_STATEMENTS[name]
        size.report.add(f"{name}, {size.label}", f"{count} statements", f"{most}", reached=count <= most)
        size.report.keep(f"statements {name} {size.cases}", count)
    for plan in statements.plans(app, size.engines.web, size.engines.owner, size.where):
        size.report.plans += [
            f"{size.label} cases, {plan.page}: {plan.statement}",
            *(f"    {line}" for line in plan.reads),
        ]
        size.report.keep(f"plan {size.cases} {plan.page}: {plan.statement}", plan.lines)
        whole = [table for table in plan.read_whole if table == "support_case"]
        if whole and size.cases >= INDEXED_FROM:
            size.report.add(f"{plan.page}, {size.label}", "reads support_case whole", "an index", reached=False)
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


def measure_pages(size: Size) -> None:
    """Portal and floor, each page at one and four users, one after the other on servers that run together."""
    url = size.settings.database_url or ""
    with (
        serving.portal(url, size.settings.instance_dir) as portal,
        serving.floor(size.settings.work_database_url or "") as floor,
    ):
        first = portal.first_page_seconds
        size.report.add(
            f"cold start to first page, {size.label}", f"{first:.2f} s", f"{START_SECONDS:.0f} s",
            reached=first <= START_SECONDS,
        )  # fmt: skip
        for ours, least in zip(pages.portal_pages(size.where), pages.floor_pages(size.where), strict=True):
            for users in USERS:
                _compare(size, ours, _of_portal(size, portal, ours, users), _of_floor(size, floor, least, users))
        held = serving.proportional_memory_mb(portal.process)
        size.report.add(
            f"web memory after load, {size.label}", f"{held:.0f} MB PSS", f"{WEB_MB:.0f} MB", reached=held <= WEB_MB
        )
        size.report.keep(f"web memory {size.cases}", held)


def _of_portal(size: Size, portal: Serving, asked: Asked, users: int) -> Measured:
    made = pages.visitors(lambda: HttpTransport(portal.port), pages.portal_visitor, asked.people, users)
    return _measured(size, asked, made)


def _of_floor(size: Size, floor: Serving, asked: Asked, users: int) -> Measured:
    made = pages.visitors(lambda: HttpTransport(floor.port), pages.floor_visitor, asked.people, users)
    return _measured(size, asked, made)


def _measured(size: Size, asked: Asked, visitors: list[Visitor]) -> Measured:
    operations = [asked.prepare(visitor) for visitor in visitors]
    return measure(visitors, operations, expected=asked.expected, seconds=size.seconds)


def _compare(size: Size, asked: Asked, ours: Measured, floor: Measured) -> None:
    figure = (
        f"{ours.per_second:,.0f}/s, p50 {ours.p50_ms:.1f} ms, p95 {ours.p95_ms:.1f} ms;"
        f" floor {floor.per_second:,.0f}/s, p50 {floor.p50_ms:.1f} ms"
    )
    if ours.wrong or floor.wrong:
        figure += f"; wrong answers {ours.wrong} and {floor.wrong}"
    right = not ours.wrong and not floor.wrong
    if asked.name == "escalate":
        bar = f"floor/{ESCALATE_FLOOR_SHARE:.1f}"
        reached = ours.per_second >= floor.per_second / ESCALATE_FLOOR_SHARE
    else:
        share = ours.per_second >= floor.per_second / FLOOR_SHARE
        bar, reached = f"floor/{FLOOR_SHARE}", share
        if ours.users > 1:
            bar, reached = f"{bar}, p95 {PAGE_P95_MS:.0f} ms", share and ours.p95_ms <= PAGE_P95_MS
    who = "1 user" if ours.users == 1 else f"{ours.users} users"
    size.report.add(f"{asked.name}, {size.label}, {who}", figure, bar, reached=reached and right)
    size.report.keep(f"{asked.name} {size.cases} {ours.users}", {"portal": asdict(ours), "floor": asdict(floor)})


def measure_jobs(size: Size, most_billed: int) -> None:
    """Bill items by their jobs on one connection: each alone, as cases close now and then, and many that wait."""
    now = pages.utc_now()
    # A worker uses one connection per job; here there is one job at a time.
    alone = money.bill_one_by_one(
        size.engines.work, size.settings, now=now, seconds=size.seconds, most=min(MOST_BILLED_ALONE, size.cases // 5)
    )
    size.report.add(
        f"one bill item by its job, none waiting, {size.label}",
        f"p50 {alone.p50_ms:.1f} ms, p95 {alone.p95_ms:.1f} ms; {alone.per_second:,.0f}/s one after the other",
        f"p95 {BILL_P95_MS:.0f} ms",
        reached=alone.p95_ms <= BILL_P95_MS,
    )
    size.report.keep(f"bill item {size.cases}", asdict(alone))
    # Not all of them, so that the rest is left for billing without jobs.
    in_line = money.bill_in_line(size.engines.work, size.settings, now=now, most=min(most_billed, size.cases) // 2)
    size.report.add(
        f"bill items by their jobs, all waiting, one connection, {size.label}",
        f"{in_line:,.0f}/s",
        f"{BILL_PER_SECOND:.0f}/s",
        reached=in_line >= BILL_PER_SECOND,
    )
    size.report.keep(f"bill in line {size.cases}", in_line)


def measure_money(size: Size, most_billed: int) -> None:
    """Many cases billed together without jobs, and the close of their period."""
    now = pages.utc_now()
    closed = money.bill_and_close(size.engines.work, now=now, most=most_billed, seconds=4 * size.seconds)
    size.report.add(
        f"bill closed cases together, {size.label}",
        f"{closed.items:,} items in {closed.bill_seconds:.1f} s, {closed.items / closed.bill_seconds:,.0f}/s",
    )
    size.report.add(f"close their period, {size.label}", f"{closed.close_seconds:.1f} s, {closed.invoices:,} invoices")
    size.report.add(
        f"check-books afterwards, {size.label}", f"{closed.problems} problems", "0", reached=not closed.problems
    )
    size.report.keep(f"bill and close {size.cases}", asdict(closed))


def compare_sizes(report: Report, counts: Sequence[int]) -> None:
    """The p50 of each page at the most cases, in times of that at the fewest."""
    fewest, most = min(counts), max(counts)
    for name in ("queue page", "case page", "search"):
        small, large = (report.values.get(f"{name} {count} 1") for count in (fewest, most))
        if small is None or large is None or fewest == most:
            continue
        times = large["portal"]["p50_ms"] / small["portal"]["p50_ms"]
        report.add(
            f"{name}, p50 at {most:,} by {fewest:,}", f"{times:.2f} times", f"{GROWTH} times", reached=times <= GROWTH
        )
