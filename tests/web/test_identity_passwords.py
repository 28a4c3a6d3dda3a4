"""A new password, on each of the three pages where one is chosen: common, stolen and obvious ones are sent back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from portal.access import Role
from portal.identity import actions, people, rules
from tests.support.serving import served
from tests.support.sign_in import PASSWORD

STOLEN = "eleven quiet herons"
Send = Callable[[str], object]


@pytest.fixture(params=["change", "reset", "invitation"])
def choose(request, visit, nobody, cast, work_session, settings, clock, let_in) -> Send:
    """Send a new password on one of the pages."""
    if request.param == "change":
        ana = visit(cast.ana)
        ana.get("/security")
        return lambda password: ana.post("/security/password", {"old": PASSWORD, "password": password})
    if request.param == "reset":
        made = actions.create_reset_link(work_session, cast.ana.person_id, secret=settings.secret_key, now=clock())
        link_id = made.id
    else:
        invited = people.invite(
            work_session,
            cast.adam,
            email="nina@nor.example",
            name="Nina",
            roles=[Role.ENGINEER],
            secret=settings.secret_key,
            now=clock(),
        )
        link_id = invited.link_id
    work_session.commit()
    path = f"/link/{rules.link_token(settings.secret_key, link_id)}"
    nobody.get(path)
    fields = {"name": "Nina Falk", "zone": "Europe/Oslo"} if request.param == "invitation" else {}
    return lambda password: nobody.post(path, {**fields, "password": password})


@pytest.fixture
def stolen(app: Flask) -> None:
    """A service that knows one stolen password, named by the deployment."""
    ranges = Flask("ranges")
    rest = hashlib.sha1(STOLEN.encode(), usedforsecurity=False).hexdigest().upper()[5:]
    ranges.add_url_rule("/<prefix>", view_func=lambda prefix: f"{rest}:4\r\n{'0' * 35}:0")
    edges = app.extensions["portal"]
    with served(ranges) as address:
        named = replace(edges.settings, breached_passwords_url=address)
        app.extensions["portal"] = replace(edges, settings=named)
        yield


def test_weak_passwords_are_sent_back_with_the_reason_and_a_good_one_is_taken(choose, stolen, cast):
    for password, words in [
        ("Password1234", "many people chose it"),
        (f"{cast.factory.name.split()[0]}-2026!", "organisation"),
        ("Factoryline99", "portal"),
        (STOLEN, "stolen ones"),
    ]:
        answer = choose(password)
        assert answer.status_code == 422, answer.text
        assert words in answer.text
        assert password not in answer.text
    assert choose("seven green lamps over water").status_code in (200, 303)


def test_a_stolen_password_is_taken_where_no_service_is_named(choose):
    assert choose(STOLEN).status_code in (200, 303)
