"""The demonstration: built from its seed with clean books, something to do for every role, and no second time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.app import create_worker
from portal.billing import books
from portal.db import open_session
from portal.demo import building
from portal.demo.standin_control import StandIn
from portal.demo.world import COMPANIES, PEOPLE, PLACES
from portal.errors import Misconfigured
from portal.worker.running import run_pending
from tests.conftest import settings_for
from tests.standin.process import running_standin
from tests.support.database import PREFIX, Cluster

# The demonstration is made once, by whichever process runs these tests.
pytestmark = pytest.mark.xdist_group("demo")

NOW = datetime(2026, 5, 21, 13, 30, tzinfo=UTC)


@dataclass
class Built:
    """A demonstration of one whole month and the running one."""

    session: Session

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

        def run_jobs(now: datetime) -> None:
            at[0] = now
            run_pending(edges)

        building.build(edges.engine, StandIn(standin.base_url), now=NOW, run_jobs=run_jobs, months=1)
    with open_session(edges.engine) as session:
        yield Built(session)
    edges.engine.dispose()
    cluster.drop(name)


def test_books_are_right(built: Built) -> None:
    assert built.one("SELECT count(*) FROM bill_item") > 10
    assert list(books.check_books(built.session)) == []


def test_no_job_failed(built: Built) -> None:
    assert built.all("SELECT name, error FROM job_failure") == []


def test_there_is_a_case_in_every_state(built: Built) -> None:
    states = {state for (state,) in built.all("SELECT DISTINCT state FROM support_case")}
    assert states == {"open", "offered", "waiting", "resolved", "closed"}


def test_every_company_site_and_person_is_there(built: Built) -> None:
    counts = built.all(
        "SELECT (SELECT count(*) FROM organisation), (SELECT count(*) FROM site), (SELECT count(*) FROM person)"
    )
    assert counts == [(len(COMPANIES), len(PLACES), len(PEOPLE))]


@pytest.mark.parametrize(
    ("what", "table"),
    [
        ("a challenged split that nobody has decided", "challenge WHERE subject = 'split'"),
        ("a contested line", "contest"),
        ("work at factory risk to ratify", "emergency"),
        ("a running timer", "running_timer"),
        ("a request the payer has not answered", "authorization_request"),
        ("a statement in review", "statement"),
        ("an invoice", "invoice"),
    ],
)
def test_somebody_finds_something_to_do(built: Built, what: str, table: str) -> None:
    assert built.one(f"SELECT count(*) FROM {table}") > 0, f"there is not {what}"


def test_plan_of_the_museum_is_nearly_used_up(built: Built) -> None:
    (left,) = built.all(
        "SELECT balance.free_seconds FROM usage_grant grant_row JOIN grant_balance balance ON grant_id = grant_row.id"
        " JOIN site ON site.id = grant_row.site_id"
        f" WHERE site.name = 'Old harbour' AND expires_at > '{NOW.isoformat()}'"
    )
    assert 0 <= left[0] <= 1800


def test_second_building_is_refused(built: Built) -> None:
    assert building.is_built(built.session)
    with pytest.raises(Misconfigured):
        building.check_empty(built.session)
