"""The ways into a case in a real browser: pleasant at both widths, few taps, files kept while one still types."""

from __future__ import annotations

import re

from sqlalchemy import select

from portal.cases.models import Attachment, SupportCase
from portal.db import open_session
from portal.metering import actions as metering
from tests.support.browsing import PHONE_PIXELS, assert_pleasant

PHOTO = {"name": "reader.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff" + b"0" * 400}
LOG = {"name": "door.log", "mimeType": "text/plain", "buffer": b"09:00 denied\n" * 50}
MOST_TAPS = 8


class Taps:
    """Counts what a thumb does beside typing."""

    def __init__(self):
        self.count = 0

    def tap(self, target):
        self.count += 1
        target.click()


def test_a_technician_escalates_with_few_taps(site, enter, width):
    page = enter(site.cast.tom)
    thumb = Taps()
    thumb.tap(page.locator("main").get_by_role("link", name="Escalate a case"))
    assert_pleasant(page, "escalate system")
    thumb.tap(page.locator("main").get_by_role("link", name="NA-1001"))
    assert_pleasant(page, "escalate symptom")
    thumb.tap(page.get_by_label("2: Badly limited"))
    page.get_by_label("What is wrong, in short").fill("Doors stay locked")
    page.get_by_label("What happens").fill("Since this morning no card opens the ward's doors.")
    page.get_by_label("Serial number of the controller").fill("NA-1001")
    page.get_by_label("Firmware version").fill("4.2.1")
    thumb.tap(page.get_by_role("button", name="See cover and price"))
    page.get_by_text("Status light is missing.").first.wait_for()
    assert page.get_by_label("What happens").input_value().startswith("Since this morning")
    assert_pleasant(page, "escalate refused")
    page.get_by_label("Status light").select_option("red")
    thumb.count += 2
    page.get_by_label("Photos and other files").set_input_files([PHOTO])
    page.get_by_label("Log file").set_input_files([LOG])
    page.get_by_text("reader.jpg (").wait_for()
    page.get_by_text("door.log (").wait_for()
    assert_pleasant(page, "escalate files")
    thumb.tap(page.get_by_role("button", name="See cover and price"))
    page.get_by_role("heading", name="Cover and price").wait_for()
    assert (
        "Klinikum Ostufer" in page.locator("main").inner_text() or "Costs nothing" in page.locator("main").inner_text()
    )
    assert_pleasant(page, "escalate price")
    page.get_by_text("Why, and how the time is counted").click()
    page.get_by_text("Change what you said").click()
    assert_pleasant(page, "escalate price opened")
    page.get_by_text("Change what you said").click()
    thumb.tap(page.get_by_role("button", name="Send to the factory"))
    page.wait_for_url(re.compile(r"/cases/NOR-\d+$"))
    assert thumb.count <= MOST_TAPS
    name = page.url.rsplit("/", 1)[1]
    with open_session(site.work_engine) as session:
        case = session.scalars(select(SupportCase).where(SupportCase.name == name)).one()
        attached = session.scalars(select(Attachment.purpose).where(Attachment.case_id == case.id))
        assert sorted(attached) == ["", "log"]


def test_a_thumb_reaches_the_next_step(site, enter, width):
    if width != PHONE_PIXELS:
        return
    page = enter(site.cast.tom)
    page.goto(f"/escalate/{site.cast.system.id}")
    box = page.get_by_role("button", name="See cover and price").bounding_box()
    assert box["height"] >= 44


def test_escalating_works_without_scripts(site, enter, screen):
    enter(site.cast.tom)
    page = screen(java_script_enabled=False)
    page.goto("/sign-in")
    page.get_by_label("Email address").fill("tom@kes.example")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/")
    page.goto("/escalate")
    page.get_by_label("Serial number or name").fill("na-2002")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="NA-2002").click()
    page.get_by_label("3: Limited").check()
    page.get_by_label("What is wrong, in short").fill("Reader is slow")
    page.get_by_label("Photos and other files").set_input_files([PHOTO])
    page.get_by_role("button", name="See cover and price").click()
    page.get_by_text("reader.jpg (").wait_for()
    page.get_by_label("What happens").fill("Ten seconds for each card.")
    page.get_by_label("Serial number of the controller").fill("NA-2002")
    page.get_by_label("Firmware version").fill("4")
    page.get_by_label("Status light").select_option("green")
    page.get_by_role("button", name="See cover and price").click()
    page.get_by_role("button", name="Send to the factory").click()
    page.wait_for_url(re.compile(r"/cases/NOR-\d+$"))


def test_an_engineer_logs_a_call_on_one_screen(site, enter):
    page = enter(site.cast.eli)
    page.goto("/calls/new")
    assert_pleasant(page, "log call")
    page.get_by_role("button", name="The phone rings").click()
    page.get_by_text("Call without a case").wait_for()
    page.wait_for_url("**/calls/new")
    page.get_by_label("Serial number", exact=True).fill("1001")
    page.get_by_role("button", name="Find and price").click()
    page.get_by_role("heading", name="Read this aloud").wait_for()
    assert_pleasant(page, "log call priced")
    page.get_by_label("Caller", exact=True).fill("Tom")
    page.get_by_role("button", name="Save the call").click()
    page.get_by_text("Say how the caller was verified.").first.wait_for()
    assert_pleasant(page, "log call refused")
    page.get_by_label("How you know it is them").select_option("called back")
    page.get_by_label("What is wrong, in short").fill("Doors stay locked")
    page.get_by_label("What the caller says").fill("Since this morning.")
    page.get_by_role("button", name="Save the call").click()
    page.wait_for_url(re.compile(r"/cases/NOR-\d+$"))
    with open_session(site.work_engine) as session, session.begin():
        metering.discard_timer(session, site.cast.eli)


def test_a_contact_opens_a_case(site, enter):
    page = enter(site.cast.cal)
    page.goto("/cases/new")
    assert_pleasant(page, "open case system")
    page.locator("main").get_by_role("link", name="NA-1001").click()
    assert_pleasant(page, "open case")
