"""The state machine in the ordinary suite: a few runs, the same each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import settings_for
from tests.machine.machine import MoneyMachine
from tests.machine.process import Ground
from tests.machine.reference.facts import FACTORY, INTEGRATOR
from tests.standin.process import running_standin

RUNS, STEPS = 2, 10


@pytest.fixture
def ground(_shared_with_cast, tmp_path) -> Iterator[Ground]:
    _shared_with_cast.go_to(None)
    shared, cast = _shared_with_cast.shared, _shared_with_cast.cast
    with running_standin(tmp_path / "standin.db") as standin:
        yield Ground(shared, cast, standin, settings_for(shared.url, tmp_path))


def test_every_operation_once_and_crashes_between(ground) -> None:
    MoneyMachine.ground = ground
    MoneyMachine.accepted.clear()
    told = MoneyMachine()
    told.begin(FACTORY, 2_500, 135_000, on_invoice=True, crash=2)
    told.refund(0, 300, 2, "lose_answer")
    told.work(INTEGRATOR, 8_000, 300, 1)
    told.charge_back(0, 2)
    told.end_dispute(0, won=True, crash=1)
    told.work(FACTORY, 8_000, 300, 1)
    told.correct(2, 90, 2)
    told.invoice(0, "break_body")
    told.close(11)
    told.contest(0, 1, 1)
    told.prepare(0, 0)
    told.prepare(1, 0)
    told.approve(0, 0, "")
    told.approve(0, 0, "lose_answer")
    told.refund(0, 1_000, 0, "")
    told.teardown()
    assert told.portal.met["crash"] >= 5


@pytest.mark.hypothesis
def test_the_books_are_what_the_model_says_whatever_happens_to_money(ground) -> None:
    MoneyMachine.ground = ground
    MoneyMachine.accepted.clear()
    chosen = settings(
        max_examples=RUNS, stateful_step_count=STEPS, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate,),
    )  # fmt: skip
    run_state_machine_as_test(MoneyMachine, settings=chosen)
    # A run in which nothing was accepted shows nothing.
    assert sum(MoneyMachine.accepted.values()) > RUNS * STEPS
