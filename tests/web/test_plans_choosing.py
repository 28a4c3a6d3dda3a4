"""Plans: what a site has and has left, choosing with the policy accepted by its hash, the yes in advance."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from portal.billing.actions import open_month, reserve_hours
from portal.contracts.models import PlanChoice
from portal.entitlement.actions import open_plan
from portal.entitlement.models import StandingAuthorization
from tests.support.billed import billed, open_books, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, everything, hours_later
from tests.support.packs import bought
from tests.support.versions import signed_policy


@pytest.fixture
def plain(cast):
    return f"/plan/{cast.plain_site.id}/{cast.factory.id}"


def chosen(browser, path, **said):
    page = browser.get(path)
    shown = re.search(r'name="shown_sha256" type="hidden" value="([^"]*)"', page.text).group(1)
    return {"plan_code": "assured", "starts": "now", "accepted": "y", "shown_sha256": shown, **said}


def test_a_buyer_reads_plans_and_hours_left(visit, cast, work_session):
    open_plan(work_session, cast.plan_choice.id, now=NOW)
    work_session.commit()
    bea = visit(cast.bea)
    page = bea.get("/plan")
    assert "Main building: Assured" in page.text
    assert "Outpatient centre: Complimentary" in page.text
    assert "2 h 00 min" in page.text
    assert "2 h 00 min left" in bea.get("/").text


def test_hours_are_read_day_by_day_beside_their_chart(visit, cast, work_session):
    open_books(work_session, cast)
    case = accepted(work_session, cast)
    worked(work_session, cast, case, minutes=40)
    settled(work_session, cast, case)
    billed(work_session, case)
    work_session.commit()
    bea = visit(cast.bea)
    path = f"/plan/{cast.site.id}/{cast.factory.id}/hours"
    page = bea.get(path).text
    # 45 of 120 minutes, on the day of the work.
    for words in ("10 Mar 2026", "45 min", "1 h 15 min", "1 h 21 min", ", faster than evenly"):
        assert words in page
    grant = re.search(r"hours\.svg\?grant=(\d+)", page).group(1)
    chart = bea.get(f"{path}.svg?grant={grant}")
    assert chart.mimetype == "image/svg+xml"
    assert "sandbox" in chart.headers["Content-Security-Policy"]
    assert "Used evenly" in chart.text
    assert "<script" not in chart.text
    for wrong in ("", "?grant=0", "?grant=x"):
        assert bea.get(f"{path}.svg{wrong}").status_code == 404
    assert visit(cast.bob).get(path).status_code == 404


def test_a_buyer_chooses_a_plan_and_accepts_the_policy_by_its_hash(visit, cast, plain, work_session):
    bea = visit(cast.bea)
    page = bea.get(plain)
    assert "€290.00" in page.text
    fields = chosen(bea, plain)
    assert bea.post(plain, fields).status_code == 303
    assert bea.post(plain, fields).status_code == 303
    mine = PlanChoice.site_id == cast.plain_site.id
    choice = work_session.scalars(select(PlanChoice).where(mine)).one()
    assert (choice.plan_code, choice.sha256) == ("assured", cast.policy_version.sha256)


def test_next_month_begins_in_the_policys_zone(visit, cast, plain, work_session):
    bea = visit(cast.bea)
    fields = chosen(bea, plain, starts="month")
    assert bea.post(plain, fields).status_code == 303
    assert bea.post(plain, fields).status_code == 303
    mine = PlanChoice.site_id == cast.plain_site.id
    assert work_session.scalars(select(PlanChoice.from_at).where(mine)).one().isoformat() == "2026-03-31T22:00:00+00:00"


def test_what_was_not_shown_or_accepted_is_refused(visit, cast, plain, work_session):
    bea = visit(cast.bea)
    fields = chosen(bea, plain)
    before = len(everything(work_session, "plan_choice"))
    assert bea.post(plain, {**fields, "shown_sha256": "0" * 64}).status_code == 409
    assert bea.post(plain, {**fields, "accepted": ""}).status_code == 422
    assert bea.post(plain, {**fields, "plan_code": "golden"}).status_code == 422
    assert len(everything(work_session, "plan_choice")) == before


def test_a_contact_reads_and_does_not_choose(visit, cast, plain, work_session):
    cal = visit(cast.cal)
    before = len(everything(work_session, "plan_choice"))
    assert "Choose this plan" not in cal.get(plain).text
    assert cal.post(plain, {"plan_code": "assured"}).status_code == 403
    assert cal.get(f"{plain}/standing").status_code == 404
    assert len(everything(work_session, "plan_choice")) == before


def test_strangers_find_nothing(visit, cast, plain):
    bob = visit(cast.bob)
    for path in (plain, f"{plain}/standing"):
        assert bob.get(path).status_code == 404
        assert bob.post(path).status_code == 404
    assert bob.get(plain).text == bob.get(f"/plan/{cast.plain_site.id}/999999").text
    assert "Outpatient" not in bob.get("/plan").text
    assert visit(cast.tom).get("/plan").status_code == 404


STANDING = {"incident": "200", "month": "600.00", "severities": ["1", "2"], "second": "0"}


def test_a_buyer_signs_a_yes_in_advance(visit, cast, work_session):
    bea = visit(cast.bea)
    path = f"/plan/{cast.site.id}/{cast.factory.id}/standing"
    said = {**STANDING, "first": str(cast.bea.person_id)}
    bea.get(path)
    assert bea.post(path, said).status_code == 303
    assert bea.post(path, said).status_code == 303
    signed = work_session.scalars(select(StandingAuthorization)).one()
    assert (signed.nte_incident_minor, signed.nte_month_minor, signed.severities) == (20_000, 60_000, [1, 2])
    assert signed.approver_ids == [cast.bea.person_id]
    assert ">€200.00</a> per case" in bea.get("/plan").text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"incident": "700"}, "A month allows at least what one case does."),
        ({"incident": "much"}, "digits with a point"),
        ({"severities": []}, "Choose at least one severity."),
        ({"first": "999999"}, "Not a valid choice"),
    ],
)
def test_a_yes_in_advance_that_cannot_be_is_refused_at_the_field(visit, cast, work_session, change, sentence):
    bea = visit(cast.bea)
    path = f"/plan/{cast.site.id}/{cast.factory.id}/standing"
    refused = bea.post(path, {**STANDING, "first": str(cast.bea.person_id), **change})
    assert refused.status_code == 422
    assert sentence in refused.text
    assert everything(work_session, "standing_authorization") == []


def test_a_site_without_a_choice_is_told_to_choose_first(visit, cast, plain):
    bea = visit(cast.bea)
    assert "Choose a plan for this site first" in bea.get(f"{plain}/standing").text
    said = {**STANDING, "first": str(cast.bea.person_id)}
    assert bea.post(f"{plain}/standing", said).status_code == 409


def test_each_grant_shows_where_it_went(visit, cast, work_session):
    """A pack with work billed, work promised, and a rest; and cases that nobody has used yet."""
    open_books(work_session, cast)
    bought(work_session, cast, site=cast.plain_site)
    bought(work_session, cast, site=cast.plain_site, pack_code="incidents_5", source="checkout:2")
    case = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, case, minutes=60)
    settled(work_session, cast, case)
    item = billed(work_session, case)
    running = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, running, minutes=30, start=hours_later(5))
    reserve_hours(work_session, running.id, now=hours_later(6))
    work_session.commit()
    page = visit(cast.bea).get(f"/plan/{cast.plain_site.id}/{cast.factory.id}/hours").text
    for words in ("Ten hours of support", "8 h 30 min left until 10 Mar 2027", "Five support cases", "5 cases left"):
        assert words in page
    assert f"/bill-items/{item.id}" in page
    assert f"/cases/{running.name}" in page
    path = f"/plan/{cast.plain_site.id}/{cast.factory.id}/hours.svg?grant="
    charts = [visit(cast.bea).get(path + grant).text for grant in re.findall(r"hours\.svg\?grant=(\d+)", page)]
    assert sorted("Cases left at" in chart for chart in charts) == [False, True]


def test_what_goes_back_of_this_month_stands_beside_the_choice(visit, cast, work_session):
    open_books(work_session, cast)
    by_days = ('price_per_month = "290.00"', 'price_per_month = "290.00"\ngiven_up_by_days = true')
    signed_policy(work_session, cast, by_days)
    open_month(work_session, now=NOW)
    work_session.commit()
    bea = visit(cast.bea)
    page = bea.get(f"/plan/{cast.site.id}/{cast.factory.id}").text
    assert "21 of 31 days are left of 290.00 EUR" in page
    assert "€196.45" in page
    month = re.search(r"/plan-months/(\d+)", page)
    assert bea.get(month[0]).status_code == 200
