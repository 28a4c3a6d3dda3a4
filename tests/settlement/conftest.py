"""A gateway to the stand-in, and a receiver of its deliveries."""

from __future__ import annotations

from tests.payments.conftest import gateway, receiver

__all__ = ["gateway", "receiver"]
