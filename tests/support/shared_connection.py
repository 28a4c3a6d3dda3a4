"""Many sessions, several roles, one real transaction that a test rolls back.

Every engine of a test hands out a ``Seat``: it looks like a connection, begins with a savepoint, and its commit keeps
what was written while its rollback undoes it. All seats sit on one connection to PostgreSQL, so a case that a builder
wrote as portal_work is seen by the page that reads as portal_web, under the real grants and row security, and nothing
of it outlives the test.

A test may begin where others begin too: what was written until ``begin_here`` outlives ``undo_everything``, until
``begin_anew``.

What this cannot show are two transactions that really run at once: those tests take ``committed_database``.
"""

from __future__ import annotations

import itertools
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from portal.db import engine_for

_READ_ONLY = ("SELECT", "SHOW", "SET", "SAVEPOINT", "RELEASE")
_MAKES_READ_ONLY = "SET TRANSACTION READ ONLY"
_NO_SCOPE = ("", "")
_BEGINNING = "beginning"


class SharedConnection:
    """The real connection; who speaks on it now; which savepoints stand, oldest first."""

    def __init__(self, owner_url: str) -> None:
        self.url = owner_url
        self._engine = engine_for(owner_url, poolclass=NullPool)
        self._fairy = self._engine.raw_connection()
        self.real: psycopg.Connection[Any] = self._fairy.driver_connection
        # A test's statements are always the same few hundred, about little: one plan for each will do.
        self.real.prepare_threshold = 1
        self.real.prepared_max = 2_000
        self.real.execute("SET plan_cache_mode = force_generic_plan")
        self.real.commit()
        self.speaker: Seat | None = None
        self.open: list[Seat] = []
        self.writes_kept = 0
        self.names = itertools.count(1)
        self.is_begun = False
        self._engines: dict[str | None, Engine] = {}

    def engine(self, role: str | None) -> Engine:
        """An engine whose connections are seats of ``role`` (None: the owner); it keeps its compiled statements."""
        if role not in self._engines:
            self._engines[role] = engine_for(self.url, **self.engine_options(role))
        return self._engines[role]

    def engine_options(self, role: str | None) -> dict[str, Any]:
        """The same as options, for an engine that somebody else makes."""
        return {
            "creator": lambda: Seat(self, role),
            "poolclass": NullPool,
            "pool_events": (),
            "use_native_hstore": False,
        }

    def say(self, statements: str) -> None:
        """Statements without parameters that return nothing, in one round trip. *Raises*: psycopg.Error."""
        if self.real.info.transaction_status is TransactionStatus.IDLE:
            statements = f"BEGIN; {statements}"
        answer = self.real.pgconn.exec_(statements.encode())
        if answer.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise errors.error_from_result(answer)

    def undo_everything(self) -> None:
        """End the test: nothing stays but what is prepared, which the driver's own rollback would throw away."""
        if self.real.info.transaction_status is TransactionStatus.IDLE:
            self.is_begun = False
        else:
            self.say(f"ROLLBACK TO SAVEPOINT {_BEGINNING}" if self.is_begun else "ROLLBACK")
        self.speaker = None
        self.open.clear()
        self.writes_kept = 0

    def begin_here(self) -> None:
        """Let the tests that follow begin with what was written until now."""
        self.say(f"SAVEPOINT {_BEGINNING}")
        self.is_begun = True
        self.speaker = None
        self.writes_kept = 0

    def begin_anew(self) -> None:
        """Let the tests that follow begin with what is stored."""
        self.is_begun = False
        self.undo_everything()

    def tidy_up(self) -> None:
        """Between tests: forget the rows that were undone, which every read passes by."""
        self.begin_anew()
        self.real.autocommit = True
        self.real.execute("VACUUM", prepare=False)
        self.real.autocommit = False

    def close(self) -> None:
        """End the worker."""
        self._fairy.close()
        self._engine.dispose()


