"""Guessing is slowed for the guesser: not for the person guessed at, and not by one host only."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from portal.identity.models import Throttle
from portal.outbound import Outbound, Unreachable, is_public
from portal.web.signed_in import DEVICE_COOKIE
from tests.support.sign_in import email_of, give_password
from tests.web.company_sign_in import is_signed_in
from tests.web.support.client import Browser


def test_a_browser_the_person_knows_gets_in_while_strangers_guess(app, nobody, cast, work_session):
    give_password(work_session, cast.tom)
    address = email_of(work_session, cast.tom)
    nobody.sign_in(address)
    nobody.get("/security")
    nobody.post("/sign-out")
    nobody.token = ""
    stranger = Browser(app, app.test_client())
    stranger.sign_in(address, "not the password")
    # As after many hosts have guessed at this address.
    work_session.execute(update(Throttle).values(attempts=1_000))
    work_session.commit()
    assert stranger.sign_in(address).status_code == 429
    nobody.sign_in(address)
    assert is_signed_in(nobody)


def test_a_made_up_device_is_a_stranger(app, cast, work_session):
    give_password(work_session, cast.tom)
    address = email_of(work_session, cast.tom)
    first = Browser(app, app.test_client())
    first.sign_in(address, "not the password")
    work_session.execute(update(Throttle).values(attempts=1_000))
    work_session.commit()
    pretender = Browser(app, app.test_client())
    pretender.client.set_cookie(DEVICE_COOKIE, "x" * 43)
    assert pretender.sign_in(address).status_code == 429


@pytest.mark.parametrize("known", [True, False])
def test_a_known_and_an_unknown_address_are_slowed_alike(app, cast, work_session, known):
    address = email_of(work_session, cast.tom) if known else "nobody@kessler.example"
    give_password(work_session, cast.tom)
    browser = Browser(app, app.test_client())
    statuses = [browser.sign_in(address, "not the password").status_code for _ in range(11)]
    assert statuses[10] == 429
    assert len(set(statuses[:10])) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_a_private_address_is_not_called(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111"])
def test_a_public_address_is_called(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("https://localhost:1/keys", "inside a private network"),
        ("https://127.0.0.1:1/keys", "inside a private network"),
        ("https://[::1]:1/keys", "inside a private network"),
        ("http://93.184.215.14/keys", "without https"),
        ("https://no-such-host.invalid/keys", "has no address"),
    ],
)
def test_a_provider_inside_our_own_network_is_not_called_in_production(address, sentence):
    with Outbound().client() as client, pytest.raises(Unreachable, match=sentence):
        client.get(address)
