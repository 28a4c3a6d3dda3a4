"""Signing in: it works, it tells nothing, it is throttled, and the session is the server's."""

import re

import pytest
from sqlalchemy import select, update

from portal.access import Role
from portal.identity.models import Membership, Person, WebSession
from tests.support.cast import add_person
from tests.support.sign_in import PASSWORD, join

ANA = "ana@nor.example"
TOM = "tom@kes.example"

TOKEN = re.compile(r'value="[^"]{40,}"')


def _masked(text: str) -> str:
    return re.sub(r"data-options=\"[^\"]*\"", "", TOKEN.sub("", text))


def test_a_person_signs_in_and_lands_on_the_first_page(nobody, cast, let_in):
    answer = nobody.sign_in(ANA)
    assert (answer.status_code, answer.location) == (303, "/")
    page = nobody.get("/")
    assert page.status_code == 200
    assert "Ana" in page.text
    assert "Nordlicht Access" in page.text


def test_an_address_is_known_in_any_case_and_with_blanks(nobody, cast, let_in):
    nobody.get("/sign-in")
    fields = {"email": f"  {ANA.upper()} ", "password": PASSWORD}
    assert nobody.post("/sign-in", fields).status_code == 303


def test_unknown_address_and_wrong_password_read_the_same(nobody, cast):
    nobody.get("/sign-in")
    wrong = nobody.post("/sign-in", {"email": ANA, "password": "not the password"})
    unknown = nobody.post("/sign-in", {"email": "noname@nor.example", "password": "not the password"})
    assert wrong.status_code == unknown.status_code == 422
    assert "do not fit" in wrong.text
    assert _masked(wrong.text.replace(ANA, "X")) == _masked(unknown.text.replace("noname@nor.example", "X"))


@pytest.mark.parametrize("email", ["", "ana", "a@b", "a b@c.example", "x" * 300 + "@nor.example"])
def test_what_is_no_address_is_said_at_the_field_and_kept(nobody, cast, email):
    nobody.get("/sign-in")
    answer = nobody.post("/sign-in", {"email": email, "password": "x"})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert email in answer.text


def test_tries_are_throttled_and_time_forgives(nobody, cast, clock, let_in):
    nobody.get("/sign-in")
    wrong = {"email": ANA, "password": "not the password"}
    statuses = [nobody.post("/sign-in", wrong).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]
    right = {"email": ANA, "password": PASSWORD}
    refused = nobody.post("/sign-in", right)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    clock.advance(minutes=16)
    assert nobody.post("/sign-in", right).status_code == 303


def test_the_token_is_new_with_each_sign_in_and_only_its_hash_is_kept(visit, cast, work_session):
    visit(cast.ana)
    visit(cast.ana)
    rows = work_session.scalars(select(WebSession)).all()
    assert len({bytes(row.token_sha256) for row in rows}) == 2
    assert {len(row.token_sha256) for row in rows} == {32}


def test_the_page_asked_for_comes_after_the_sign_in(nobody, cast, let_in):
    answer = nobody.get("/security?tab=1")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/security?tab%3D1")
    nobody.get(answer.location)
    signed_in = nobody.post(answer.location, {"email": ANA, "password": PASSWORD})
    assert signed_in.location == "/security?tab=1"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/%0a"]
)
def test_an_address_elsewhere_is_not_followed_after_the_sign_in(nobody, cast, wanted, let_in):
    nobody.get("/sign-in")
    fields = {"email": ANA, "password": PASSWORD}
    answer = nobody.post("/sign-in", fields, query_string={"next": wanted})
    assert answer.location in ("/", "/%0a")


def test_an_idle_session_ends_and_so_does_an_old_one(visit, cast, clock):
    browser = visit(cast.ana)
    clock.advance(hours=11)
    assert browser.get("/").status_code == 200
    clock.advance(hours=11)
    assert browser.get("/").status_code == 200
    clock.advance(hours=13)
    assert browser.get("/").status_code == 303
    browser = visit(cast.ana)
    for _ in range(31):
        clock.advance(hours=11)
        last = browser.get("/")
    assert last.status_code == 303


def test_a_disabled_person_and_one_without_a_place_cannot_sign_in(nobody, cast, work_session, clock, member_id, let_in):
    work_session.execute(update(Person).where(Person.id == cast.ana.person_id).values(disabled_at=clock.now))
    left = update(Membership).where(Membership.id == member_id(cast.tom)).values(ended_at=clock.now)
    work_session.execute(left)
    work_session.commit()
    assert nobody.sign_in(ANA).status_code == 422
    assert nobody.sign_in(TOM).status_code == 422


def test_signing_out_ends_the_session_on_the_server(visit, cast):
    browser = visit(cast.ana)
    browser.get("/")
    cookie = browser.client.get_cookie("portal").value
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    browser.client.set_cookie("portal", cookie)
    assert browser.get("/").status_code == 303


def test_a_person_switches_to_another_organisation_of_theirs_and_no_other(visit, cast, work_session, member_id):
    person = work_session.get_one(Person, cast.tom.person_id)
    other = join(work_session, person, cast.other_integrator, "finance")
    work_session.commit()
    browser = visit(cast.tom)
    page = browser.get("/")
    assert "Act for Alpen Haustechnik" in page.text
    assert browser.post("/acting-for", {"membership_id": member_id(cast.ana)}).status_code == 404
    assert browser.post("/acting-for", {"membership_id": "x"}).status_code == 404
    assert browser.post("/acting-for", {"membership_id": other.id}).status_code == 303
    page = browser.get("/")
    assert "Alpen Haustechnik" in page.text
    assert "Act for Kessler Sicherheit" in page.text


def test_a_hostile_name_is_printed_as_text(visit, cast, work_session):
    hostile = '<img src=x onerror="alert(1)">{{ 7 * 7 }}'
    somebody = add_person(work_session, cast.integrator, hostile, Role.TECHNICIAN)
    work_session.commit()
    page = visit(somebody).get("/").text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;{{ 7 * 7 }}" in page


@pytest.mark.parametrize("path", ["/sign-out", "/acting-for"])
def test_reading_is_refused_where_only_sending_works(visit, cast, path):
    assert visit(cast.ana).client.get(path).status_code == 405
