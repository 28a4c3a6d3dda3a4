"""People of an organisation: invite and accept, roles, leaving; for administrators only, audited."""

import pytest
from sqlalchemy import select, text

from portal.access import Role
from portal.audit.models import AuditEntry
from portal.identity import people, rules
from portal.identity.models import Invitation, Membership, Person
from tests.support.cast import add_person
from tests.support.sign_in import PASSWORD, join

ANA = "ana@nor.example"

ANA = "ana@nor.example"
NEW = "seven green lamps over water"
NINA = {"email": "nina@nor.example", "name": "Nina Falk", "roles": ["engineer", "support_lead"]}


@pytest.fixture
def admin(visit, cast):
    return visit(cast.adam)


def _invite(admin, **changes):
    admin.get("/people/invitations")
    return admin.post("/people/invitations", {**NINA, **changes})


def _link(work_session, settings) -> str:
    work_session.rollback()
    invitation = work_session.scalars(select(Invitation).order_by(Invitation.id.desc()).limit(1)).one()
    return f"/link/{rules.link_token(settings.secret_key, invitation.link_id)}"


def _acts(work_session):
    work_session.rollback()
    return list(work_session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))


def test_an_invitation_is_mailed_and_accepted(admin, nobody, work_session, settings):
    assert _invite(admin).status_code == 303
    assert "Nina Falk" in admin.get("/people").text
    jobs = (
        work_session.execute(text("SELECT task_name FROM procrastinate_jobs WHERE task_name LIKE 'mail%'"))
        .scalars()
        .all()
    )
    assert jobs == ["mail_invitation"]
    path = _link(work_session, settings)
    page = nobody.get(path)
    assert "Join Nordlicht Access" in page.text
    assert "engineer, support lead" in page.text
    answer = nobody.post(path, {"name": "Nina Falk", "zone": "Europe/Oslo", "password": NEW})
    assert (answer.status_code, answer.location) == (303, "/")
    assert "Nina Falk" in nobody.get("/").text
    assert _acts(work_session)[-2:] == ["invite", "accept_invitation"]
    assert nobody.client.get(path).text.count("works once") == 1


def test_somebody_who_is_known_accepts_with_the_present_password(admin, nobody, cast, work_session, settings, let_in):
    assert _invite(admin, email="sam@alp.example").status_code == 303
    path = _link(work_session, settings)
    nobody.get(path)
    fields = {"name": "Tess Ward", "zone": "UTC"}
    refused = nobody.post(path, {**fields, "password": NEW})
    assert refused.status_code == 422
    assert "type its password" in refused.text
    assert nobody.post(path, {**fields, "password": PASSWORD}).status_code == 303
    assert "Act for Alpen Haustechnik" in nobody.get("/").text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email": ""}, "Type the address."),
        ({"email": "nina"}, "does not look like an address"),
        ({"name": ""}, "Say who is invited."),
        ({"roles": []}, "Your organisation has these roles"),
        ({"roles": ["buyer"]}, "valid choice"),
        ({"name": "x" * 101}, "At most 100 characters"),
    ],
)
def test_a_wrong_invitation_is_said_at_the_field_and_kept(admin, changes, words):
    answer = _invite(admin, **changes)
    assert answer.status_code == 422
    assert words in answer.text
    if changes.get("name") != "":
        assert "Nina Falk" in answer.text or "name" in changes


def test_a_member_is_not_invited_again(admin, cast):
    answer = _invite(admin, email=ANA.upper())
    assert answer.status_code == 422
    assert "is a member already" in answer.text


def test_a_second_invitation_voids_the_first_link(admin, nobody, work_session, settings):
    _invite(admin)
    first = _link(work_session, settings)
    _invite(admin)
    assert "taken back" in nobody.get(first).text
    assert "Join Nordlicht" in nobody.get(_link(work_session, settings)).text


