"""The story's main line in a real browser, by six roles, on a phone and at a desk; every page met is pleasant.

Where the whole story is told with all its turns is ``tests/test_escalation_to_transfer.py``; here it is looked at.
"""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Page
from sqlalchemy import func, select

from portal.settlement.models import Statement
from tests.browser.conftest import Visit
from tests.support import browsing
from tests.support.story import Stage, set_up_payouts, utc

PHOTO = {"name": "reader.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff" + b"0" * 400}


def test_the_story_is_pleasant_to_everybody(stage: Stage, visit: Visit) -> None:
    set_up_payouts(stage)
    name = the_technician_escalates(stage, visit)
    the_buyer_says_yes(stage, visit, name)
    the_engineer_works_and_resolves(stage, visit, name)
    the_technician_was_on_site(stage, visit, name)
    the_service_manager_confirms(stage, visit, name)
    the_support_lead_approves_the_time(stage, visit)
    the_buyer_pays(stage, visit)
    two_finance_people_pay_out(stage, visit)
    the_transfer_is_followed_to_the_minute(stage, visit, name)


def the_technician_escalates(stage: Stage, visit: Visit) -> str:
    page = visit(stage.cast.tom)
    look(page, "01 technician today")
    page.locator("main").get_by_role("link", name="Escalate a case").click()
    look(page, "02 technician chooses the system")
    page.locator("main").get_by_role("link", name="NA-2002").click()
    page.get_by_label("2: Badly limited").click()
    page.get_by_label("What is wrong, in short").fill("Doors stay locked")
    page.get_by_label("What happens").fill("Since this morning no card opens the ward's doors.")
    page.get_by_label("Serial number of the controller").fill("NA-2002")
    page.get_by_label("Firmware version").fill("4.2.1")
    page.get_by_label("Status light").select_option("red")
    page.get_by_label("Photos and other files").set_input_files([PHOTO])
    page.get_by_text("reader.jpg (").wait_for()
    look(page, "03 technician says what is wrong")
    page.get_by_role("button", name="See cover and price").click()
    page.get_by_label("Authorize up to").fill("600")
    look(page, "04 technician sees cover and price")
    page.get_by_role("button", name="Send to the factory").click()
    page.wait_for_url(re.compile(r"/cases/NOR-\d+$"))
    look(page, "05 technician sent it")
    return page.url.rsplit("/", 1)[1]


def the_buyer_says_yes(stage: Stage, visit: Visit, name: str) -> None:
    page = visit()
    page.goto(stage.mailed_link(stage.email_of(stage.cast.bea), "may we work up to"))
    look(page, "06 buyer is asked")
    page.get_by_role("button", name="Yes, up to this").click()
    page.get_by_role("heading", name="You said yes").wait_for()
    look(page, "07 buyer said yes")
    page = visit(stage.cast.bea)
    look(page, "08 buyer today")
    page.goto(f"/cases/{name}")
    look(page, "09 buyer reads the case")


def the_engineer_works_and_resolves(stage: Stage, visit: Visit, name: str) -> None:
    stage.run()
    page = visit(stage.cast.ana)
    look(page, "10 engineer today")
    page.goto("/queue")
    look(page, "11 engineer queue")
    page.locator("main").get_by_role("button", name="Accept").first.click()
    page.get_by_text("With: factory (Ana)").first.wait_for()
    page.get_by_role("button", name="Start the timer").click()
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    look(page, "12 engineer works")
    page.get_by_role("textbox", name="Note").fill("The groups of the ward were empty after the update.")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_text("The note is saved.").wait_for()
    stage.at(stage.clock.now + timedelta(minutes=65))
    page.context.clock.set_fixed_time(stage.clock.now)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_label("What was done").fill("Read the log, set the door groups again")
    look(page, "13 engineer stopped the timer")
    page.get_by_role("button", name="Log the time").click()
    page.get_by_text(f"Logged on {name}.").wait_for()
    page.get_by_role("link", name="Resolve").click()
    page.get_by_label("Cause", exact=True).select_option("configuration")
    page.get_by_label("What was done last").select_option("remote_configuration")
    page.get_by_label("What was done", exact=True).fill("Door groups set again.")
    look(page, "14 engineer resolves")
    page.get_by_role("button", name="Resolve the case").click()
    page.get_by_text("The case is resolved.").wait_for()
    look(page, "15 engineer resolved")


def the_technician_was_on_site(stage: Stage, visit: Visit, name: str) -> None:
    stage.at(utc(3, 10, 14))
    page = visit(stage.cast.tom)
    page.goto(f"/time/new?case={name}")
    page.get_by_label("On site").check()
    page.get_by_label("From").fill("2026-03-10T12:00")
    page.get_by_label("To", exact=True).fill("2026-03-10T14:00")
    page.get_by_label("What was done").fill("Tried every door of the ward")
    look(page, "16 technician enters time")
    page.get_by_role("button", name="Log the time").click()
    page.get_by_text("The time is logged.").wait_for()


