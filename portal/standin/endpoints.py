"""What a handler gets (a call) and how endpoints are declared and found."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portal.standin.objects import Body
from portal.standin.parameters import Fields
from portal.standin.state import State

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Call:
    """One request being executed. Acts at hosted pages and in the control API have no request id and no key."""

    state: State
    public_url: str
    parameters: dict[str, Any] = field(default_factory=dict)
    account: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None
    path: str = ""


@dataclass(frozen=True)
class Endpoint:
    """``for_accounts``: also answers for a connected account named in the Stripe-Account header."""

    method: str
    pattern: str
    handler: Callable[..., Body]
    fields: Fields = field(default_factory=dict)
    for_accounts: bool = False

    def match(self, method: str, path: str) -> tuple[str, ...] | None:
        """The variable parts of the path, in order, or None when it is another endpoint's."""
        if method != self.method:
            return None
        found = re.fullmatch(re.sub(r"<\w+>", r"([^/]+)", self.pattern), path)
        return found.groups() if found else None


def find_endpoint(endpoints: tuple[Endpoint, ...], method: str, path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
    for endpoint in endpoints:
        parts = endpoint.match(method, path)
        if parts is not None:
            return endpoint, parts
    return None
