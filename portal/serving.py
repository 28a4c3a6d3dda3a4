"""The web's processes: a small master, and workers that are forked from one process that made the application.

Invariants:
 - The master never holds the application. Who forks must keep an untouched copy of every page that its children write
   to, and reading a Python object writes to it: a master that made the application itself would hold a third copy.
 - The application is made in a process that forks the workers and ends; the master adopts them (Linux). Elsewhere the
   master makes it, as gunicorn does.
 - The port opens when the application is made. A worker that ends is replaced together with its siblings, so that all
   of them share; the old ones finish what they have begun.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from gunicorn import sock
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger as GunicornLogger

from portal.collecting import OF_PAGES, collect_seldom
from portal.errors import PortalError

# mallopt(3): blocks from this size on are mapped by themselves and unmapped when freed; glibc else raises the size with
# each block it frees.
_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES = -3, 1024 * 1024
# Threads share two heaps: with one each, what is free in one is of no use to another.
_M_ARENA_MAX, _HEAPS = -8, 2
# prctl(2): orphans below this process become its children.
_PR_SET_CHILD_SUBREAPER = 36
_MADE = b"."
_PORTS_AT_MOST = 16
_LONGEST_NAMING_BYTES = 4096
_ADOPTION_LOOK_SECONDS = 0.002


def serve_pages(build: Callable[[], Any], *, bind: str, workers: int, threads: int) -> None:
    """Run gunicorn in this process until it is told to stop; the app is built once and shared by forking."""
    adopts = _adopt_orphans()
    options = {
        "bind": bind,
        "workers": workers,
        "threads": threads,
        "worker_class": "gthread",
        "preload_app": not adopts,
        "timeout": 60,
        # A kept connection stays with its worker, however busy; a new one goes to whoever is free.
        "keepalive": 0,
        "graceful_timeout": 30,
        "logger_class": _GunicornLog,
        "control_socket_disable": True,
    }

    class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            for key, value in options.items():
                self.cfg.set(key, value)

        def load(self) -> Any:
            app = build()
            collect_seldom(after=OF_PAGES)
            return app

    _give_back_large_blocks()
    server = Server()
    (_SmallMaster if adopts else Arbiter)(server).run()


@dataclass(frozen=True)
class _Making:
    """A process that makes the application and forks ``workers``; ``line`` is how it speaks with the master."""

    pid: int
    line: socket.socket
    workers: tuple[Any, ...]


class _SmallMaster(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's master, which has its workers forked by another process: the maker.

    The maker says that the application is made, is handed the opened ports, names the workers it has forked and ends.
    A worker begins when the maker has ended, so the master knows each by then.
    """

    LISTENERS: Any
    worker_class: Any
    making: _Making | None = None
    opened = False

    def run(self) -> None:
        self.pid = os.getpid()
        self._make()
        collect_seldom()
        if self.making is not None and self.making.line.recv(len(_MADE)) != _MADE:
            raise SystemExit(self.APP_LOAD_ERROR)
        super().run()

    def spawn_workers(self) -> None:
        """Replace all when one is missing: alone, the new one would share nothing with the others."""
        if self.making is None:
            self._make()
        elif not self.opened:
            self.opened = True
            socket.send_fds(self.making.line, [_MADE], [one.fileno() for one in self.LISTENERS])

    def reload(self) -> None:
        self._stats["reloads"] += 1
        self.spawn_workers()

    def reap_workers(self) -> None:
        if self._maker_has_ended() and not self.WORKERS:
            raise HaltServer("The application could not be made.", self.APP_LOAD_ERROR)
        super().reap_workers()

    def stop(self, *how: Any) -> None:
        if self.making is not None and not self._maker_has_ended():
            os.kill(self.making.pid, signal.SIGKILL)
            self.making = None
        super().stop(*how)

    def _make(self) -> None:
        """Start a maker for a whole set of workers."""
        workers = tuple(self._new_worker() for _ in range(self.num_workers))
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            ours.close()
            self._fork_all(workers, theirs)
        theirs.close()
        self.making = _Making(pid, ours, workers)

    def _new_worker(self) -> Any:
        self.worker_age += 1
        timeout = self.timeout / 2.0
        return self.worker_class(self.worker_age, self.pid, self.LISTENERS, self.app, timeout, self.cfg, self.log)

    def _maker_has_ended(self) -> bool:
        """Whether it has, just now; the workers it has named are the master's from here on."""
        making = self.making
        if making is None or not _has_ended(making.pid):
            return False
        self.making = None
        for worker, pid in itertools.zip_longest(making.workers, _named(making.line)):
            if pid is None or not _lives(pid):
                worker.tmp.close()
                continue
            worker.pid = pid
            self.WORKERS[pid] = worker
            self._stats["workers_spawned"] += 1
        return True

    def _fork_all(self, workers: Sequence[Any], line: socket.socket) -> NoReturn:
        """Be the maker: it ends without ceremony, because what its parent has begun is its parent's to end."""
        for number in (*self.SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        try:
            self.app.wsgi()
        except PortalError as error:
            self.log.error("%s", error.sentence)
            os._exit(self.APP_LOAD_ERROR)
        except Exception:
            self.log.exception("The application cannot be made.")
            os._exit(self.APP_LOAD_ERROR)
        maker = os.getpid()

        def wait_until_adopted(_server: Any, _worker: Any) -> None:
            line.close()
            while os.getppid() == maker:
                time.sleep(_ADOPTION_LOOK_SECONDS)

        # Without a master there is nobody to speak with.
        with suppress(OSError):
            if not self.LISTENERS:
                self.LISTENERS = self._handed_ports(line)
            self.cfg.set("post_fork", wait_until_adopted)
            for worker in workers:
                worker.sockets = self.LISTENERS
                self.worker_class = lambda *_, ready=worker: ready
                line.sendall(b"%d " % self.spawn_worker())
        os._exit(0)

    def _handed_ports(self, line: socket.socket) -> Any:
        line.sendall(_MADE)
        message, descriptors, _, _ = socket.recv_fds(line, len(_MADE), _PORTS_AT_MOST)
        if not message:
            os._exit(0)
        return sock.create_sockets(self.cfg, self.log, descriptors)


def _named(line: socket.socket) -> list[int]:
    """The processes that a maker has named before it ended."""
    line.setblocking(False)
    with line, suppress(BlockingIOError):
        return [int(pid) for pid in line.recv(_LONGEST_NAMING_BYTES).split()]
    return []


def _has_ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:
        # gunicorn's own look at all children has met it.
        return True


def _lives(pid: int) -> bool:
    """Whether a child is there; one that has ended and was not asked for yet is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _adopt_orphans() -> bool:
    """Have workers become this process's children when their maker ends; False where the system cannot."""
    try:
        return sys.platform == "linux" and not ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return False


def _give_back_large_blocks() -> None:
    """Keep glibc from holding on to what each thread's password hashes took: 19 MiB and more per thread."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        library.mallopt(_M_ARENA_MAX, _HEAPS)


class _GunicornLog(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's lines in our form; requests are logged by the app, which knows their ids."""

    def setup(self, cfg: Any) -> None:
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.access_log.disabled = True
