"""Jobs of a time that is over share one connection; all of it is kept, or nothing after an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.db import transaction
from portal.errors import RuleBroken
from portal.jobs import enqueue
from portal.notifications.actions import Recipient, queue_letters
from portal.notifications.mail import Message
from portal.worker.catching_up import MOST_TURNS, catching_up
from portal.worker.registry import TASKS, Edges, task
from tests.conftest import CommittedDatabase
from tests.support.cast import NOW, build_cast


@dataclass
class Kept:
    """Keeps what it is told to send."""

    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.messages.append(message)


@pytest.fixture
def edges(committed_database: CommittedDatabase) -> Edges:
    return Edges(committed_database.settings, committed_database.work_engine, lambda: NOW, mailer=Kept())


@pytest.fixture
def registered() -> Iterator[None]:
    before = dict(TASKS)
    yield
    TASKS.clear()
    TASKS.update(before)


def waiting(edges: Edges) -> list[str]:
    with transaction(edges.engine) as session:
        return list(session.scalars(text("SELECT task_name FROM procrastinate_jobs ORDER BY id")))


def put_and_run(edges: Edges, name: str) -> None:
    with catching_up(edges) as past:
        with transaction(past.edges.engine) as session:
            enqueue(session, name)
        past.run_jobs()


@pytest.mark.usefixtures("registered")
def test_jobs_run_with_those_they_enqueue_and_later_ones_wait(edges: Edges) -> None:
    task("first")(lambda session, now: enqueue(session, "second"))
    task("second")(lambda session, now: enqueue(session, "third", run_at=NOW + timedelta(minutes=1)))
    with catching_up(edges) as past:
        with transaction(past.edges.engine) as session:
            enqueue(session, "first")
        assert waiting(edges) == []
        assert past.run_jobs() == ["first", "second"]
        assert waiting(edges) == ["third"]


@pytest.mark.usefixtures("registered")
def test_nothing_is_kept_when_a_job_fails(edges: Edges) -> None:
    def refused(session, now) -> None:
        raise RuleBroken("The period is closed.")

    task("refused")(refused)
    with pytest.raises(RuleBroken):
        put_and_run(edges, "refused")
    assert waiting(edges) == []


@pytest.mark.usefixtures("registered")
def test_task_that_enqueues_itself_for_ever_is_stopped(edges: Edges) -> None:
    task("endless")(lambda session, now: enqueue(session, "endless"))
    with pytest.raises(RuntimeError, match=f"{MOST_TURNS} times"):
        put_and_run(edges, "endless")


def test_letters_of_one_moment_are_sent_together(edges: Edges) -> None:
    with transaction(edges.engine) as session:
        cast = build_cast(session, NOW)
    people = [
        Recipient(actor.organisation_id, f"{name}@kes.example", actor.person_id)
        for name, actor in (("tom", cast.tom), ("mia", cast.mia))
    ]
    with catching_up(edges) as past:
        with transaction(past.edges.engine) as session:
            about = ("document_version", cast.agreement_version.id)
            queue_letters(session, {each: {} for each in people}, "version_proposed", about=about, now=NOW)
        assert past.run_jobs().count("send_delivery") == len(edges.mailer.messages) > len(people)
    assert {"tom@kes.example", "mia@kes.example"} <= {message.to for message in edges.mailer.messages}
    with transaction(edges.engine) as session:
        states = session.execute(text("SELECT DISTINCT state, sent_at FROM delivery")).all()
    assert [tuple(row) for row in states] == [("sent", NOW)]
