"""Starts a demonstration: the stand-in for Stripe, the worker and the web, each a process of its own, until Ctrl-C.

Ends all of them together; what they wrote stays in the instance folder, and the next start goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.demo.world import COMPANIES, PASSWORD, PEOPLE
from portal.errors import Misconfigured

HOST = "127.0.0.1"
KEY = "sk_test_demo_only"
SECRET, THIN_SECRET = "whsec_demo_snapshot", "whsec_demo_thin"
READY_SECONDS = 60
END_SECONDS = 15
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Addresses:
    """Where the two programs listen."""

    web_port: int
    standin_port: int

    @property
    def web(self) -> str:
        """The portal's address for a browser."""
        return f"http://localhost:{self.web_port}"

    @property
    def standin(self) -> str:
        """The stand-in's address."""
        return f"http://{HOST}:{self.standin_port}"


def addresses(web_port: int, standin_port: int) -> Addresses:
    """The wanted ports, or free ones where they are taken."""
    return Addresses(_free_port(web_port), _free_port(standin_port))


def environment(where: Addresses) -> dict[str, str]:
    """The settings by which the portal finds its own address and the stand-in."""
    return {
        "BASE_URL": where.web,
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_API_BASE": where.standin,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_THIN_WEBHOOK_SECRET": THIN_SECRET,
    }


@contextmanager
def standin_running(where: Addresses, folder: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The stand-in for Stripe, while the block runs."""
    options = [
        *("--port", str(where.standin_port), "--host", HOST, "--key", KEY),
        *("--state", str(folder / "standin.db")),
        *("--webhook-url", f"{where.web}/webhooks/stripe", "--webhook-secret", SECRET),
        *("--thin-webhook-url", f"{where.web}/webhooks/stripe/thin", "--thin-webhook-secret", THIN_SECRET),
    ]
    with _process("-m", "portal.standin", *options, environ=environ, log=folder / "standin.log") as process:
        _wait_until(lambda: _answers(f"{where.standin}/_control/ready"), process, "The stand-in for Stripe")
        yield process


@contextmanager
def web_running(where: Addresses, folder: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The web, while the block runs; it opens its port when the demonstration has been made."""
    options = ("--bind", f"{HOST}:{where.web_port}", "--after-demo")
    with _process("-m", "portal.cli", "serve", *options, environ=environ, log=folder / "web.log") as process:
        yield process


def serve_until_stopped(
    where: Addresses,
    folder: Path,
    environ: Mapping[str, str],
    web: subprocess.Popen[bytes],
    say: Callable[[str], None],
) -> None:
    """Run a worker beside the web until Ctrl-C or until one of them ends."""
    with _process("-m", "portal.cli", "work", environ=environ, log=folder / "worker.log") as worker:
        _wait_until(lambda: _answers(f"http://{HOST}:{where.web_port}/readyz"), web, "The portal")
        say(welcome(where))
        with contextlib.suppress(KeyboardInterrupt):
            while worker.poll() is None and web.poll() is None:
                time.sleep(LOOK_SECONDS * 5)
        say("Stopping.")


def welcome(where: Addresses) -> str:
    """What is printed once everything runs: the addresses and one sign-in per role."""
    companies = {company.code: company.name for company in COMPANIES}
    shown = [person for person in PEOPLE if person.shown]
    rows = [
        f"  {person.key}@{person.company.lower()}.example".ljust(26)
        + f"{', '.join(role.value.replace('_', ' ') for role in person.roles)}".ljust(18)
        + f"{person.name}, {companies[person.company]}"
        for person in shown
    ]
    return "\n".join(
        [
            "",
            f"Factoryline runs at {where.web}",
            f"Stripe's stand-in runs at {where.standin}; no money moves.",
            f"Kept mail: {where.web}/kept-mail (sign in as adam@nor.example)",
            "",
            f'Sign in with the password "{PASSWORD}" as',
            *rows,
            "",
            "Press Ctrl-C to stop everything.",
        ]
    )


@contextmanager
def _process(*arguments: str, environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        # A session of its own, so that Ctrl-C reaches this process alone, which then ends the others in order.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None:
            raise Misconfigured(f"{what} ended before it was ready; its log is in the instance folder.")
        if time.monotonic() > deadline:
            raise Misconfigured(f"{what} was not ready within {READY_SECONDS} seconds.")
        time.sleep(LOOK_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Misconfigured("No port is free on this machine.")
