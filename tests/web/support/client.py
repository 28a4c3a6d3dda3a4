"""A browser for page tests: follows nothing by itself, carries the cookie and the form's token, signs people in.

browser = visit(cast.ana)
page = browser.get("/queue")
answer = browser.post("/cases/NOR-1042/acceptance", {"seq": 3})      # the token is added
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.cast import NOW
from tests.support.sign_in import PASSWORD

_TOKEN = re.compile(r'name="csrf_token" type="hidden" value="([^"]+)"|name="csrf_token" value="([^"]+)"')


class Clock:
    """The time of the test; ``advance`` moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **step: int) -> None:
        """Let time pass."""
        self.now += timedelta(**step)


@dataclass
class Browser:
    """One browser with its cookies."""

    app: Flask
    client: FlaskClient
    token: str = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        """Open a page; a form's token on it is remembered."""
        answer = self.client.get(path, **options)
        found = _TOKEN.search(answer.text) if answer.mimetype == "text/html" else None
        if found:
            self.token = found.group(1) or found.group(2)
        return answer

    def post(self, path: str, fields: Mapping[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form with the token of the page seen last; the sign-in page is opened when none was seen yet."""
        if not self.token:
            self.get("/security")
            if not self.token:
                self.get("/sign-in")
        return self.client.post(path, data={"csrf_token": self.token, **(fields or {})}, **options)

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        """Sign in as one does: by the form."""
        self.get("/sign-in")
        answer = self.post("/sign-in", {"email": email, "password": password})
        self.token = ""
        return answer