def test_an_invitation_is_taken_back_and_a_second_time_harmless(admin, nobody, work_session, settings):
    _invite(admin)
    path = _link(work_session, settings)
    invitation_id = work_session.scalars(select(Invitation.id)).one()
    for _ in range(2):
        assert admin.post(f"/people/invitations/{invitation_id}/withdrawal").status_code == 303
    assert "taken back" in nobody.get(path).text


def test_roles_are_changed_and_count_from_the_next_page(admin, visit, cast, work_session, member_id):
    engineer = visit(cast.ana)
    path = f"/people/{member_id(cast.ana)}"
    admin.get(path)
    assert admin.post(path, {"roles": ["administrator"]}).status_code == 303
    assert engineer.get("/people").status_code == 200
    entry = work_session.scalars(select(AuditEntry).where(AuditEntry.act == "change_roles")).one()
    assert entry.details == {"before": ["engineer"], "after": ["administrator"]}


def test_the_last_administrator_stays_one(admin, cast, member_id):
    path = f"/people/{member_id(cast.adam)}"
    admin.get(path)
    assert admin.post(path, {"roles": ["engineer"]}).status_code == 409
    assert admin.post(f"{path}/departure").status_code == 409


def test_who_leaves_is_signed_out_and_what_they_held_passes_on(admin, visit, cast, work_session, member_id):
    engineer = visit(cast.ana)
    path = f"/people/{member_id(cast.ana)}"
    admin.get(path)
    assert admin.post(f"{path}/departure").status_code == 303
    assert engineer.get("/").status_code == 303
    jobs = work_session.execute(
        text("SELECT task_name, args FROM procrastinate_jobs WHERE task_name LIKE '%leaver' ORDER BY id")
    ).all()
    assert [job.task_name for job in jobs] == list(people.LEAVER_JOBS)
    assert {job.args["membership_id"] for job in jobs} == {member_id(cast.ana)}
    assert "Left" in admin.get("/people").text
    assert admin.post(f"{path}/departure").status_code == 409


def test_a_person_who_left_one_organisation_stays_in_the_other(
    let_in, nobody, visit, cast, work_session, admin, member_id
):
    person = work_session.get_one(Person, cast.ana.person_id)
    join(work_session, person, cast.other_integrator, "technician")
    work_session.commit()
    browser = visit(cast.ana)
    admin.post(f"/people/{member_id(cast.ana)}/departure")
    assert browser.get("/").status_code == 303
    nobody.sign_in(ANA)
    assert "Alpen" in nobody.get("/").text


@pytest.mark.parametrize("outsider", ["leo", "ian", "bea"])
def test_strangers_and_colleagues_without_the_role_find_nothing(visit, cast, outsider, work_session, member_id):
    browser = visit(getattr(cast, outsider))
    path = f"/people/{member_id(cast.ana)}"
    assert browser.get(path).status_code == 404
    assert browser.post(path, {"roles": ["administrator"]}).status_code == 404
    assert browser.post(f"{path}/departure").status_code == 404
    assert browser.post("/people/invitations/1/withdrawal").status_code == 404
    row = work_session.get_one(Membership, member_id(cast.ana))
    assert (row.roles, row.ended_at) == (["engineer"], None)


def test_the_audit_log_shows_acts_and_pages_through_them(admin, cast, work_session, clock):
    work_session.add_all(
        AuditEntry(
            at=clock(),
            organisation_id=cast.factory.id,
            person_id=cast.adam.person_id,
            act=f"act_{number}",
            object_type="thing",
            object_id="<b>",
            details={},
        )
        for number in range(60)
    )
    work_session.commit()
    page = admin.get("/audit-log")
    assert "act 59" in page.text
    assert "act 9<" not in page.text
    assert "&lt;b&gt;" in page.text
    following = page.text.split('rel="next" href="')[1].split('"')[0]
    assert "act 9<" in admin.get(following).text
    assert admin.get("/audit-log?after=rubbish").status_code == 200


def test_a_new_member_shows_with_roles(admin, cast, work_session):
    add_person(work_session, cast.factory, "Zed", Role.FINANCE)
    work_session.commit()
    assert "Zed" in admin.get("/people").text
