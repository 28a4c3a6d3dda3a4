"""The HTTP transport that keeps ``portal.outbound``'s promises: where it connects, how long and how much it reads."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import httpcore2
import httpx2

from portal.outbound import Outbound, Unreachable, is_public


class _Backend(httpcore2.NetworkBackend):
    """Connects to the address that was checked."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._sync = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Open a connection, unless a private address is behind the name."""
        address = host if self._allows_private else self._checked(host, port)
        return self._sync.connect_tcp(address, port, timeout, local_address, socket_options)

    @staticmethod
    def _checked(host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"{host} has no address.") from None
        addresses = [str(entry[4][0]).split("%")[0] for entry in found]
        if not addresses or not all(is_public(address) for address in addresses):
            raise Unreachable(f"{host} is inside a private network, where this portal does not call.")
        return addresses[0]


class Bounded(httpx2.BaseTransport):
    """One client's way out, within the limits."""

    def __init__(self, limits: Outbound) -> None:
        self._limits = limits
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_trust(), network_backend=_Backend(allows_private=limits.allows_private)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """One call, its whole answer read; a provider's failure is told in a sentence."""
        host = request.url.host
        if request.url.scheme != "https" and not self._limits.allows_private:
            raise Unreachable(f"{host} is not called without https.")
        request.headers["Accept-Encoding"] = "identity"
        ends = time.monotonic() + self._limits.seconds
        try:
            answer = self._pool.handle_request(_core_request(request))
            body = b"".join(self._read(answer, host, ends))
        except httpcore2.TimeoutException:
            raise Unreachable(f"{host} did not answer within {self._limits.seconds:g} seconds.") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, ssl.SSLError):
            raise Unreachable(f"{host} cannot be reached, or its certificate is not accepted.") from None
        return httpx2.Response(answer.status, headers=answer.headers, content=body, request=request)

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()

    def _read(self, answer: httpcore2.Response, host: str, ends: float) -> Iterator[bytes]:
        if any(name.lower() == b"content-encoding" and value != b"identity" for name, value in answer.headers):
            raise Unreachable(f"{host} answered in an encoding that was not asked for.")
        size = 0
        stream: Any = answer.stream
        try:
            for part in stream:
                size += len(part)
                if size > self._limits.largest_bytes:
                    raise Unreachable(f"{host} answered with more than {self._limits.largest_bytes} bytes.")
                if time.monotonic() > ends:
                    raise Unreachable(f"{host} did not finish its answer within {self._limits.seconds:g} seconds.")
                yield part
        finally:
            answer.close()


@cache
def _trust() -> ssl.SSLContext:
    # Reading the machine's certificates takes longer than most calls.
    return ssl.create_default_context()


def _core_request(request: httpx2.Request) -> httpcore2.Request:
    url = request.url
    return httpcore2.Request(
        request.method,
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )
