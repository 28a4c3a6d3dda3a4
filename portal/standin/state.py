"""The one SQLite file that holds everything the stand-in knows, and the clock it lives by.

Each API call is one transaction: objects, events, deliveries and the stored answer commit together or not at all.
One connection, one lock: calls execute one after the other, as they appear to at Stripe for a single object.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, account TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, account, seq);
CREATE INDEX IF NOT EXISTS object_by_invoice ON object (kind, json_extract(body, '$.invoice'));
CREATE INDEX IF NOT EXISTS object_by_customer ON object (kind, json_extract(body, '$.customer'));
CREATE INDEX IF NOT EXISTS object_by_group ON object (kind, json_extract(body, '$.transfer_group'));
CREATE INDEX IF NOT EXISTS object_by_intent ON object (kind, json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS object_by_charge ON object (kind, json_extract(body, '$.charge'));
CREATE INDEX IF NOT EXISTS object_by_subscription ON object (kind, json_extract(body, '$.subscription'));
CREATE INDEX IF NOT EXISTS object_by_token ON object (kind, json_extract(body, '$._token'));
CREATE TABLE IF NOT EXISTS balance_entry (
    transaction_id TEXT PRIMARY KEY, account TEXT NOT NULL, currency TEXT NOT NULL, net INTEGER NOT NULL,
    available_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS balance_entry_by_account ON balance_entry (account, currency, available_at);
CREATE TABLE IF NOT EXISTS kept_answer (
    api TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, request_id TEXT NOT NULL, kept_at INTEGER NOT NULL,
    PRIMARY KEY (api, account, key));
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, endpoint TEXT NOT NULL, status TEXT NOT NULL,
    rank INTEGER NOT NULL, held INTEGER NOT NULL, attempts INTEGER NOT NULL, next_at REAL NOT NULL,
    created_at REAL NOT NULL, last_answer TEXT);
CREATE INDEX IF NOT EXISTS delivery_by_status ON delivery (status, held, next_at);
CREATE INDEX IF NOT EXISTS delivery_by_event ON delivery (event_id);
CREATE TABLE IF NOT EXISTS due (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, act TEXT NOT NULL, object_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS due_by_time ON due (at, id);
CREATE TABLE IF NOT EXISTS call (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    idempotency_key TEXT, account TEXT NOT NULL, parameters TEXT NOT NULL, status INTEGER, replayed INTEGER NOT NULL,
    fault TEXT, at REAL NOT NULL);
"""
TABLES = ("object", "balance_entry", "kept_answer", "delivery", "due", "call")


class State:
    """An open state file. ``transaction`` is re-entrant; the outermost one commits and then runs the listeners."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        self._lock = threading.RLock()
        self._depth = 0
        self._moment: int | None = None
        self.after_commit: list[Callable[[], None]] = []

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            outermost = self._depth == 0
            if outermost:
                self._connection.execute("COMMIT")
        if outermost:
            for listener in self.after_commit:
                listener()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def write(self, sql: str, *values: Any) -> int:
        with self.transaction() as connection:
            return connection.execute(sql, values).rowcount

    def setting(self, name: str, default: Any) -> Any:
        found = self.rows("SELECT value FROM setting WHERE name = ?", name)
        return json.loads(found[0][0]) if found else default

    def set_setting(self, name: str, value: Any) -> None:
        self.write("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", name, json.dumps(value))

    def now(self) -> int:
        """Seconds since 1970 on the stand-in's clock, which the control API can move. Deliveries use the real one."""
        with self._lock:
            if self._moment is not None:
                return self._moment
            return int(time.time()) + int(self.setting("clock_offset_seconds", 0))

    @contextmanager
    def moment(self, moment: int) -> Iterator[None]:
        """What was due at an earlier moment happens as of then, within the transaction it is called in."""
        with self._lock:
            self._moment = moment
            try:
                yield
            finally:
                self._moment = None

    def plan(self, at: int, act: str, object_id: str) -> None:
        """Have something happen by the passing of time; ``passing`` knows the acts."""
        self.write("INSERT INTO due (at, act, object_id) VALUES (?, ?, ?)", at, act, object_id)

    def reset(self) -> None:
        with self.transaction() as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
            connection.execute("DELETE FROM setting WHERE name NOT IN ('endpoint_snapshot', 'endpoint_thin')")