def the_service_manager_confirms(stage: Stage, visit: Visit, name: str) -> None:
    page = visit(stage.cast.mia)
    look(page, "17 service manager today")
    page.locator("main").get_by_role("link", name=name).first.click()
    page.get_by_role("button", name="Confirm the resolution").click()
    page.get_by_text("The resolution is confirmed.").wait_for()
    look(page, "18 service manager confirmed")
    approve_all(page)


def the_support_lead_approves_the_time(stage: Stage, visit: Visit) -> None:
    page = visit(stage.cast.leo)
    look(page, "19 support lead today")
    approve_all(page, "20 support lead approves")


def approve_all(page: Page, name: str = "") -> None:
    """Tick what one's people worked."""
    page.goto("/time/approvals")
    page.get_by_role("checkbox").first.check()
    if name:
        look(page, name)
    page.get_by_role("button", name="Approve the ticked entries").click()
    page.get_by_text("1 entry is approved.").wait_for()


def the_buyer_pays(stage: Stage, visit: Visit) -> None:
    stage.at(utc(4, 3, 6))
    stage.sweep()
    page = visit(stage.cast.bea)
    page.goto("/invoices")
    look(page, "21 buyer invoices")
    page.get_by_role("link", name="NOR-INV-1").first.click()
    look(page, "22 buyer invoice")
    page.get_by_role("link", name="Pay at Stripe").click()
    page.get_by_role("button", name="Pay 1,132.50 EUR").click()
    page.get_by_text("Thank you.").wait_for()
    stage.deliver()


def two_finance_people_pay_out(stage: Stage, visit: Visit) -> None:
    stage.at(utc(5, 1, 6))
    page = visit(stage.cast.fay)
    look(page, "23 finance today")
    page.goto("/periods")
    look(page, "24 finance periods")
    page.locator("main").get_by_role("link", name="2026-04").first.click()
    page.get_by_role("button", name="Close the period").click()
    page.get_by_text("The period is being closed.").wait_for()
    look(page, "25 finance closes the month")
    stage.run()
    page.goto(page.url.partition("?")[0])
    look(page, "26 finance closed the month")
    stage.at(utc(5, 12, 8))
    own, operators = statements_of(stage)
    settle(stage, visit, own)
    settle(stage, visit, operators, seen=True)
    stage.deliver()
    page = visit(stage.cast.fay)
    page.goto("/transfers")
    page.get_by_text("Transferred").first.wait_for()
    look(page, "32 finance transfers")


def statements_of(stage: Stage) -> list[str]:
    """The names of the statements of the month in which the cash came."""
    with stage.work() as session:
        latest = select(func.max(Statement.period_id)).scalar_subquery()
        wanted = select(Statement.name).where(Statement.period_id == latest).order_by(Statement.number)
        return list(session.scalars(wanted))


def settle(stage: Stage, visit: Visit, statement: str, *, seen: bool = False) -> None:
    """Fay prepares a statement, Fin approves it; pages that were ``seen`` already are not looked at again."""
    see = skip if seen else look
    page = visit(stage.cast.fay)
    page.goto("/statements")
    see(page, "27 finance statements")
    page.get_by_role("link", name=statement).click()
    see(page, "28 finance statement")
    address = page.url
    page.get_by_role("link", name="Prepare it").click()
    see(page, "29 finance prepares")
    page.get_by_role("button", name="Prepare it").click()
    page = visit(stage.cast.fin)
    page.goto(address)
    page.get_by_role("link", name="Look and approve").click()
    for box in page.get_by_role("checkbox").all():
        box.check()
    see(page, "30 other finance approves")
    page.get_by_role("button", name="Approve exactly this").click()
    page.get_by_text("The statement is approved").wait_for()
    stage.run()
    page.goto(address)
    see(page, "31 finance statement paid")


def the_transfer_is_followed_to_the_minute(stage: Stage, visit: Visit, name: str) -> None:
    """Why a line is what it is: two clicks from the statement to the note of the work."""
    page = visit(stage.cast.fay)
    page.goto("/statements")
    page.get_by_role("link", name=statements_of(stage)[0]).click()
    page.get_by_role("link", name="Line 1").click()
    page.get_by_text("Read the log, set the door groups again").first.wait_for()
    look(page, "33 finance follows a line")
    page.get_by_role("link", name=f"The bill of {name}").click()
    look(page, "34 finance reads the bill")


def look(page: Page, name: str) -> None:
    """The page is as it should be; its picture is kept where pictures are asked for."""
    browsing.assert_pleasant(page, f"story {name}")


def skip(_page: Page, _name: str) -> None:
    """The page was looked at before."""
