"""The database as the program sees it: declarative base, column types, engines, sessions, the row-security scope.

Tables are plain SQLAlchemy classes of ``Base``; worker, command line and tests open plain sessions. The web uses the
Flask-SQLAlchemy object below, which is given the same ``Base``, so there is one set of tables and one session style.

Invariants:
 - Every connection speaks UTC; a datetime without a zone never reaches the database.
 - One listener, and only one, tells PostgreSQL for whom a transaction reads: it runs when the transaction begins and
   the setting ends with it. Without a scope both settings are empty and row security shows nothing.
"""

from __future__ import annotations

import select
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psycopg
from flask_sqlalchemy import SQLAlchemy
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Dialect,
    Engine,
    ForeignKeyConstraint,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    Uuid,
    create_engine,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import ColumnProperty, DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column, registry
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from portal.lazily import lazily

if TYPE_CHECKING:
    from alembic import command, config
else:
    command, config = lazily("alembic.command"), lazily("alembic.config")

OWNER_ROLE = "portal_owner"
WEB_ROLE = "portal_web"
WORK_ROLE = "portal_work"

# PostgreSQL's own defaults would differ from a name written by hand in a migration; these are the names migrations use.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

_APPLY_SCOPE = text(
    "SELECT set_config('portal.organisation_id', :organisation, true), set_config('portal.person_id', :person, true)"
)

_COPY_PLACE = SQL(
    "CREATE TEMPORARY TABLE IF NOT EXISTS {temporary} ON COMMIT DELETE ROWS AS SELECT {names} FROM {table} WITH NO DATA"
)
_COPY = SQL("COPY {temporary} ({names}) FROM STDIN")
_COPIED = SQL("INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {temporary}")
_COPY_DONE = SQL("DELETE FROM {temporary}")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: ``timestamptz``, refusing a datetime without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Pass an aware datetime; a naive one is a defect of the caller."""
        if value is not None and value.utcoffset() is None:
            raise TypeError(f"an instant needs a time zone, {value!r} has none")
        return value


# Column types by the words of the domain, so that a table reads as what it holds: ``due_at: Mapped[Instant | None]``.
Id = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Uid = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))]
Ref = Annotated[int, mapped_column(BigInteger)]
Instant = Annotated[datetime, mapped_column(UtcDateTime)]
RecordedAt = Annotated[datetime, mapped_column(UtcDateTime, server_default=text("now()"))]
Day = Annotated[date, mapped_column(Date)]
Minor = Annotated[int, mapped_column(BigInteger)]
Currency = Annotated[str, mapped_column(Text)]
BasisPoints = Annotated[int, mapped_column(Integer)]
Seconds = Annotated[int, mapped_column(BigInteger)]
Small = Annotated[int, mapped_column(SmallInteger)]
Words = Annotated[str, mapped_column(Text)]
Address = Annotated[str, mapped_column(CITEXT)]
Sha256 = Annotated[bytes, mapped_column(LargeBinary)]
Document = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]
UuidId = Uid
Json = dict[str, Any]


@event.listens_for(Column, "after_parent_attach")
def _keep_small(column: Column[Any], table: object) -> None:
    """Leave room for what is added to a column later, and not for three times as much.

    Python shares the names of attributes among instances up to a number that a column's exceed; it then makes each its
    own table of names, of 1.5 KB instead of 0.8, which every use of the column in a query copies: 4,700 in all.
    """
    column.__dict__ = dict(column.__dict__)


def _no_clause_for_looking(comparator: ColumnProperty.Comparator[Any]) -> None:
    """Answer that there is no such attribute, before one of the column is looked for in its clause.

    SQLAlchemy asks each mapped attribute whether it has this one, by which it makes the clause of every column at the
    start. Unasked, a clause is made when a query first names its column.
    """
    raise AttributeError("_slots_dispatch")


ColumnProperty.Comparator._memoized_attr__slots_dispatch = _no_clause_for_looking  # type: ignore[attr-defined]


class Base(DeclarativeBase):
    """Every table of the portal."""

    # A registry of its own, because Flask-SQLAlchemy copies the attributes of the base it is given and SQLAlchemy
    # refuses a copied type_annotation_map beside a registry.
    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            int: BigInteger,
            str: Text,
            datetime: UtcDateTime,
            date: Date,
            uuid.UUID: Uuid,
            bytes: LargeBinary,
            dict[str, Any]: JSONB(none_as_null=True),
            list[int]: ARRAY(BigInteger),
            list[str]: ARRAY(Text),
        },
    )


CASE_PARTIES = ("manufacturer_id", "integrator_id", "customer_id")


class CaseScoped:
    """The columns that every row about a case carries, so that row security compares columns and never joins."""

    case_id: Mapped[int]
    manufacturer_id: Mapped[int]
    integrator_id: Mapped[int]
    customer_id: Mapped[int]


def case_foreign_key() -> ForeignKeyConstraint:
    """Hold a row's three companies to those of its case: none can be said that the case does not have."""
    return ForeignKeyConstraint(
        ["case_id", *CASE_PARTIES],
        ["support_case.id", *(f"support_case.{party}" for party in CASE_PARTIES)],
    )


