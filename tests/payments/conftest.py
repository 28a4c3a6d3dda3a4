"""A gateway to the stand-in, and a receiver of its deliveries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal.payments.gateway import Gateway, connect
from tests.standin.process import Standin
from tests.standin.receiver import Receiver, running_receiver


@pytest.fixture
def gateway(standin: Standin) -> Gateway:
    return connect(standin.key, standin.base_url)


@pytest.fixture
def receiver(standin: Standin) -> Iterator[Receiver]:
    """Gets both kinds of events; nothing is delivered until the test drains."""
    with running_receiver() as running:
        standin.control.delivery_policy(automatic=False, copies=1, held=False)
        standin.control.endpoints(webhook_url=running.url("/snapshot"), thin_webhook_url=running.url("/thin"))
        yield running
        standin.control.endpoints(webhook_url="", thin_webhook_url="")
