"""Calls to addresses that a customer named: bounded in time and size, and never into our own network.

Invariants:
 - Where private addresses are refused, the name is resolved once, every address it has is checked, and the connection
   goes to the address that was checked: a name that changes its answer between check and connect gains nothing.
 - No redirect is followed, no compressed answer is taken, no proxy of the environment is used.
 - An answer is read to a limit of bytes within a limit of seconds, however slowly it drips.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portal.errors import ProviderTrouble
from portal.lazily import lazily

if TYPE_CHECKING:
    import httpx2
else:
    # Only who calls a provider needs a client.
    httpx2 = lazily("httpx2")

_bounded: Any = lazily("portal.bounded")

# NAT64 and 6to4 carry an IPv4 address inside, which may be one of ours.
_CARRIERS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))


class Unreachable(ProviderTrouble):
    """The other side did not answer, or not as it should; the sentence says how."""


@dataclass(frozen=True)
class Outbound:
    """How far calls may go: ``allows_private`` is for development and tests, where the provider runs next door."""

    allows_private: bool = False
    seconds: float = 5.0
    largest_bytes: int = 512 * 1024

    def transport(self) -> httpx2.BaseTransport:
        """What an HTTP client of one call runs on."""
        transport: httpx2.BaseTransport = _bounded.Bounded(self)
        return transport

    def client(self) -> httpx2.Client:
        """A client for one call or a few."""
        return httpx2.Client(transport=self.transport(), timeout=self.seconds, follow_redirects=False, trust_env=False)


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet: not ours, not the machine's own, not a carrier's inside."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if any(parsed in network for network in _CARRIERS):
            return False
    return parsed.is_global and not parsed.is_multicast
