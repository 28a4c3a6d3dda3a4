"""Who somebody becomes through the provider: roles from a claim, by invitation, by a directory's first mail."""

from __future__ import annotations

from sqlalchemy import select

from portal.access import Role
from portal.identity import links, people
from portal.identity.models import Membership, Person
from portal.identity.rules import link_token
from portal.identity.scim import welcome
from portal.identity.sso import settings
from portal.identity.sso.models import ProviderIdentity
from tests.support.cast import NOW
from tests.support.providers.travelling import way
from tests.support.sign_in import email_of, join, membership_of
from tests.web.company_sign_in import SECRET_KEY, assert_refused, is_signed_in

MAPPING = {"Leads": "service_manager", "Admins": "administrator"}


def map_roles(session, idp, cast):
    idp.roles_claim = "realm.groups"
    settings.keep_mapping(session, cast.ian, MAPPING, NOW)
    session.commit()


def test_a_claim_gives_the_roles_it_is_mapped_to(provider, tom_at_work, idp, go, nobody, cast, work_session):
    map_roles(work_session, idp, cast)
    provider.person = {**provider.person, "realm": {"groups": ["leads", "unknown"]}}
    nobody.get(str(go()))
    assert is_signed_in(nobody)
    work_session.expire_all()
    assert membership_of(work_session, cast.tom).roles == ["service_manager"]


def test_a_claim_without_any_role_lets_nobody_in(provider, tom_at_work, idp, go, nobody, cast, work_session):
    map_roles(work_session, idp, cast)
    assert_refused(nobody, nobody.get(str(go())), 403, "no role here")
    assert membership_of(work_session, cast.tom).roles == ["technician"]


def test_a_claim_does_not_take_the_last_administrator(provider, idp, nobody, cast, work_session):
    map_roles(work_session, idp, cast)
    provider.subject, provider.person = "ian-at-work", {"realm": {"groups": ["Leads"]}}
    work_session.add(
        ProviderIdentity(
            organisation_id=idp.organisation_id,
            issuer=idp.issuer,
            subject="ian-at-work",
            person_id=cast.ian.person_id,
            confirmed_by="own sign-in",
            linked_at=NOW,
        )
    )
    work_session.commit()
    answer = nobody.post("/sign-in/company", {"email": email_of(work_session, cast.ian)})
    nobody.get(str(way(answer).visit()))
    work_session.expire_all()
    assert membership_of(work_session, cast.ian).roles == ["administrator", "service_manager"]


def test_an_invitation_is_accepted_with_the_company_account(provider, idp, nobody, cast, work_session):
    invited = people.invite(
        work_session,
        cast.ian,
        email="nina@kessler.example",
        name="Nina",
        roles=[Role.TECHNICIAN],
        secret=SECRET_KEY,
        now=NOW,
    )
    work_session.commit()
    page = f"/link/{link_token(SECRET_KEY, invited.link_id)}"
    assert "Accept with your company account" in nobody.get(page).text
    for address, status in (("somebody@kessler.example", 403), ("nina@kessler.example", 303)):
        provider.subject, provider.person = "nina-at-work", {"email": address, "email_verified": True, "name": "Nina"}
        nobody.get(page)
        back = way(nobody.post(page, {"through_company": "yes"})).visit()
        answer = nobody.get(str(back))
        assert answer.status_code == status
    nobody.get(answer.headers["Location"])
    assert nobody.post(answer.headers["Location"]).status_code == 303
    assert is_signed_in(nobody)
    nina = work_session.scalars(select(Person).where(Person.email == "nina@kessler.example")).one()
    place = work_session.scalars(select(Membership).where(Membership.person_id == nina.id)).one()
    assert (place.organisation_id, place.roles) == (cast.integrator.id, ["technician"])
    assert nobody.get(page).status_code == 200
    assert "company account" not in nobody.get(page).text


def test_the_first_mail_of_a_directory_leads_to_the_first_yes(provider, idp, nobody, cast, work_session):
    address = email_of(work_session, cast.tia)
    link = welcome.create_welcome(work_session, membership_of(work_session, cast.tia).id, secret=SECRET_KEY, now=NOW)
    assert link is not None
    work_session.commit()
    provider.subject, provider.person = "tia-at-work", {"email": address, "email_verified": True}
    page = f"/link/{link_token(SECRET_KEY, link.id)}"
    nobody.get(page)
    confirmation = nobody.get(str(way(nobody.post(page)).visit())).headers["Location"]
    nobody.get(confirmation)
    nobody.post(confirmation)
    assert is_signed_in(nobody)
    work_session.expire_all()
    found = links.by_id(work_session, link.id, NOW)
    assert found is not None
    assert found.state == "used"


def test_a_providers_session_changes_nothing_by_which_the_person_signs_in_elsewhere(
    tom_at_work, go, nobody, cast, work_session
):
    person = work_session.get_one(Person, cast.tom.person_id)
    join(work_session, person, cast.other_integrator, "technician")
    work_session.commit()
    nobody.get(str(go()))
    nobody.get("/security")
    for path in (
        "/security/factors/app",
        "/security/factors/passkeys/new",
        "/security/factors/codes",
        "/security/address",
    ):
        answer = nobody.post(path)
        assert answer.status_code == 403, path
        assert "speaks for itself only" in answer.text, path


def test_a_disconnected_account_loses_its_sessions(tom_at_work, go, nobody, visit, cast):
    nobody.get(str(go()))
    browser = visit(cast.ian)
    browser.get("/company-sign-in")
    assert browser.post(f"/company-sign-in/accounts/{tom_at_work.id}/removal").status_code == 303
    assert not is_signed_in(nobody)
