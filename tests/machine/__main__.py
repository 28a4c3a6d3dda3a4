"""``python -m tests.machine --runs N --steps M [--seed S]``: many runs, and what was carried out in them."""

from __future__ import annotations

import argparse
import gc
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from portal.db import engine_for, open_session
from tests.conftest import settings_for
from tests.machine.machine import MoneyMachine
from tests.machine.process import Ground
from tests.standin.process import running_standin
from tests.support.cast import build_cast
from tests.support.database import PREFIX, running_cluster
from tests.support.shared_connection import SharedConnection


def main() -> None:
    """Run and report; a failing sequence ends it, shrunk to its smallest."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--runs", type=int, default=100)
    wanted.add_argument("--steps", type=int, default=50)
    wanted.add_argument("--seed", type=int, default=None)
    wanted.add_argument("--shrink", action="store_true", help="look for the smallest failing sequence")
    chosen = wanted.parse_args()
    # Told to stop, it says how far it came.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    number = random.randrange(2**32) if chosen.seed is None else chosen.seed
    began = time.monotonic()
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
        try:
            with running_standin(Path(folder) / "standin.db") as standin:
                MoneyMachine.ground = Ground(shared, cast, standin, settings_for(url, Path(folder)))
                # What is there by now stays: it need not be looked through again and again.
                gc.collect()
                gc.freeze()
                _run(chosen.runs, chosen.steps, number, shrink=chosen.shrink)
        finally:
            shared.close()
            cluster.drop(name)
            _report(f"seed {number}, up to {chosen.steps} steps a run, {time.monotonic() - began:.0f} s")


def _report(words: str) -> None:
    done = MoneyMachine.accepted
    lines = [f"{words}: {MoneyMachine.runs} runs, {sum(done.values())} operations accepted"]
    lines += [f"{times:8}  {operation}" for operation, times in (*done.most_common(), *MoneyMachine.met.most_common())]
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


def _run(runs: int, steps: int, number: int, *, shrink: bool) -> None:
    chosen = settings(
        max_examples=runs, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(MoneyMachine), settings=chosen)


if __name__ == "__main__":
    main()
