"""Scope, roles, types and the fixtures themselves."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime
from select import select as wait_until_readable

import psycopg
import pytest
from sqlalchemy import column, event, select, text, values
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column

from portal import db
from portal.config import MIGRATIONS, as_role
from portal.db import Scope, UtcDateTime, connection_url, open_session, set_scope, transaction
from tests.support.database import PREFIX

SCOPE_NOW = text("SELECT current_setting('portal.organisation_id', true), current_setting('portal.person_id', true)")
WHO = text("SELECT current_user")


def test_scope_is_set_for_the_transaction_when_a_session_has_one(web_session):
    session = web_session(Scope(7, 11))
    assert session.execute(SCOPE_NOW).one() == ("7", "11")
    session.commit()
    assert session.execute(SCOPE_NOW).one() == ("7", "11")


def test_scope_is_empty_when_a_session_has_none(web_session):
    assert web_session(None).execute(SCOPE_NOW).one() == ("", "")


def test_scope_ends_with_its_transaction_when_a_connection_is_used_again(committed_database):
    with transaction(committed_database.web_engine, Scope(7, 11)) as session:
        backend = session.scalar(text("SELECT pg_backend_pid()"))
    with committed_database.web_engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == backend
        assert connection.execute(SCOPE_NOW).one() == ("", "")


def test_a_connection_is_replaced_when_the_server_has_ended_it(committed_database):
    with committed_database.web_engine.begin() as connection:
        ended = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.execute(text("SET idle_session_timeout = '1ms'"))
        socket = connection.connection.driver_connection.fileno()
    assert wait_until_readable([socket], [], [], 10)[0]
    with committed_database.web_engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != ended


def test_session_without_scope_has_none_when_the_connection_had_one(committed_database):
    with transaction(committed_database.web_engine, Scope(7, 11)) as session:
        backend = session.scalar(text("SELECT pg_backend_pid()"))
    with transaction(committed_database.web_engine) as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) == backend
        assert session.execute(SCOPE_NOW).one() == ("", "")


def test_scope_holds_inside_a_savepoint_when_the_savepoint_is_undone(web_session):
    session = web_session(Scope(7, 11))
    session.execute(WHO)
    session.begin_nested().rollback()
    assert session.execute(SCOPE_NOW).one() == ("7", "11")


def test_scope_changes_at_once_when_the_transaction_has_begun(web_session):
    session = web_session(None)
    session.execute(WHO)
    set_scope(session, Scope(3, 4))
    assert session.execute(SCOPE_NOW).one() == ("3", "4")


def test_sessions_keep_role_and_scope_when_they_interleave(web_session, work_session, owner_session):
    first, second = web_session(Scope(1, 2)), web_session(Scope(3, 4))
    for _ in range(2):
        assert first.execute(SCOPE_NOW).one() == ("1", "2")
        assert second.execute(SCOPE_NOW).one() == ("3", "4")
        assert [s.scalar(WHO) for s in (first, work_session, owner_session)] == [
            "portal_web",
            "portal_work",
            "portal_owner",
        ]


def test_each_session_sees_what_another_committed_when_they_share_the_test(owner_session, owner_engine):
    owner_session.execute(text("CREATE TABLE fact (id int PRIMARY KEY)"))
    owner_session.execute(text("INSERT INTO fact VALUES (1)"))
    owner_session.commit()
    with open_session(owner_engine) as other:
        other.execute(text("INSERT INTO fact VALUES (2)"))
        other.rollback()
        assert other.scalars(text("SELECT id FROM fact")).all() == [1]


def test_nothing_stays_when_the_test_before_committed(owner_session):
    assert owner_session.scalar(text("SELECT to_regclass('fact')")) is None


def test_a_failed_statement_is_undone_alone_when_earlier_work_was_committed(owner_session):
    owner_session.execute(text("CREATE TABLE fact (id int PRIMARY KEY)"))
    owner_session.execute(text("INSERT INTO fact VALUES (1)"))
    owner_session.commit()
    with pytest.raises(IntegrityError):
        owner_session.execute(text("INSERT INTO fact VALUES (1)"))
    owner_session.rollback()
    assert owner_session.scalars(text("SELECT id FROM fact")).all() == [1]


def test_deferred_constraints_are_checked_when_a_test_session_commits(owner_session):
    owner_session.execute(text("CREATE TABLE fact (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    owner_session.execute(text("INSERT INTO fact VALUES (1), (1)"))
    with pytest.raises(IntegrityError):
        owner_session.commit()


def test_new_tables_are_append_only_for_the_app_roles_unless_more_is_granted(owner_session, work_session, web_session):
    owner_session.execute(text("CREATE TABLE fact (id int PRIMARY KEY)"))
    owner_session.commit()
    for session in (work_session, web_session(None)):
        session.execute(text("INSERT INTO fact SELECT count(*) FROM fact"))
        session.commit()
        for statement in ("UPDATE fact SET id = 9", "DELETE FROM fact", "TRUNCATE fact"):
            with pytest.raises(ProgrammingError, match="permission denied"):
                session.execute(text(statement))
            session.rollback()


def test_new_functions_are_closed_to_the_app_roles_unless_granted(owner_session, web_session):
    owner_session.execute(text("CREATE FUNCTION secret() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"))
    owner_session.commit()
    with pytest.raises(ProgrammingError, match="permission denied"):
        web_session(None).execute(text("SELECT secret()"))


def test_naive_datetime_is_refused_when_it_is_bound_to_an_instant(owner_session):
    rows = values(column("at", UtcDateTime)).data([(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),)])
    with pytest.raises(StatementError, match="needs a time zone"):
        owner_session.execute(select(rows))


def test_connections_speak_utc_whatever_the_address_says():
    url = connection_url("postgresql://me@host/base?options=-c%20role%3Dportal_web")
    assert url.drivername == "postgresql+psycopg"
    assert url.query["options"].startswith("-c role=portal_web -c timezone=UTC -c client_connection_check_interval=5s")


@pytest.mark.parametrize(("said", "seconds"), [("", "5"), ("?connect_timeout=30", "30")])
def test_a_server_that_does_not_answer_is_given_up_after_seconds(said, seconds):
    assert connection_url(f"postgresql://me@host/base{said}").query["connect_timeout"] == seconds


def test_a_statement_ends_with_the_client_that_asked_for_it(committed_database):
    url = make_url(committed_database.settings.work_database_url)
    every = "-c client_connection_check_interval=50ms"
    asked = psycopg.connect(
        db.driver_conninfo(url.update_query_dict({"options": f"{url.query.get('options', '')} {every}"}))
    )
    asked.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    with socket.socket(fileno=os.dup(asked.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
    runs = text("SELECT FROM pg_stat_activity WHERE pid = :pid")
    owner = committed_database.owner_engine.execution_options(isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        looks = (connection.execute(runs, {"pid": asked.info.backend_pid}).first() for _ in range(100_000))
        assert any(look is None for look in looks)


def test_migrating_twice_changes_nothing_and_code_and_database_agree(committed_database):
    db.upgrade(committed_database.settings.database_url, MIGRATIONS)
    with open_session(committed_database.web_engine) as session:
        assert db.database_revision(session) == db.code_revision(MIGRATIONS)


def test_an_owner_without_any_right_on_roles_migrates_when_the_roles_are_there(cluster):
    name = f"{PREFIX}_plain_{os.getpid()}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE portal_web, portal_work")
        connection.execute(f"GRANT {name} TO CURRENT_USER")
        connection.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
    try:
        plain = make_url(cluster.url(name)).set(username=name).render_as_string(hide_password=False)
        db.upgrade(plain, MIGRATIONS)
        engine = db.engine_for(as_role(plain, "portal_web"))
        with open_session(engine) as session:
            assert session.scalar(WHO) == "portal_web"
        engine.dispose()
    finally:
        cluster.drop(name)
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP ROLE {name}")


def test_flask_sqlalchemy_shares_the_tables_and_the_base():
    assert db.db.metadata is db.Base.metadata
    assert db.db.Model.registry is db.Base.registry


def test_a_mapped_column_holds_no_more_than_it_needs():
    """A start makes 2,400 of them in every process: their slack and clauses that no query asked for came to 8 MB."""

    class Base(DeclarativeBase):
        pass

    class Lamp(Base):
        __tablename__ = "lamp"
        id: Mapped[int] = mapped_column(primary_key=True)
        words: Mapped[str]

    configure_mappers()
    attributes = vars(Lamp.__table__.c.words)
    assert sys.getsizeof(attributes) == sys.getsizeof(dict(attributes))
    with pytest.raises(AttributeError):
        object.__getattribute__(Lamp.words.comparator, "__clause_element__")
    # It is made when a query names the column, and events still find their attribute.
    assert str(select(Lamp.words).where(Lamp.words == "on")).endswith("WHERE lamp.words = :words_1")
    heard = []
    event.listen(Lamp.words, "set", lambda target, value, *_: heard.append(value))
    Lamp(words="off")
    assert heard == ["off"]
