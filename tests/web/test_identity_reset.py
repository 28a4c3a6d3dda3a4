"""A forgotten password: the same answer for everybody, a link that works once, every session ended."""

import pytest
from sqlalchemy import text

from portal.db import open_session
from portal.identity import actions, rules
from tests.support.sign_in import PASSWORD

ANA = "ana@nor.example"

NEW = "seven green lamps over water"


def _jobs(session):
    rows = session.execute(
        text("SELECT task_name, args FROM procrastinate_jobs WHERE task_name LIKE 'mail%' ORDER BY id")
    )
    return [(row.task_name, row.args) for row in rows]


@pytest.fixture
def link_to(settings, work_engine, clock):
    """The address in the mail that the worker would send."""

    def make(person) -> str:
        with open_session(work_engine) as session, session.begin():
            link = actions.create_reset_link(session, person.person_id, secret=settings.secret_key, now=clock())
            return f"/link/{rules.link_token(settings.secret_key, link.id)}"

    return make


def test_known_and_unknown_addresses_get_the_same_answer_and_the_same_work(nobody, cast, work_session):
    nobody.get("/forgotten-password")
    known = nobody.post("/forgotten-password", {"email": ANA})
    unknown = nobody.post("/forgotten-password", {"email": "noname@nor.example"})
    assert known.status_code == unknown.status_code == 200
    assert known.data == unknown.data
    assert _jobs(work_session) == [
        ("mail_password_reset", {"person_id": cast.ana.person_id}),
        ("mail_password_reset", {"person_id": 0}),
    ]


def test_asking_too_often_is_refused_for_every_address_alike(nobody, cast):
    nobody.get("/forgotten-password")
    for email in (ANA, "noname@nor.example"):
        statuses = [nobody.post("/forgotten-password", {"email": email}).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]


def test_the_link_sets_the_password_once_and_ends_every_session(nobody, visit, cast, link_to, let_in):
    signed_in = visit(cast.ana)
    path = link_to(cast.ana)
    page = nobody.get(path)
    assert page.status_code == 200
    assert ANA in page.text
    assert nobody.post(path, {"password": NEW}).status_code == 200
    assert signed_in.get("/").status_code == 303
    assert nobody.sign_in(ANA).status_code == 422
    assert nobody.sign_in(ANA, NEW).status_code == 303
    again = nobody.post(path, {"password": PASSWORD})
    assert again.status_code == 409
    assert "works once" in again.text


def test_looking_at_the_link_uses_nothing_up_and_signs_nobody_in(nobody, cast, link_to):
    path = link_to(cast.ana)
    for _ in range(3):
        assert nobody.get(path).status_code == 200
    assert nobody.get("/").status_code == 303
    assert nobody.post(path, {"password": NEW}).status_code == 200


def test_the_link_ends_after_two_hours(nobody, cast, link_to, clock):
    path = link_to(cast.ana)
    clock.advance(hours=2)
    assert "too old" in nobody.get(path).text
    assert nobody.post(path, {"password": NEW}).status_code == 409


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "x" * 257, "ana@nor.example"])
def test_a_weak_password_is_said_at_the_field_and_the_link_stays(nobody, cast, link_to, password):
    path = link_to(cast.ana)
    nobody.get(path)
    answer = nobody.post(path, {"password": password})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert nobody.post(path, {"password": NEW}).status_code == 200


def test_a_made_up_link_reads_as_a_page_that_does_not_exist(nobody):
    assert nobody.get("/link/" + "A" * 43).data == nobody.get("/nowhere").data
    assert nobody.get("/link/" + "A" * 4000).status_code == 404


def test_nobody_gets_no_link(work_session, settings, clock, cast):
    assert actions.create_reset_link(work_session, 0, secret=settings.secret_key, now=clock()) is None
