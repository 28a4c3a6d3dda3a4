"""Commands say what they did, and refuse in a sentence."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pyotp
import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from portal.access import Role
from portal.cli import main, require_answer
from portal.config import ROOT, Settings
from portal.db import engine_for, open_session
from portal.directory.models import Organisation
from portal.errors import Misconfigured
from portal.identity import sessions
from portal.identity.factors import generators, queries, recovery
from portal.identity.factors.rules import Held, Proof, Proven
from portal.identity.models import Membership, WebSession
from portal.identity.sessions import Browser
from tests.support.books import build_books, post_sale
from tests.support.cast import add_person


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


@contextmanager
def process(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database_url,
        "INSTANCE_DIR": str(settings.instance_dir),
        "SECRET_KEY": settings.secret_key,
    }
    command = [sys.executable, "-m", "portal.cli", *arguments]
    started = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=30)


def next_event(started: subprocess.Popen, prefix: str) -> str:
    for line in started.stderr:
        event = json.loads(line)["event"]
        if event.startswith(prefix):
            return event
    raise AssertionError(f"the process ended before it said {prefix!r}")


def test_serve_answers_and_is_ready_when_the_database_is_migrated(committed_database):
    with process(committed_database.settings, "serve", "--bind", "127.0.0.1:0", "--workers", "1") as started:
        address = next_event(started, "Listening at: ").split()[2]
        for page, status in (("healthz", "alive"), ("readyz", "ready")):
            with urllib.request.urlopen(f"{address}/{page}", timeout=30) as answer:
                assert json.load(answer)["status"] == status
    assert started.returncode == 0


def test_work_ends_when_no_job_is_due(committed_database):
    with process(committed_database.settings, "work", "--until-empty") as started:
        said = started.stderr.read()
        assert started.wait(timeout=30) == 0, said


def test_factors_are_taken_off_by_address_and_the_person_is_told(committed_database):
    settings, address = committed_database.settings, "fay@ledm.example"
    with open_session(committed_database.work_engine) as session:
        organisation = session.get_one(Organisation, build_books(session).manufacturer_id)
        fay = add_person(session, organisation, "fay", Role.FINANCE)
        place = session.scalars(select(Membership).where(Membership.person_id == fay.person_id)).one()
        now = datetime.now(UTC)
        sessions.open_session(session, place, Browser("", "Test"), now, proven=Proven(Proof.PASSWORD, now))
        generators.begin_generator(session, fay, secret=settings.secret_key, now=now)
        totp = pyotp.TOTP(generators.shown_secret(session, fay, secret=settings.secret_key, now=now) or "")
        assert generators.confirm_generator(session, fay, totp.now(), secret=settings.secret_key, now=now)
        recovery.make_codes(session, fay, now)
        session.commit()
    environ = {"DATABASE_URL": settings.database_url, "INSTANCE_DIR": str(settings.instance_dir)}
    done = run("reset-factors", address.upper(), **environ)
    assert (done.exit_code, done.stdout) == (0, "Fay signs in by password alone; every browser is signed out.\n")
    with open_session(committed_database.work_engine) as session:
        assert queries.held(session, fay.person_id) == Held()
        assert session.scalars(select(WebSession.revoked_at)).all() != [None]
    with process(settings, "work", "--until-empty") as working:
        said = working.stderr.read()
        assert working.wait(timeout=30) == 0, said
    assert any("Your second factors were taken off" in path.read_text() for path in settings.mail_dir.iterdir())
    unknown = run("reset-factors", "nobody@ledm.example", **environ)
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: Nobody signs in with nobody@ledm.example.\n")
    assert run("reset-factors", **environ).exit_code == 2


def test_month_is_exported_for_the_program_named(committed_database):
    with open_session(committed_database.work_engine) as session:
        books = build_books(session)
        post_sale(session, books, 12_345)
        session.commit()
    environ = {"DATABASE_URL": committed_database.settings.database_url}
    done = run("export-journal", "LEDM", "2026-03", "--format", "hledger", **environ)
    assert done.exit_code == 0, done.output
    assert "12345 EURCENT" in done.stdout
    missing = run("export-journal", "LEDM", "2020-01", "--format", "beancount", **environ)
    assert (missing.exit_code, missing.stderr) == (1, "Error: LEDM has no period 2020-01.\n")


def test_what_to_look_at_is_said_when_a_server_swallows_what_it_is_sent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/base?connect_timeout=2"
        with pytest.raises(Misconfigured, match=r"base at 127\.0\.0\.1 does not answer.*Start it, or correct"):
            require_answer(address)
