"""Large packages that few processes use, imported when one of their names is first asked for.

A web worker that never speaks to Stripe or copies a holiday list neither waits for those packages at its start nor
holds them in memory. Type checkers see a plain import::

    if TYPE_CHECKING:
        import stripe
    else:
        stripe = lazily("stripe")
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def lazily(name: str) -> ModuleType:
    """The module of that name, not imported yet."""
    return _Later(name)
