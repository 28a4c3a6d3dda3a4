"""The provider's word that a session ends: by a signed token, or by the browser; and what is no such word."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.audit.models import AuditEntry
from tests.web.company_sign_in import connect, is_signed_in
from tests.web.support.client import Browser


@pytest.fixture
def signed_in(tom_at_work, go, nobody) -> Browser:
    """A browser in which Tom came through the provider."""
    nobody.get(str(go()))
    assert is_signed_in(nobody)
    return nobody


def tell(app, idp, token):
    return app.test_client().post(f"/sign-in/company/{idp.id}/logout", data={"logout_token": token})


@pytest.mark.parametrize("left_out", ["none", "sid", "sub"])
def test_a_logout_token_ends_the_session(app, idp, provider, signed_in, left_out):
    answer = tell(app, idp, provider.logout_token(**{left_out: None}))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert not is_signed_in(signed_in)


def test_a_logout_is_in_the_log(app, idp, provider, signed_in, work_session):
    tell(app, idp, provider.logout_token())
    row = work_session.scalars(select(AuditEntry).where(AuditEntry.act == "logout_by_provider")).one()
    assert row.details == {"program": "provider", "sessions": 1}


def test_the_same_logout_token_again_ends_nothing_more(app, idp, provider, go, signed_in):
    token = provider.logout_token()
    tell(app, idp, token)
    signed_in.token = ""
    signed_in.get(str(go()))
    assert tell(app, idp, token).status_code == 200
    assert is_signed_in(signed_in)


@pytest.mark.parametrize(
    "changes",
    [
        {"events": None},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": "yes"}},
        {"nonce": "a nonce"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"iat": 1},
        {"exp": 1},
        {"exp": None},
        {"jti": None},
        {"sub": None, "sid": None},
    ],
    ids=str,
)
def test_a_token_that_is_no_logout_token_ends_nothing(app, idp, provider, signed_in, changes):
    answer = tell(app, idp, provider.logout_token(**changes))
    assert answer.status_code == 400
    assert answer.json["error"] == "invalid_request"
    assert is_signed_in(signed_in)


def test_an_id_token_is_no_logout_token(app, idp, provider, signed_in):
    assert tell(app, idp, provider.token_for("nonce", "at")).status_code == 400
    assert is_signed_in(signed_in)


@pytest.mark.parametrize("how", ["unsigned", "signed_with_public_key"])
def test_a_logout_token_nobody_signed_ends_nothing(app, idp, provider, signed_in, how):
    provider.sign = getattr(provider, how)
    assert tell(app, idp, provider.logout_token()).status_code == 400
    assert is_signed_in(signed_in)


def test_a_logout_of_somebody_else_ends_nothing(app, idp, provider, signed_in, cast, work_session):
    connect(work_session, idp, cast.mia, "mia-at-work")
    tell(app, idp, provider.logout_token(sub="mia-at-work", sid=None))
    assert is_signed_in(signed_in)


def test_the_browser_brings_the_word_that_its_session_ended(app, idp, signed_in):
    address = f"/sign-in/company/{idp.id}/logout"
    asked = {"iss": idp.issuer, "sid": "sid of tom-at-work"}
    for wrong in ({**asked, "iss": "https://evil.example"}, {**asked, "sid": "another"}, {"iss": idp.issuer}):
        assert app.test_client().get(address, query_string=wrong).status_code == 204
        assert is_signed_in(signed_in)
    app.test_client().get(address, query_string=asked)
    assert not is_signed_in(signed_in)


def test_a_session_by_password_is_not_the_providers_to_end(app, idp, provider, tom_at_work, visit, cast):
    browser = visit(cast.tom)
    tell(app, idp, provider.logout_token())
    assert is_signed_in(browser)
