"""The embedded server: started once, shared, outlives a killed client, stops with the last one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from portal import db, embedded
from portal.config import MIGRATIONS, ROOT, Settings
from portal.errors import Misconfigured

CLIENT = """
import sys
from pathlib import Path
from portal import embedded
server = embedded.start(Path(sys.argv[1]), durable=False)
print("up", flush=True)
sys.stdin.read()
server.release()
"""


@pytest.fixture
def instance() -> Iterator[Path]:
    """A folder outside pytest's own, which every other run of pytest closes to the server's user again."""
    with tempfile.TemporaryDirectory(prefix="factoryline-test-") as folder:
        yield Path(folder)


@pytest.fixture
def directory(instance: Path) -> Path:
    return instance / "postgres"


@contextmanager
def client(directory: Path) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.communicate()


def postmaster(directory: Path) -> int | None:
    pid_file = directory / "postmaster.pid"
    return int(pid_file.read_text().split()[0]) if pid_file.exists() else None


def test_server_is_shared_and_stops_with_the_last_client(directory):
    first = embedded.start(directory, durable=False)
    started = postmaster(directory)
    with client(directory):
        assert postmaster(directory) == started
        first.release()
        assert postmaster(directory) == started
    assert postmaster(directory) is None


def test_server_goes_on_for_the_others_when_a_client_is_killed(directory):
    server = embedded.start(directory, durable=False)
    started = postmaster(directory)
    with client(directory) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert postmaster(directory) == started
    server.release()
    assert postmaster(directory) is None


def test_server_is_found_again_when_its_only_client_was_killed(directory):
    with client(directory) as process:
        started = postmaster(directory)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    server = embedded.start(directory, durable=False)
    assert postmaster(directory) == started
    server.release()
    assert postmaster(directory) is None


def test_what_was_committed_is_there_when_the_server_itself_went_down_hard(directory):
    server = embedded.start(directory)
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE fact AS SELECT 1 AS id")
    # PostgreSQL's immediate shutdown: nothing is written, the next start recovers as after a power cut.
    with psycopg.connect(server.url()) as witness:
        os.kill(postmaster(directory), signal.SIGQUIT)
        with pytest.raises(psycopg.OperationalError):
            list(witness.notifies(timeout=30))
    again = embedded.start(directory)
    with psycopg.connect(again.url()) as connection:
        assert connection.execute("SELECT id FROM fact").fetchone() == (1,)
    again.release()
    server.release()
    assert postmaster(directory) is None


def test_a_forked_child_takes_nothing_from_its_parent(directory):
    server = embedded.start(directory, durable=False)
    started = postmaster(directory)
    child = os.fork()
    if child == 0:
        server.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert postmaster(directory) == started
    server.release()
    assert postmaster(directory) is None


def test_data_and_socket_are_closed_to_others(directory):
    server = embedded.start(directory, durable=False)
    try:
        assert directory.stat().st_mode & 0o077 == 0
        assert server.sockets.stat().st_mode & 0o077 == 0
        assert directory.stat().st_uid != 0
    finally:
        server.release()


def test_owner_is_no_superuser_and_migrates_everything(directory, instance):
    settings = Settings.from_env({"INSTANCE_DIR": str(instance)})
    with embedded.database_for(settings, durable=False) as ready:
        db.upgrade(ready.database_url, MIGRATIONS)
        engine = db.engine_for(ready.work_database_url)
        with db.open_session(engine) as session:
            assert session.execute(text("SELECT current_user, session_user")).one() == ("portal_work", "portal_owner")
            assert session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")) is False
            extensions = set(session.scalars(text("SELECT extname FROM pg_extension")))
        engine.dispose()
    assert {"citext", "pg_trgm", "btree_gist", "unaccent"} <= extensions
    assert postmaster(directory) is None


def test_a_long_path_works_although_socket_paths_are_short(instance):
    directory = instance / ("long" * 30) / "postgres"
    server = embedded.start(directory, durable=False)
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("portal_owner",)
    server.release()
    assert not server.sockets.exists()


def test_a_named_database_is_left_alone(tmp_path):
    settings = Settings.from_env({"INSTANCE_DIR": str(tmp_path), "DATABASE_URL": "postgresql://o@db/p"})
    with embedded.database_for(settings) as same:
        assert same is settings
    assert embedded.attach(settings) is settings


def test_the_log_is_quoted_when_the_server_does_not_start(directory):
    embedded.start(directory, durable=False).release()
    with (directory / "postgresql.conf").open("a") as configuration:
        configuration.write("\nno_such_setting = on\n")
    with pytest.raises(Misconfigured, match="no_such_setting"):
        embedded.start(directory, durable=False)
