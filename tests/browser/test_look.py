"""Every building block on one page, and the pages everybody meets: accessible, and drawn right at both widths."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.db import open_session
from portal.identity import actions, rules
from tests.support.browsing import PHONE_PIXELS, assert_pleasant

# One process knows which pages it has looked at.
pytestmark = pytest.mark.xdist_group("look")


def test_every_building_block_is_pleasant_with_and_without_errors(site, enter):
    page = enter(site.cast.ana)
    page.goto("/specimen")
    assert_pleasant(page, "specimen")
    assert page.locator(".timer time").inner_text().startswith("0:12:")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_text("Say it in one line.").first.wait_for()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    assert page.get_by_label("Subject").get_attribute("aria-invalid") == "true"
    assert_pleasant(page, "specimen errors")


def test_a_second_click_sends_nothing(site, enter):
    page = enter(site.cast.ana)
    page.goto("/specimen")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_label("Subject").fill("Twice")
    with page.expect_navigation():
        page.get_by_role("button", name="Save the note").dblclick()
    assert len(sent) == 1


def test_signing_in_and_its_refusals_are_pleasant(site, screen):
    page = screen()
    page.goto("/security")
    assert_pleasant(page, "sign in")
    page.get_by_label("Email address").fill("ana@nor.example")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_text("do not fit").wait_for()
    assert_pleasant(page, "sign in refused")
    page.get_by_role("link", name="Forgotten password").click()
    assert_pleasant(page, "forgotten password")
    page.get_by_label("Email address").fill("ana@nor.example")
    page.get_by_role("button", name="Send the link").click()
    page.get_by_text("Look into your mail").first.wait_for()
    assert_pleasant(page, "link sent")
    page.goto("/link/nothing")
    assert_pleasant(page, "not found")


# What these answer is a file or a picture, not a page; a ready document needs its name.
NO_PAGES = {
    "reporting.export",
    "reporting.chart",
    "identity.generator_image",
    "people.audit_log_file",
    "contracts.ready_document",
}


@pytest.fixture(scope="module")
def pleasant():
    """The pages that were looked at closely."""
    return set()


@pytest.mark.parametrize("who", ["ana", "leo", "tom", "mia", "bea", "cal", "fay", "adam"])
def test_each_role_finds_every_page_that_needs_no_choice_pleasant(site, enter, width, pleasant, who):
    """Generated from the URL map, so that a new page cannot be forgotten.

    Each is drawn and looked at once for each side and width, and held to axe at the first of the widths.
    """
    actor = getattr(site.cast, who)
    page = enter(actor)
    met = 0
    for rule in sorted(site.app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = site.app.view_functions[rule.endpoint]
        if rule.arguments or "GET" not in rule.methods or not hasattr(view, "open_to"):
            continue
        if rule.endpoint == "specimen" or not view.open_to(actor):
            continue
        if rule.endpoint in NO_PAGES:
            continue
        # Every role has a first page of its own.
        shown = (rule.endpoint, actor.side if rule.endpoint != "today.today" else who)
        if (*shown, width) in pleasant:
            assert page.request.get(rule.rule).status == 200, rule.rule
        else:
            assert page.goto(rule.rule).status == 200, rule.rule
            assert_pleasant(page, f"{rule.endpoint.replace('.', ' ')} {who}", axe=shown not in pleasant)
            pleasant |= {shown, (*shown, width)}
        met += 1
    assert met >= 2


def test_an_administrators_pages_are_pleasant(site, enter):
    page = enter(site.cast.adam)
    page.goto("/people")
    assert_pleasant(page, "people")
    page.get_by_role("link", name="Invite somebody").click()
    assert_pleasant(page, "invite")
    page.get_by_role("button", name="Send the invitation").click()
    page.get_by_text("Type the address.").first.wait_for()
    assert_pleasant(page, "invite refused")
    page.get_by_label("Email address").fill("nina@nor.example")
    page.get_by_label("Name", exact=True).fill("Nina Falk")
    page.get_by_label("Engineer").check()
    page.get_by_role("button", name="Send the invitation").click()
    page.get_by_text("the mail is on its way").wait_for()
    assert_pleasant(page, "people invited")
    page.get_by_role("link", name="Ana").click()
    assert_pleasant(page, "person")
    page.goto("/audit-log")
    assert_pleasant(page, "audit log")
    page.goto("/security")
    assert_pleasant(page, "security")
    page.goto("/kept-mail")
    assert_pleasant(page, "kept mail")


def test_the_pages_of_mailed_links_are_pleasant(site, screen):
    page = screen()
    page.goto(reset_path(site, site.cast.bob))
    assert_pleasant(page, "new password")
    page.get_by_role("textbox", name="New password").fill("short")
    page.get_by_role("button", name="Save the password").click()
    page.get_by_text("at least 12 characters").first.wait_for()
    assert_pleasant(page, "new password refused")
    page.get_by_role("textbox", name="New password").fill("seven green lamps over water")
    page.get_by_role("button", name="Save the password").click()
    page.get_by_text("Your password is changed").first.wait_for()
    assert_pleasant(page, "new password set")
    page.goto(page.url)
    page.get_by_text("This link has ended").first.wait_for()
    assert_pleasant(page, "link used")


def reset_path(site, actor):
    secret = site.app.secret_key
    with open_session(site.work_engine) as session, session.begin():
        link = actions.create_reset_link(session, actor.person_id, secret=secret, now=datetime.now(UTC))
        return f"/link/{rules.link_token(secret, link.id)}"


def test_the_keyboard_reaches_the_content_and_the_menu(site, enter, width):
    page = enter(site.cast.adam)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    if width != PHONE_PIXELS:
        assert page.get_by_role("link", name="People").is_visible()
        return
    assert not page.get_by_role("link", name="People").is_visible()
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("link", name="People").is_visible()
    assert_pleasant(page, "menu open")
    page.keyboard.press("Escape")
    assert not page.get_by_role("link", name="People").is_visible()
    assert page.evaluate("document.activeElement.textContent").strip() == "Menu"


def test_the_account_sheet_opens_is_pleasant_and_closes(site, enter, width):
    page = enter(site.cast.ana)
    if width == PHONE_PIXELS:
        page.get_by_role("button", name="Menu").click()
    page.locator(".account summary").click()
    assert page.get_by_role("button", name="Sign out").is_visible()
    assert_pleasant(page, "account")
    page.keyboard.press("Escape")
    assert not page.get_by_role("button", name="Sign out").is_visible()


def test_everything_works_without_scripts(site, screen, enter):
    enter(site.cast.ana)
    page = screen(java_script_enabled=False)
    page.goto("/sign-in")
    page.get_by_label("Email address").fill("ana@nor.example")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Today").wait_for()
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in", exact=True).wait_for()
