"""The directory in the browser: systems, punch list, organisations step by step, sites, change of service."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.directory.models import Certificate, Organisation, PunchItem, ServiceRelationship, Site, System
from portal.identity.models import Invitation
from portal.notifications.mail import FileMailer
from portal.selling.actions import hand_over_plans
from tests.support.cases import escalated
from tests.support.cast import NOW, everything
from tests.support.queued import queued


@pytest.mark.parametrize("who", ["ana", "tom", "cal", "adam", "bea", "mia"])
def test_parties_see_their_systems_and_one_with_everything(visit, cast, work_session, who):
    escalated(work_session, cast, title="<i>Doors</i> stay locked")
    work_session.commit()
    browser = visit(getattr(cast, who))
    listed = browser.get("/systems?q=na-1")
    assert "NA-1001" in listed.text
    assert "NA-2002" not in listed.text
    page = browser.get(f"/systems/{cast.system.id}")
    assert page.status_code == 200
    assert "Kessler Sicherheit" in page.text
    assert "&lt;i&gt;Doors&lt;/i&gt;" in page.text
    for path in ("/sites", f"/sites/{cast.site.id}/service", "/certificates"):
        assert browser.get(path).status_code == 200


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_find_nothing(visit, cast, who):
    browser = visit(getattr(cast, who))
    unknown = browser.get("/systems/999999").text
    assert browser.get(f"/systems/{cast.system.id}").text == unknown
    assert browser.get(f"/sites/{cast.site.id}/service").status_code == 404
    assert browser.get(f"/organisations/{cast.integrator.id}").status_code == 404
    for path in ("/systems", "/sites", "/certificates"):
        assert "NA-1001" not in browser.get(path).text
        assert "Main building" not in browser.get(path).text


def test_the_punch_list_is_kept_by_service(visit, cast, work_session):
    tom = visit(cast.tom)
    path = f"/systems/{cast.system.id}/punch-list"
    assert tom.post(path, {"description": " "}).status_code == 422
    assert tom.post(path, {"description": "<b>Label</b> missing"}).status_code == 303
    item = work_session.scalars(select(PunchItem)).one()
    assert "&lt;b&gt;Label" in tom.get(f"/systems/{cast.system.id}").text
    for _ in range(2):
        assert tom.post(f"{path}/{item.id}/closure").status_code == 303
    assert visit(cast.bea).post(path, {"description": "x"}).status_code == 404
    assert tom.get(path).status_code == 405
    assert "Nothing is open." in tom.get(f"/systems/{cast.system.id}").text


def test_a_system_is_recorded_by_its_manufacturer(visit, cast, work_session):
    adam = visit(cast.adam)
    said = {
        "site_id": str(cast.site.id),
        "product_line_id": str(cast.product_line.id),
        "serial": "NA-3003",
        "name": "Gate",
        "warranty_starts_on": "2026-02-01",
        "warranty_ends_on": "2026-01-01",
    }
    refused = adam.post("/systems/new", said)
    assert refused.status_code == 422
    assert "The warranty ends before it starts." in refused.text
    assert 'value="NA-3003"' in refused.text
    assert adam.post("/systems/new", {**said, "warranty_ends_on": "2028-01-31"}).status_code == 303
    assert adam.post("/systems/new", {**said, "warranty_ends_on": "2028-01-31"}).status_code == 422
    assert len(list(work_session.scalars(select(System).where(System.serial == "NA-3003")))) == 1
    assert visit(cast.tom).get("/systems/new").status_code == 404


NEW = {
    "side": "integrator",
    "name": "Bergwerk Technik",
    "code": "ber",
    "zone": "Europe/Berlin",
    "country": "de",
    "currency": "eur",
}


def test_an_integrator_is_brought_in_step_by_step(visit, cast, work_session, run_jobs, settings):
    adam = visit(cast.adam)
    added = adam.post("/organisations/new", NEW)
    assert added.status_code == 303
    found = work_session.scalars(select(Organisation).where(Organisation.code == "BER")).one()
    page = adam.get(added.location)
    assert "1. Its first administrator" in page.text
    assert "Begin the agreement" in page.text
    path = f"/organisations/{found.id}/administrator"
    assert adam.post(path, {"name": "Berta", "email": "nobody"}).status_code == 422
    for _ in range(2):
        assert adam.post(path, {"name": "Berta", "email": "berta@ber.example"}).status_code == 303
    run_jobs(NOW, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    asked = work_session.scalars(select(Invitation).where(Invitation.organisation_id == found.id)).one()
    assert (asked.email, asked.roles) == ("berta@ber.example", ["administrator"])


def test_nobody_is_invited_into_an_organisation_that_has_people(visit, cast, work_session, run_jobs):
    adam = visit(cast.adam)
    path = f"/organisations/{cast.integrator.id}/administrator"
    assert adam.post(path, {"name": "Eve", "email": "eve@evil.example"}).status_code == 303
    assert queued(work_session, "invite_first%")
    run_jobs(NOW)
    assert everything(work_session, "invitation") == []
    assert visit(cast.ian).post(path, {"name": "Eve", "email": "eve@evil.example"}).status_code == 404


def test_what_cannot_be_an_organisation_is_said_at_the_field(visit, cast):
    adam = visit(cast.adam)
    refused = adam.post("/organisations/new", {**NEW, "code": "k!", "zone": "Mars/Base", "name": "<script>"})
    assert refused.status_code == 422
    for sentence in ("capital letters", "Choose a time zone"):
        assert sentence in refused.text
    assert "<script>" not in refused.text.split("<main")[1]
    assert "Another organisation has this code." in adam.post("/organisations/new", {**NEW, "code": "KES"}).text


def test_a_site_is_added_for_a_customer(visit, cast, work_session):
    adam = visit(cast.adam)
    said = {"customer_id": str(cast.customer.id), "name": "Car park", "address": "", "zone": "Europe/Berlin"}
    assert adam.post("/sites/new", said).status_code == 303
    assert work_session.scalars(select(Site).where(Site.name == "Car park")).one().customer_id == cast.customer.id
    assert adam.post("/sites/new", {**said, "customer_id": str(cast.integrator.id)}).status_code == 422


def test_service_changes_by_the_customers_letter(visit, cast, work_session):
    adam = visit(cast.adam)
    path = f"/sites/{cast.plain_site.id}/service"
    said = {
        "product_line_id": str(cast.product_line.id),
        "integrator_id": str(cast.other_integrator.id),
        "from_on": "2026-04-01",
        "letter_reference": "",
    }
    assert "Name the customer" in adam.post(path, said).text
    said["letter_reference"] = "Letter of 9 March 2026"
    assert adam.post(path, said).status_code == 303
    assert adam.post(path, said).status_code == 409
    rows = work_session.scalars(
        select(ServiceRelationship).where(ServiceRelationship.site_id == cast.plain_site.id)
    ).all()
    assert sorted(row.integrator_id for row in rows) == sorted([cast.integrator.id, cast.other_integrator.id])
    assert "Letter of 9 March 2026" in adam.get(path).text
    assert visit(cast.mia).post(path, said).status_code == 403


def test_who_sells_a_plan_on_is_told_to_the_customer_and_both_integrators(visit, cast, work_session, clock):
    bea, mia, sam = visit(cast.bea), visit(cast.mia), visit(cast.sam)
    path, plan = f"/sites/{cast.site.id}/service", f"/plan/{cast.site.id}/{cast.factory.id}"
    assert f"sold by {cast.integrator.name}" in mia.get(path).text
    assert "service of the site ends" not in mia.get(path).text
    said = {
        "product_line_id": str(cast.product_line.id),
        "integrator_id": str(cast.other_integrator.id),
        "from_on": "2026-04-01",
        "letter_reference": "Letter of 9 March 2026",
    }
    assert visit(cast.adam).post(path, said).status_code == 303
    words = f"From 2026-04-01 on it is sold by {cast.other_integrator.name}. Nothing is bought again."
    assert words in bea.get(path).text
    assert words in bea.get(plan).text
    assert "months sold or paid stay yours" in mia.get(path).text
    assert cast.other_integrator.name not in mia.get(path).text
    clock.advance(hours=24 * 21)
    assert hand_over_plans(work_session, now=NOW + timedelta(days=21)) == 1
    work_session.commit()
    assert words in visit(cast.bea).get(plan).text
    clock.advance(hours=24 * 2)
    bea, mia, sam = visit(cast.bea), visit(cast.mia), visit(cast.sam)
    assert f"sold by {cast.other_integrator.name}" in sam.get(path).text
    assert f"sold by {cast.other_integrator.name}" in bea.get(plan).text
    assert "months sold or paid stay yours" in mia.get(path).text
    # From May on nobody services it: the customer deals with the manufacturer.
    nobody = said | {"integrator_id": "0", "from_on": "2026-05-01", "letter_reference": "Letter of April"}
    assert visit(cast.adam).post(path, nobody).status_code == 303
    assert visit(cast.adam).post(path, nobody).status_code == 409
    assert f"From 2026-05-01 on it is sold by {cast.factory.name}" in bea.get(plan).text


TRAINED = {"number": "C-7 <b>7</b>", "issued_on": "2026-03-01", "expires_on": "2028-03-01"}


def test_a_certificate_is_recorded_by_the_persons_address_and_ended_early(visit, cast, work_session):
    adam = visit(cast.adam)
    who = {"organisation_id": cast.integrator.id, "product_line_id": cast.product_line.id}
    said = {**TRAINED, **who, "email": "tia@kes.example"}
    for wrong, words in (
        ({"email": "ana@nor.example"}, "Nobody of this company signs in with this address."),
        ({"expires_on": "2026-02-01"}, "Choose a later day."),
        ({"number": "C-100"}, "This certificate number is taken."),
        ({"organisation_id": cast.other_factory.id}, "Not a valid choice"),
    ):
        refused = adam.post("/certificates/new", {**said, **wrong})
        assert (refused.status_code, words in refused.text) == (422, True), words
    assert adam.post("/certificates/new", said).status_code == 303
    made = work_session.scalars(select(Certificate).where(Certificate.person_id == cast.tia.person_id)).one()
    listed = adam.get("/certificates").text
    assert "C-7 &lt;b&gt;7&lt;/b&gt;" in listed
    assert "Tia" in listed
    path = f"/certificates/{made.id}/expiry"
    assert adam.post(path, {"reason": " "}).status_code == 422
    assert adam.post(path, {"reason": "Left the training"}).status_code == 303
    work_session.expire_all()
    assert made.expires_on == NOW.date()
    assert adam.post(path, {"reason": "Again"}).status_code == 409


@pytest.mark.parametrize("who", ["ana", "tom", "ian", "cal", "eve"])
def test_certificates_are_kept_by_the_manufacturers_lead_and_administrator(visit, cast, work_session, who):
    known = work_session.scalars(select(Certificate.id)).first()
    browser = visit(getattr(cast, who))
    assert browser.get("/certificates/new").status_code == 404
    assert browser.post(f"/certificates/{known}/expiry", {"reason": "x"}).status_code == 404
    assert "Add a certificate" not in browser.get("/certificates").text
