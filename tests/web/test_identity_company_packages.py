"""Real sign-ins against two providers that other people wrote, over HTTP, key rotation included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import httpx2
import pytest

from tests.support.providers.packaged import PLAIN_SECRET, Packaged, mock_provider, pyop_provider
from tests.support.providers.travelling import Return, Way, way
from tests.support.sign_in import email_of
from tests.web.company_sign_in import is_signed_in, set_up

pytestmark = pytest.mark.xdist_group("packages")

PACKAGES = {"oidc-provider-mock": mock_provider, "pyop": pyop_provider}


@pytest.fixture(scope="module", params=list(PACKAGES))
def package(request) -> Iterator[tuple[str, Packaged]]:
    made: AbstractContextManager[Packaged] = PACKAGES[request.param]()
    with made as running:
        yield request.param, running


def arrive(name: str, there: Way) -> Return:
    """Sign in at the provider, as its own page wants it."""
    if name == "pyop":
        return there.visit()
    answer = httpx2.post(there.address, data={"sub": "tom-at-work"}, follow_redirects=False)
    return Return.of(answer.headers["Location"])


def test_a_whole_life_first_yes_sign_in_rotation_and_out(package, visit, nobody, cast, work_session, clock):
    name, provider = package
    clock.now = datetime.now(UTC)
    address = email_of(work_session, cast.tom)
    provider.know("tom-at-work", {"email": address, "email_verified": True, "name": "Tom"})
    set_up(work_session, cast.ian, provider.issuer, client_secret=PLAIN_SECRET)
    browser = visit(cast.tom)
    browser.get("/security")
    confirmation = browser.get(str(arrive(name, way(browser.post("/security/company-account"))))).headers["Location"]
    assert address in browser.get(confirmation).text
    assert browser.post(confirmation).status_code == 303
    for rotates in (False, True):
        there = way(nobody.post("/sign-in/company", {"email": address}))
        if rotates:
            provider.rotate()
        assert nobody.get(str(arrive(name, there))).status_code == 303
        assert is_signed_in(nobody)
        nobody.post("/sign-out")
        nobody.token = ""
        assert not is_signed_in(nobody)


def test_the_administrators_test_shows_each_check(package, visit, cast, work_session, clock):
    name, provider = package
    clock.now = datetime.now(UTC)
    provider.know("tom-at-work", {"email": email_of(work_session, cast.ian), "email_verified": True})
    set_up(work_session, cast.ian, provider.issuer, client_secret=PLAIN_SECRET)
    browser = visit(cast.ian)
    browser.get("/company-sign-in")
    first = browser.post("/company-sign-in/tests")
    assert "Go on to the provider" in first.text, first.text
    address = first.text.split('class="btn btn-primary" href="')[1].split('"')[0].replace("&amp;", "&")
    report = browser.get(browser.get(str(arrive(name, Way(address)))).headers["Location"])
    for check in ("Token issuer", "Audience", "Nonce", "Expiry", "Verified address"):
        assert check in report.text
    assert "A sign-in through this provider works" in report.text, report.text
    assert "Let people in through the provider only" in browser.get("/company-sign-in").text
