"""Sign-in through a company's provider: there and back, the first time, by invitation, only so, and out again."""

from __future__ import annotations

from sqlalchemy import select, update

from portal.access import Role
from portal.audit.models import AuditEntry
from portal.identity.models import Person, WebSession
from portal.identity.sso.models import ProviderIdentity, ProviderSession
from portal.notifications.mail import FileMailer
from portal.notifications.models import Delivery
from tests.support.cast import NOW, add_person
from tests.support.providers.travelling import way
from tests.support.sign_in import email_of, give_password
from tests.web.company_sign_in import is_signed_in


def test_a_connected_account_signs_in(tom_at_work, go, nobody, work_session, cast):
    answer = nobody.get(str(go()))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert is_signed_in(nobody)
    opened = work_session.scalars(select(WebSession).where(WebSession.person_id == cast.tom.person_id)).one()
    kept = work_session.get_one(ProviderSession, opened.id)
    assert (kept.identity_id, kept.sid) == (tom_at_work.id, "sid of tom-at-work")


def test_the_way_there_carries_pkce_state_nonce_and_the_address(idp, go, nobody, cast, work_session):
    answer = nobody.post("/sign-in/company", {"email": email_of(work_session, cast.tom)})
    query = way(answer).query
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["login_hint"] == email_of(work_session, cast.tom)
    assert query["redirect_uri"] == f"http://localhost/sign-in/company/{idp.id}/callback"
    assert all(len(query[name]) >= 40 for name in ("state", "nonce", "code_challenge"))


def test_the_page_that_was_wanted_opens_afterwards(tom_at_work, nobody, cast, work_session):
    answer = nobody.post("/sign-in/company?next=/cases", {"email": email_of(work_session, cast.tom)})
    assert nobody.get(str(way(answer).visit())).headers["Location"] == "/cases"


def test_a_page_elsewhere_does_not_open_afterwards(tom_at_work, nobody, cast, work_session):
    answer = nobody.post("/sign-in/company?next=//evil.example", {"email": email_of(work_session, cast.tom)})
    assert nobody.get(str(way(answer).visit())).headers["Location"] == "/"


def test_the_providers_own_list_of_applications_leads_in(tom_at_work, nobody, idp):
    answer = nobody.get(f"/sign-in/company/{idp.id}?iss={idp.issuer}&target_link_uri=http://localhost/cases")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{idp.issuer}/authorize?")


def test_known_and_unknown_addresses_of_a_domain_go_the_same_way(idp, nobody, cast, work_session):
    known = email_of(work_session, cast.tom)
    unknown = f"nobody@{known.split('@')[1]}"
    answers = [nobody.post("/sign-in/company", {"email": address}) for address in (known, unknown)]
    assert [answer.status_code for answer in answers] == [200, 200]
    shapes = [sorted(way(answer).query) for answer in answers]
    assert shapes[0] == shapes[1]


def test_an_address_of_no_company_is_told_so_at_the_field(idp, nobody):
    answer = nobody.post("/sign-in/company", {"email": "ana@nor.example"})
    assert answer.status_code == 422
    assert "No company sign-in is set up" in answer.text


def test_the_first_time_the_signed_in_person_confirms(provider, idp, visit, cast, work_session):
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": True}
    browser = visit(cast.tom)
    browser.get("/security")
    back = way(browser.post("/security/company-account")).visit()
    confirmation = browser.get(str(back)).headers["Location"]
    shown = browser.get(confirmation)
    assert email_of(work_session, cast.tom) in shown.text
    assert work_session.scalars(select(ProviderIdentity)).all() == []
    assert browser.post(confirmation).headers["Location"] == "/security"
    work_session.expire_all()
    tied = work_session.scalars(select(ProviderIdentity)).one()
    assert (tied.person_id, tied.subject, tied.confirmed_by) == (cast.tom.person_id, "tom-at-work", "own sign-in")


def test_a_confirmation_is_given_once(provider, idp, visit, cast, work_session):
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": True}
    browser = visit(cast.tom)
    browser.get("/security")
    back = way(browser.post("/security/company-account")).visit()
    confirmation = browser.get(str(back)).headers["Location"]
    browser.get(confirmation)
    browser.post(confirmation)
    assert browser.post(confirmation).status_code == 409


def test_an_unconnected_account_is_told_how_to_connect(provider, idp, go, nobody, cast, work_session):
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": True}
    answer = nobody.get(str(go()))
    assert answer.status_code == 403
    assert "not connected yet" in answer.text
    assert not is_signed_in(nobody)


def test_who_has_to_come_through_the_provider_is_sent_there_after_the_password(
    provider, idp, nobody, cast, work_session, clock
):
    give_password(work_session, cast.tom)
    _require(work_session, idp, cast)
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": True}
    back = way(nobody.sign_in(email_of(work_session, cast.tom))).visit()
    assert not is_signed_in(nobody)
    confirmation = nobody.get(str(back)).headers["Location"]
    nobody.get(confirmation)
    assert nobody.post(confirmation).status_code == 303
    assert is_signed_in(nobody)


def test_the_break_glass_administrator_comes_in_by_password_and_the_log_says_so(idp, nobody, cast, work_session):
    give_password(work_session, cast.ian)
    _require(work_session, idp, cast)
    assert nobody.sign_in(email_of(work_session, cast.ian)).status_code == 303
    assert is_signed_in(nobody)
    acts = work_session.scalars(select(AuditEntry.act).where(AuditEntry.person_id == cast.ian.person_id)).all()
    assert "break_glass_sign_in" in acts


def test_the_other_administrators_are_told_when_the_glass_is_broken(
    idp, nobody, cast, work_session, run_jobs, settings
):
    other = add_person(work_session, cast.integrator, "ira", Role.ADMINISTRATOR)
    gone = add_person(work_session, cast.integrator, "ivy", Role.ADMINISTRATOR)
    work_session.execute(update(Person).where(Person.id == gone.person_id).values(disabled_at=NOW))
    give_password(work_session, cast.ian)
    _require(work_session, idp, cast)
    nobody.sign_in(email_of(work_session, cast.ian))
    run_jobs(NOW, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    work_session.expire_all()
    told = work_session.scalars(select(Delivery).where(Delivery.template == "break_glass")).all()
    assert [row.email for row in told] == [email_of(work_session, other)]
    (letter,) = [path.read_text() for path in settings.mail_dir.iterdir() if "without your company" in path.read_text()]
    assert "Ian" in letter
    assert "127.0.0.1" in letter


def test_the_break_glass_administrator_cannot_be_let_go(idp, visit, cast, work_session, member_id):
    give_password(work_session, cast.ian)
    _require(work_session, idp, cast)
    browser = visit(cast.ian)
    browser.get("/security")
    answer = browser.post(f"/people/{member_id(cast.ian)}/departure")
    assert answer.status_code == 409
    assert "the day the provider fails" in answer.text


def test_signing_out_offers_the_companys_own_sign_out(tom_at_work, go, nobody):
    nobody.get(str(go()))
    nobody.get("/security")
    answer = nobody.post("/sign-out")
    assert f"{tom_at_work.issuer}/leave?id_token_hint=" in answer.text
    assert not is_signed_in(nobody)


def _require(session, idp, cast):
    idp.is_required, idp.break_glass_person_id, idp.tried_at = True, cast.ian.person_id, idp.changed_at
    session.commit()
