"""Every call of the gateway against every fault, every handled event against every way to arrive: one effect each."""

from __future__ import annotations

import pytest

from tests.payments.fault_calls import FAULTS, SCENARIOS, try_call, writing_calls
from tests.payments.fault_events import ARRIVALS, FAMILIES, handled_events, try_event
from tests.payments.fault_world import running_world

pytestmark = pytest.mark.xdist_group("fault_matrix")


@pytest.fixture(scope="module")
def world(cluster, standin_process, tmp_path_factory):
    standin_process.control.reset()
    standin_process.control.endpoints(webhook_url="", thin_webhook_url="")
    with running_world(cluster, standin_process, tmp_path_factory.mktemp("faults")) as running:
        yield running


def test_no_call_and_no_event_is_forgotten():
    assert set(writing_calls()) == SCENARIOS.keys()
    assert set(handled_events()) == FAMILIES.keys()


@pytest.mark.parametrize("name", writing_calls())
def test_a_call_has_one_effect_whatever_goes_wrong(world, name):
    for fault in FAULTS:
        try_call(world, name, fault)


def arrivals_of(kind):
    """All of them for the first event of a family; its others go the same way, so two are enough here."""
    first = next(each for each in handled_events() if FAMILIES[each] is FAMILIES[kind])
    return list(ARRIVALS) if kind == first else ["twice", "unknown object"]


@pytest.mark.parametrize("kind", handled_events())
def test_an_event_has_one_effect_however_it_comes(world, kind):
    for arrival in arrivals_of(kind):
        try_event(world, kind, arrival)
