"""A stand-in per module, emptied for each test, and a gateway to it."""

from __future__ import annotations

from tests.payments.conftest import gateway, standin, standin_process

__all__ = ["gateway", "standin", "standin_process"]
