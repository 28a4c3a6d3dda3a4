"""The VINST log of Volvo IT Belgium, figure by figure; read where PORTAL_TEST_DATA says, skipped where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portal.importing import actions, report
from tests.importing.logs import NOW, VINST, counts

FOLDER = os.environ.get("PORTAL_TEST_DATA")
LOG = Path(FOLDER or ".") / "vinst_incidents.csv.gz"

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


@pytest.mark.skipif(not FOLDER or not LOG.is_file(), reason="PORTAL_TEST_DATA names no folder with the VINST log")
def test_the_vinst_log_comes_in_to_the_unit(committed_database):
    engine = committed_database.work_engine
    plan = actions.plan_import(LOG, VINST)
    _, figures = actions.import_log(engine, plan, now=NOW, progress=lambda what, done, total: None)
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
