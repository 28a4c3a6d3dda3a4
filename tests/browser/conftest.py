"""Fixtures of browser tests: a real server on a real database, Chromium, a screen of each width."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from portal.access import Actor
from portal.app import create_app
from portal.db import db, engine_for, open_session
from portal.identity import sessions
from portal.identity.factors.rules import Proof, Proven
from portal.identity.sessions import Browser as BrowserName
from tests.browser.specimen import specimen
from tests.conftest import CommittedDatabase, settings_for
from tests.support import browsing
from tests.support.cast import Cast, build_cast
from tests.support.database import PREFIX, Cluster
from tests.support.serving import served
from tests.support.sign_in import PASSWORD, give_password, membership_of
from tests.support.story import Stage, staged

Screen = Callable[..., Page]
Visit = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Site:
    """The running portal, shared by the tests of a run; ``cast`` is in its database."""

    address: str
    app: Flask
    work_engine: Engine
    cast: Cast


@pytest.fixture(scope="session")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name = f"{PREFIX}_browser_{os.getpid()}"
    settings = settings_for(cluster.clone(name), tmp_path_factory.mktemp("instance"))
    work_engine = engine_for(settings.work_database_url or "")
    with open_session(work_engine) as session:
        cast = build_cast(session)
        session.commit()
    app = create_app(settings)
    app.add_url_rule("/specimen", "specimen", specimen, methods=["GET", "POST"])
    with served(app) as address:
        yield Site(address, app, work_engine, cast)
    work_engine.dispose()
    with app.app_context():
        db.engine.dispose()
    cluster.drop(name)


@pytest.fixture(params=[browsing.PHONE_PIXELS, browsing.DESK_PIXELS], ids=["phone", "desk"])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def screen(chromium: Browser, site: Site, width: int) -> Iterator[Screen]:
    """A page of the width under test; every call is another browser profile. A script error fails the test."""
    contexts = []
    errors: list[str] = []

    def open_screen(**options: object) -> Page:
        size = {"width": width, "height": browsing.HEIGHT_PIXELS}
        context = chromium.new_context(viewport=size, base_url=site.address, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
        return page

    yield open_screen
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def enter(screen: Screen, site: Site) -> Callable[[Actor], Page]:
    """A page signed in as one of the cast, on the first page; the form that does it has tests of its own."""

    def sign_in_as(actor: Actor) -> Page:
        with open_session(site.work_engine) as session:
            give_password(session, actor)
        page = screen()
        page.context.add_cookies([{**_cookie(site, actor), "url": site.address}])
        page.goto("/")
        return page

    return sign_in_as


def _cookie(site: Site, actor: Actor) -> dict[str, str]:
    """What the browser of somebody who has just signed in with a password holds."""
    now = datetime.now(UTC)
    with open_session(site.work_engine) as session, session.begin():
        place, browser = membership_of(session, actor), BrowserName(address="127.0.0.1", user_agent="Test")
        token = sessions.open_session(session, place, browser, now, proven=Proven(Proof.PASSWORD, now))
    client = site.app.test_client()
    with client.session_transaction() as kept:
        kept.update(_user_id=token, _fresh=True)
    name = str(site.app.config["SESSION_COOKIE_NAME"])
    cookie = client.get_cookie(name)
    assert cookie is not None
    return {"name": name, "value": cookie.value}


@pytest.fixture
def stage(committed_database: CommittedDatabase, tmp_path) -> Iterator[Stage]:
    with staged(committed_database.settings.database_url or "", tmp_path) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, stage: Stage, width: int) -> Iterator[Visit]:
    """A page in a browser of its own, whose clock is the stage's; signed in by the form where an actor is named."""
    contexts, errors = [], []

    def open_page(actor: Actor | None = None) -> Page:
        size = {"width": width, "height": browsing.HEIGHT_PIXELS}
        context = chromium.new_context(viewport=size, base_url=stage.address)
        contexts.append(context)
        context.clock.set_fixed_time(stage.clock.now)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
        if actor is not None:
            page.goto("/sign-in")
            page.get_by_label("Email address").fill(stage.email_of(actor))
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in", exact=True).click()
            page.wait_for_url("**/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
