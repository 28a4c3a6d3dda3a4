"""Databases for tests: one server, one migrated template, a clone for each pytest worker.

The server is the embedded one in ``instance/test-postgres``, or that of ``TEST_DATABASE_URL`` (a login that may make
databases). The template is made again when a migration changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from portal import db, embedded
from portal.config import MIGRATIONS, ROOT

INSTANCE = ROOT / "instance"
PREFIX = "portal_test"


@dataclass(frozen=True)
class Cluster:
    """A server with a template to clone; ``base`` is the owner's address of any database on it."""

    base: str
    template: str

    def url(self, database: str) -> str:
        """The owner's address of ``database``."""
        return make_url(self.base).set(database=database).render_as_string(hide_password=False)

    def clone(self, name: str) -> str:
        """A fresh copy of the template under ``name``; its owner's address."""
        self.drop(name)
        self._do(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(self.template)
            )
        )
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove ``name`` and whoever is still connected to it."""
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def names(self, prefix: str) -> list[str]:
        """The databases whose name starts with ``prefix``."""
        with psycopg.connect(self.url("postgres")) as connection:
            found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
            return [row[0] for row in found]

    def rename(self, name: str, new_name: str) -> None:
        """Give a database another name."""
        self._do(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new_name)))

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """The server for this run, with its template ready; shared by all pytest workers of this checkout."""
    given = os.environ.get("TEST_DATABASE_URL")
    server = None if given else embedded.start(INSTANCE / "test-postgres", durable=False)
    try:
        cluster = Cluster(given or server.url(), f"portal_template_{_digest(MIGRATIONS)}")
        _ensure_template(cluster)
        yield cluster
    finally:
        if server is not None:
            server.release()


def _digest(migrations: Path) -> str:
    digest = hashlib.sha256(version("procrastinate").encode())
    for path in sorted(migrations.rglob("*.py")) + sorted(migrations.rglob("*.sql")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _ensure_template(cluster: Cluster) -> None:
    INSTANCE.mkdir(exist_ok=True)
    with (INSTANCE / "test-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if cluster.names(cluster.template) == [cluster.template]:
            return
        for leftover in [*cluster.names("portal_template_"), *_abandoned(cluster)]:
            cluster.drop(leftover)
        building = f"{cluster.template}_building"
        cluster._do(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(building)))
        db.upgrade(cluster.url(building), MIGRATIONS)
        cluster.rename(building, cluster.template)


def _abandoned(cluster: Cluster) -> list[str]:
    """Clones of runs that were killed: their name ends with the number of a process that is no more."""
    return [name for name in cluster.names(PREFIX) if not _lives(int(name.rsplit("_", 1)[-1]))]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
