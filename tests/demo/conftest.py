"""The demonstration of one whole month and the running one, made once for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.app import create_worker
from portal.config import Settings
from portal.db import open_session
from portal.demo import building
from portal.demo.standin_control import StandIn
from portal.worker.catching_up import catching_up
from tests.conftest import settings_for
from tests.standin.process import running_standin
from tests.support.database import PREFIX, Cluster

NOW = datetime(2026, 5, 21, 13, 30, tzinfo=UTC)


@dataclass
class Built:
    """A demonstration of one whole month and the running one."""

    session: Session
    settings: Settings

    def all(self, statement: str) -> list[tuple]:
        return [tuple(row) for row in self.session.execute(text(statement))]

    def one(self, statement: str) -> object:
        return self.session.execute(text(statement)).scalar_one()


@pytest.fixture(scope="session")
def built(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("demo")
    name = f"{PREFIX}_demo_{os.getpid()}"
    settings = settings_for(cluster.clone(name), folder)
    with running_standin(folder / "standin.db") as standin:
        told = replace(settings, stripe_secret_key=standin.key, stripe_api_base=standin.base_url)
        at = [NOW]
        edges = create_worker(told, clock=lambda: at[0])

        with catching_up(edges) as past:

            def run_jobs(now: datetime) -> None:
                at[0] = now
                past.run_jobs()

            building.build(past.edges.engine, StandIn(standin.base_url), now=NOW, run_jobs=run_jobs, months=1)
    with open_session(edges.engine) as session:
        yield Built(session, settings)
    edges.engine.dispose()
    cluster.drop(name)
