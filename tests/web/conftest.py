"""Fixtures of page tests: the app on this test's database, a clock, browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, Response, request, request_finished, session
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.app import create_app
from portal.config import Settings
from portal.db import open_session
from portal.identity import sessions
from portal.identity.factors.rules import Proof, Proven
from portal.identity.sessions import Browser as BrowserName
from portal.outbound import Outbound
from portal.web.gate import Edges
from tests.conftest import settings_for
from tests.support.beginnings import begins_with
from tests.support.cast import Cast
from tests.support.sign_in import give_password, membership_of
from tests.web.company_sign_in import _provider, go, idp, provider, tom_at_work  # noqa: F401
from tests.web.support.client import Browser, Clock
from tests.web.support.refusals import problems_of
from tests.web.support.stories import BEGINNINGS, accepted, escalated, resolved

Visit = Callable[[Actor], Browser]

__all__ = ["accepted", "escalated", "resolved"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of one case begins with it."""
    for item in items:
        asked = [make for name, make in BEGINNINGS.items() if name in getattr(item, "fixturenames", ())]
        if "/web/" in str(item.path) and len(asked) == 1 and item.get_closest_marker("begins_with") is None:
            item.add_marker(begins_with(asked[0]))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def _app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(settings_for("postgresql:///of-each-test", tmp_path_factory.mktemp("instance")))


@pytest.fixture
def app(_app: Flask, settings: Settings, web_engine: Engine, clock: Clock) -> Flask:
    """The process's one application, wired to this test's database and clock."""
    return wired(_app, settings, web_engine, clock)


def wired(app: Flask, settings: Settings, web_engine: Engine, clock: Clock) -> Flask:
    """An application that others made, on this test's database and clock."""
    reach = Outbound(allows_private=True)
    app.extensions["portal"] = Edges(settings, clock, lambda: open_session(web_engine), outbound=reach)
    return app


def changed(app: Flask, **edges: Any) -> Flask:
    """The application with other edges for this test: a gateway, settings."""
    app.extensions["portal"] = replace(app.extensions["portal"], **edges)
    return app


@pytest.fixture(autouse=True)
def refused_pages() -> Iterator[None]:
    """Every page that refuses a form in a test leads from each error to its field, and keeps what was typed."""
    found: list[str] = []

    def look(sender: Flask, response: Response, **_: object) -> None:
        if response.status_code in (400, 422) and response.mimetype == "text/html" and not response.is_streamed:
            sent = {name: request.form.getlist(name) for name in request.form}
            found.extend(f"{request.path}: {each}" for each in problems_of(response.get_data(as_text=True), sent))

    with request_finished.connected_to(look):
        yield
    assert not found


@pytest.fixture
def nobody(app: Flask) -> Browser:
    """A browser in which nobody is signed in."""
    return Browser(app, app.test_client())


@pytest.fixture
def visit(app: Flask, work_session: Session, clock: Clock) -> Visit:
    """A browser signed in as one of the cast, without the password's tenth of a second, a form's token in its hand."""

    def sign_in_as(actor: Actor) -> Browser:
        place = membership_of(work_session, actor)
        name = BrowserName(address="127.0.0.1", user_agent="Test")
        token = sessions.open_session(work_session, place, name, clock(), proven=Proven(Proof.PASSWORD, clock()))
        work_session.commit()
        with app.test_request_context():
            form_token, kept = generate_csrf(), dict(session)
        browser = Browser(app, app.test_client(), form_token)
        with browser.client.session_transaction() as cookie:
            cookie.update(kept, _user_id=token, _fresh=True)
        return browser

    return sign_in_as


@pytest.fixture
def member_id(work_session: Session) -> Callable[[Actor], int]:
    """The id of an actor's membership."""
    return lambda actor: membership_of(work_session, actor).id


@pytest.fixture
def let_in(cast: Cast, work_session: Session) -> None:
    """Ana, Tom and Sam may sign in with ``PASSWORD``."""
    for actor in (cast.ana, cast.tom, cast.sam):
        give_password(work_session, actor)
