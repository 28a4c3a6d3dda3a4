"""Every amount on every page of a demonstrated month leads each of its readers to what made it; every link opens."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from portal.app import create_app
from portal.demo.world import PEOPLE
from portal.identity import sessions
from portal.identity.factors.rules import Proof, Proven
from portal.identity.models import Membership, Person
from tests.demo.conftest import NOW, Built
from tests.support.amounts import read, walk
from tests.web.support.client import Browser

pytestmark = pytest.mark.xdist_group("demo")
# One person for each company and role: the second finance person reads what the first does.
READERS = {(each.company, each.roles): f"{each.key}@{each.company.lower()}.example" for each in PEOPLE if each.shown}


@pytest.fixture(scope="module")
def portal(built: Built) -> Flask:
    return create_app(built.settings, clock=lambda: NOW)


def signed_in(built: Built, portal: Flask, email: str) -> Browser:
    place = built.session.scalars(
        select(Membership).join(Person, Person.id == Membership.person_id).where(Person.email == email)
    ).one()
    name = sessions.Browser(address="127.0.0.1", user_agent="Test")
    token = sessions.open_session(built.session, place, name, NOW, proven=Proven(Proof.PASSWORD, NOW))
    built.session.commit()
    browser = Browser(portal, portal.test_client())
    with browser.client.session_transaction() as cookie:
        cookie.update(_user_id=token, _fresh=True)
    return browser


@pytest.mark.parametrize("email", READERS.values())
def test_amounts_lead_to_what_made_them(built: Built, portal: Flask, email: str) -> None:
    browser = signed_in(built, portal, email)

    def get(address: str) -> tuple[int, str]:
        answer = browser.get(address)
        while answer.status_code in (302, 303) and answer.location.startswith("/"):
            answer = browser.get(answer.location)
        return answer.status_code, answer.text if answer.mimetype == "text/html" else ""

    found = walk(get, most_alike=2)
    assert "\n".join(found.lost) == ""
    assert len(found.pages) > 20
    assert found.followed > 20


@pytest.mark.parametrize(
    ("html", "lost"),
    [
        ('<td><a href="#why">€12.00</a></td><p id="why">', 0),
        ('<td><a href="#why">€12.00</a></td>', 1),
        ("<td>€12.00</td>", 1),
        ("<td>€0.00</td>", 0),
        ("<h1>Line 3: €12.00</h1>", 0),
        ('<td><a href="/gone">$1,234.50</a></td>', 2),
        ('<td><span class="said note">they said €12.00</span></td>', 0),
        ('<a href="/gone">The agreement</a>', 1),
    ],
)
def test_an_amount_without_an_origin_and_a_dead_link_are_found(html: str, lost: int) -> None:
    found = walk(lambda address: (200, html) if address == "/" else (404, ""), most_alike=2)
    assert len(found.lost) == lost


def test_amounts_are_read_with_their_sign_and_currency() -> None:
    page = read("<p>-€1,234.50 and $3 and ¥1,200, but no 12.00 and no EUR 5</p>")
    assert [one.text for one in page.amounts] == ["-€1,234.50", "$3", "¥1,200"]
