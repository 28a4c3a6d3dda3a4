"""``python -m tests.machine --runs N --steps M [--seed S] [--minutes T] [--tally FILE]``: many runs, and what they did.

Runs come in batches; each batch has a seed of its own, S, S+1 and so on, so that what differs is repeated alone with
``--seed`` its seed, and with ``--shrink`` brought down to its smallest. A batch in which something differs ends there,
and the next begins.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from logging import CRITICAL
from math import inf
from pathlib import Path
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from portal.db import engine_for, open_session
from tests.conftest import settings_for
from tests.machine.happening.beside import Beside
from tests.machine.machine import MoneyMachine
from tests.machine.process import Ground
from tests.standin.process import running_standin
from tests.support.cast import build_cast
from tests.support.database import PREFIX, running_cluster
from tests.support.shared_connection import SharedConnection

BATCH = 20
SEEDS = 2**32


@dataclass
class Tally:
    """What all runs come to; with a file, a line each: its seed, its steps, its operations, how it ended."""

    file: Path | None
    seed: int = 0
    differing: int = 0

    def whole(self, run: Beside) -> None:
        """A run ended, and everything was equal."""
        operations = sum(run.done.values())
        self._write(outcome="equal", steps=run.steps, operations=operations, kinds=run.done, met=run.portal.met)
        gc.collect()

    def differs(self, error: Exception) -> None:
        """A run did not; the steps to it are in the error's notes."""
        self.differing += 1
        words = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        self._write(outcome="differs", words=words)
        sys.stdout.write("\n".join([f"DIFFERS, seed {self.seed}", *words, ""]))

    def _write(self, **what: Any) -> None:
        if self.file is not None:
            with self.file.open("a") as lines:
                lines.write(json.dumps({"seed": self.seed, "process": os.getpid(), **what}) + "\n")


def main() -> int:
    """Run and report; 1 where something differed."""
    chosen = _asked_for()
    # Crashes are wanted here: what the worker says of them is not.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    # Told to stop, it says how far it came.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    first = random.randrange(SEEDS) if chosen.seed is None else chosen.seed
    tally = Tally(chosen.tally)
    began = time.monotonic()
    try:
        with _ground() as MoneyMachine.ground:
            # What is there by now stays; what a run leaves is thrown away after it.
            gc.collect()
            gc.freeze()
            gc.disable()
            MoneyMachine.on_whole = tally.whole
            for batch in count():
                if MoneyMachine.runs >= chosen.runs or time.monotonic() - began > chosen.minutes * 60:
                    break
                tally.seed = (first + batch) % SEEDS
                _run_batch(tally, min(BATCH, chosen.runs - MoneyMachine.runs), chosen.steps, shrink=chosen.shrink)
    except KeyboardInterrupt:
        pass
    finally:
        _report(f"seed {first}, {chosen.steps} steps a run, {time.monotonic() - began:.0f} s, {tally.differing} differ")
    return bool(tally.differing)


def _asked_for() -> argparse.Namespace:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--runs", type=int, default=100, help="how many at most")
    wanted.add_argument("--steps", type=int, default=50, help="how many a run")
    wanted.add_argument("--minutes", type=float, default=inf, help="begin no batch after so long")
    wanted.add_argument("--seed", type=int, default=None, help="of the first batch")
    wanted.add_argument("--tally", type=Path, default=None, help="a file that each run adds a line to")
    wanted.add_argument("--shrink", action="store_true", help="look for the smallest sequence that differs")
    return wanted.parse_args()


@contextmanager
def _ground() -> Iterator[Ground]:
    """A database with the cast, and a stand-in."""
    with tempfile.TemporaryDirectory() as folder, running_cluster() as cluster:
        name = f"{PREFIX}_machine_{os.getpid()}"
        url = cluster.clone(name)
        engine = engine_for(url)
        with open_session(engine) as session:
            cast = build_cast(session)
            session.execute(text("DELETE FROM procrastinate_jobs"))
            session.commit()
        engine.dispose()
        shared = SharedConnection(url)
        # The client would look for a proxy in all that the process was given, before each call.
        os.environ["NO_PROXY"] = "127.0.0.1"
        try:
            with running_standin(Path(folder) / "standin.db") as standin:
                yield Ground(shared, cast, standin, settings_for(url, Path(folder)))
        finally:
            shared.close()
            cluster.drop(name)


def _run_batch(tally: Tally, runs: int, steps: int, *, shrink: bool) -> None:
    chosen = settings(
        max_examples=runs, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(tally.seed)(MoneyMachine), settings=chosen)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the next batch is another
        tally.differs(error)


def _report(words: str) -> None:
    done = MoneyMachine.accepted
    lines = [f"{words}: {MoneyMachine.runs} runs, {sum(done.values())} operations accepted"]
    lines += [f"{times:8}  {operation}" for operation, times in (*done.most_common(), *MoneyMachine.met.most_common())]
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
