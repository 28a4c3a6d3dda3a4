"""Sign-in through a company's provider in a real browser: there and back, a rotated key, the first yes, and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from portal.access import Actor, Role
from portal.db import open_session
from portal.identity.models import WebSession
from portal.identity.sso import settings
from portal.identity.sso.models import IdentityProvider
from portal.outbound import Outbound
from tests.support.browsing import assert_pleasant, rows_of_cards
from tests.support.cast import add_person
from tests.support.providers.lying import CLIENT_SECRET, lying_provider
from tests.support.providers.packaged import PLAIN_SECRET, Packaged, mock_provider, pyop_provider
from tests.support.sign_in import PASSWORD, email_of, give_password
from tests.web.company_sign_in import connect as connect_account
from tests.web.company_sign_in import set_up


@contextmanager
def signed_in_at(site, made: AbstractContextManager[Packaged], administrator: Actor, secret: str) -> Iterator[Packaged]:
    """A package's provider that an organisation's people sign in at; the portal is at the address it really has."""
    edges = site.app.extensions["portal"]
    here = replace(edges.settings, base_url=site.address)
    site.app.extensions["portal"] = replace(edges, settings=here, outbound=Outbound(allows_private=True))
    with made as running:
        with open_session(site.work_engine) as session:
            set_up(session, administrator, running.issuer, client_secret=secret)
        yield running
        with open_session(site.work_engine) as session:
            session.query(IdentityProvider).update({"is_enabled": False})
            session.commit()
    site.app.extensions["portal"] = edges


@pytest.fixture(scope="module")
def provider(site) -> Iterator[Packaged]:
    with signed_in_at(site, mock_provider(), site.cast.ian, PLAIN_SECRET) as running:
        yield running


@pytest.fixture(scope="module")
def silent_provider(site) -> Iterator[Packaged]:
    """One that asks nothing: whoever comes is known there."""
    with signed_in_at(site, pyop_provider(), site.cast.adam, PLAIN_SECRET) as running:
        yield running


def connect(page, address):
    page.goto("/sign-in")
    page.get_by_label("Email").first.fill(address)
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/")
    page.goto("/security")
    page.get_by_role("button", name="Connect my company account").click()


def at_the_provider(page, subject):
    page.get_by_text("Authorize").first.wait_for()
    page.locator("input[name=sub]").first.fill(subject)
    page.locator("input[name=sub]").first.press("Enter")


def test_the_first_yes_then_through_the_company_with_a_new_key_and_out(site, provider, screen, width):
    person = site.cast.tom if width > 1000 else site.cast.tia
    subject = f"worker-{width}"
    with open_session(site.work_engine) as session:
        address = email_of(session, person)
        # The other width has just had its key looked up again, which happens once a minute.
        session.query(IdentityProvider).update({"keys_asked_at": None})
        give_password(session, person)
    provider.know(subject, {"email": address, "email_verified": True, "name": "Worker"})

    page = screen()
    connect(page, address)
    at_the_provider(page, subject)
    page.get_by_role("heading", name="Is this your company account?").wait_for()
    assert_pleasant(page, "company confirmation")
    page.get_by_role("button", name="Yes, this is my account").click()
    page.get_by_text("Your company account is connected").wait_for()

    other = screen()
    other.goto("/sign-in")
    other.get_by_label("Email").first.fill(address)
    provider.rotate()
    other.get_by_role("button", name="Sign in through your company").click()
    at_the_provider(other, subject)
    other.wait_for_url(f"{site.address}/")
    other.goto("/security")
    other.get_by_role("heading", name="Security and sessions").wait_for()
    other.evaluate("document.querySelector('form[action=\"/sign-out\"]').submit()")
    other.get_by_role("heading", name="You are signed out here").wait_for()
    assert_pleasant(other, "company signed out")
    other.get_by_role("link", name="Sign out at your company too").click()
    other.wait_for_url(f"{provider.issuer}/**")
    other.goto(f"{site.address}/security")
    other.wait_for_url("**/sign-in?**")


def test_another_package_lets_in_by_its_rotated_key_too(site, silent_provider, screen, width):
    person = site.cast.ana if width > 1000 else site.cast.eli
    with open_session(site.work_engine) as session:
        address = email_of(session, person)
        session.query(IdentityProvider).update({"keys_asked_at": None})
        give_password(session, person)
    silent_provider.know(f"worker-{width}", {"email": address, "email_verified": True, "name": "Worker"})
    page = screen()
    connect(page, address)
    page.get_by_role("button", name="Yes, this is my account").click()
    page.get_by_text("Your company account is connected").wait_for()

    other = screen()
    other.goto("/sign-in")
    other.get_by_label("Email").first.fill(address)
    silent_provider.rotate()
    other.get_by_role("button", name="Sign in through your company").click()
    other.wait_for_url(f"{site.address}/")
    other.goto("/security")
    other.get_by_role("heading", name="Security and sessions").wait_for()
    other.evaluate("document.querySelector('form[action=\"/sign-out\"]').submit()")
    other.wait_for_url("**/sign-in")
    other.goto(f"{site.address}/security")
    other.wait_for_url("**/sign-in?**")


@contextmanager
def lying_package() -> Iterator[Packaged]:
    """The provider that says when somebody signed in, which the packages do not."""
    with lying_provider() as state:
        state.reset(lambda: datetime.now(UTC))

        def know(subject: str, claims: dict[str, Any]) -> None:
            state.subject, state.person = subject, claims

        yield Packaged(state.issuer, know, rotate=lambda: None)


@pytest.fixture(scope="module")
def exact_provider(site) -> Iterator[tuple[Packaged, Actor]]:
    """A provider of the customer, whose administrator has no password."""
    with open_session(site.work_engine) as session:
        administrator = add_person(session, site.cast.customer, "cora", Role.ADMINISTRATOR)
        session.commit()
    with signed_in_at(site, lying_package(), administrator, CLIENT_SECRET) as running:
        with open_session(site.work_engine) as session:
            connect_account(session, settings.provider_of(session, site.cast.customer.id), administrator, "cora")
        yield running, administrator


def test_what_was_typed_comes_back_from_confirming_at_the_company(site, exact_provider, screen, width):
    provider, cora = exact_provider
    with open_session(site.work_engine) as session:
        address = email_of(session, cora)
    provider.know("cora", {"email": address, "email_verified": True})
    page = screen()
    page.goto("/sign-in")
    page.get_by_label("Email").first.fill(address)
    page.get_by_role("button", name="Sign in through your company").click()
    page.wait_for_url(f"{site.address}/")
    with open_session(site.work_engine) as session:
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        session.query(WebSession).filter_by(person_id=cora.person_id).update({"proven_at": hour_ago})
        session.commit()
    page.goto("/company-sign-in")
    page.get_by_label("Levels that ask for one").fill(f"level-{width}")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("heading", name="Show that it is you").wait_for()
    assert_pleasant(page, "confirm at the company")
    page.get_by_role("button", name="Sign in at my company").click()
    page.get_by_role("heading", name="Your company says that it is you").wait_for()
    assert_pleasant(page, "confirmed at the company")
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("Kept. Test the sign-in").wait_for()
    assert page.get_by_label("Levels that ask for one").input_value() == f"level-{width}"


def test_the_administrators_page_is_pleasant_and_full(site, provider, enter, width):
    page = enter(site.cast.ian)
    page.goto("/company-sign-in")
    page.get_by_role("heading", name="Company sign-in").wait_for()
    assert_pleasant(page, "company settings")
    rows = rows_of_cards(page)
    edges = {(round(row[0]["left"]), round(row[-1]["right"])) for row in rows}
    assert len(edges) == 1, "every row of sections fills the page's width"
    # The accounts, where some are connected, come last.
    side_by_side = [len(row) for row in rows]
    assert side_by_side in ([[1, 1, 2, 1], [1, 1, 2, 1, 1]] if width > 1000 else [[1] * 5, [1] * 6])
    assert all(abs(card["bottom"] - row[0]["bottom"]) < 1 for row in rows for card in row), "and none is half empty"
    assert all(later[0]["top"] - max(card["bottom"] for card in row) < 30 for row, later in pairwise(rows))
    page.goto("/company-sign-in/directory")
    assert_pleasant(page, "directory tokens")
