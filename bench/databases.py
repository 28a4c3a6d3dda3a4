"""Where the bench keeps its databases: on an embedded server of its own, fsync on, or on a named one.

A seed database is migrated and founded once; each number of cases is a copy of it, removed at the end. The embedded
server has memory as a small installation gives it, for the floor too. A copy is on disk before it is measured in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from portal import db, embedded
from portal.config import MIGRATIONS, ROOT, as_role

FOLDER = ROOT / "instance" / "bench"
PREFIX = "portal_bench"
# A quarter of the machine's memory, as PostgreSQL's manual advises, of a machine of 8 GB at most.
_MEMORY_MB = min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // 2**20, 2_048)
SETTINGS = f"shared_buffers = {_MEMORY_MB}MB\nmax_wal_size = 4GB"


@dataclass(frozen=True)
class Databases:
    """A server; ``base`` is the address of any database on it, of a login that may make databases."""

    base: str
    folder: Path

    def url(self, name: str) -> str:
        """The owner's address of a database."""
        return make_url(self.base).set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self, name: str, template: str = "template0") -> Iterator[str]:
        """A database while the block runs, empty or a copy; its owner's address."""
        full, of = f"{PREFIX}_{name}", template if template == "template0" else f"{PREFIX}_{template}"
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(full)))
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._do(made.format(sql.Identifier(full), sql.Identifier(of)))
        try:
            yield self.url(full)
        finally:
            self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(full)))

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@dataclass(frozen=True)
class Engines:
    """The three roles' engines on one database."""

    url: str
    owner: Engine
    work: Engine
    web: Engine


@contextmanager
def databases(url: str | None, folder: Path = FOLDER) -> Iterator[Databases]:
    """The named server, or the embedded one in ``folder``, while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    if url is not None:
        yield Databases(url, folder)
        return
    server = embedded.start(folder / "postgres", settings=SETTINGS)
    try:
        yield Databases(server.url(), folder)
    finally:
        server.release()


@contextmanager
def engines(url: str) -> Iterator[Engines]:
    """Engines of the three roles, closed at the end."""
    made = Engines(url, *(db.engine_for(each) for each in (url, as_role(url, db.WORK_ROLE), as_role(url, db.WEB_ROLE))))
    try:
        yield made
    finally:
        for engine in (made.owner, made.work, made.web):
            engine.dispose()


def migrate(url: str) -> None:
    """Make the tables."""
    db.upgrade(url, MIGRATIONS)
