"""From asking by a page, through the job and the mail, to the link that acts; and the page that lists kept mail."""

from dataclasses import replace

import pytest

from portal.app import create_app, mailer_for
from portal.db import open_session
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.support.sign_in import PASSWORD
from tests.web.support.client import Browser

NEW = "seven green lamps over water"
ANA = "ana@nor.example"


@pytest.fixture
def work(settings, work_engine, clock):
    """Run the jobs that the pages left."""
    edges = Edges(settings, work_engine, clock, mailer=mailer_for(settings))
    return lambda: run_pending(edges)


def _first_link(page) -> str:
    return "/link/" + page.text.split("/link/")[1].split('"')[0]


def test_a_forgotten_password_is_set_anew_through_the_mail(nobody, visit, cast, let_in, work):
    work()
    nobody.get("/forgotten-password")
    nobody.post("/forgotten-password", {"email": ANA})
    work()
    page = visit(cast.adam).get("/kept-mail")
    assert f"To {ANA}" in page.text
    path = _first_link(page)
    nobody.get(path)
    assert nobody.post(path, {"password": NEW}).status_code == 200
    assert nobody.sign_in(ANA, PASSWORD).status_code == 422
    assert nobody.sign_in(ANA, NEW).status_code == 303


def test_an_invitation_is_accepted_through_the_mail(nobody, visit, cast, work):
    admin = visit(cast.adam)
    admin.get("/people/invitations")
    admin.post("/people/invitations", {"email": "nina@nor.example", "name": "Nina", "roles": ["engineer"]})
    work()
    path = _first_link(admin.get("/kept-mail"))
    nobody.get(path)
    fields = {"name": "Nina", "zone": "Europe/Berlin", "password": NEW}
    assert nobody.post(path, fields).status_code == 303
    assert "Nina" in nobody.get("/").text


@pytest.mark.parametrize("outsider", ["ana", "ian", "bea", "eve"])
def test_kept_mail_is_for_the_operators_administrators(visit, cast, outsider):
    assert visit(getattr(cast, outsider)).get("/kept-mail").status_code == 404


def test_there_is_no_kept_mail_where_a_mail_server_is_named(settings, web_engine, clock, visit, cast):
    sending = replace(settings, smtp_url="smtp://mail.example")
    app = create_app(sending, clock=clock, open_session=lambda: open_session(web_engine))
    browser = Browser(app, app.test_client())
    with visit(cast.adam).client.session_transaction() as signed_in:
        cookie = dict(signed_in)
    with browser.client.session_transaction() as own:
        own.update(cookie)
    assert "Kept mail" not in browser.get("/").text
    assert browser.get("/kept-mail").status_code == 404
