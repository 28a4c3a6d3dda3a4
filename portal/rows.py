"""Rows of several tables at once: read by one statement, added by one, because a round trip costs more than a row.

Invariants: what is read is under the session's scope, as any statement is. What is added may refer to rows of the same
statement whose keys were taken before: the database checks all of them when they are there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Date,
    LargeBinary,
    Table,
    Uuid,
    inspect,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSVECTOR, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, make_transient_to_detached

from portal.db import Base, UtcDateTime
from portal.errors import PortalError
from portal.sql import Sql, quoted

Row = TypeVar("Row", bound=Base)


class Fact(SimpleNamespace):
    """A row as it was read, its columns as attributes; no session keeps it, so nothing is written through it."""


Facts = dict[Any, list[Any]]


@dataclass(frozen=True)
class Together:
    """Rows of several tables that one statement reads, because a round trip costs more than what it brings."""

    models: Mapping[str, Any]
    statement: Sql


def together(parts: Mapping[Any, ColumnElement[bool]], **columns: Sequence[str]) -> Together:
    """The rows of each table that fulfil its condition; ``columns``, by table, where fewer than all are wanted."""
    selects = []
    for model, condition in parts.items():
        table = model.__table__
        found: ColumnElement[Any] = literal_column(f"'{table.name}', json_agg({quoted(table.name)})")
        # What a search looks through is for the database alone.
        every = [column.name for column in table.c if not isinstance(column.type, TSVECTOR)]
        names = columns.get(table.name, every)
        if len(names) == len(table.c):
            selects.append(select(found).select_from(table).where(condition))
            continue
        rows = select(*(table.c[each] for each in names)).where(condition).subquery(table.name)
        selects.append(select(found).select_from(rows))
    return Together({model.__table__.name: model for model in parts}, Sql(union_all(*selects), often=True))


def read_together(session: Session, wanted: Together, values: Mapping[str, Any]) -> Facts:
    """The rows by table, each in order of its key."""
    session.flush()
    found: Facts = {}
    for name, rows in wanted.statement.rows(session, values):
        readers, key = _reading(wanted.models[name])
        facts = [_fact(row, readers) for row in rows or ()]
        found[wanted.models[name]] = sorted(facts, key=attrgetter(key)) if key else facts
    return found


def _fact(row: dict[str, Any], readers: Mapping[str, Callable[[str], Any]]) -> Fact:
    for name, reader in readers.items():
        value = row.get(name)
        if value is not None:
            row[name] = reader(value)
    return Fact(**row)


@cache
def _reading(model: Any) -> tuple[Mapping[str, Callable[[str], Any]], str | None]:
    """How the columns that JSON holds as text become values again, and the column that orders the rows."""
    table: Table = model.__table__
    readers: dict[str, Callable[[str], Any]] = {}
    for column in table.c:
        for kind, reader in _FROM_TEXT:
            if isinstance(column.type, kind):
                readers[column.name] = reader
    key = table.primary_key.columns.values()
    return readers, key[0].name if key else None


_FROM_TEXT: tuple[tuple[type, Callable[[str], Any]], ...] = (
    (UtcDateTime, datetime.fromisoformat),
    (Date, date.fromisoformat),
    (Uuid, uuid.UUID),
    (LargeBinary, lambda text: bytes.fromhex(text.removeprefix("\\x"))),
)


def insert_once(session: Session, row: Row, *, unique: Sequence[str] | None = None) -> Row | None:
    """Add a row and give it as it is kept; None, and nothing added, where another has its ``unique`` columns already.

    Without ``unique`` any key counts. Of two who add at the same time one waits and gets None.
    """
    model = type(row)
    wanted = insert(model).values(given_columns(row)).on_conflict_do_nothing(index_elements=unique)
    return session.scalar(wanted.returning(model))


def add_or_refuse(session: Session, row: Base, refusal: PortalError) -> None:
    """Add a row, or say ``refusal`` where the database does not take it beside what it holds; the session goes on."""
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as taken:
        raise refusal from taken


def insert_together(session: Session, rows: Iterable[Base]) -> None:
    """Add rows of several tables by one statement.

    From then on the session knows those whose key was given as it knows what it has read; the others it does not.
    """
    added = list(rows)
    by_table: dict[str, list[dict[str, Any]]] = {}
    for row in added:
        by_table.setdefault(row.__tablename__, []).append(given_columns(row))
    insert_rows(session, by_table)
    for row in added:
        if all(key.name in inspect(row).dict for key in row.__table__.primary_key):
            know(session, row)


def know(session: Session, row: Base) -> None:
    """Have the session treat a row that a statement of ours has added as one it has read."""
    make_transient_to_detached(row)
    session.add(row)


def insert_rows(
    session: Session,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    changed: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Add rows given by their columns to several tables, by one statement.

    ``changed`` are rows of other tables: by their key, which comes first, what is otherwise from now on.
    """
    session.flush()
    changes = changed or {}
    said = _writing(_shapes(rows), _shapes(changes))
    said.rows(session, {table: as_json(given) for table, given in (*rows.items(), *changes.items())})


# A table's sequence is looked up once, and as JSON the number of rows leaves the plan as it is.
_KEYS = Sql("""
    SELECT wanted.name, ARRAY(SELECT nextval(wanted.sequence) FROM generate_series(1, wanted.count))
    FROM (SELECT name, CAST(pg_get_serial_sequence(name, 'id') AS regclass) AS sequence, CAST(count AS int)
          FROM json_each_text(CAST(:wanted AS json)) AS asked (name, count) OFFSET 0) wanted
""")


def next_keys(session: Session, wanted: Mapping[str, int]) -> dict[str, Iterator[int]]:
    """So many ids of each table that it gives to nobody else, in rising order, in one statement."""
    return {table: iter(keys) for table, keys in _KEYS.rows(session, {"wanted": as_json(wanted)})}


def given_columns(row: Base) -> dict[str, Any]:
    """The row's columns with the defaults a session would fill in; what the database fills itself is left out."""
    state: dict[str, Any] = inspect(row).dict
    given = {}
    for column in row.__table__.c:
        if column.name not in state and column.default is not None and column.default.is_scalar:
            state[column.name] = column.default.arg
        if column.name in state or (column.server_default is None and not column.computed):
            given[column.name] = state.setdefault(column.name, None)
    return given


def as_json(given: object) -> str:
    """Columns as PostgreSQL reads them back."""
    return json.dumps(given, default=_as_text, separators=(",", ":"), check_circular=False)


def _as_text(value: object) -> str:
    if isinstance(value, datetime | date | uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not go into a row together with others")


# Tables with the columns that are given of them.
_Shapes = tuple[tuple[str, tuple[str, ...]], ...]


def _shapes(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> _Shapes:
    return tuple((table, tuple(dict.fromkeys(name for row in given for name in row))) for table, given in rows.items())


@cache
def _writing(added: _Shapes, changed: _Shapes) -> Sql:
    parts = [
        *(_change(name, key, columns) for name, (key, *columns) in changed),
        *(_insertion(name, columns) for name, columns in added),
    ]
    *first, last = parts
    before = ", ".join(f"written_{place} AS ({part})" for place, part in enumerate(first))
    return Sql(f"WITH {before} {last}" if before else last)


def _insertion(name: str, columns: Sequence[str]) -> str:
    names = ", ".join(quoted(column) for column in columns)
    return f"INSERT INTO {quoted(name)} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {_given(name)}"


def _change(name: str, key: str, columns: Sequence[str]) -> str:
    """Rows that are as they should be stay untouched."""
    pairs = [(f"kept.{quoted(column)}", f"given.{quoted(column)}") for column in columns]
    new = ", ".join(f"{quoted(column)} = {given}" for column, (_, given) in zip(columns, pairs, strict=True))
    differs = " OR ".join(f"{kept} IS DISTINCT FROM {given}" for kept, given in pairs)
    return (
        f"UPDATE {quoted(name)} kept SET {new} FROM {_given(name)} given"
        f" WHERE kept.{quoted(key)} = given.{quoted(key)} AND ({differs})"
    )


def _given(name: str) -> str:
    return f"json_populate_recordset(CAST(NULL AS {quoted(name)}), CAST(:{name} AS json))"
