"""SQL of ours that goes to the driver as it is, because most of what a short statement costs is what leads up to it.

A statement that a page or a job runs each time takes SQLAlchemy longer to prepare than PostgreSQL to answer. These are
put into the driver's words once; they run in the session's transaction, under its scope, and fail as any other does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import psycopg
from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

# A name after one colon; two are a cast.
_PLACE = re.compile(r"(?<!:):([a-z_]\w*)")
_DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
# A name as PostgreSQL reads it, in quotation marks where it needs them.
quoted: Callable[[str], str] = _DIALECT.identifier_preparer.quote


class Sql:
    """A statement with ``:name`` where a value goes, or one that SQLAlchemy puts together when it first runs.

    ``often`` is for what every page asks: each connection has it prepared from the first time on. PostgreSQL plans it
    once where it takes no values, or where ``PLANNED_ONCE`` was said; else anew for the first five.
    """

    def __init__(self, statement: str | ClauseElement, *, often: bool = False) -> None:
        self._statement = statement
        # None leaves it to the driver, which prepares what has run some times.
        self._prepared = True if often else None

    @cached_property
    def _said(self) -> tuple[str, Mapping[str, Any]]:
        """The statement as the driver takes it, and the values that it brings itself."""
        if isinstance(self._statement, str):
            return _PLACE.sub(r"%(\1)s", self._statement.replace("%", "%%")), {}
        compiled: Any = self._statement.compile(dialect=_DIALECT)
        asked = {name: None for name, place in compiled.binds.items() if place.required}
        if not asked:
            written_out: Any = self._statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
            return written_out.string, {}
        made = compiled.construct_expanded_state(asked)
        return made.statement, {name: value for name, value in made.parameters.items() if name not in asked}

    def rows(self, session: Session, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; the rows it gives, none where it gives none. *Raises*: DBAPIError, as SQLAlchemy does."""
        said, brought = self._said
        given = {**brought, **values}
        connection = session.connection()
        driver: Any = connection.connection.driver_connection
        # Whoever counts what SQLAlchemy runs counts this too.
        for tell in connection.dispatch.before_cursor_execute:
            tell(connection, None, said, given, None, False)
        try:
            cursor = driver.execute(said, given, prepare=self._prepared)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            how: dict[str, Any] = {"hide_parameters": True, "dialect": _DIALECT}
            raise DBAPIError.instance(said, None, error, psycopg.Error, **how) from error
