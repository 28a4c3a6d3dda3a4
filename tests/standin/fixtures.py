"""Fixtures around a stand-in: one process per session, emptied for each test.

``standin_process`` and ``standin`` are every folder's, by tests/conftest.py: defined twice, they would be made twice.
A test that kills or restarts the stand-in makes its own with ``running_standin``.
"""

from collections.abc import Iterator

import pytest
import stripe

from tests.standin.process import Standin, running_standin
from tests.standin.receiver import Receiver, running_receiver


@pytest.fixture(scope="session")
def standin_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with running_standin(tmp_path_factory.mktemp("standin") / "standin.db") as running:
        yield running


@pytest.fixture
def standin(standin_process: Standin) -> Standin:
    standin_process.control.reset()
    standin_process.control.endpoints(webhook_url="", thin_webhook_url="")
    return standin_process


@pytest.fixture
def client(standin: Standin) -> stripe.StripeClient:
    return standin.client()


@pytest.fixture
def receiver(standin: Standin) -> Iterator[Receiver]:
    """Gets both kinds of events; nothing is delivered until the test drains."""
    with running_receiver() as running:
        standin.control.delivery_policy(automatic=False)
        standin.control.endpoints(webhook_url=running.url("/snapshot"), thin_webhook_url=running.url("/thin"))
        yield running
        standin.control.endpoints(webhook_url="", thin_webhook_url="")
