"""A small load client: signed-in visitors on kept-alive connections, a thread for each, for some seconds.

A visitor speaks HTTP to a server in another process, or to an app in this one; operations cannot tell which.
"""

from __future__ import annotations

import http.client
import math
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from flask import Flask

_TOKEN = re.compile(r'name="csrf_token"[^>]* value="([^"]+)"')
TIMEOUT_SECONDS = 30
# So many answers end a measurement before its time does.
MOST_ANSWERS = 20_000


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    location: str
    cookies: tuple[str, ...]
    text: str


class Transport(Protocol):
    """How a request reaches the app."""

    def __call__(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        """Send one request."""


class HttpTransport:
    """One kept-alive connection to a server."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)

    def __call__(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        try:
            return self._send(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The server lets an idle connection go; the request was not read.
            self._connection.close()
            return self._send(method, path, body, headers)

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        cookies = tuple(response.headers.get_all("Set-Cookie") or ())
        return Answer(response.status, response.headers.get("Location", ""), cookies, text)


class AppTransport:
    """The app in this process."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client(use_cookies=False)

    def __call__(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        response = self._client.open(path, method=method, data=body, headers=dict(headers))
        cookies = tuple(response.headers.getlist("Set-Cookie"))
        return Answer(response.status_code, response.headers.get("Location", ""), cookies, response.text)


@dataclass
class Visitor:
    """One browser: keeps cookies and the form token it saw last."""

    transport: Transport
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def get(self, path: str) -> Answer:
        """Open a page."""
        answer = self._send("GET", path, None, {})
        found = _TOKEN.search(answer.text)
        if found:
            self.token = found.group(1)
        return answer

    def post(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form with the token."""
        body = urlencode({"csrf_token": self.token, **fields})
        return self._send("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def sign_in(self, email: str, password: str) -> Visitor:
        """Sign in by the form. *Raises*: RuntimeError when that is refused."""
        self.get("/sign-in")
        answer = self.post("/sign-in", {"email": email, "password": password})
        if answer.status != 303:
            raise RuntimeError(f"{email} could not sign in: {answer.status}")
        return self

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        sent = {**headers, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = self.transport(method, path, body, sent)
        for cookie in answer.cookies:
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self.cookies[name] = value
        return answer


Operation = Callable[[Visitor, int], Answer]


@dataclass(frozen=True)
class Measured:
    """How fast an operation was; ``wrong`` counts answers with another status than expected."""

    users: int
    answers: int
    wrong: int
    per_second: float
    p50_ms: float
    p95_ms: float


def measure(
    visitors: Sequence[Visitor],
    operations: Sequence[Operation],
    *,
    expected: int,
    seconds: float,
    most: int = MOST_ANSWERS,
) -> Measured:
    """Let every visitor repeat their operation for so long, or until ``most`` answers; once each before, unmeasured."""
    for number, (visitor, operation) in enumerate(zip(visitors, operations, strict=True)):
        operation(visitor, number)
    turns = _Turns(len(visitors), most)
    times: list[list[float]] = [[] for _ in visitors]
    wrong = [0] * len(visitors)
    started = time.perf_counter()
    until = started + seconds

    def repeat(place: int) -> None:
        # At least once each, however slow: a figure is better than none.
        while not times[place] or time.perf_counter() < until:
            turn = turns.next()
            if turn is None:
                return
            began = time.perf_counter()
            answer = operations[place](visitors[place], turn)
            times[place].append(time.perf_counter() - began)
            wrong[place] += answer.status != expected

    threads = [threading.Thread(target=repeat, args=(place,)) for place in range(len(visitors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    return summed(sorted(one for each in times for one in each), took, users=len(visitors), wrong=sum(wrong))


def summed(times: Sequence[float], took: float, *, users: int = 1, wrong: int = 0) -> Measured:
    """Rate and percentiles of sorted times. *Raises*: RuntimeError when there are none."""
    if not times:
        raise RuntimeError("nothing was answered in the time of a measurement")
    p50, p95 = (times[min(len(times) - 1, math.ceil(len(times) * share) - 1)] for share in (0.50, 0.95))
    return Measured(users, len(times), wrong, len(times) / took, p50 * 1_000, p95 * 1_000)


class _Turns:
    """Numbers that several threads draw, up to a most."""

    def __init__(self, first: int, most: int) -> None:
        self._next, self._most, self._lock = first, first + most, threading.Lock()

    def next(self) -> int | None:
        with self._lock:
            if self._next >= self._most:
                return None
            self._next += 1
            return self._next - 1
