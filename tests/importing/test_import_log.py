"""A log comes in once and whole: again, after a kill, and with rows that nobody can read."""

from __future__ import annotations

import csv
import gzip
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from portal.cli import main
from portal.config import ROOT
from portal.db import engine_for, open_session
from portal.errors import Conflict, Invalid
from portal.importing import actions, report, rules
from portal.importing.reading import Position, groups
from tests.conftest import CommittedDatabase
from tests.importing.logs import (
    CLOSED,
    HEADING,
    NOW,
    QUEUED,
    RESOLVED,
    VINST,
    WORK,
    as_csv,
    cells,
    contents,
    counts,
    many_cases,
    vinst,
    write_log,
)
from tests.support.database import PREFIX, Cluster

pytestmark = pytest.mark.xdist_group("import_log")

CASES = 520
_numbers = count(1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "log.csv", many_cases(CASES))


@pytest.fixture(scope="module")
def imported(cluster: Cluster, log: Path) -> Iterator[tuple[Engine, report.Figures, dict[str, tuple[int, str]]]]:
    """The log in a database of its own, brought in without any trouble."""
    name = f"{PREFIX}_imported_{next(_numbers)}_{os.getpid()}"
    engine = engine_for(cluster.clone(name))
    figures = bring_in(engine, log)
    yield engine, figures, contents(engine)
    engine.dispose()
    cluster.drop(name)


