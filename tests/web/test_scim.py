"""What a directory's calls do here: who is brought in, who is asked first, and how fast somebody is out again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from portal.audit.models import AuditEntry
from portal.identity.models import Invitation, Membership, Person
from portal.identity.scim import tokens
from portal.identity.scim.models import ScimUser
from portal.identity.sso import settings
from portal.notifications.mail import FileMailer
from portal.notifications.models import Delivery
from portal.worker.registry import TASKS
from tests.support.cast import NOW
from tests.support.sign_in import email_of
from tests.web.company_sign_in import is_signed_in, own_domain

if TYPE_CHECKING:
    from scim2_client.engines.wsgi import WSGISCIMClient

pytestmark = pytest.mark.xdist_group("scim")

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


class Caller:
    """A program that speaks SCIM in its own words, for what the package's client is too polite to send."""

    def __init__(self, app: Any, token: str) -> None:
        self.client = app.test_client()
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.open(f"/scim/v2{path}", method=method, json=body, headers={**self.headers, **headers})

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        return self("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def domain(cast, work_session) -> str:
    """The integrator's mail domain, confirmed."""
    name = email_of(work_session, cast.ian).split("@")[1]
    own_domain(work_session, cast.ian, name)
    return name


@pytest.fixture
def token(cast, work_session, clock, domain) -> str:
    made = tokens.make_token(work_session, cast.ian, "Entra", clock())
    work_session.commit()
    return made


@pytest.fixture
def call(app, token) -> Caller:
    return Caller(app, token)


@pytest.fixture
def directory(app, token) -> WSGISCIMClient:
    """The package's client, which takes seconds to import: no process but that of the group does."""
    from scim2_client.engines.wsgi import WSGISCIMClient

    client = WSGISCIMClient(app, "http://localhost/scim/v2", headers={"Authorization": f"Bearer {token}"})
    client.discover()
    return client


def new_user(call: Caller, address: str, **more: Any) -> str:
    answer = call("POST", "/Users", {"schemas": [USER], "userName": address, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def place_of(session, address: str) -> Membership | None:
    session.expire_all()
    statement = select(Membership).join(Person, Person.id == Membership.person_id).where(Person.email == address)
    return session.scalars(statement.order_by(Membership.id.desc())).first()


def test_a_deactivation_by_the_packages_client_ends_a_live_session_with_the_next_request(
    directory, visit, cast, work_session
):
    browser = visit(cast.tom)
    assert is_signed_in(browser)
    user = directory.get_resource_model("User")
    made = directory.create(user(user_name=email_of(work_session, cast.tom)))
    from scim2_models import PatchOp, PatchOperation

    patch = PatchOp[user](operations=[PatchOperation(op="replace", path="active", value=False)])
    directory.modify(user, made.id, patch)
    assert not is_signed_in(browser)


def test_a_deactivation_leaves_timers_offers_and_approvals_to_jobs_as_of_that_moment(call, cast, work_session, clock):
    user_id = new_user(call, email_of(work_session, cast.tom))
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    work_session.commit()
    call.patch(f"/Users/{user_id}", {"op": "replace", "value": {"active": False}})
    place = place_of(work_session, email_of(work_session, cast.tom))
    assert place is not None
    assert place.ended_at == clock()
    names = work_session.scalars(text("SELECT task_name FROM procrastinate_jobs ORDER BY id")).all()
    assert names == ["stop_timer_of_leaver", "return_offers_of_leaver", "pass_on_approvals_of_leaver"]


def test_somebody_new_of_a_confirmed_domain_becomes_a_member_and_gets_a_mail(
    call, domain, work_session, run_jobs, clock
):
    new_user(call, f"nina@{domain}", displayName="Nina", emails=[{"value": f"nina@{domain}", "primary": True}])
    place = place_of(work_session, f"nina@{domain}")
    assert place is not None
    assert (place.roles, place.ended_at) == (["technician"], None)
    jobs = work_session.scalars(text("SELECT task_name FROM procrastinate_jobs")).all()
    assert "mail_provisioned" in jobs


@pytest.mark.parametrize("address", ["nina@elsewhere.example", None])
def test_somebody_of_another_domain_is_invited_first(call, cast, work_session, address):
    # None: somebody who belongs to another company already.
    known = address or email_of(work_session, cast.sam)
    new_user(call, known)
    asked = work_session.scalars(select(Invitation).where(Invitation.email == known)).one()
    assert asked.organisation_id == cast.integrator.id
    here = select(Membership).where(Membership.organisation_id == cast.integrator.id)
    assert not any(row.person_id == cast.sam.person_id for row in work_session.scalars(here))


def test_taking_back_somebody_invited_voids_the_invitation(call, work_session):
    user_id = new_user(call, "nina@elsewhere.example")
    assert call("DELETE", f"/Users/{user_id}").status_code == 204
    assert work_session.scalar(text("SELECT count(*) FROM mailed_link_void")) == 1
    assert call("GET", f"/Users/{user_id}").status_code == 404


def test_somebody_who_comes_back_is_the_same_person(call, cast, work_session):
    user_id = new_user(call, email_of(work_session, cast.tom))
    first = place_of(work_session, email_of(work_session, cast.tom))
    call.patch(f"/Users/{user_id}", {"op": "Replace", "path": "active", "value": "False"})
    call.patch(f"/Users/{user_id}", {"op": "Replace", "path": "active", "value": "True"})
    again = place_of(work_session, email_of(work_session, cast.tom))
    assert first is not None
    assert again is not None
    assert again.id != first.id
    assert (again.person_id, again.ended_at) == (cast.tom.person_id, None)


def test_the_same_delivery_again_is_told_so_and_changes_nothing(call, domain, work_session):
    user_id = new_user(call, f"nina@{domain}")
    again = call("POST", "/Users", {"schemas": [USER], "userName": f"NINA@{domain}"})
    assert (again.status_code, again.json["scimType"]) == (409, "uniqueness")
    before = call("GET", f"/Users/{user_id}").headers["ETag"]
    for _ in range(2):
        same = call("PUT", f"/Users/{user_id}", {"schemas": [USER], "userName": f"nina@{domain}"})
        assert (same.status_code, same.headers["ETag"]) == (200, before)


def test_a_change_from_an_old_version_is_refused(call, domain):
    user_id = new_user(call, f"nina@{domain}")
    call.patch(f"/Users/{user_id}", {"op": "add", "path": "title", "value": "Ms"})
    stale = call("DELETE", f"/Users/{user_id}", **{"If-Match": 'W/"1"'})
    assert stale.status_code == 412


def test_groups_give_and_take_mapped_roles(directory, call, cast, domain, work_session):
    settings.keep_mapping(work_session, cast.ian, {"Service leads": "service_manager"}, NOW)
    work_session.commit()
    user_id = new_user(call, f"nina@{domain}")
    group = directory.get_resource_model("Group")
    made = directory.create(group(display_name="Service leads", members=[{"value": user_id}]))
    assert place_of(work_session, f"nina@{domain}").roles == ["service_manager"]
    call.patch(f"/Groups/{made.id}", {"op": "remove", "path": f'members[value eq "{user_id}"]'})
    assert place_of(work_session, f"nina@{domain}").roles == ["technician"]


def test_the_last_administrator_cannot_be_taken_away(call, cast, work_session):
    user_id = new_user(call, email_of(work_session, cast.ian))
    answer = call.patch(f"/Users/{user_id}", {"op": "replace", "path": "active", "value": False})
    assert answer.status_code == 409
    assert "one administrator" in answer.json["detail"]


@pytest.mark.parametrize("address", ["/Users/{}", "/Groups/{}"])
def test_another_companys_directory_finds_nothing(app, call, cast, domain, work_session, clock, address):
    kind = address.split("/")[1]
    body = {"userName": f"nina@{domain}"} if kind == "Users" else {"displayName": "Leads"}
    made = call("POST", f"/{kind}", body).json["id"]
    theirs = Caller(app, tokens.make_token(work_session, cast.adam, "Okta", clock()))
    work_session.commit()
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert theirs(method, address.format(made), body).status_code == 404
    assert theirs("GET", f"/{kind}").json["totalResults"] == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer scim_wrong", "Basic abc", "Bearer ' OR 1=1"])
def test_without_a_live_token_nothing_is_said(app, header):
    answer = app.test_client().get("/scim/v2/Users", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_an_ended_token_and_an_old_one_are_refused(call, cast, work_session, clock):
    row = tokens.own_tokens(work_session, cast.ian)[0]
    tokens.end_token(work_session, cast.ian, row.id, clock())
    work_session.commit()
    assert call("GET", "/Users").status_code == 401
    row.revoked_at = None
    work_session.commit()
    assert call("GET", "/Users").status_code == 200
    clock.advance(days=366)
    assert call("GET", "/Users").status_code == 401


def test_every_act_is_in_the_log_with_the_directorys_name_and_in_its_export(call, visit, cast, domain, work_session):
    user_id = new_user(call, f"nina@{domain}")
    call.patch(f"/Users/{user_id}", {"op": "replace", "path": "active", "value": False})
    call("DELETE", f"/Users/{user_id}")
    rows = work_session.scalars(select(AuditEntry).where(AuditEntry.object_type == "scim_user").order_by(AuditEntry.id))
    assert [row.act for row in rows] == ["scim_create_user", "scim_change_user", "scim_delete_user"]
    exported = visit(cast.ian).get("/audit-log.csv")
    assert exported.mimetype == "text/csv"
    assert "scim_delete_user" in exported.text
    assert "SCIM: Entra" in exported.text


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ('userName eq "a@x.example"', ["a@x.example"]),
        ('userName sw "b" or title eq "Boss"', ["a@x.example", "b@x.example"]),
        ("not (active eq true) and title pr", []),
        ('emails[type eq "work" and value co "b@"]', ["b@x.example"]),
        ('meta.resourceType eq "User" and nickName pr', []),
    ],
)
def test_filters_find(call, asked, names):
    new_user(call, "a@x.example", title="Boss")
    new_user(call, "b@x.example", emails=[{"value": "b@x.example", "type": "work"}])
    found = call("GET", f"/Users?filter={asked.replace(' ', '%20')}").json
    assert sorted(row["userName"] for row in found["Resources"]) == names


def test_lists_are_sorted_as_asked_and_the_service_says_so(call):
    for name, title in (("b", "Lead"), ("C", "Boss"), ("a", None)):
        new_user(call, f"{name}@x.example", **({"title": title} if title else {}))
    call("POST", "/Groups", {"schemas": [GROUP], "displayName": "aa", "members": []})

    def names(answer):
        return [row.get("userName", row.get("displayName"))[0] for row in answer.json["Resources"]]

    assert names(call("GET", "/Users?sortBy=userName")) == ["a", "b", "C"]
    assert names(call("GET", "/Users?sortBy=userName&sortOrder=descending&startIndex=2&count=1")) == ["b"]
    assert names(call("GET", "/Users?sortBy=title")) == ["C", "b", "a"]
    assert names(call("GET", "/Users?sortBy=userName&filter=title%20pr")) == ["b", "C"]
    assert names(call("POST", "/Users/.search", {"sortBy": "userName", "sortOrder": "descending"})) == ["C", "b", "a"]
    assert names(call("GET", "/Groups?sortBy=displayName")) == ["a"]
    both = call("POST", "/.search", {"sortBy": "meta.resourceType", "count": 2})
    assert [row["meta"]["resourceType"] for row in both.json["Resources"]] == ["Group", "User"]
    assert both.json["totalResults"] == 4
    assert call("GET", "/Users?sortBy=userName&sortOrder=sideways").status_code == 400
    assert call("GET", "/ServiceProviderConfig").json["sort"] == {"supported": True}


def test_bulk_is_refused_as_the_service_says(call, work_session):
    assert call("GET", "/ServiceProviderConfig").json["bulk"]["supported"] is False
    user = {"schemas": [USER], "userName": "a@x.example"}
    operations = [{"method": "POST", "path": "/Users", "bulkId": "1", "data": user}]
    refused = call("POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
    assert (refused.status_code, refused.json["status"], refused.mimetype) == (501, "501", "application/scim+json")
    assert work_session.scalars(select(ScimUser)).all() == []


def test_pages_hold_everybody_once(call):
    for name in "abcde":
        new_user(call, f"{name}@x.example")
    pages = [call("GET", f"/Users?startIndex={start}&count=2").json for start in (1, 3, 5)]
    assert sorted(row["userName"][0] for page in pages for row in page["Resources"]) == list("abcde")
    assert {page["totalResults"] for page in pages} == {5}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 400),
        ([], 400),
        ({}, 400),
        ({"userName": 7.5}, 400),
        ({"userName": "a@x.example", "active": "perhaps"}, 400),
        ({"userName": "a@x.example", "emails": "a@x.example"}, 201),
        ({"userName": "a@x.example", "urn:example:unknown": {"x": 1}, "shoeSize": 44}, 201),
        ({"USERNAME": "a@x.example", "password": "secret"}, 201),
    ],
)
def test_odd_bodies_are_taken_or_refused_in_words(call, body, status):
    answer = call("POST", "/Users", body)
    assert answer.status_code == status
    assert "secret" not in answer.text
    assert "shoeSize" not in answer.text


