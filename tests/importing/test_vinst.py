"""The VINST log of Volvo IT Belgium, figure by figure; read where PORTAL_TEST_DATA says, skipped where it is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from portal.db import engine_for, open_session
from portal.importing import actions, report
from portal.settlement import books
from portal.settlement.closing import close_period
from tests.importing.logs import NOW, VINST, counts
from tests.support.database import PREFIX, Cluster

FOLDER = os.environ.get("PORTAL_TEST_DATA")
LOG = Path(FOLDER or ".") / "vinst_incidents.csv.gz"
pytestmark = pytest.mark.skipif(not FOLDER or not LOG.is_file(), reason="PORTAL_TEST_DATA names no folder with the log")

EXPECTED = report.Figures(
    rows_read=65_533,
    cases=7_554,
    changes=65_533,
    never_left=4_546,
    begun_at_factory=852,
    hand_overs=4_552,
    reopened_cases=514,
    reopenings=580,
    resolved_by_integrator=5_327,
    resolved_by_manufacturer=2_219,
    resolved_by_nobody=8,
    closed=7_546,
    time_entries=5_769,
    metered_seconds=14_579_660,
    cut_seconds=1_711_815,
    system_seconds=14_400,
    known_cases=0,
    rejected_cases=0,
    rejected_rows=0,
)


def quiet(what: str, done: int, total: int) -> None:
    """Nobody looks."""


@pytest.fixture(scope="module")
def imported(cluster: Cluster) -> Iterator[tuple[Engine, int, report.Figures]]:
    name = f"{PREFIX}_vinst_{os.getpid()}"
    engine = engine_for(cluster.clone(name))
    run_id, figures = actions.import_log(engine, actions.plan_import(LOG, VINST), now=NOW, progress=quiet)
    yield engine, run_id, figures
    engine.dispose()
    cluster.drop(name)


def test_the_vinst_log_comes_in_to_the_unit(imported):
    engine, _, figures = imported
    assert figures == EXPECTED
    assert report.as_table(figures).splitlines()[1].endswith("7,554")
    cases, acceptances, resolvers, seconds, entries, months = counts(
        engine,
        "SELECT count(*) FROM support_case",
        "SELECT count(*) FROM custody_acceptance WHERE channel = 'import' AND offer_id IS NULL",
        "SELECT count(*) FROM resolution JOIN resolution_answer ON resolution_id = resolution.id"
        " WHERE basis = 'import' AND resolved_by = 'manufacturer' AND manufacturer_bp = 10000",
        "SELECT sum(seconds)::bigint FROM time_entry",
        "SELECT count(*) FROM time_approval",
        "SELECT count(DISTINCT to_char(cut_at AT TIME ZONE 'Europe/Stockholm', 'YYYY-MM')) FROM billing_cut",
    )
    assert (cases, acceptances, resolvers) == (7_554, 7_554 + 4_552, 2_219)
    assert (seconds, entries) == (14_579_660, 5_769)
    # All last completions fall in May 2012, so that billing falls in one month.
    assert months == 1


def test_its_month_is_billed_and_closed_with_right_books(imported):
    engine, run_id, _ = imported
    after_may = datetime(2012, 6, 1, 6, tzinfo=UTC)
    assert actions.bill_imported(engine, run_id, now=after_may, livemode=False, progress=quiet) == 7_546
    assert actions.bill_imported(engine, run_id, now=after_may, livemode=False, progress=quiet) == 0
    with open_session(engine) as session:
        period = session.execute(text("SELECT id, manufacturer_id, label FROM period WHERE state = 'open'")).one()
    assert period.label == "2012-05"
    state = close_period(engine, period.manufacturer_id, period.id, livemode=False, now=after_may)
    assert state == "soft_closed"
    billed, shared, invoiced, unposted = counts(
        engine,
        "SELECT sum(amount_minor)::bigint FROM bill_item",
        "SELECT sum(amount_minor)::bigint FROM share",
        "SELECT sum(total_minor)::bigint FROM invoice",
        "SELECT count(*) FROM bill_item WHERE amount_minor > 0 AND NOT EXISTS (SELECT FROM journal_transaction"
        " WHERE kind = 'bill_item' AND document_id = bill_item.id::text)",
    )
    assert billed == shared == invoiced == 52_869_000
    assert unposted == 0
    with open_session(engine) as session:
        assert books.all_problems(session) == []
