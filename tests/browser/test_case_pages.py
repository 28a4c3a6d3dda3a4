"""Queue, case and resolution in a real browser: pleasant at both widths, few clicks, big targets for a thumb."""

from __future__ import annotations

import pytest

from portal.access import Audience
from portal.cases import actions
from portal.cases.actions import NewNote
from portal.db import open_session
from tests.support import cases as stories
from tests.support.browsing import assert_pleasant
from tests.support.cast import recast

LONG = "Averylongserialnumberwithoutanyblank" * 3


@pytest.fixture
def story(site):
    """A case with something of everything, escalated now; its name."""

    def make(step):
        now = site.app.extensions["portal"].clock()
        with open_session(site.work_engine) as session:
            cast = recast(session, site.cast)
            said = stories.new_case(cast, title=f"Doors stay locked {LONG}")
            case = actions.escalate(session, cast.tom, said, now=now)
            actions.add_note(session, cast.tom, case, NewNote(LONG, Audience.COMPANIES), now=now)
            if step != "escalated":
                actions.accept_custody(session, cast.ana, case, seq=case.seq, now=now)
            if step == "resolved":
                actions.resolve(session, cast.ana, case, stories.RESOLVING, seq=case.seq, now=now)
            session.commit()
            return case.name

    return make


def test_engineer_accepts_the_next_case_two_clicks_from_signing_in(site, enter, story):
    name = story("escalated")
    page = enter(site.cast.ana)
    assert_pleasant(page, "today engineer")
    page.goto("/queue")
    assert_pleasant(page, "queue")
    row = page.locator("tr", has=page.get_by_role("link", name=name, exact=True))
    row.get_by_role("button", name="Accept").click()
    page.get_by_text("With: factory (Ana)").first.wait_for()
    assert_pleasant(page, "case")


def test_engineer_resolves_on_one_page(site, enter, story):
    page = enter(site.cast.ana)
    page.goto(f"/cases/{story('accepted')}")
    page.get_by_text("Why this deadline").first.click()
    page.get_by_text("More", exact=True).click()
    assert_pleasant(page, "case opened")
    page.get_by_role("link", name="Resolve").click()
    page.get_by_text("Who resolved it, by the signed table").click()
    assert_pleasant(page, "resolve")
    page.get_by_role("button", name="Resolve the case").click()
    page.get_by_text("Choose the cause.").first.wait_for()
    assert_pleasant(page, "resolve refused")
    page.get_by_label("Cause", exact=True).select_option("configuration")
    page.get_by_label("What was done last").select_option("remote_configuration")
    page.get_by_label("What was done", exact=True).fill("Door groups set again.")
    page.get_by_role("button", name="See what it does to the money").click()
    page.get_by_role("heading", name="What it comes to").wait_for()
    assert_pleasant(page, "resolve preview")
    page.get_by_role("button", name="Resolve the case").click()
    page.get_by_text("The case is resolved.").wait_for()
    assert_pleasant(page, "resolved")


def test_technician_takes_the_case_back_and_writes(site, enter, story):
    name = story("accepted")
    page = enter(site.cast.tom)
    page.goto(f"/cases/{name}")
    assert_pleasant(page, "case technician")
    page.get_by_role("button", name="Take it back").click()
    page.get_by_text("With: integrator (Tom)").first.wait_for()
    page.get_by_role("textbox", name="Note").fill("On my way.")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_text("The note is saved.").wait_for()
    assert_pleasant(page, "case with note")


def test_stale_form_is_pleasant(site, enter, story):
    name = story("escalated")
    page = enter(site.cast.eli)
    page.goto(f"/cases/{name}/declines")
    assert_pleasant(page, "decline")
    other = enter(site.cast.ana)
    other.goto(f"/cases/{name}")
    other.get_by_role("button", name="Accept").click()
    other.get_by_text("With: factory (Ana)").first.wait_for()
    page.get_by_role("textbox", name="Reason").fill("Not our product")
    page.get_by_role("button", name="Decline").click()
    page.get_by_text("Since then:").wait_for()
    assert page.get_by_role("textbox", name="Reason").input_value() == "Not our product"
    assert_pleasant(page, "decline stale")


@pytest.mark.parametrize("who", ["leo", "mia", "cal", "bea"])
def test_lists_and_case_are_pleasant_for_every_role(site, enter, story, who):
    name = story("resolved")
    page = enter(getattr(site.cast, who))
    for path in ("/", "/cases", "/search?words=doors", f"/cases/{name}"):
        page.goto(path)
        assert_pleasant(page, f"{who} {path}")


def test_manager_challenges_with_two_clicks(site, enter, story):
    page = enter(site.cast.mia)
    page.goto(f"/cases/{story('resolved')}")
    page.get_by_role("link", name="Challenge", exact=True).click()
    page.get_by_role("textbox", name="Why").fill("We found it on site.")
    page.get_by_label("Integrator's part in percent").fill("62.5")
    assert_pleasant(page, "challenge")
    page.get_by_role("button", name="Challenge").click()
    page.get_by_role("link", name="Open the challenge").click()
    assert_pleasant(page, "challenge open")


def test_known_issues_are_pleasant(site, enter):
    page = enter(site.cast.ana)
    page.goto("/known-issues")
    assert_pleasant(page, "known issues")
    page.get_by_role("link", name="Name an issue").first.click()
    page.get_by_label("What goes wrong").fill("Readers freeze")
    page.get_by_label("Advice").fill("Update them.")
    assert_pleasant(page, "known issue form")
    page.get_by_role("button", name="Save the issue").click()
    assert_pleasant(page, "known issue")
