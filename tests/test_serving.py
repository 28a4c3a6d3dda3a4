"""The web's processes, with an application that needs nothing and says which process answers.

Each process says on stderr when it begins and when it ends; the tests read that, and end with it.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import kill, killpg
from pathlib import Path
from threading import Timer

import pytest

from portal.config import ROOT, child_environment

PATIENCE_SECONDS = 60
PROGRAM = """
import logging, os, sys
from portal.errors import Misconfigured
from portal.serving import serve_pages

logging.basicConfig(level="INFO", format="%(message)s")

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


@dataclass(frozen=True)
class Serving:
    """A running server, and what its processes have said so far."""

    started: subprocess.Popen[str]
    port: Path
    said: list[str] = field(default_factory=list)

    def hear(self, pattern: str, times: int = 1) -> set[int]:
        """Read on until so many processes have said it; which."""
        assert self.started.stderr is not None
        while len(found := {int(pid) for line in self.said for pid in re.findall(pattern, line)}) < times:
            line = self.started.stderr.readline()
            assert line, f"the server ended before it said: {pattern}"
            self.said.append(line)
        return found

    def begun(self, times: int = 2) -> set[int]:
        return self.hear(r"Booting worker with pid: (\d+)", times)

    def ended(self, times: int) -> set[int]:
        return self.hear(r"Worker exiting \(pid: (\d+)\)", times)

    def who_answers(self) -> int | None:
        """The process that answers one request; None where nobody does."""
        with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
            line.settimeout(PATIENCE_SECONDS)
            line.connect(str(self.port))
            line.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: line.recv(4096), b""))
            return int(answer.rpartition(b"\r\n\r\n")[2]) if answer else None
        return None


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    port = folder / "port"
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        cwd=ROOT,
        env=child_environment({"PYTHONPATH": str(ROOT)}),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def end() -> None:
        with suppress(ProcessLookupError):
            killpg(started.pid, signal.SIGKILL)

    # What never says what is waited for is ended, and so is the waiting.
    out_of_patience = Timer(PATIENCE_SECONDS, end)
    out_of_patience.start()
    try:
        yield Serving(started, port)
    finally:
        out_of_patience.cancel()
        end()
        started.communicate()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_workers_are_the_masters_children_when_who_forked_them_has_ended(tmp_path):
    with serving(tmp_path) as server:
        workers = server.begun()
        answering = server.who_answers()
        assert answering in workers
        assert parent_of(answering) == server.started.pid
        server.started.terminate()
        assert server.started.wait(PATIENCE_SECONDS) == 0
        assert server.who_answers() is None


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM])
def test_all_workers_are_made_anew_when_one_ends(tmp_path, ended):
    with serving(tmp_path) as server:
        before = server.begun()
        assert server.who_answers() in before
        kill(min(before), ended)
        anew = server.begun(4) - before
        # One that is killed says nothing, nor does one that is ended before it has begun to listen.
        server.hear(rf"Worker exiting \(pid: ({max(before)})\)")
        assert server.who_answers() in anew


def test_all_workers_are_made_anew_when_the_master_is_asked_to_reload(tmp_path):
    with serving(tmp_path) as server:
        before = server.begun()
        assert server.who_answers() in before
        server.started.send_signal(signal.SIGHUP)
        anew = server.begun(4) - before
        assert server.ended(2) == before
        assert server.who_answers() in anew


def test_old_workers_go_on_when_new_ones_cannot_be_made(tmp_path):
    with serving(tmp_path) as server:
        before = server.begun()
        assert server.who_answers() in before
        server.port.with_name("port.dark").touch()
        server.started.send_signal(signal.SIGHUP)
        assert any("The lamp is not lit." in line for line in server.started.stderr)
        assert server.who_answers() in before
        assert server.started.poll() is None


def test_nothing_opens_and_the_reason_is_said_when_the_application_cannot_be_made(tmp_path):
    tmp_path.joinpath("port.dark").touch()
    with serving(tmp_path) as server:
        assert "The lamp is not lit." in server.started.communicate(timeout=PATIENCE_SECONDS)[1]
        assert server.started.returncode != 0
        assert not server.port.exists()


def test_no_worker_outlives_a_master_that_was_killed(tmp_path):
    with serving(tmp_path) as server:
        workers = server.begun()
        assert server.who_answers() in workers
        server.started.kill()
        assert server.ended(2) == workers
