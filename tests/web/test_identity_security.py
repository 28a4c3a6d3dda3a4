"""One's own security page: sessions, profile, password."""

import pytest
from sqlalchemy import select

from portal.identity.models import Person, WebSession
from portal.identity.own_zone import own_zone
from tests.support.sign_in import PASSWORD

ANA = "ana@nor.example"

NEW = "seven green lamps over water"


def test_sessions_are_listed_and_another_one_is_signed_out(visit, cast, work_session):
    here, there = visit(cast.ana), visit(cast.ana)
    page = here.get("/security")
    assert page.text.count("This one") == 1
    other = page.text.split("/security/sessions/")[1].split("/")[0]
    assert here.post(f"/security/sessions/{other}/revocation").status_code == 303
    assert there.get("/").status_code == 303
    assert here.get("/").status_code == 200
    assert here.post(f"/security/sessions/{other}/revocation").status_code == 404


def test_every_other_session_is_signed_out_at_once(visit, cast):
    here, *others = (visit(cast.ana) for _ in range(3))
    here.get("/security")
    assert here.post("/security/sessions/revocation").status_code == 303
    assert [browser.get("/").status_code for browser in others] == [303, 303]
    assert here.get("/").status_code == 200


def test_a_session_of_somebody_else_cannot_be_ended(visit, cast, work_session):
    victim, colleague = visit(cast.ana), visit(cast.leo)
    row = work_session.scalars(select(WebSession).where(WebSession.person_id == cast.ana.person_id)).one()
    assert colleague.post(f"/security/sessions/{row.id}/revocation").status_code == 404
    assert victim.get("/").status_code == 200


def test_the_password_is_changed_with_the_present_one(visit, cast, nobody, let_in):
    here, there = visit(cast.ana), visit(cast.ana)
    here.get("/security")
    assert here.post("/security/password", {"old": PASSWORD, "password": NEW}).status_code == 303
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 303
    assert nobody.sign_in(ANA).status_code == 422
    assert nobody.sign_in(ANA, NEW).status_code == 303


def test_guessing_the_present_password_is_throttled(visit, cast):
    browser = visit(cast.ana)
    browser.get("/security")
    guess = {"old": "a guess at it", "password": NEW}
    statuses = [browser.post("/security/password", guess).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


def test_a_weak_new_password_is_said_at_its_field(visit, cast, let_in):
    browser = visit(cast.ana)
    browser.get("/security")
    answer = browser.post("/security/password", {"old": PASSWORD, "password": "short"})
    assert answer.status_code == 422
    assert "at least 12 characters" in answer.text


def test_the_profile_is_saved_and_times_follow_its_zone(visit, cast):
    browser = visit(cast.ana)
    browser.get("/security")
    fields = {"name": "Ana Ruiz-Vega", "phone": "+1 555 0100", "zone": "Asia/Tokyo"}
    assert browser.post("/security/profile", fields).status_code == 303
    page = browser.get("/security").text
    assert "Ana Ruiz-Vega" in page
    assert "10 Mar 2026, 18:00" in page


def test_who_chose_no_zone_goes_by_the_companys_and_a_customers_people_by_their_sites(visit, cast, work_session):
    for actor in (cast.ana, cast.bea):
        work_session.get_one(Person, actor.person_id).zone = ""
    cast.site.zone = cast.plain_site.zone = "America/New_York"
    work_session.commit()
    for actor, words, time in (
        (cast.ana, "Not chosen: as at my company, Europe/Berlin", "10 Mar 2026, 10:00"),
        (cast.bea, "Not chosen: as at my sites, America/New_York", "10 Mar 2026, 05:00"),
    ):
        page = visit(actor).get("/security").text
        assert (words in page, time in page) == (True, True)
    cast.plain_site.zone = "Asia/Tokyo"
    work_session.commit()
    assert "as at my sites, Europe/Berlin" in visit(cast.bea).get("/security").text
    assert own_zone(work_session, cast.bea.person_id, cast.factory.id) == "Europe/Berlin"


@pytest.mark.parametrize(
    "fields", [{"name": "", "zone": "UTC"}, {"name": "Ana", "zone": "Mars/Base"}, {"name": "x" * 101, "zone": "UTC"}]
)
def test_a_wrong_profile_is_refused_at_the_field(visit, cast, fields):
    browser = visit(cast.ana)
    browser.get("/security")
    answer = browser.post("/security/profile", fields)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("path", ["/security/profile", "/security/password", "/security/sessions/revocation"])
def test_reading_is_refused_where_only_sending_works(visit, cast, path):
    assert visit(cast.ana).client.get(path).status_code == 405