def quiet(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def bring_in(engine: Engine, path: Path) -> report.Figures:
    return actions.import_log(engine, actions.plan_import(path, VINST), now=NOW, progress=quiet)[1]


def rejected(engine: Engine) -> dict[int, str]:
    with open_session(engine) as session:
        return {row.line: row.reason for row in session.execute(text("SELECT line, reason FROM import_rejection"))}


def small(tmp_path: Path, *rows: list[str]) -> Path:
    return write_log(tmp_path / "small.csv", rows)


def test_the_figures_are_those_of_the_rules(imported, log):
    _, figures, _ = imported
    mapping = vinst()
    calendar = mapping.work.calendar.opened_in("UTC")
    read = [rules.read_case(group.rows, mapping, calendar) for group in groups(log, mapping, Position(0, 1))]
    by_worker: dict[str, list[tuple[object, int, int, rules.Piece]]] = defaultdict(list)
    for number, case in enumerate(read):
        for piece in case.pieces:
            by_worker[piece.worker].append((piece.start, number, piece.line, piece))
    cut = [
        each
        for pieces in by_worker.values()
        for each in rules.cut_overlaps(piece for *_, piece in sorted(pieces, key=lambda row: row[:3]))
    ]
    assert figures.cases == CASES == len(read)
    assert figures.changes == sum(len(case.rows) for case in read)
    assert figures.hand_overs == sum(case.hand_overs for case in read)
    assert figures.reopened_cases == sum(case.reopenings > 0 for case in read)
    assert figures.time_entries == sum(kept is not None for kept, _ in cut) > 50
    assert figures.metered_seconds == sum(kept.seconds for kept, _ in cut if kept)
    assert figures.cut_seconds == sum(seconds for _, seconds in cut) > 1000
    assert figures.system_seconds == sum(case.system_seconds for case in read) > 0


def test_the_rows_hang_together(imported):
    engine, figures, _ = imported
    entries, occupied, approved, seconds, closings, cuts, jobs, yeses, paid = counts(
        engine,
        "SELECT count(*) FROM time_entry WHERE source = 'import'",
        "SELECT count(*) FROM time_occupancy",
        "SELECT count(*) FROM time_approval JOIN person ON person.id = approved_by AND display_name = 'Ingrid Berg'",
        "SELECT sum(seconds)::bigint FROM time_entry",
        "SELECT count(*) FROM case_closing",
        "SELECT count(*) FROM billing_cut JOIN case_closing USING (case_id) WHERE cut_at = closed_at",
        "SELECT count(*) FROM procrastinate_jobs JOIN billing_cut"
        " ON billing_cut.id BETWEEN (args->>'first_id')::bigint AND (args->>'last_id')::bigint"
        " WHERE task_name = 'bill_cuts'",
        "SELECT count(*) FROM \"authorization\" WHERE basis = 'import'",
        "SELECT count(DISTINCT case_id) FROM time_entry",
    )
    assert entries == occupied == approved == figures.time_entries
    assert seconds == figures.metered_seconds
    assert closings == cuts == jobs == figures.closed < figures.cases
    assert yeses == paid
    unlike, gaps, numbers = counts(
        engine,
        "SELECT count(*) FROM support_case"
        " WHERE seq <> (SELECT max(seq) FROM case_event WHERE case_id = support_case.id)"
        " OR holder_id <> (SELECT company_id FROM custody_acceptance WHERE case_id = support_case.id ORDER BY seq DESC"
        " LIMIT 1)",
        "SELECT count(*) FROM (SELECT case_id FROM case_event GROUP BY case_id HAVING max(seq) <> count(*)) AS gap",
        "SELECT max(number) FROM support_case",
    )
    assert (unlike, gaps, numbers) == (0, 0, CASES)


def test_a_second_run_changes_nothing(imported, log):
    engine, figures, before = imported
    assert bring_in(engine, log) == figures
    assert contents(engine) == before


def test_the_same_log_packed_brings_no_case_again(imported, log, tmp_path):
    engine, _, before = imported
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    again = bring_in(engine, packed)
    assert (again.cases, again.known_cases, again.time_entries) == (0, CASES, 0)
    after = contents(engine)
    assert {table for table in after if after[table] != before[table]} == {"import_case"}


def run_importer(database: CommittedDatabase, log: Path, *kill: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.importing.importer", str(database.settings.work_database_url), str(log)]
    return subprocess.Popen([*command, str(VINST), *kill], cwd=ROOT, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(("step", "commits"), [("Reading", "1"), ("Reading", "2"), ("Storing", "2")])
def test_a_killed_import_goes_on_to_the_same_database(imported, log, committed_database, step, commits):
    killed = run_importer(committed_database, log, step, commits)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert run_importer(committed_database, log).wait(timeout=60) == 0
    assert contents(committed_database.work_engine) == imported[2]


def test_an_import_killed_amid_a_batch_leaves_no_half_case(imported, log, committed_database):
    with psycopg.connect(str(committed_database.settings.database_url)) as blocker:
        blocker.execute("LOCK TABLE time_occupancy IN EXCLUSIVE MODE")
        running = run_importer(committed_database, log)
        with psycopg.connect(str(committed_database.settings.database_url), autocommit=True) as watcher:
            # It has written cases and entries, and now waits for the lock.
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'time_occupancy'::regclass"
            while running.poll() is None and watcher.execute(waiting).fetchone() == (0,):
                continue
        running.kill()
        assert running.wait(timeout=60) == -signal.SIGKILL
    assert counts(committed_database.work_engine, "SELECT count(*) FROM support_case") == [0]
    assert run_importer(committed_database, log).wait(timeout=60) == 0
    assert contents(committed_database.work_engine) == imported[2]


def test_two_imports_do_not_run_at_once(committed_database, tmp_path):
    path = small(tmp_path, cells("A", "2012-05-07T08:00:00"))
    with pytest.raises(Conflict, match="Another import is running"), actions._alone(committed_database.work_engine):
        bring_in(committed_database.work_engine, path)


def test_a_row_that_cannot_be_read_rejects_its_whole_case(committed_database, tmp_path):
    path = small(
        tmp_path,
        cells("A", "2012-05-07T08:00:00"),
        cells("A", "2012-05-07T09:00:00", ("Lost", "")),
        cells("B", "2012-05-07T08:00:00"),
        cells("B", "2012-05-07T09:00:00", RESOLVED),
        cells("", "2012-05-07T10:00:00"),
        cells("C", "2012-05-07T08:00:00", WORK, "L1"),
        cells("C", "2012-05-07T08:00:00", WORK, "L2"),
        ["D", "too short"],
        cells("E", "2012-05-07T10:00:00", RESOLVED),
    )
    engine = committed_database.work_engine
    figures = bring_in(engine, path)
    assert (figures.cases, figures.rejected_cases, figures.rejected_rows, figures.rows_read) == (1, 4, 8, 9)
    assert rejected(engine) == {
        2: "Line 3 of this case cannot be read, and no case is half imported.",
        3: 'The mapping does not know the state "Lost / ".',
        4: "Line 6 of this case cannot be read, and no case is half imported.",
        5: "Line 6 of this case cannot be read, and no case is half imported.",
        6: "case is empty.",
        7: "Line 8: the case changes hands twice in one second.",
        8: "Line 8: the case changes hands twice in one second.",
        9: "The row has 2 cells, the heading has 12.",
    }


def test_a_corrected_log_brings_in_what_was_rejected(committed_database, tmp_path):
    engine = committed_database.work_engine
    good = [cells("A", "2012-05-07T08:00:00"), cells("A", "2012-05-07T09:00:00", RESOLVED)]
    bad = [cells("B", "2012-05-07T10:00:00", impact="?"), cells("B", "2012-05-07T11:00:00", RESOLVED)]
    bring_in(engine, small(tmp_path, *good, *bad))
    bad[0] = cells("B", "2012-05-07T10:00:00")
    figures = bring_in(engine, small(tmp_path, *good, *bad))
    assert (figures.cases, figures.known_cases, figures.rejected_cases, figures.time_entries) == (1, 1, 0, 1)
    assert counts(engine, "SELECT count(*) FROM support_case", "SELECT count(*) FROM organisation") == [2, 3]


def test_work_that_overlaps_what_is_stored_rejects_its_case(committed_database, tmp_path):
    engine = committed_database.work_engine
    bring_in(engine, small(tmp_path, cells("A", "2012-05-07T08:00:00"), cells("A", "2012-05-07T09:00:00", RESOLVED)))
    figures = bring_in(
        engine,
        small(
            tmp_path,
            cells("B", "2012-05-07T08:30:00"),
            cells("B", "2012-05-07T09:30:00", RESOLVED),
            cells("C", "2012-05-07T09:20:00"),
            cells("C", "2012-05-07T09:40:00", RESOLVED),
        ),
    )
    # What the refused case would have taken from the other is the other's again.
    assert (figures.cases, figures.rejected_cases, figures.metered_seconds, figures.cut_seconds) == (1, 1, 1200, 0)
    assert rejected(engine) == {2: "Its work overlaps time that is stored already for the same person."}


def test_rows_of_a_case_that_lie_apart_reject_it(committed_database, tmp_path):
    engine = committed_database.work_engine
    path = small(
        tmp_path,
        cells("A", "2012-05-07T08:00:00"),
        cells("B", "2012-05-07T08:00:00", RESOLVED),
        cells("A", "2012-05-07T09:00:00", RESOLVED),
    )
    assert bring_in(engine, path).cases == 1
    assert rejected(engine) == {
        2: "The rows of a case lie together, and this case goes on at line 4.",
        4: "The rows of a case lie together, and this case began at line 2.",
    }


def test_rows_of_a_case_that_lie_far_apart_reject_it(committed_database, tmp_path):
    engine = committed_database.work_engine
    between = [cells(f"B{number}", "2012-05-07T08:00:00", CLOSED) for number in range(600)]
    first, last = cells("A", "2012-05-07T08:00:00"), cells("A", "2012-05-07T09:00:00", RESOLVED)
    figures = bring_in(engine, write_log(tmp_path / "far.csv", [first, *between, last]))
    assert (figures.cases, figures.rejected_cases, figures.time_entries) == (600, 1, 0)
    assert rejected(engine) == {
        2: "The rows of a case lie together, and those of this case do not.",
        603: "The rows of a case lie together, and this case began at line 2.",
    }


def test_hostile_cells_are_kept_as_text_or_refused(committed_database, tmp_path):
    engine = committed_database.work_engine
    name = "=cmd|' /C calc'!A1"
    sql, script = "'); DROP TABLE note; --", "<script>alert(1)</script>\\N\t"
    path = tmp_path / "hostile.csv"
    body = as_csv(
        [
            cells("A\\", "2012-05-07T08:00:00", owner=name, team=sql, product=script.strip()),
            cells("A\\", "2012-05-07T09:00:00", RESOLVED),
            cells("=1+1", "2012-05-07T09:00:00", RESOLVED, owner="x\x00y"),
        ]
    ).encode()
    latin = b"L,2012-05-07T08:00:00+01:00,Completed,Closed,T,L2,O,,Low,P,se,J\xf6rg\r\n"
    endless = b'E,2012-05-07T08:00:00+01:00,Completed,Closed,T,L2,O,,Low,P,se,"' + b"x" * 300_000 + b"\r\n"
    after = ",".join(cells("Z", "2012-05-07T08:00:00", CLOSED)).encode() + b"\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + body + latin + endless + after)
    figures = bring_in(engine, path)
    assert (figures.cases, figures.rejected_cases) == (2, 3)
    assert {line: reason[:40] for line, reason in rejected(engine).items()} == {
        4: "owner has characters that cannot be show",
        5: "owner is not written in UTF-8.",
        6: "owner is longer than 1000 characters.",
    }
    with open_session(engine) as session:
        stored = session.execute(text("SELECT person_name, note FROM time_entry")).one()
        assert tuple(stored) == (name, "Accepted / In Progress, <script>alert(1)</script>\\N")
    listed = tmp_path / "rejected.csv"
    assert report.write_rejections(engine, 1, listed) == 3
    with listed.open(newline="", encoding="utf-8") as file:
        assert next(row["case"] for row in csv.DictReader(file) if row["line"] == "4") == "'=1+1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file has no column case, changed_at, country"),
        (b"case,owner\nA,B\n", "The file has no column changed_at, country, impact"),
        ((",".join([*HEADING, "case"]) + "\n").encode(), "names a column twice: case"),
        (b'"case', "The heading of the file cannot be read"),
        (gzip.compress(as_csv(many_cases(50)).encode())[:-200], "breaks off"),
        (b"\x1f\x8b" + b"\x00" * 40, "cannot be read"),
    ],
)
def test_a_file_that_is_no_log_stores_nothing(committed_database, tmp_path, content, reason):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(Invalid, match=reason):
        bring_in(committed_database.work_engine, path)
    assert counts(committed_database.work_engine, "SELECT count(*) FROM organisation") == [0]


