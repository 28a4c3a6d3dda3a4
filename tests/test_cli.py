"""Commands say what they did, and refuse in a sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy import text

from portal.cli import main
from portal.db import engine_for


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)


def run(*arguments: str, **environ: str) -> Result:
    unset = {"DATABASE_URL": None, "WEB_DATABASE_URL": None, "WORK_DATABASE_URL": None, "PORTAL_ENV": None}
    return CliRunner().invoke(main, arguments, env={**unset, **environ})


def test_migrate_says_the_revision(committed_database):
    done = run("migrate", DATABASE_URL=committed_database.settings.database_url)
    assert done.exit_code == 0, done.output
    engine = engine_for(committed_database.settings.database_url)
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    assert done.stdout == f"The database is at revision {found}.\n"


def test_migrate_is_refused_in_a_sentence_when_the_host_has_no_owners_login(tmp_path):
    refused = run("migrate", WEB_DATABASE_URL="postgresql://w@db/p", INSTANCE_DIR=str(tmp_path))
    assert refused.exit_code == 1
    assert refused.stderr == "Error: This command needs DATABASE_URL.\n"


def test_every_bad_setting_is_named_when_a_command_starts(tmp_path):
    refused = run("work", LOG_LEVEL="LOUD", PROXY_HOPS="x", INSTANCE_DIR=str(tmp_path))
    assert refused.exit_code == 1
    assert "LOG_LEVEL" in refused.stderr
    assert "PROXY_HOPS" in refused.stderr
    assert "Traceback" not in refused.output
