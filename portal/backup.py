"""A backup in one folder: the database as pg_dump writes it, the stored files, and a manifest that names both.

The dump is one snapshot; files are copied after it. A file's bytes are stored before any row names it and never change,
so that every file the snapshot names is there; files that only later rows name do no harm.

Invariants: a backup folder is complete or has another name; nothing is restored over anything; whoever restores owns
what is restored, whatever the owner was called before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal import db, embedded
from portal.config import MIGRATIONS, child_environment
from portal.errors import Misconfigured, NotFound
from portal.files import Store
from portal.lazily import lazily

if TYPE_CHECKING:
    from alembic import script
else:
    script = lazily("alembic.script")

DUMP, FILES, MANIFEST = "database.dump", "files", "manifest.json"
_CHUNK_BYTES = 1024 * 1024
_VARIABLES = {
    "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
}  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: when it was made, the revision of its tables, the dump by its hash, how many files."""

    made_at: str
    revision: str
    dump_sha256: str
    file_count: int
    file_bytes: int


def back_up(owner_url: str, files_dir: Path | None, folder: Path, *, now: datetime) -> Manifest:
    """Write a backup into a folder that is not there yet; without files where a bucket keeps them.

    *Raises*: Misconfigured.
    """
    if folder.exists():
        raise Misconfigured(f"{folder} is there already: name a new folder.")
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(mode=0o700, parents=True)
    try:
        _run("pg_dump", owner_url, ["--format=custom", "--no-comments", f"--file={partial / DUMP}"])
        count, size = _copy_files(files_dir, partial / FILES) if files_dir is not None else (0, 0)
        manifest = Manifest(now.isoformat(), _revision(owner_url), _sha256(partial / DUMP), count, size)
        (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def restore(owner_url: str, files_dir: Path, folder: Path) -> Manifest:
    """Bring a backup into an empty database and the files' folder. *Raises*: Misconfigured, before anything changed."""
    manifest = read_manifest(folder)
    if _sha256(folder / DUMP) != manifest.dump_sha256:
        raise Misconfigured(f"{folder / DUMP} is not the dump that was written: its bytes have changed.")
    if manifest.revision not in {each.revision for each in _scripts().walk_revisions()}:
        raise Misconfigured(f"This release does not know the tables' revision {manifest.revision}: use a newer one.")
    with psycopg.connect(db.driver_conninfo(owner_url)) as connection:
        if connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1").fetchone():
            raise Misconfigured("The database holds tables already: restore into an empty one.")
        for statement in _roles():
            connection.execute(statement)
    with tempfile.TemporaryDirectory() as scratch:
        _restore_dump(owner_url, folder / DUMP, Path(scratch) / "list")
    with psycopg.connect(db.driver_conninfo(owner_url)) as connection:
        for statement in _defaults():
            connection.execute(statement)
    _copy_files(folder / FILES, files_dir)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself. *Raises*: Misconfigured for a folder that is none."""
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(f"{folder} is no backup: it has no {MANIFEST} that can be read.") from error


def missing_files(session: Session, store: Store) -> list[str]:
    """Stored files that the database names and that are not there, or hold other bytes; by key."""
    named = text(
        "SELECT storage_key, sha256 FROM attachment UNION SELECT storage_key, sha256 FROM upload"
        " UNION SELECT storage_key, sha256 FROM purchase_order WHERE storage_key IS NOT NULL ORDER BY 1"
    )
    wrong = []
    for key, sha256 in session.execute(named).tuples():
        try:
            with store.open(UUID(str(key))) as stream:
                digest = hashlib.sha256()
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
            is_there = digest.hexdigest() == sha256
        except NotFound:
            is_there = False
        if not is_there:
            wrong.append(str(key))
    return wrong


def _restore_dump(owner_url: str, dump: Path, listed: Path) -> None:
    """Everything but default privileges, which name the owner of then and must come after the tables."""
    contents = _run("pg_restore", None, ["--list", str(dump)])
    listed.write_text("\n".join(line for line in contents.splitlines() if " DEFAULT ACL " not in line))
    _run(
        "pg_restore",
        owner_url,
        ["--no-owner", "--exit-on-error", "--single-transaction", f"--use-list={listed}", "--dbname", "", str(dump)],
    )


def _scripts() -> script.ScriptDirectory:
    return script.ScriptDirectory(str(MIGRATIONS))


def _first_migration() -> Any:
    """The migration that makes roles and default privileges: said once, there."""
    return _scripts().get_revision("0001").module


def _roles() -> list[sql.SQL]:
    return [sql.SQL(_first_migration()._ROLES)]


def _defaults() -> list[sql.SQL]:
    statements = _first_migration()._STATEMENTS
    return [sql.SQL(statement) for statement in statements if statement.startswith("ALTER DEFAULT PRIVILEGES")]


def _revision(owner_url: str) -> str:
    with psycopg.connect(db.driver_conninfo(owner_url)) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if found is None:
        raise Misconfigured("The database has no tables of ours to back up.")
    return str(found[0])


def _copy_files(source: Path, target: Path) -> tuple[int, int]:
    """Copy what is stored below one folder to another, and count it; what is there already stays."""
    count = size = 0
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in sorted(source.glob("[0-9a-f][0-9a-f]/*")):
        place = target / path.parent.name / path.name
        place.parent.mkdir(mode=0o700, exist_ok=True)
        if not place.exists():
            shutil.copy2(path, place)
        count += 1
        size += path.stat().st_size
    return count, size


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run(program: str, url: str | None, arguments: list[str]) -> str:
    """Run one of PostgreSQL's programs; the address goes by environment, where other users cannot read it."""
    environment = child_environment({})
    if url is not None:
        given = conninfo_to_dict(db.driver_conninfo(url))
        environment = child_environment({_VARIABLES[key]: str(given[key]) for key in given if key in _VARIABLES})
        arguments = [environment["PGDATABASE"] if each == "" else each for each in arguments]
    done = subprocess.run(
        [str(embedded.program(program)), *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise Misconfigured(f"{program} failed: {last}")
    return done.stdout
