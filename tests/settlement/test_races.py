"""Two at once on one statement, with two real connections: one wins, and nothing is paid twice."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text

from portal.db import Scope, open_session, transaction
from portal.errors import Conflict, PortalError, Stale
from portal.ledger.models import Period
from portal.payments.models import Intent
from portal.settlement import actions, closing, disposing, queries
from portal.settlement.models import Contest, Disposition, Statement, StatementApproval
from tests.support.cast import add_person, build_cast
from tests.support.payments import connected, earn, open_books
from tests.support.settling import CLOSED_AT, REVIEWED_AT, close, statement_of

BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
)


@pytest.fixture
def settled(committed_database, gateway, standin):
    """The cast and the integrator's statement, accepted by its party."""
    engine = committed_database.work_engine
    with transaction(engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        connected(session, gateway, standin, cast.integrator)
        earn(session, cast, 10_000, 1)
        earn(session, cast, 6_000, 2)
    period_id = close(engine, cast)
    with transaction(engine) as session:
        statement = statement_of(session, period_id, cast.integrator.id)
        actions.accept_statement(session, cast.ivo, statement.id, shown_sha256=statement.content_sha256, now=CLOSED_AT)
    return cast, statement


def in_the_background(work) -> tuple[threading.Thread, list[BaseException | None]]:
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
            ended.append(None)
        except PortalError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def wait_until_blocked(engine, thread: threading.Thread) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(BLOCKED):
            assert thread.is_alive()


def prepared(engine, cast, statement) -> int:
    with transaction(engine) as session:
        return actions.prepare_statement(
            session, cast.fay, statement.id, shown_sha256=statement.content_sha256, now=CLOSED_AT
        ).id


def approve_as(engine, actor, preparation_id, statement):
    scope = Scope(actor.organisation_id, actor.person_id)
    with transaction(engine, scope) as session:
        return actions.approve_statement(
            session, actor, preparation_id, shown_sha256=statement.content_sha256, now=CLOSED_AT
        )


def test_one_approval_wins_when_two_people_approve_at_once(committed_database, settled):
    cast, statement = settled
    web, work = committed_database.web_engine, committed_database.work_engine
    with transaction(work) as session:
        third = add_person(session, session.merge(cast.factory), "fox", *cast.fin.roles)
    preparation_id = prepared(work, cast, statement)
    with open_session(web, Scope(cast.factory.id, cast.fin.person_id)) as first:
        actions.approve_statement(first, cast.fin, preparation_id, shown_sha256=statement.content_sha256, now=CLOSED_AT)
        thread, ended = in_the_background(lambda: approve_as(web, third, preparation_id, statement))
        wait_until_blocked(work, thread)
        first.commit()
    thread.join()
    assert isinstance(ended[0], Conflict)
    with transaction(work) as session:
        assert len(session.scalars(select(StatementApproval)).all()) == 1


def test_an_approval_sees_the_contest_that_was_being_written(committed_database, settled):
    cast, statement = settled
    web, work = committed_database.web_engine, committed_database.work_engine
    preparation_id = prepared(work, cast, statement)
    with open_session(web, Scope(cast.integrator.id, cast.ivo.person_id)) as party:
        line = queries.lines(party, cast.ivo, statement.id)[0]
        actions.contest_line(party, cast.ivo, line.id, reason="Not ours", now=CLOSED_AT)
        thread, ended = in_the_background(lambda: approve_as(web, cast.fin, preparation_id, statement))
        wait_until_blocked(work, thread)
        party.commit()
    thread.join()
    assert isinstance(ended[0], Stale)
    with transaction(work) as session:
        assert session.scalars(select(StatementApproval)).all() == []
        assert len(session.scalars(select(Contest)).all()) == 1


def test_an_approval_is_carried_out_once_when_two_jobs_run_at_once(committed_database, settled):
    cast, statement = settled
    work = committed_database.work_engine
    approval = approve_as(work, cast.fin, prepared(work, cast, statement), statement)

    def dispose() -> None:
        with transaction(work) as session:
            disposing.dispose(session, approval.id, livemode=False, now=REVIEWED_AT)

    with open_session(work) as first:
        disposing.dispose(first, approval.id, livemode=False, now=REVIEWED_AT)
        thread, ended = in_the_background(dispose)
        wait_until_blocked(work, thread)
        first.commit()
    thread.join()
    assert ended == [None]
    with transaction(work) as session:
        assert [one.amount_minor for one in session.scalars(select(Disposition))] == [16_000]
        assert len(session.scalars(select(Intent).where(Intent.kind == "transfer")).all()) == 1


def test_a_period_is_closed_once_when_two_jobs_close_it_at_once(committed_database):
    work = committed_database.work_engine
    with transaction(work) as session:
        cast = build_cast(session)
        period_id = open_books(session, cast)
        earn(session, cast, 10_000, 1)
    with open_session(work) as first:
        closing.freeze_period(first, cast.factory.id, period_id, livemode=False, now=CLOSED_AT)
        thread, ended = in_the_background(
            lambda: closing.close_period(work, cast.factory.id, period_id, livemode=False, now=CLOSED_AT)
        )
        wait_until_blocked(work, thread)
        first.commit()
    thread.join()
    assert ended == [None]
    with transaction(work) as session:
        assert len(session.scalars(select(Statement)).all()) == 1
        assert session.scalars(select(Period.state).order_by(Period.starts_at)).all() == ["soft_closed", "open"]
