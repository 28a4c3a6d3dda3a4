"""Second factors for page tests: set up by the pages, as people do."""

from __future__ import annotations

import html
import re
from typing import Any

import pyotp

from portal.identity.factors.rules import step_at
from tests.support.authenticator import Authenticator
from tests.web.support.client import Browser, Clock

ORIGIN = "http://localhost"
_OPTIONS = re.compile(r'data-options="([^"]*)"')
_SECRET = re.compile(r'data-copies="([A-Z2-7]{32})"')
_CODE = re.compile(r"<li><code>([A-Z2-7-]{29})</code></li>")


def options_of(page: Any) -> str:
    """What a page asks of the authenticator."""
    found = _OPTIONS.search(page.text)
    assert found, page.text
    return html.unescape(found.group(1))


def code_at(secret: str, clock: Clock, steps: int = 0) -> str:
    """What the app shows, now or some steps of half a minute away."""
    return pyotp.TOTP(secret).generate_otp(step_at(clock()) + steps)


def set_up_app(browser: Browser, clock: Clock) -> tuple[str, list[str]]:
    """The secret of an app that is in use now, and the recovery codes; its present code is used."""
    browser.get("/security/factors")
    assert browser.post("/security/factors/app").location == "/security/factors/app/code"
    shown = _SECRET.search(browser.get("/security/factors/app/code").text)
    assert shown
    answer = browser.post("/security/factors/app/code", {"code": code_at(shown.group(1), clock)})
    assert answer.status_code in (200, 303), answer.text
    return shown.group(1), _CODE.findall(answer.text)


def add_passkey(browser: Browser, name: str = "Phone", *, counts: bool = True) -> Authenticator:
    """A device whose passkey the person has added."""
    device = Authenticator(ORIGIN, counts=counts)
    options = options_of(browser.get("/security/factors/passkeys/new"))
    answer = browser.post("/security/factors/passkeys/new", {"name": name, "passkey": device.create(options)})
    assert answer.status_code in (200, 303), answer.text
    return device


def wait_for_second(browser: Browser, email: str, password: str) -> None:
    """Give the password; the page that asks for the second factor is open."""
    answer = browser.sign_in(email, password)
    assert (answer.status_code, answer.location) == (303, "/sign-in/second-factor"), answer.text
    browser.token = ""
    assert browser.get("/sign-in/second-factor").status_code == 200
