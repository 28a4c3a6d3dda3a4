"""What every test may ask for: a database that forgets the test, or a fresh one that really commits.

- ``work_session``, ``owner_session``, ``web_session(scope)``: sessions of the three roles on one connection, undone
  at the end of the test. Commit freely. ``work_engine``, ``web_engine`` and ``web_engine_options`` belong to it.
- ``begun``: what the mark ``begins_with`` had made before the test: see tests/support/beginnings.py.
- ``committed_database``: a clone of its own with real commits and as many connections as you like; for races, for
  processes that are killed, for a server in the background.
"""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine, inspect, text
from sqlalchemy.orm import Session
from xdist.remote import Producer

from portal.collecting import collect_seldom
from portal.config import Settings
from portal.db import WEB_ROLE, WORK_ROLE, Base, Scope, engine_for, open_session
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.standin.fixtures import standin, standin_process  # noqa: F401
from tests.support import browsing
from tests.support.beginnings import Beginnings
from tests.support.cast import Cast, build_cast, recast
from tests.support.database import PREFIX, Cluster, running_cluster
from tests.support.shared_connection import SharedConnection
from tests.support.spreading import Spreading

_numbers = itertools.count(1)

# No test asserts a time: a busy machine takes its own.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


# Where rich is installed structlog has it draw every traceback in colour, with all variables: two seconds each.
_plainly = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _plainly])

# What a test that stores or shows something asks for.
WORLDLY_FIXTURES = frozenset({"cluster", "shared_connection", "chromium"})


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Mark what is measured, before marks choose; order the tests when all others have."""
    for item in items:
        if item.get_closest_marker("browser") and browsing.CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason=browsing.WHY_SKIPPED))
        # Examples hold the pure modules to full coverage; what chance reaches is none, and looking slows a race.
        other = any(item.get_closest_marker(name) for name in ("hypothesis", "no_cover"))
        if not other and WORLDLY_FIXTURES.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.measured)
    yield
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Tests in a browser come last; of them the long stories first, so that no process is left with one at the end."""
    if item.get_closest_marker("browser") is None:
        return 0
    return 1 if "stage" in item.fixturenames else 2


# Thousands of modules and tests are made to stay: looking for cycles among them finds none, in a fifth of the time.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on cycles are looked for as in a process of the portal."""
    collect_seldom()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Spreading:
    return Spreading(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """With ``--cov``, look at measured tests only: looking doubles the time of a test."""
    coverage = getattr(item.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if coverage is None or item.get_closest_marker("measured"):
        return (yield)
    coverage.pause()
    try:
        return (yield)
    finally:
        coverage.resume()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One for the process, whose main thread has an event loop running from now on: no test may start another there."""
    with sync_playwright() as playwright:
        running = browsing.start(playwright)
        yield running
        running.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def _shared(cluster: Cluster) -> Iterator[SharedConnection]:
    name = f"{PREFIX}_{os.getpid()}"
    connection = SharedConnection(cluster.clone(name))
    yield connection
    connection.close()
    cluster.drop(name)


@pytest.fixture(scope="session")
def _shared_with_cast(cluster: Cluster) -> Iterator[Beginnings]:
    name = f"{PREFIX}_cast_{os.getpid()}"
    url = cluster.clone(name)
    engine = engine_for(url)
    with open_session(engine) as session:
        stored = build_cast(session)
        # The jobs of making the cast are no part of any test.
        session.execute(text("DELETE FROM procrastinate_jobs"))
        session.commit()
    engine.dispose()
    connection = SharedConnection(url)
    yield Beginnings(connection, stored)
    connection.close()
    cluster.drop(name)


@pytest.fixture
def shared_connection(request: pytest.FixtureRequest) -> Iterator[SharedConnection]:
    if "cast" in request.fixturenames:
        beginnings = request.getfixturevalue("_shared_with_cast")
        marker = request.node.get_closest_marker("begins_with")
        beginnings.go_to(marker.args[0] if marker else None)
        shared = beginnings.shared
    else:
        shared = request.getfixturevalue("_shared")
    yield shared
    shared.undo_everything()


@pytest.fixture
def settings(shared_connection: SharedConnection, tmp_path: Path) -> Settings:
    return settings_for(shared_connection.url, tmp_path)


@pytest.fixture
def owner_engine(shared_connection: SharedConnection) -> Engine:
    return shared_connection.engine(None)


@pytest.fixture
def work_engine(shared_connection: SharedConnection) -> Engine:
    return shared_connection.engine(WORK_ROLE)


@pytest.fixture
def web_engine(shared_connection: SharedConnection) -> Engine:
    return shared_connection.engine(WEB_ROLE)


@pytest.fixture
def web_engine_options(shared_connection: SharedConnection) -> dict[str, Any]:
    """For the engine that the web app makes itself."""
    return shared_connection.engine_options(WEB_ROLE)


@pytest.fixture
def owner_session(owner_engine: Engine) -> Iterator[Session]:
    with open_session(owner_engine) as session:
        yield session


@pytest.fixture
def work_session(work_engine: Engine) -> Iterator[Session]:
    with open_session(work_engine) as session:
        yield session


@pytest.fixture
def web_session(web_engine: Engine) -> Iterator[Callable[[Scope | None], Session]]:
    opened: list[Session] = []

    def open_for(scope: Scope | None = None) -> Session:
        opened.append(open_session(web_engine, scope))
        return opened[-1]

    yield open_for
    for session in opened:
        session.close()


@pytest.fixture
def cast(_shared_with_cast: Beginnings, work_session: Session) -> Cast:
    """The fixed cast, stored once per process; its rows belong to ``work_session``."""
    return recast(work_session, _shared_with_cast.cast)


@pytest.fixture
def begun(_shared_with_cast: Beginnings, cast: Cast, work_session: Session) -> Any:
    """What the test's beginning returned, a row as one of ``work_session``: see tests/support/beginnings.py."""
    made = _shared_with_cast.made
    return work_session.get_one(type(made), inspect(made).identity) if isinstance(made, Base) else made


@pytest.fixture
def run_jobs(settings: Settings, work_engine: Engine) -> Callable[..., list[str]]:
    """Run every job that is due at ``now``, and those that these enqueue; ``edges`` are the gateway and the like."""

    def run(now: datetime, **edges: Any) -> list[str]:
        return run_pending(Edges(settings, work_engine, lambda: now, **edges))

    return run


@dataclass(frozen=True)
class CommittedDatabase:
    """A database of this test alone; ``settings`` name it for programs that the test starts."""

    settings: Settings
    owner_engine: Engine
    work_engine: Engine
    web_engine: Engine


@pytest.fixture
def committed_database(cluster: Cluster, tmp_path: Path) -> Iterator[CommittedDatabase]:
    name = f"{PREFIX}_{next(_numbers)}_{os.getpid()}"
    settings = settings_for(cluster.clone(name), tmp_path)
    engines = [
        engine_for(str(url)) for url in (settings.database_url, settings.work_database_url, settings.web_database_url)
    ]
    yield CommittedDatabase(settings, *engines)
    for engine in engines:
        engine.dispose()
    cluster.drop(name)


def settings_for(database_url: str, instance: Path) -> Settings:
    """A development deployment on ``database_url`` whose files lie in ``instance``."""
    environ = {
        "DATABASE_URL": database_url,
        "INSTANCE_DIR": str(instance),
        "SECRET_KEY": "tests-" * 8,
        "BASE_URL": "http://localhost",
    }
    return Settings.from_env(environ)
