"""``python -m tests.payments.killed_run``: a settlement run whose workers are killed with -9, answers lost.

Statements of many parties are approved; real workers dispose of them and send the transfers to the real stand-in. Each
worker is killed at another point: as a call arrives, as it has had its effect, as an answer was lost, as a row was
committed. In the end each transfer is there once, and the books are Stripe's.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import psycopg
from sqlalchemy import Engine, select, text

from portal.access import Side
from portal.config import ROOT, Settings
from portal.db import driver_conninfo, engine_for, transaction
from portal.directory.actions import NewOrganisation, add_organisation
from portal.ledger.queries import ledger_problems
from portal.ledger.rules import Purpose
from portal.payments import handling
from portal.payments.gateway import Gateway, connect
from portal.settlement.models import Statement
from portal.settlement.reconciling import find_differences
from tests.conftest import settings_for
from tests.standin.process import Standin, running_standin
from tests.support.cast import Cast, build_cast
from tests.support.database import PREFIX, Cluster, running_cluster
from tests.support.payments import balance_of, connected, earn, open_books
from tests.support.settling import CLOSED_AT, REVIEWED_AT, approve, close

SECONDS = 120
_WATCH = """
    CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('point', CASE TG_TABLE_NAME WHEN 'intent' THEN 'intent ' || (to_jsonb(NEW) ->> 'state')
            WHEN 'intent_attempt' THEN 'attempt ' || (to_jsonb(NEW) ->> 'outcome')
            WHEN 'journal_transaction' THEN 'posted ' || (to_jsonb(NEW) ->> 'kind') ELSE TG_TABLE_NAME END);
        RETURN NULL;
    END $$;
    CREATE TRIGGER say AFTER UPDATE ON intent FOR EACH ROW WHEN (NEW.kind = 'transfer') EXECUTE FUNCTION say();
    CREATE TRIGGER say AFTER INSERT ON intent_attempt FOR EACH ROW EXECUTE FUNCTION say();
    CREATE TRIGGER say AFTER INSERT ON journal_transaction FOR EACH ROW EXECUTE FUNCTION say();
    CREATE TRIGGER say AFTER INSERT ON disposition FOR EACH ROW EXECUTE FUNCTION say();
"""


@dataclass(frozen=True)
class Point:
    """Where a worker is killed: at a held call, or once something was committed; with a fault on the way or not."""

    name: str
    held: tuple[str, str, str] | None = None
    said: str = ""
    fault: str = ""


FIRST = (
    Point("an approval is disposed of", said="disposition"),
    Point("the disposal is posted", said="posted disposed_transferred"),
)
POINTS = (
    Point("the balance is asked for", held=("hold_before", "GET", "/v1/balance")),
    Point("the account is asked for", held=("hold_before", "GET", "/v2/core/accounts/.*")),
    Point("the attempt is written down", said="attempt sent"),
    Point("the transfer arrives at Stripe", held=("hold_before", "POST", "/v1/transfers")),
    Point("the transfer is made, unanswered", held=("hold_after", "POST", "/v1/transfers")),
    Point("its answer is lost", said="intent unknown", fault="lose_answer"),
    Point("its answer breaks off", said="intent unknown", fault="break_body"),
    Point("it is booked", said="posted transfer_sent"),
    Point("a kept 500 is noted", said="attempt unknown", fault="error_before"),
)


@dataclass(frozen=True)
class Run:
    """A settlement that is under way."""

    settings: Settings
    standin: Standin
    gateway: Gateway
    engine: Engine
    cast: Cast
    amounts: dict[str, int]


@contextmanager
def approved_run(cluster: Cluster, standin: Standin, folder: Path, parties: int) -> Iterator[Run]:
    """So many approved statements, each with its job, none carried out."""
    name = f"{PREFIX}_killed_{os.getpid()}"
    settings = settings_for(cluster.clone(name), folder)
    engine, owner = engine_for(str(settings.work_database_url)), engine_for(str(settings.database_url))
    gateway = connect(standin.key, standin.base_url)
    standin.control.available_after(0)
    standin.control.fund(parties * 100_000, "eur")
    try:
        with transaction(engine) as session:
            cast = build_cast(session)
            open_books(session, cast)
            companies = [_company(session, cast, number) for number in range(1, parties + 1)]
            for number, company in enumerate(companies, start=1):
                connected(session, gateway, standin, company)
                earn(session, cast, 10_000 + number, number, party_id=company.id)
        period_id = close(engine, cast, CLOSED_AT)
        with transaction(owner) as session:
            session.execute(text("DELETE FROM procrastinate_jobs"))
            session.execute(text(_WATCH))
        with transaction(engine) as session:
            ours = select(Statement).where(Statement.period_id == period_id, Statement.party_id != cast.factory.id)
            amounts = {}
            for statement in session.scalars(ours):
                approve(session, cast, statement, REVIEWED_AT)
                amounts[f"statement-{statement.id}"] = statement.net_minor
        yield Run(settings, standin, gateway, engine, cast, amounts)
    finally:
        engine.dispose()
        owner.dispose()
        cluster.drop(name)


def _company(session, cast, number):  # type: ignore[no-untyped-def]
    new = NewOrganisation(Side.INTEGRATOR, f"K{number:03}", f"Integrator {number}", "Europe/Berlin", "DE", "EUR")
    return add_organisation(session, cast.adam, new, CLOSED_AT - timedelta(days=30))


def points(kills: int) -> list[Point]:
    """So many points; the first ones lie before any call."""
    return list(itertools.islice(itertools.chain(FIRST, itertools.cycle(POINTS)), kills))


def kill_at(run: Run, point: Point) -> None:
    """Start a worker and kill it at a point."""
    if point.fault:
        run.standin.control.fault(point.fault, method="POST", path="/v1/transfers")
    if point.held:
        kind, method, path = point.held
        run.standin.control.fault(kind, method=method, path=path)
    with _listening(run) as listener, _worker(run) as process:
        if point.held:
            run.standin.control.wait_until_held(seconds=SECONDS)
        else:
            _wait_for(listener, point.said)
        process.kill()
        process.wait()
    run.standin.control.release_held_calls()
    run.standin.control.clear_faults()


def finish(run: Run) -> None:
    """A last worker, left alone until every transfer has succeeded; what failed before does not wait for its pause."""
    left = text("SELECT count(*) FROM statement_approval one WHERE NOT EXISTS (SELECT FROM disposition part"
                " JOIN intent ON intent.id = part.intent_id AND intent.state = 'succeeded'"
                " WHERE part.approval_id = one.id)")  # fmt: skip
    with transaction(run.engine) as session:
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'"))
    with _listening(run) as listener, _worker(run):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with transaction(run.engine) as session:
                if session.scalars(left).one() == 0:
                    return
            next(listener.notifies(timeout=1), None)
    raise AssertionError("the run did not end in time")


def assert_each_once(run: Run) -> None:
    """Each approved transfer is at Stripe once with its amount, and the books are Stripe's."""
    assert run.standin.control.counters()["transfer"] == len(run.amounts)
    for group, amount in run.amounts.items():
        assert [one.amount_minor for one in run.gateway.find_transfers(group)] == [amount]
    now = datetime.now(UTC)
    handling.import_movements(run.engine, run.gateway, now)
    balance = run.standin.client().v1.balance.retrieve()
    held = sum(row.amount for row in (*balance.available, *balance.pending) if row.currency == "eur")
    with transaction(run.engine) as session:
        assert balance_of(session, Purpose.STRIPE) == held
        assert balance_of(session, Purpose.IN_TRANSFER) == 0
        assert find_differences(session, now=now + timedelta(days=2)) == 0
        assert ledger_problems(session) == []