class Seat:
    """One session's place on the shared connection."""

    def __init__(self, shared: SharedConnection, role: str | None) -> None:
        self._shared = shared
        self._role = role
        self._savepoint: str | None = None
        self._scope = _NO_SCOPE
        self._writes_kept_before = 0
        self._wrote = False
        self._only_reads = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shared.real, name)

    def add_notice_handler(self, _callback: Any) -> None:
        """The shared connection has its handler already."""

    def cursor(self, name: str = "", **kwargs: Any) -> Any:
        if self._shared.real.info.transaction_status is not TransactionStatus.INERROR:
            self._take_over()
        if name:
            # Rows fetched piece by piece from the server; only reads are.
            return psycopg.ServerCursor(self._shared.real, name, **kwargs)
        return _WatchedCursor(self, **kwargs)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self.cursor().execute(*args, **kwargs)

    def commit(self) -> None:
        if self._savepoint is None:
            return
        self._take_over()
        is_over = self._shared.open[-1] is self
        if self._wrote:
            # As a real commit does; what was checked is not checked again by the next.
            self._leave("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED", is_over=is_over)
            self._shared.writes_kept += 1
        else:
            self._leave(is_over=is_over)

    def rollback(self) -> None:
        if self._savepoint is None:
            return
        failed = self._shared.real.info.transaction_status is TransactionStatus.INERROR
        others_kept_something = self._shared.writes_kept > self._writes_kept_before
        if others_kept_something and (failed or self._wrote):
            raise RuntimeError(
                "sessions of this test overlap in a way one connection cannot show: use committed_database"
            )
        words = ""
        if not others_kept_something:
            words = f"ROLLBACK TO SAVEPOINT {self._savepoint}"
            position = self._shared.open.index(self)
            for later in self._shared.open[position + 1 :]:
                later._forget()
            del self._shared.open[position + 1 :]
        self._leave(words, is_over=not others_kept_something)

    def close(self) -> None:
        self.rollback()

    def note(self, statement: object) -> None:
        """Remember whether this transaction may have written."""
        words = str(statement).lstrip()
        self._only_reads = self._only_reads or words.upper().startswith(_MAKES_READ_ONLY)
        if not words.upper().startswith(_READ_ONLY) or "procrastinate_defer" in words:
            self._wrote = True

    def _leave(self, words: str = "", *, is_over: bool) -> None:
        """Give the place up, with ``words`` before. A savepoint that nothing later stands on is let go: thousands
        within each other make every read slow. Of one that was made read only it has to be: the state ends with it.
        """
        letting_go = f"RELEASE SAVEPOINT {self._savepoint}" if is_over or self._only_reads else ""
        if words or letting_go:
            self._shared.say("; ".join(filter(None, (words, letting_go))))
        self._shared.open.remove(self)
        self._shared.speaker = None
        self._forget()

    def _forget(self) -> None:
        self._savepoint = None
        self._scope = _NO_SCOPE
        self._wrote = False
        self._only_reads = False

    def _take_over(self) -> None:
        """Speak on the connection, with this seat's role, the scope its transaction has set, and its savepoint."""
        shared = self._shared
        wanted = []
        if shared.speaker is not self:
            if shared.speaker is not None:
                shared.speaker._scope = _scope_on(shared.real)
            organisation, person = self._scope
            wanted += [
                f"SET ROLE {'NONE' if self._role is None else self._role}",
                f"SELECT set_config('portal.organisation_id', '{organisation}', true),"
                f" set_config('portal.person_id', '{person}', true)",
            ]
            shared.speaker = self
        if self._savepoint is None:
            self._savepoint = f"seat_{next(shared.names)}"
            self._writes_kept_before = shared.writes_kept
            self._wrote = False
            wanted.append(f"SAVEPOINT {self._savepoint}")
            shared.open.append(self)
        if wanted:
            shared.say("; ".join(wanted))


class _WatchedCursor(psycopg.Cursor[Any]):
    def __init__(self, seat: Seat, **kwargs: Any) -> None:
        super().__init__(seat._shared.real, **kwargs)
        self._seat = seat

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        self._seat.note(query)
        return super().execute(query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        self._seat.note(query)
        return super().executemany(query, *args, **kwargs)

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        self._seat.note(statement)
        return super().copy(statement, *args, **kwargs)


def _scope_on(real: psycopg.Connection[Any]) -> tuple[str, str]:
    row = real.execute(
        "SELECT coalesce(current_setting('portal.organisation_id', true), ''),"
        " coalesce(current_setting('portal.person_id', true), '')"
    ).fetchone()
    return (str(row[0]), str(row[1])) if row else _NO_SCOPE