def test_administrators_are_reminded_of_a_token_a_month_and_a_week_before_it_ends(
    cast, work_session, token, run_jobs, settings
):
    mailer = FileMailer(settings.mail_dir, settings.mail_from)
    for days, count in ((334, 0), (336, 1), (340, 1), (359, 2), (364, 2), (366, 2)):
        TASKS["remind_of_tokens"].run(work_session, NOW + timedelta(days=days))
        work_session.commit()
        run_jobs(NOW + timedelta(days=days), mailer=mailer)
        told = work_session.scalars(select(Delivery.email).where(Delivery.template == "scim_token_ends")).all()
        assert told == [email_of(work_session, cast.ian)] * count
    letters = [path.read_text().replace("=\n", "") for path in settings.mail_dir.iterdir()]
    assert any("your directory brings nobody in" in letter for letter in letters)


def test_the_page_of_tokens_shows_one_once(visit, cast, app):
    browser = visit(cast.ian)
    browser.get("/company-sign-in/directory")
    answer = browser.post("/company-sign-in/directory", {"name": "Entra"})
    made = answer.text.split('data-copies="scim_')[1].split('"')[0]
    assert made not in browser.get("/company-sign-in/directory").text
    assert Caller(app, f"scim_{made}")("GET", "/Users").status_code == 200


def test_a_name_shared_with_another_company_stays_the_persons_own(call, cast, domain, work_session):
    person = work_session.get_one(Person, cast.tom.person_id)
    person.visible_to = [cast.integrator.id, cast.other_integrator.id]
    work_session.commit()
    user_id = new_user(call, email_of(work_session, cast.tom))
    call.patch(f"/Users/{user_id}", {"op": "replace", "path": "displayName", "value": "Somebody else"})
    work_session.expire_all()
    assert work_session.get_one(Person, cast.tom.person_id).display_name == "Tom"
    assert work_session.scalars(select(ScimUser)).one().attributes["displayName"] == "Somebody else"
