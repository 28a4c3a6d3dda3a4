"""A browser's way to a provider and back, step by step, so that a test can meddle at each."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
from werkzeug.test import TestResponse

_AWAY = re.compile(r'http-equiv="refresh" content="0;url=([^"]+)"')


@dataclass(frozen=True)
class Way:
    """The address at the provider that a page leads to."""

    address: str

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.address).query))

    def visit(self) -> Return:
        """Sign in there, which the provider does at once, and see where it sends the browser."""
        answer = httpx2.get(self.address, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        return Return.of(answer.headers["Location"])


@dataclass(frozen=True)
class Return:
    """The address at the portal that the provider sends the browser back to."""

    path: str
    query: dict[str, str]

    @classmethod
    def of(cls, address: str) -> Return:
        parts = urlsplit(address)
        return cls(parts.path, dict(parse_qsl(parts.query)))

    def changed(self, **changes: str | None) -> Return:
        """The same with other parameters; None leaves one out."""
        query = {name: value for name, value in {**self.query, **changes}.items() if value is not None}
        return Return(self.path, query)

    def __str__(self) -> str:
        return f"{self.path}?{urlencode(self.query)}"


def way(answer: TestResponse) -> Way:
    """Where the page leads by itself."""
    found = _AWAY.search(answer.text)
    assert found is not None, f"{answer.status_code}: {answer.text}"
    return Way(html.unescape(found.group(1)))