@contextmanager
def _listening(run: Run) -> Iterator[psycopg.Connection]:
    with psycopg.connect(driver_conninfo(run.settings.database_url), autocommit=True) as connection:
        connection.execute("LISTEN point")
        yield connection


def _wait_for(listener: psycopg.Connection, said: str) -> None:
    for notice in listener.notifies(timeout=SECONDS):
        if notice.payload == said:
            return
    raise AssertionError(f"{said!r} was not reached in time")


@contextmanager
def _worker(run: Run) -> Iterator[subprocess.Popen[bytes]]:
    settings = run.settings
    environ = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": str(settings.database_url),
        "WORK_DATABASE_URL": str(settings.work_database_url),
        "WEB_DATABASE_URL": str(settings.web_database_url),
        "INSTANCE_DIR": str(settings.instance_dir),
        "SECRET_KEY": "tests-" * 8,
        "BASE_URL": "http://localhost",
        "STRIPE_SECRET_KEY": run.standin.key,
        "STRIPE_API_BASE": run.standin.base_url,
        "STRIPE_WEBHOOK_SECRET": run.standin.webhook_secret,
        "STRIPE_THIN_WEBHOOK_SECRET": run.standin.thin_webhook_secret,
    }
    process = subprocess.Popen([sys.executable, "-m", "tests.support.payment_worker"], env=environ, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@click.command()
@click.option("--kills", default=20, show_default=True, type=click.IntRange(1))
@click.option("--transfers", default=40, show_default=True, type=click.IntRange(2))
def main(kills: int, transfers: int) -> None:
    """Kill a worker so many times and say what came of it."""
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cluster() as cluster,
        running_standin(Path(folder) / "standin.db") as standin,
        approved_run(cluster, standin, Path(folder), transfers) as run,
    ):
        for number, point in enumerate(points(kills), start=1):
            kill_at(run, point)
            click.echo(f"{number:3}  killed as {point.name}; {standin.control.counters()['transfer']} transfers made")
        finish(run)
        assert_each_once(run)
        sent = len(standin.control.calls(method="POST", path="/v1/transfers"))
    took = time.perf_counter() - began
    click.echo(f"{kills} kills, {transfers} transfers each made once by {sent} calls, books equal, {took:.0f} s")


if __name__ == "__main__":
    main()
