"""A gateway to the stand-in."""

from __future__ import annotations

from tests.payments.conftest import gateway

__all__ = ["gateway"]
