"""Starts what is measured, each a process of its own: the portal, the floor; says what they hold in memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from portal.config import ROOT, child_environment

# A start that misses its bar is measured too.
READY_SECONDS = 300
END_SECONDS = 20


@dataclass(frozen=True)
class Serving:
    """A running server: its port, its first process, and how long it took until its first page."""

    port: int
    process: subprocess.Popen[bytes]
    first_page_seconds: float


@contextmanager
def portal(database_url: str, folder: Path) -> Iterator[Serving]:
    """The portal with two web workers."""
    port = free_port()
    with serving(
        [sys.executable, "-m", "portal.cli", "serve", "--bind", f"127.0.0.1:{port}", "--workers", "2"],
        portal_environment(database_url, folder, port),
        port,
        "/sign-in",
    ) as running:
        yield running


@contextmanager
def floor(work_url: str) -> Iterator[Serving]:
    """The floor with two web workers."""
    port = free_port()
    command = [sys.executable, "-m", "bench.floor", work_url, f"127.0.0.1:{port}"]
    with serving(command, {}, port, "/ready") as running:
        yield running


def portal_environment(database_url: str, folder: Path, port: int) -> dict[str, str]:
    """A development deployment on this database: no Stripe, mail kept in files."""
    return {
        "DATABASE_URL": database_url,
        "WEB_DATABASE_URL": "",
        "WORK_DATABASE_URL": "",
        "INSTANCE_DIR": str(folder),
        "FILES_DIR": "",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "SMTP_URL": "",
        "STRIPE_SECRET_KEY": "",
        "PORTAL_ENV": "development",
    }


@contextmanager
def serving(command: list[str], changes: Mapping[str, str], port: int, path: str) -> Iterator[Serving]:
    """A program that answers at ``path`` while the block runs. *Raises*: RuntimeError when it never does."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(changes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(process, f"http://127.0.0.1:{port}{path}", began)
        yield Serving(port, process, time.perf_counter() - began)
    finally:
        _end(process)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def proportional_memory_mb(process: subprocess.Popen[bytes]) -> float:
    """The PSS of a process and all that it started: what is shared is counted once, in shares. 0 outside Linux."""
    return sum(_pss_kb(pid) for pid in _family(process.pid)) / 1_024


def _family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if Path(f"/proc/{pid}").exists() else ():
        found += _family(int(child))
    return found


def _pss_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _wait_for(process: subprocess.Popen[bytes], url: str, began: float) -> None:
    while time.perf_counter() - began < READY_SECONDS:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode} before its first page")
        with suppress(OSError), urllib.request.urlopen(url, timeout=READY_SECONDS) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} gave no page within {READY_SECONDS} seconds")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
