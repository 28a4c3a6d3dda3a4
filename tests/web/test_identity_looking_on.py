"""Looking on: only with a yes, only reading, ended by the person; and another address with its undo."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import select, text

from portal.app import create_app
from portal.audit.models import AuditEntry
from portal.db import open_session
from portal.identity.models import MailedLink, WebSession
from portal.identity.rules import link_token
from portal.notifications.mail import FileMailer
from portal.notifications.models import Delivery
from portal.web.gate import current_session, open_to
from tests.web.support.client import Browser


@pytest.fixture
def wish(visit, cast, member_id):
    """Adam has asked to look on as Ana; the id of his wish."""
    adam, path = visit(cast.adam), f"/people/{member_id(cast.ana)}/looking-on"
    adam.get(path)
    assert adam.post(path, {"reason": "See the <b>queue</b>"}).status_code == 303
    assert "Waits for a yes" in adam.get(path).text
    return int(re.search(r"/looking-on/(\d+)/answer", visit(cast.ana).get("/security").text).group(1))


@pytest.fixture
def adam(visit, cast) -> Browser:
    browser = visit(cast.adam)
    browser.get("/security")
    return browser


@pytest.fixture
def ana(visit, cast) -> Browser:
    browser = visit(cast.ana)
    browser.get("/security")
    return browser


@pytest.fixture
def looking(adam, ana, wish) -> Browser:
    assert "See the &lt;b&gt;queue" in ana.get("/security").text
    assert ana.post(f"/looking-on/{wish}/answer", {"answer": "yes"}).status_code == 303
    assert adam.post(f"/looking-on/{wish}/session").location == "/"
    adam.token = ""
    return adam


def test_an_administrator_looks_on_with_a_yes_and_a_banner(looking, cast):
    page = looking.get("/queue")
    assert page.status_code == 200
    assert "you look on as" in page.text
    assert "Nothing can be changed" in page.text
    # What only administrators see is not there: this is Ana's portal.
    assert looking.get("/people").status_code == 404


def test_nothing_is_looked_at_without_a_yes(adam, ana, wish):
    assert adam.post(f"/looking-on/{wish}/session").status_code == 409
    assert ana.post(f"/looking-on/{wish}/answer", {"answer": "no"}).status_code == 303
    assert adam.post(f"/looking-on/{wish}/session").status_code == 409
    assert ana.post(f"/looking-on/{wish}/answer", {"answer": "yes"}).status_code == 409


@pytest.mark.parametrize("path", ["/security", "/security/factors", "/security/factors/app/code", "/security/address"])
def test_how_somebody_signs_in_stays_theirs(looking, path):
    assert looking.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/security/profile", "/sign-out", "/acting-for", "/security/factors/app", "/calls"])
def test_every_act_is_refused(looking, path):
    looking.token = re.search(r'name="csrf_token" value="([^"]+)"', looking.get("/queue").text).group(1)
    assert looking.post(path, {"name": "Changed", "zone": "UTC"}).status_code in (403, 404)


class TestAPageThatWritesWhenItIsLookedAt:
    @pytest.fixture
    def app(self, settings, web_engine, clock):
        def write() -> str:
            current_session().execute(text("UPDATE person SET phone = '1'"))
            return "written"

        made = create_app(settings, clock=clock, open_session=lambda: open_session(web_engine))
        made.add_url_rule("/probe", "probe", open_to(lambda actor: True)(write))
        return made

    def test_postgresql_itself_writes_nothing_while_somebody_looks_on(self, looking, ana):
        answer = looking.get("/probe")
        assert answer.status_code == 403
        assert "looking on" in answer.text
        assert ana.get("/probe").text == "written"


def test_the_person_ends_it_and_the_next_click_is_nobodys(looking, ana, wish):
    assert looking.get("/queue").status_code == 200
    assert ana.post(f"/looking-on/{wish}/end").status_code == 303
    assert looking.get("/queue").status_code == 303
    assert ana.post(f"/looking-on/{wish}/end").status_code == 409


def test_it_ends_by_itself_after_an_hour(looking, clock):
    clock.advance(minutes=59)
    assert looking.get("/queue").status_code == 200
    clock.advance(minutes=1)
    assert looking.get("/queue").status_code == 303


def test_a_question_not_answered_in_a_day_is_over(ana, wish, clock):
    clock.advance(hours=11)
    ana.get("/security")
    clock.advance(hours=11)
    ana.get("/security")
    clock.advance(hours=2)
    assert ana.post(f"/looking-on/{wish}/answer", {"answer": "yes"}).status_code == 409


def test_the_administrator_returns_and_needs_a_new_yes(looking, wish, cast):
    looking.get("/queue")
    looking.token = ""
    token = re.search(r'name="csrf_token" value="([^"]+)"', looking.get("/queue").text).group(1)
    assert looking.client.post("/looking-on/return", data={"csrf_token": token}).status_code == 303
    looking.token = ""
    assert looking.get("/people").status_code == 200
    assert looking.post(f"/looking-on/{wish}/session").status_code == 409


@pytest.mark.parametrize("who", ["leo", "ian", "eve"])
def test_a_yes_is_for_the_one_who_asked(visit, cast, ana, wish, who):
    ana.post(f"/looking-on/{wish}/answer", {"answer": "yes"})
    other = visit(getattr(cast, who))
    other.get("/security")
    assert other.post(f"/looking-on/{wish}/session").status_code == 404
    assert other.post(f"/looking-on/{wish}/answer", {"answer": "yes"}).status_code == 404
    assert other.post(f"/looking-on/{wish}/end").status_code == 404


def test_whoever_does_not_look_on_has_nowhere_to_return_from(adam):
    assert adam.post("/looking-on/return").status_code == 404
    assert adam.get("/people").status_code == 200


def test_nobody_answers_for_the_person(adam, wish):
    assert adam.post(f"/looking-on/{wish}/answer", {"answer": "yes"}).status_code == 404


def test_each_step_is_in_the_audit_log_and_told(looking, wish, work_session, cast, run_jobs, settings, clock):
    entries = work_session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    steps = [(row.act, row.person_id) for row in entries if "look" in row.act]
    adam, ana = cast.adam.person_id, cast.ana.person_id
    assert steps == [("ask_to_look_on", adam), ("let_look_on", ana), ("begin_to_look_on", adam)]
    run_jobs(clock(), mailer=FileMailer(settings.mail_dir, settings.mail_from))
    told = work_session.scalars(select(Delivery.email).where(Delivery.template == "security_news")).all()
    assert told == ["ana@nor.example"] * 3


NEW = "ana.ruiz@nor.example"


@pytest.fixture
def mailed(run_jobs, settings, clock, work_session):
    """The address of the link in the last letter with this template."""

    def link_in(template: str) -> str:
        run_jobs(clock(), mailer=FileMailer(settings.mail_dir, settings.mail_from))
        row = work_session.scalars(select(Delivery).where(Delivery.template == template)).one()
        link = work_session.get_one(MailedLink, UUID(row.object_id))
        return f"/link/{link_token(settings.secret_key, link.id)}"

    return link_in


def test_another_address_counts_once_its_link_is_used_and_the_old_one_undoes_it(
    ana, nobody, app, cast, let_in, mailed, work_session
):
    ana.get("/security/address")
    assert ana.post("/security/address", {"email": NEW}).status_code == 303
    assert nobody.sign_in("ana@nor.example").location == "/"
    link = mailed("address_confirmation")
    anywhere = Browser(app, app.test_client())
    assert NEW in anywhere.get(link).text
    assert anywhere.post(link).status_code == 200
    assert anywhere.post(link).status_code == 409
    fresh = Browser(app, app.test_client())
    assert fresh.sign_in("ana@nor.example").status_code == 422
    assert fresh.sign_in(NEW).location == "/"
    told = work_session.scalars(select(Delivery.email).where(Delivery.template == "address_undo")).all()
    assert told == []
    undo = mailed("address_undo")
    assert work_session.scalars(select(Delivery.email).where(Delivery.template == "address_undo")).all() == [
        "ana@nor.example"
    ]
    owner = Browser(app, app.test_client())
    assert "Undo the change" in owner.get(undo).text
    assert owner.post(undo).status_code == 200
    assert fresh.get("/").status_code == ana.get("/").status_code == 303
    assert Browser(app, app.test_client()).sign_in("ana@nor.example").location == "/"


def test_an_address_that_is_somebodys_gets_no_link_and_the_page_does_not_tell(
    ana, cast, run_jobs, settings, clock, work_session
):
    ana.get("/security/address")
    taken = ana.post("/security/address", {"email": "leo@nor.example"})
    free = ana.post("/security/address", {"email": NEW})
    assert (taken.status_code, taken.location) == (free.status_code, free.location) == (303, "/security")
    run_jobs(clock(), mailer=FileMailer(settings.mail_dir, settings.mail_from))
    sent = work_session.scalars(select(Delivery.email).where(Delivery.template == "address_confirmation")).all()
    assert sent == [NEW]


def test_a_new_browser_is_told_and_a_known_one_is_not(app, cast, let_in, work_session, run_jobs, settings, clock):
    first = Browser(app, app.test_client())
    first.sign_in("ana@nor.example")
    first.get("/security")
    first.post("/sign-out")
    first.token = ""
    first.sign_in("ana@nor.example")
    assert work_session.scalars(select(AuditEntry).where(AuditEntry.act == "sign_in_with_new_browser")).all() == []
    second = Browser(app, app.test_client())
    second.sign_in("ana@nor.example")
    entry = work_session.scalars(select(AuditEntry).where(AuditEntry.act == "sign_in_with_new_browser")).one()
    assert entry.details["address"] == "127.0.0.1"
    cookie = second.client.get_cookie("portal_device")
    assert cookie.http_only
    assert cookie.same_site == "Lax"


def test_somebody_signs_out_everywhere_here_too(visit, cast, work_session):
    here, there = visit(cast.ana), visit(cast.ana)
    here.get("/security")
    assert here.post("/security/sessions/all/revocation").location == "/sign-in"
    assert here.get("/").status_code == there.get("/").status_code == 303
    live = select(WebSession).where(WebSession.person_id == cast.ana.person_id, WebSession.revoked_at.is_(None))
    assert work_session.scalars(live).all() == []
