"""The bench measures real pages of a real deployment: its loader's rows hold, and every operation is answered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bench import billed, closing, loading, money, pages, sign_in, sizes, statements, what_if, world
from bench.client import AppTransport, Visitor, measure
from bench.databases import Engines, engines
from bench.floor import create_floor
from bench.report import Report
from portal.app import create_app
from portal.billing.books import check_books
from portal.db import open_session, transaction
from portal.settlement.closing import close_period
from portal.worker.registry import Edges
from portal.worker.running import perform
from tests.support.database import PREFIX, Cluster

pytestmark = pytest.mark.xdist_group("bench")
CASES = 200


@pytest.fixture(scope="module")
def loaded(cluster: Cluster) -> Iterator[tuple[Engines, loading.Loaded]]:
    name = f"{PREFIX}_bench_{os.getpid()}"
    with engines(cluster.clone(name)) as bound:
        with transaction(bound.work) as session:
            seed = world.found(session, pages.utc_now().replace(microsecond=0))
        yield bound, loading.load(bound.work, bound.owner, seed, CASES)
    cluster.drop(name)


@pytest.fixture(scope="module")
def size(loaded, tmp_path_factory) -> sizes.Size:
    bound, _ = loaded
    folder: Path = tmp_path_factory.mktemp("bench")
    settings = sizes.settings_on(bound.url, folder)
    return sizes.Size(Report(pages.utc_now()), bound, settings, CASES, 0.2, pages.places(bound.work))


def test_every_copy_has_the_rows_of_its_case(loaded):
    bound, made = loaded
    models = 7
    with open_session(bound.work) as session:
        assert session.scalar(text("SELECT count(*) FROM support_case")) == CASES + models
        assert made.rows["support_case"] == made.rows["coverage_decision"] == CASES
        assert session.scalar(text("SELECT count(DISTINCT name) FROM support_case")) == CASES + models
        behind = (
            "SELECT count(*) FROM support_case c WHERE seq <> (SELECT max(seq) FROM case_event WHERE case_id = c.id)"
        )
        assert session.scalar(text(behind)) == 0
        assert session.scalar(text("SELECT count(DISTINCT state) FROM support_case")) == 5
        assert check_books(session) == []


def test_every_measured_page_of_portal_and_floor_is_answered(size):
    app, floor = create_app(size.settings), create_floor(size.settings.work_database_url)
    for portal_page, floor_page in zip(pages.portal_pages(size.where), pages.floor_pages(size.where), strict=True):
        for asked, visit, served in (
            (portal_page, pages.portal_visitor, app),
            (floor_page, pages.floor_visitor, floor),
        ):
            visitors = pages.visitors(lambda served=served: AppTransport(served), visit, asked.people, 2)
            operations = [asked.prepare(visitor) for visitor in visitors]
            done = measure(visitors, operations, expected=asked.expected, seconds=5, most=4)
            assert (done.answers, done.wrong) == (4, 0), asked.name


def test_no_operation_runs_more_statements_than_it_may_and_lists_are_explained(size):
    most = {"queue page": 7, "case page": 10, "search": 6, "escalate": 10, "reply with time": 15}
    sizes.measure_statements(size)
    counted = {name: size.report.values[f"statements {name} {CASES}"] for name in most}
    assert {name: count for name, count in counted.items() if count > most[name]} == {}
    assert set(most) == set(sizes.MOST_STATEMENTS)
    assert any("support_case" in line for line in size.report.plans)


def test_the_page_of_an_open_case_with_work_and_money_runs_ten_statements_at_most(size):
    engineer = pages.portal_visitor(AppTransport(create_app(size.settings)), size.where.engineers[0])
    path = f"/cases/{size.where.open_cases[0]}"
    # The first time reads the signed documents too.
    engineer.get(path)
    with statements.watched() as seen:
        page = engineer.get(path)
    assert "What it comes to" in page.text
    assert seen.count <= 10


def test_a_case_is_billed_by_its_job_in_few_statements(size):
    edges = Edges(size.settings, size.engines.work, pages.utc_now)
    money.empty_line(size.engines.work)
    first, second = money.unbilled(size.engines.work, 2)
    perform(edges, "bill_cut", {"case_id": first})
    with statements.watched() as seen:
        perform(edges, "bill_cut", {"case_id": second})
    assert seen.count <= 8


def test_closed_cases_are_billed_and_their_period_is_closed(size):
    now = pages.utc_now()
    alone = money.bill_one_by_one(size.engines.work, size.settings, now=now, seconds=60, most=3)
    waiting = money.unbilled(size.engines.work, 5)
    assert money.bill_in_line(size.engines.work, size.settings, now=now, most=5) > 0
    assert not set(waiting) & set(money.unbilled(size.engines.work, 5))
    closed = money.bill_and_close(size.engines.work, now=now, most=20, seconds=60)
    assert (alone.answers, closed.items, closed.problems) == (3, 20, 0)
    assert closed.invoices > 0
    # The draft is tried over all that was billed, the job of the test before included.
    assert what_if.try_draft(size.engines.work, now=now).cases >= 23


def test_known_and_unknown_addresses_get_the_same_answers(size, loaded):
    bound, _ = loaded
    visitor = Visitor(AppTransport(create_app(size.settings)))
    told = sign_in.measure_sign_in(size.report, bound.owner, visitor, tries=3)
    assert all(each.same_answers for each in told.values())


def test_chance_is_small_where_two_sides_differ_and_not_where_they_do_not():
    assert sign_in.chance_of([1.0, 1.1, 1.2] * 20, [2.0, 2.1, 2.2] * 20) < sign_in.BY_CHANCE
    assert sign_in.chance_of([1.0, 1.1, 1.2] * 20, [1.2, 1.1, 1.0] * 20) > sign_in.BY_CHANCE


def test_a_loaded_month_closes_and_its_books_hold(loaded):
    bound, now = loaded[0], pages.utc_now()
    month = billed.load_month(bound.owner, 600, now=now, say=lambda words: None)
    assert closing.floor_seconds(bound.owner, month) > 0
    state = close_period(bound.work, month.manufacturer_id, month.period_id, livemode=False, now=now)
    came = closing.outcome(bound.work, month)
    assert (state, came.problems) == ("soft_closed", ())
    assert sum(row[3] for row in came.statements) > 0
    assert came.invoices > 0