@dataclass(frozen=True)
class Scope:
    """For whom a transaction reads: row security shows what this organisation, and this person in it, may see.

    *Shape*: without an organisation only the person's own rows show, as between password and choice of organisation.
    """

    organisation_id: int | None
    person_id: int


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


def _refuse_ended(connection: Any, record: object, proxy: object) -> None:
    """Give out no connection that the server has ended: then there is something to read, where nothing was asked.

    Looking costs nothing, where asking costs each request a round trip. *Raises*: InvalidatePoolError, by which the
    pool opens a new one.
    """
    quiet = select.poll()
    quiet.register(connection.fileno(), select.POLLIN)
    if quiet.poll(0):
        raise InvalidatePoolError("the server has ended the connection")


class _Columns(Sequence[psycopg.Column]):
    """The columns of a result, described when somebody looks at one.

    SQLAlchemy knows them from the first time a statement ran and then asks only whether there are any, where the
    driver would describe all of them each time.
    """

    def __init__(self, cursor: psycopg.Cursor[Any], count: int) -> None:
        self._cursor, self._count = cursor, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return [psycopg.Column(self._cursor, index) for index in range(self._count)][place]


class _Cursor(psycopg.Cursor[Any]):
    @property
    def description(self) -> Any:
        """The columns of the result, or None where a statement gives no rows."""
        result = self.pgresult
        return _Columns(self, result.nfields) if result is not None and result.nfields else super().description


# What people typed stays out of error texts, and so out of logs.
ENGINE_OPTIONS: dict[str, Any] = {
    "pool_events": [(_refuse_ended, "checkout")],
    "hide_parameters": True,
    "connect_args": {"cursor_factory": _Cursor},
}


