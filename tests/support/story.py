"""The stage of the whole story: the portal on a real port, its worker, Stripe's stand-in, a mail server, one clock.

Nothing of the portal is replaced: it is wired by ``portal.app`` from settings, as a deployment is. Only the clock is
the test's, and it moves jobs, pages and the stand-in together.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.app import create_app, create_worker
from portal.config import Settings
from portal.db import Scope, db, engine_for, open_session, transaction
from portal.jobs import JobFailure, enqueue
from portal.ledger.actions import open_first_period
from portal.worker.registry import TASKS, Edges
from portal.worker.running import run_pending
from tests.standin.process import Standin, running_standin
from tests.support.cast import NOW, Cast, build_cast
from tests.support.serving import served
from tests.support.sign_in import PASSWORD, email_of, give_password
from tests.support.smtp import Postbox, running_postbox
from tests.support.surfing import Surfer

ZONE = "Europe/Berlin"
_LINK = re.compile(r"https?://\S+/link/\S+")
_NEXT_JOB = text("SELECT min(scheduled_at) FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at <= :until")


class Clock:
    """The one time of the stage."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Stage:
    """Everything that runs, and what a story does with it."""

    address: str
    cast: Cast
    clock: Clock
    edges: Edges
    web_engine: Engine
    standin: Standin
    postbox: Postbox
    jobs_done: list[str] = field(default_factory=list)

    def enter(self, actor: Actor) -> Surfer:
        """A browser in which the actor has signed in by the form."""
        surfer = Surfer(self.address)
        surfer.open("/sign-in").press("Sign in", {"email": self.email_of(actor), "password": PASSWORD})
        assert surfer.path == "/", surfer.text
        return surfer

    def email_of(self, actor: Actor) -> str:
        """The actor's address."""
        with self.work() as session:
            return email_of(session, actor)

    @contextmanager
    def work(self) -> Iterator[Session]:
        """A transaction of the worker's role, which sees every row."""
        with transaction(self.edges.engine) as session:
            yield session

    @contextmanager
    def scoped(self, actor: Actor) -> Iterator[Session]:
        """A transaction as a page of the actor's has it."""
        with transaction(self.web_engine, Scope(actor.organisation_id, actor.person_id)) as session:
            yield session

    def at(self, moment: datetime) -> None:
        """Let time pass until ``moment``: every job runs at its own date."""
        assert moment >= self.clock.now, "a story goes forward"
        while (due := self._next_job(moment)) is not None:
            self._set(max(due, self.clock.now))
            self.run()
        self._set(moment)
        self.run()

    def run(self) -> None:
        """Run what is due, deliver Stripe's events, and again until both are quiet."""
        while done := run_pending(self.edges):
            self.jobs_done += done
            self.standin.control.drain()

    def deliver(self) -> None:
        """Have the stand-in deliver its events to the portal, and run what they set off."""
        self.standin.control.drain()
        self.run()

    def sweep(self) -> None:
        """Run every scheduled task once, as the worker does by its timetable."""
        with self.work() as session:
            for task in TASKS.values():
                if task.every is not None:
                    enqueue(session, task.name)
        self.run()

    def mailed_link(self, address: str, words: str) -> str:
        """The link in the latest mail to ``address`` whose subject says ``words``."""
        self.run()
        for mail in reversed(self.postbox.to(address)):
            if words in mail["Subject"]:
                found = _LINK.search(self.postbox.text_of(mail))
                assert found is not None, self.postbox.text_of(mail)
                return found.group(0)
        raise AssertionError(f"no mail to {address} says {words!r}: {[mail['Subject'] for mail in self.postbox.mails]}")

    def failures(self) -> list[str]:
        """What jobs failed of, if any did."""
        with self.work() as session:
            return [f"{row.name}: {row.error}" for row in session.scalars(select(JobFailure))]

    def _next_job(self, until: datetime) -> datetime | None:
        with self.work() as session:
            found: datetime | None = session.scalar(_NEXT_JOB, {"until": until})
            return found

    def _set(self, moment: datetime) -> None:
        self.clock.now = moment
        self.standin.control.set_clock(int(moment.timestamp()))


@contextmanager
def staged(database_url: str, folder: Path, now: datetime = NOW) -> Iterator[Stage]:
    """The stage on an empty database, with the cast on it and everybody able to sign in."""
    with ExitStack() as stack:
        standin = stack.enter_context(running_standin(folder / "standin.db"))
        postbox, smtp_url = stack.enter_context(running_postbox())
        settings = _settings(database_url, folder, standin, smtp_url)
        clock = Clock(now)
        edges = create_worker(settings, clock=clock)
        stack.callback(edges.engine.dispose)
        app = create_app(settings, clock=clock)
        stack.enter_context(served(app, port=int(settings.base_url.rsplit(":", 1)[1])))
        web_engine = engine_for(settings.web_database_url or "")
        stack.callback(web_engine.dispose)
        with app.app_context():
            stack.callback(db.engine.dispose)
        standin.control.delivery_policy(automatic=False)
        standin.control.endpoints(
            webhook_url=f"{settings.base_url}/webhooks/stripe",
            thin_webhook_url=f"{settings.base_url}/webhooks/stripe/thin",
        )
        cast = _cast(edges.engine, now)
        stage = Stage(settings.base_url, cast, clock, edges, web_engine, standin, postbox)
        stage.at(now)
        yield stage


def set_up_payouts(stage: Stage) -> None:
    """The integrator's finance sets its account up on Stripe's page; Stripe's delivery says that it is ready."""
    ivo = stage.enter(stage.cast.ivo).open("/payouts").press("Set up the account at Stripe")
    assert ivo.url.startswith(stage.standin.base_url)
    ivo.press("Submit and activate")
    assert ivo.path == "/payouts"
    stage.deliver()
    assert "Ready" in ivo.open("/payouts").text


def _cast(engine: Engine, now: datetime) -> Cast:
    with open_session(engine) as session:
        cast = build_cast(session)
        open_first_period(session, manufacturer_id=cast.factory.id, zone=ZONE, now=now)
        for actor in vars(cast).values():
            if isinstance(actor, Actor):
                give_password(session, actor)
        session.commit()
        session.expunge_all()
    return cast


def _settings(database_url: str, folder: Path, standin: Standin, smtp_url: str) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings.from_env(
        {
            "DATABASE_URL": database_url,
            "INSTANCE_DIR": str(folder),
            "SECRET_KEY": "tests-" * 8,
            "BASE_URL": f"http://127.0.0.1:{port}",
            "STRIPE_SECRET_KEY": standin.key,
            "STRIPE_API_BASE": standin.base_url,
            "STRIPE_WEBHOOK_SECRET": standin.webhook_secret,
            "STRIPE_THIN_WEBHOOK_SECRET": standin.thin_webhook_secret,
            "SMTP_URL": smtp_url,
        }
    )


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of the story's year."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)
