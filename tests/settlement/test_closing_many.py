"""A close bills what waits many cases at a time; one that cannot be billed stops neither the others nor the close."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from portal.cli import main
from portal.db import open_session, transaction
from portal.importing import actions as importing
from portal.settlement import books, closing, report
from tests.conftest import CommittedDatabase
from tests.importing.logs import NOW, VINST, counts, many_cases, write_log

CUTS = "SELECT count(*) FROM billing_cut"
ITEMS = "SELECT count(*) FROM bill_item"
WAITING = "SELECT cut.case_id FROM billing_cut cut WHERE NOT EXISTS (SELECT FROM bill_item WHERE cut_id = cut.id)"


@pytest.fixture
def imported(committed_database: CommittedDatabase, tmp_path: Path) -> Engine:
    """Closed cases of one month, none billed."""
    engine = committed_database.work_engine
    log = write_log(tmp_path / "log.csv", many_cases(80, seed=5))
    importing.import_log(engine, importing.plan_import(log, VINST), now=NOW, progress=lambda what, done, total: None)
    return engine


def close(engine: Engine) -> report.PeriodFigures:
    with transaction(engine) as session:
        period = report.period_named(session, "VINST", "2012-05")
    assert closing.close_period(engine, period.manufacturer_id, period.id, livemode=False, now=NOW) == "soft_closed"
    with open_session(engine) as session:
        assert books.all_problems(session) == []
        return report.period_figures(session, period.id)


def test_a_close_bills_every_case_that_can_be_billed(imported):
    cuts, case_id = counts(imported, CUTS, "SELECT max(case_id) FROM time_entry JOIN billing_cut USING (case_id)")
    # Opened before there was any policy: its documents cannot be found.
    with transaction(imported) as session:
        change = text("UPDATE support_case SET opened_at = '2009-12-01T00:00:00Z' WHERE id = :id")
        session.execute(change, {"id": case_id})
    figures = close(imported)
    assert counts(imported, ITEMS, WAITING) == [cuts - 1, case_id]
    assert cuts > 50
    billed, invoiced = counts(
        imported,
        "SELECT sum(amount_minor)::bigint FROM bill_item",
        "SELECT sum(total_minor)::bigint FROM invoice",
    )
    assert billed == invoiced > 0
    assert figures.currencies == [report.CurrencyFigures("EUR", billed, invoiced, 0, 0)]
    assert "No statements." in report.as_table(figures)
    assert close(imported) == figures


def run(database: CommittedDatabase, code: str, label: str) -> Result:
    settings = database.settings
    environ = {
        "DATABASE_URL": settings.database_url,
        "WORK_DATABASE_URL": settings.work_database_url,
        "WEB_DATABASE_URL": settings.web_database_url,
    }
    return CliRunner().invoke(main, ["close-period", code, label], env=environ)


def test_the_command_closes_a_month_and_prints_what_came_of_it(committed_database, imported):
    done = run(committed_database, "VINST", "2012-05")
    assert done.exit_code == 0, done.output
    (billed,) = counts(imported, "SELECT sum(amount_minor)::bigint FROM bill_item")
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("Period 2012-05: soft-closed", "No statements.")
    assert lines[2].split() == ["currency", "billed", "invoiced", "cash", "payable"]
    assert lines[3].split() == ["EUR", *[f"{billed / 100:,.2f}"] * 2, "0.00", "0.00"]
    assert run(committed_database, "VINST", "2012-05").stdout == done.stdout
    unknown = run(committed_database, "VINST", "2012-04")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: VINST has no period 2012-04.\n")