# What every session of ours is told, unless its address says otherwise: its clock, and to look whether its client is
# still there. A statement of a worker that was killed would go on to its end, and whoever takes the work up would wait;
# a session of a machine that lost its power would keep its locks for the two hours that TCP waits by itself.
_SAID = {
    "timezone": "UTC",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# How long a server may take to answer, unless the address says otherwise: one that swallows what it is sent would hold
# whoever asks for minutes.
CONNECT_SECONDS = 5


def connection_url(url: str | URL) -> URL:
    """The address as this program opens it: psycopg 3, and sessions that are told the same whatever the server says."""
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    options = parsed.query.get("options", "")
    if isinstance(options, tuple):
        options = " ".join(options)
    for name, value in _SAID.items():
        if name not in options.lower():
            options = f"{options} -c {name}={value}".strip()
    patience = parsed.query.get("connect_timeout", str(CONNECT_SECONDS))
    return parsed.update_query_dict({"options": options, "connect_timeout": patience})


def driver_conninfo(url: str | URL) -> str:
    """The same address in the driver's own notation, for a program that brings its own connections."""
    parsed = connection_url(url)
    arguments = {**parsed.translate_connect_args(username="user", database="dbname"), **parsed.query}
    return make_conninfo("", **arguments)


def without_waiting_for_disk(url: str | URL) -> str:
    """The address for sessions whose commits return before they are on disk: for what can be made again."""
    parsed = connection_url(url)
    options = f"{parsed.query['options']} -c synchronous_commit=off"
    return parsed.update_query_dict({"options": options}).render_as_string(hide_password=False)


def engine_for(url: str | URL, **options: Any) -> Engine:
    """An engine with a pool of its own; ``options`` go to SQLAlchemy and win over ours."""
    return create_engine(connection_url(url), **{**ENGINE_OPTIONS, **options})


def open_session(engine: Engine, scope: Scope | None = None) -> Session:
    """A plain session; what it has loaded stays readable after commit."""
    return Session(engine, expire_on_commit=False, info={"scope": scope})


@contextmanager
def transaction(engine: Engine, scope: Scope | None = None) -> Iterator[Session]:
    """One unit of work: committed when the block ends, rolled back when it raises."""
    with open_session(engine, scope) as session, session.begin():
        yield session


def upgrade(owner_url: str | URL, migrations: Path, *, revision: str = "head") -> None:
    """Bring the database to ``revision``; whoever comes second waits for the first and then finds nothing to do."""
    engine = engine_for(owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        if revision == "head" and _revision_of(connection) == code_revision(migrations):
            return
    configuration = config.Config()
    configuration.set_main_option("script_location", str(migrations).replace("%", "%%"))
    with engine.connect() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)


def code_revision(migrations: Path) -> str | None:
    """The newest revision this code brings, by the numbers in the files' names; readiness compares it."""
    return max((path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*_*.py")), default=None)


def _revision_of(connection: Connection) -> str | None:
    """The revision of a database that may have no tables yet."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def database_revision(session: Session) -> str | None:
    """The revision the database is at."""
    found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return found


# For a statement that finds what the rest of the transaction reads by its key: each later one has one plan for all
# values. PostgreSQL else plans it anew for its first five on each connection, which takes longer than running it.
PLANNED_ONCE = ("plan_cache_mode", "force_generic_plan")

# For a statement that finds for whom to read: it tells PostgreSQL on the way, and ``take_scope`` tells the session.
TELL_SCOPE = """
    set_config('portal.organisation_id', coalesce(CAST(organisation_id AS text), ''), true),
    set_config('portal.person_id', CAST(person_id AS text), true)
"""


def take_scope(session: Session, scope: Scope) -> None:
    """Read for ``scope`` from here on; a statement with ``TELL_SCOPE`` has told the running transaction already."""
    session.info["scope"] = scope


def set_scope(session: Session, scope: Scope | None) -> None:
    """Read for ``scope`` from here on; a transaction that has begun already is told at once."""
    session.info["scope"] = scope
    if session.in_transaction():
        _apply(session.connection(), scope)


@event.listens_for(Session, "after_begin")
def _tell_row_security(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    scope = session.info.get("scope")
    # Without a scope there is nothing to tell: the last transaction's ended with it, and the settings are empty again.
    if scope is not None and not transaction.nested:
        _apply(connection, scope)


def _apply(connection: Connection, scope: Scope | None) -> None:
    organisation = str(scope.organisation_id) if scope and scope.organisation_id is not None else ""
    person = str(scope.person_id) if scope else ""
    connection.execute(_APPLY_SCOPE, {"organisation": organisation, "person": person})


def copy_rows(session: Session, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows by COPY, in the session's transaction; identity columns take the values that are given.

    PostgreSQL refuses COPY into a table with row security, so the rows come in through a temporary table of the
    session, and one INSERT adds them: its triggers run once.
    """
    if not rows:
        return
    names = SQL(", ").join(Identifier(column) for column in columns)
    place = {"temporary": Identifier(f"copied_{table}"), "table": Identifier(table), "names": names}
    connection: Any = session.connection().connection.driver_connection
    with connection.cursor() as cursor:
        cursor.execute(_COPY_PLACE.format(**place))
        with cursor.copy(_COPY.format(**place)) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(_COPIED.format(**place))
        cursor.execute(_COPY_DONE.format(**place))


def next_ids(session: Session, table: str, count: int) -> list[int]:
    """Ids that ``table`` gives to nobody else, in rising order."""
    numbers = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")
    return list(session.scalars(numbers, {"table": table, "count": count}))
