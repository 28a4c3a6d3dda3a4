"""A backup is complete or not there; it is restored into an empty database, with files, rights and rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO

import psycopg
import pytest
from psycopg import errors

from portal import backup, db
from portal.config import MIGRATIONS
from portal.errors import Misconfigured
from portal.files import DiskStore
from tests.support.cases import escalated
from tests.support.cast import build_cast
from tests.support.database import PREFIX
from tests.test_cli import run

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)


@pytest.fixture
def empty(cluster):
    """The owner's address of a database without tables."""
    import os

    name = f"{PREFIX}_empty_{os.getpid()}"
    cluster.drop(name)
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield cluster.url(name)
    cluster.drop(name)


def test_what_was_backed_up_is_there_again_with_its_rights_and_rules(committed_database, empty, tmp_path) -> None:
    source = committed_database.settings
    with db.transaction(committed_database.work_engine) as session:
        case = escalated(session, build_cast(session))
        name = case.name
    stored = DiskStore(source.files_dir).put(BytesIO(b"log"), limit_bytes=10)
    folder = tmp_path / "backup"
    done = run("backup", str(folder), DATABASE_URL=source.database_url, INSTANCE_DIR=str(source.instance_dir))
    assert done.exit_code == 0, done.output
    again = run("backup", str(folder), DATABASE_URL=source.database_url, INSTANCE_DIR=str(source.instance_dir))
    assert (again.exit_code, "is there already" in again.output) == (1, True)

    target = tmp_path / "other"
    done = run("restore", str(folder), DATABASE_URL=empty, INSTANCE_DIR=str(target))
    assert done.exit_code == 0, done.output
    assert "1 files; the books are right" in done.output
    assert DiskStore(target / "files").open(stored.key).read() == b"log"
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT name FROM support_case").fetchall() == [(name,)]
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert revision == (db.code_revision(MIGRATIONS),)
        connection.execute("SET ROLE portal_web")
        assert connection.execute("SELECT count(*) FROM support_case").fetchone() == (0,)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("INSERT INTO posting DEFAULT VALUES")
    assert grants(empty) == grants(source.database_url or "")

    full = run("restore", str(folder), DATABASE_URL=empty, INSTANCE_DIR=str(target))
    assert (full.exit_code, "holds tables already" in full.output) == (1, True)


def grants(url: str) -> set[tuple[object, ...]]:
    """Every right of the two roles on tables and functions, and what new tables will give them."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee IN ('portal_web', 'portal_work')"
        ).fetchall()
        functions = connection.execute(
            "SELECT oid::regprocedure::text, has_function_privilege('portal_web', oid, 'EXECUTE') FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
        defaults = connection.execute("SELECT defaclobjtype, defaclacl::text FROM pg_default_acl").fetchall()
    return {*tables, *functions, *defaults}


@pytest.mark.parametrize("harm", ["no manifest", "other bytes", "unknown revision"])
def test_a_damaged_backup_changes_nothing(committed_database, empty, tmp_path, harm) -> None:
    source = committed_database.settings
    folder = tmp_path / "backup"
    backup.back_up(source.database_url or "", source.files_dir, folder, now=NOW)
    manifest = folder / "manifest.json"
    if harm == "no manifest":
        manifest.unlink()
    elif harm == "other bytes":
        with (folder / "database.dump").open("ab") as dump:
            dump.write(b"x")
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "revision": "9999"}))
    with pytest.raises(Misconfigured):
        backup.restore(empty, tmp_path / "files", folder)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_backup_that_fails_leaves_no_folder(committed_database, tmp_path) -> None:
    url = (committed_database.settings.database_url or "").replace("portal_test", "no_such")
    with pytest.raises(Misconfigured, match="pg_dump failed"):
        backup.back_up(url, tmp_path / "files", tmp_path / "backup", now=NOW)
    assert list(tmp_path.glob("backup*")) == []
