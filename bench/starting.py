"""What is measured from outside, by running the command: cold starts, and the import of an event log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.serving import free_port, portal, portal_environment, serving
from portal.config import ROOT, child_environment

MAPPING = ROOT / "portal" / "importing" / "mappings" / "vinst.toml"
LOG = "vinst_incidents.csv.gz"


@dataclass(frozen=True)
class Imported:
    """An import: how long it took and the most memory its process held."""

    seconds: float
    peak_mb: float


def serve_seconds(database_url: str, folder: Path) -> float:
    """From the command to the first page, on a database that is there."""
    with portal(database_url, folder) as running:
        return running.first_page_seconds


def demo_seconds(folder: Path) -> float:
    """From the command to the first page with a fresh embedded database and the demonstration in it."""
    fresh = folder / "demo"
    shutil.rmtree(fresh, ignore_errors=True)
    port = free_port()
    environ = {**portal_environment("", fresh, port), "BASE_URL": ""}
    command = [sys.executable, "-m", "portal.cli", "demo", "--port", str(port), "--stripe-port", str(free_port())]
    try:
        with serving(command, environ, port, "/sign-in") as running:
            return running.first_page_seconds
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def event_log() -> Path | None:
    """The log to import, where PORTAL_TEST_DATA names a folder that has it."""
    named = child_environment({}).get("PORTAL_TEST_DATA")
    path = Path(named) / LOG if named else None
    return path if path is not None and path.is_file() else None


def import_log(database_url: str, log: Path, folder: Path, *, bill: bool = False) -> Imported:
    """Import the log into a migrated database, or go on there and bill. *Raises*: RuntimeError when it fails."""
    rejected = folder / "rejected.csv"
    command = [sys.executable, "-m", "portal.cli", "import-log", str(log), "--mapping", str(MAPPING)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--rejected", str(rejected), *(["--bill"] if bill else [])],
        cwd=ROOT,
        env=child_environment(portal_environment(database_url, folder, 0)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}")
    return Imported(time.perf_counter() - began, used.ru_maxrss / 1_024)
