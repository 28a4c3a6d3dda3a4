"""Second factors in a real browser: a virtual authenticator's passkey, an app's codes, recovery, step-up."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pyotp
import pytest
from playwright.sync_api import Page

from portal.access import Actor, Role
from portal.db import open_session
from portal.identity import impersonation
from portal.identity.factors.rules import step_at
from tests.support.browsing import assert_pleasant
from tests.support.cast import add_person
from tests.support.sign_in import PASSWORD, email_of, give_password, membership_of
from tests.web.support import money

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
_numbers = itertools.count(1)


@pytest.fixture
def secure(site) -> Iterator[Callable[..., None]]:
    """The site at an address that passkeys know: a name, not a number; and how long a proof lasts."""
    edges = site.app.extensions["portal"]
    port = urlsplit(site.address).port

    def use(**changes: object) -> None:
        settings = replace(edges.settings, base_url=f"http://localhost:{port}", **changes)
        site.app.extensions["portal"] = replace(edges, settings=settings)

    use()
    yield use
    site.app.extensions["portal"] = edges


@pytest.fixture
def somebody(site) -> Callable[..., tuple[Actor, str]]:
    """A new person with a password, so that nobody else's tests meet their factors."""

    def join(*roles: Role) -> tuple[Actor, str]:
        with open_session(site.work_engine) as session:
            actor = add_person(session, site.cast.factory, f"factor{next(_numbers)}", *roles)
            give_password(session, actor)
            return actor, email_of(session, actor)

    return join


def at_home(site, page: Page, path: str = "/sign-in") -> Page:
    page.goto(f"http://localhost:{urlsplit(site.address).port}{path}")
    return page


def type_password(page: Page, email: str) -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(site, page: Page) -> None:
    page.context.clear_cookies()
    at_home(site, page)


def test_a_passkey_is_added_and_signs_in_alone_and_as_second_factor(site, screen, secure, somebody):
    _, email = somebody(Role.ENGINEER)
    page = screen()
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    type_password(at_home(site, page), email)
    page.wait_for_url("**/")
    at_home(site, page, "/security/factors")
    assert_pleasant(page, "second factors, none")
    page.get_by_role("link", name="Add a passkey").click()
    assert_pleasant(page, "add a passkey")
    page.get_by_label("Name").fill("Work phone")
    page.get_by_role("button", name="Make the passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    assert_pleasant(page, "recovery codes")
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("link", name="I have kept them").click()

    sign_out(site, page)
    assert_pleasant(page, "sign in with a passkey")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/")
    at_home(site, page, "/security/factors")
    page.get_by_role("link", name="Work phone").wait_for()
    assert "Never" not in page.locator("main").inner_text()
    assert_pleasant(page, "second factors, a passkey")

    sign_out(site, page)
    type_password(page, email)
    page.get_by_role("heading", name="Second factor").wait_for()
    assert_pleasant(page, "second factor asked")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/")

    sign_out(site, page)
    type_password(page, email)
    page.get_by_label("Code from your app, or a recovery code").fill(codes[3].lower())
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_text("9 are left").wait_for()
    at_home(site, page, "/security")
    assert_pleasant(page, "security")


def test_an_app_is_set_up_and_asked_before_an_approval(site, screen, secure, somebody):
    with open_session(site.work_engine) as session:
        preparation = money.preparation(session, site.cast)
        session.commit()
    _, email = somebody(Role.FINANCE)
    page = screen()
    type_password(at_home(site, page), email)
    page.wait_for_url("**/")
    at_home(site, page, "/security/factors")
    page.get_by_role("button", name="Set up an app").click()
    page.get_by_label("Code", exact=True).wait_for()
    assert page.locator(".qr").evaluate("image => image.complete && image.naturalWidth > 100")
    assert_pleasant(page, "set up an app")
    secret = page.locator(".secret code").inner_text()
    step = step_at(datetime.fromtimestamp(time.time(), UTC))
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).generate_otp(step))
    page.get_by_role("button", name="Take the app into use").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()

    secure(step_up_minutes=0)
    at_home(site, page, f"/preparations/{preparation.id}/approval")
    page.get_by_role("button", name="Approve exactly this").click()
    page.get_by_role("heading", name="Show that it is you").wait_for()
    assert_pleasant(page, "step-up")
    field = page.get_by_label("Code from your app, or a recovery code")
    field.fill("000000")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("This code is not right").first.wait_for()
    assert_pleasant(page, "step-up refused")
    field.fill(pyotp.TOTP(secret).generate_otp(step + 1))
    page.get_by_role("button", name="Confirm").click()
    # The act went on as it was sent: nothing was ticked, so it is refused by its own rule.
    page.get_by_text("Open each of these lines").first.wait_for()
    assert page.locator("input[type=checkbox]:checked").count() == 0


def test_everything_but_passkeys_works_without_scripts(site, screen, secure, somebody):
    _, email = somebody(Role.ENGINEER)
    page = screen(java_script_enabled=False)
    at_home(site, page)
    assert page.get_by_text("A passkey needs scripts").is_visible()
    assert not page.get_by_role("button", name="Sign in with a passkey").is_visible()
    type_password(page, email)
    at_home(site, page, "/security/factors")
    page.get_by_role("button", name="Set up an app").click()
    secret = page.locator(".secret code").inner_text()
    step = step_at(datetime.fromtimestamp(time.time(), UTC))
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).generate_otp(step))
    page.get_by_role("button", name="Take the app into use").click()
    assert page.get_by_role("heading", name="Recovery codes").is_visible()
    page.context.clear_cookies()
    type_password(at_home(site, page), email)
    page.get_by_label("Code from your app, or a recovery code").fill(pyotp.TOTP(secret).generate_otp(step + 1))
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert urlsplit(page.url).path == "/"


def test_looking_on_its_banner_and_the_settings_are_pleasant(site, screen, secure, somebody):
    administrator, email = somebody(Role.ADMINISTRATOR)
    person, _ = somebody(Role.ENGINEER)
    now = datetime.fromtimestamp(time.time(), UTC)
    with open_session(site.work_engine) as session, session.begin():
        place = membership_of(session, person).id
        wish = impersonation.ask(session, administrator, place, "See the queue as you do", now)
        impersonation.answer(session, person, wish.id, is_yes=True, now=now)
    page = screen()
    type_password(at_home(site, page), email)
    page.wait_for_url("**/")
    for name, path in (
        ("of whom a second factor is asked", "/people/second-factor"),
        ("change the address", "/security/address"),
        ("a person to look on", f"/people/{place}"),
        ("look on", f"/people/{place}/looking-on"),
    ):
        at_home(site, page, path)
        assert_pleasant(page, name)
    page.get_by_role("button", name="Look on now").click()
    page.get_by_text("Nothing can be changed").wait_for()
    assert_pleasant(page, "looking on")
    page.get_by_role("button", name="Stop looking on").click()
    page.get_by_text("Nothing can be changed").wait_for(state="detached")
