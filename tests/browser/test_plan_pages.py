"""Plans, documents and the directory in a real browser: pleasant at both widths; a yes is two taps from the mail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from portal.access import OneAct
from portal.db import open_session
from portal.entitlement.actions import LINK_ACT, LINK_OBJECT, LINK_VERSION
from portal.entitlement.models import AuthorizationRequest
from portal.identity import rules
from portal.identity.links import create_link
from tests.support.browsing import assert_pleasant
from tests.support.cases import escalated


@pytest.fixture
def asked(site):
    """A request for a yes on the plain site, and the path that is mailed for it."""
    now = datetime.now(UTC)
    with open_session(site.work_engine) as session, session.begin():
        case = escalated(session, site.cast, system_id=site.cast.plain_system.id, at=now)
        request_id = session.scalars(
            select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == case.id)
        ).one()
        made = create_link(
            session,
            OneAct(LINK_ACT, LINK_OBJECT, str(request_id), LINK_VERSION),
            secret=site.app.secret_key,
            organisation_id=site.cast.customer.id,
            email="bea@kli.example",
            person_id=site.cast.bea.person_id,
            now=now,
        )
        return request_id, f"/link/{rules.link_token(site.app.secret_key, made.id)}"


def test_a_yes_is_two_taps_from_the_mail(screen, asked):
    page = screen()
    page.goto(asked[1])
    assert_pleasant(page, "authorize by link")
    page.get_by_role("button", name="Yes, up to this").click()
    page.get_by_role("heading", name="You said yes").wait_for()
    assert_pleasant(page, "authorized by link")


def test_a_buyers_pages_are_pleasant(site, enter, asked):
    page = enter(site.cast.bea)
    assert_pleasant(page, "today buyer")
    page.goto("/authorizations")
    assert_pleasant(page, "authorizations")
    page.goto(f"/authorizations/{asked[0]}")
    assert_pleasant(page, "authorization")
    page.get_by_label("Never more than").fill("10")
    page.get_by_role("button", name="Yes, up to this").click()
    page.get_by_text("Authorize at least").first.wait_for()
    assert_pleasant(page, "authorization refused")
    page.goto("/plan")
    assert_pleasant(page, "plan")
    page.get_by_role("link", name="Compare plans").first.click()
    assert_pleasant(page, "compare plans")
    page.get_by_role("button", name="Choose this plan").click()
    page.get_by_text("Accept the policy to choose.").first.wait_for()
    assert_pleasant(page, "compare plans refused")
    page.get_by_role("link", name="Read the service policy").click()
    assert_pleasant(page, "policy")
    page.goto(f"/plan/{site.cast.site.id}/{site.cast.factory.id}/standing")
    assert_pleasant(page, "yes in advance")


def test_an_engineers_spoken_yes_is_pleasant(site, enter, asked):
    page = enter(site.cast.ana)
    page.goto(f"/authorizations/{asked[0]}/spoken")
    assert_pleasant(page, "spoken yes")
    page.get_by_role("button", name="Keep the spoken yes").click()
    page.get_by_text("Say who said yes.").first.wait_for()
    assert_pleasant(page, "spoken yes refused")


def test_documents_are_pleasant(site, enter):
    page = enter(site.cast.adam)
    page.goto("/contracts")
    assert_pleasant(page, "documents")
    page.goto(f"/contracts/versions/{site.cast.agreement_version.id}")
    assert_pleasant(page, "agreement")
    page.goto(f"/contracts/{site.cast.policy_version.document_id}")
    assert_pleasant(page, "document")
    page.goto(f"/contracts/{site.cast.policy_version.document_id}/draft")
    page.get_by_label("The document, in TOML").fill('title = "Nothing"\ncurrency = "EURO"')
    page.get_by_role("button", name="Keep and check the draft").click()
    page.get_by_role("heading", name="What is wrong, line by line").wait_for()
    assert_pleasant(page, "draft with problems")
    page.goto("/contracts/new")
    assert_pleasant(page, "begin a document")


def test_the_directory_is_pleasant(site, enter):
    page = enter(site.cast.adam)
    for path, name in (
        ("/systems", "systems"),
        (f"/systems/{site.cast.system.id}", "system"),
        ("/systems/new", "record a system"),
        ("/organisations", "organisations"),
        ("/organisations/new", "bring in an organisation"),
        (f"/organisations/{site.cast.integrator.id}", "organisation"),
        ("/sites", "sites"),
        ("/sites/new", "add a site"),
        (f"/sites/{site.cast.site.id}/service", "service"),
        ("/certificates", "certificates"),
    ):
        page.goto(path)
        assert_pleasant(page, name)


def test_a_technicians_system_is_pleasant(site, enter):
    page = enter(site.cast.tom)
    page.goto(f"/systems/{site.cast.system.id}")
    assert_pleasant(page, "system technician")
