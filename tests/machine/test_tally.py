"""The tally of many runs: what adds up, and what a run that differs says for its repetition."""

from __future__ import annotations

import json
from pathlib import Path

from tests.machine.__main__ import Tally


def test_a_run_that_differs_leaves_its_seed_and_its_steps(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally.jsonl", seed=7)
    error = AssertionError("one cent more")
    error.add_note("state.refund(0, 300)")
    tally.differs(error)
    written = [json.loads(line) for line in (tmp_path / "tally.jsonl").read_text().splitlines()]
    assert [(line["seed"], line["outcome"]) for line in written] == [(7, "differs")]
    assert written[0]["words"] == ["AssertionError: one cent more", "state.refund(0, 300)"]
    assert tally.differing == 1
