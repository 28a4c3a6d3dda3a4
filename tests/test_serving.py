"""The web's processes, with an application that needs nothing and says which process answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from portal.config import ROOT, child_environment

PATIENCE_SECONDS = 30
PROGRAM = """
import os, sys
from portal.errors import Misconfigured
from portal.serving import serve_pages

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]

def build():
    if os.path.exists(sys.argv[1] + ".dark"):
        raise Misconfigured("The lamp is not lit.")
    return app

serve_pages(build, bind="unix:" + sys.argv[1], workers=2, threads=2)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere gunicorn's own master makes the application")


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    port = folder / "port"
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        cwd=ROOT,
        env=child_environment({"PYTHONPATH": str(ROOT)}),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield started, port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def who_answers(port: Path) -> int | None:
    """The process that answers one request; None where nobody does."""
    with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
        line.settimeout(PATIENCE_SECONDS)
        line.connect(str(port))
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))
        return int(answer.rpartition(b"\r\n\r\n")[2]) if answer else None
    return None


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def two_workers(started: subprocess.Popen[str], port: Path) -> set[int]:
    until(lambda: started.poll() is None and who_answers(port) is not None and len(children(started.pid)) == 2)
    return children(started.pid)


def test_workers_are_the_masters_children_when_who_forked_them_has_ended(tmp_path):
    with serving(tmp_path) as (started, port):
        workers = two_workers(started, port)
        assert who_answers(port) in workers
        started.terminate()
        assert started.wait(PATIENCE_SECONDS) == 0
        assert who_answers(port) is None


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM])
def test_all_workers_are_made_anew_when_one_ends(tmp_path, ended):
    with serving(tmp_path) as (started, port):
        before = two_workers(started, port)
        os.kill(min(before), ended)
        until(lambda: len(now := children(started.pid)) == 2 and not now & before)
        assert who_answers(port) in children(started.pid)


def test_all_workers_are_made_anew_when_the_master_is_asked_to_reload(tmp_path):
    with serving(tmp_path) as (started, port):
        before = two_workers(started, port)
        started.send_signal(signal.SIGHUP)
        until(lambda: len(now := children(started.pid)) == 2 and not now & before)
        assert who_answers(port) in children(started.pid)


def test_old_workers_go_on_when_new_ones_cannot_be_made(tmp_path):
    with serving(tmp_path) as (started, port):
        before = two_workers(started, port)
        port.with_name("port.dark").touch()
        started.send_signal(signal.SIGHUP)
        assert any("The lamp is not lit." in line for line in started.stderr)
        assert who_answers(port) in before
        assert started.poll() is None


def test_nothing_opens_and_the_reason_is_said_when_the_application_cannot_be_made(tmp_path):
    tmp_path.joinpath("port.dark").touch()
    with serving(tmp_path) as (started, port):
        assert "The lamp is not lit." in started.communicate(timeout=PATIENCE_SECONDS)[1]
        assert started.returncode != 0
        assert not port.exists()


def test_no_worker_outlives_a_master_that_was_killed(tmp_path):
    with serving(tmp_path) as (started, port):
        workers = two_workers(started, port)
        started.kill()
        started.wait(PATIENCE_SECONDS)
        until(lambda: not any(is_running(worker) for worker in workers))


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