def test_a_file_that_is_not_there_is_refused(committed_database, tmp_path):
    with pytest.raises(Invalid, match="cannot be read: No such file"):
        bring_in(committed_database.work_engine, tmp_path / "nothing.csv")


def test_another_policy_in_force_is_not_replaced(committed_database, tmp_path):
    engine = committed_database.work_engine
    rows = [cells("A", "2012-05-07T08:00:00", RESOLVED)]
    bring_in(engine, small(tmp_path, *rows))
    plan = actions.plan_import(small(tmp_path, *rows, cells("B", "2012-05-07T08:00:00", QUEUED)), VINST)
    other = plan.signed.policy_toml.replace('"120.00"', '"130.00"')
    changed = actions.Plan(plan.path, plan.mapping, actions.Signed(other, plan.signed.agreement_toml))
    with pytest.raises(Invalid, match="signed another policy"):
        actions.import_log(engine, changed, now=NOW, progress=quiet)


def test_the_command_prints_the_figures_and_lists_what_was_rejected(committed_database, tmp_path):
    path = small(
        tmp_path,
        cells("A", "2012-05-07T08:00:00", RESOLVED),
        cells("B", "2012-05-07T08:00:00", ("Lost", "")),
    )
    environ = {"DATABASE_URL": committed_database.settings.database_url, "INSTANCE_DIR": str(tmp_path)}
    done = CliRunner().invoke(main, ["import-log", str(path), "--mapping", str(VINST)], env=environ)
    assert done.exit_code == 0, done.output
    assert "cases imported                                    1\n" in done.stdout
    assert f"1 rejected rows are listed in {path}.rejected.csv." in done.stdout
    assert Path(f"{path}.rejected.csv").read_text("utf-8").splitlines()[1] == (
        '3,B,"The mapping does not know the state ""Lost / ""."'
    )


def test_the_command_names_line_and_key_of_a_bad_mapping(committed_database, tmp_path):
    mapping = tmp_path / "bad.toml"
    mapping.write_text(VINST.read_text("utf-8").replace("cap_minutes = 240", 'cap_minutes = "four"'), "utf-8")
    environ = {"DATABASE_URL": committed_database.settings.database_url, "INSTANCE_DIR": str(tmp_path)}
    path = small(tmp_path, cells("A", "2012-05-07T08:00:00"))
    refused = CliRunner().invoke(main, ["import-log", str(path), "--mapping", str(mapping)], env=environ)
    assert refused.exit_code == 1
    assert "work.cap_minutes: A whole number is expected, without quotes." in refused.stderr
