"""A hospital pays by purchase order and check; its integrator contests a line, and is paid once its account is ready.

Four roles at a desk: the payer's and the integrator's finance, and the two people of the manufacturer that money needs.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.support import browsing
from tests.support.browsing import assert_pleasant
from tests.support.story import Stage, utc
from tests.support.telling import approve_all_time, escalate, resolve, work

ORDER = "PO-2026-0815"


@pytest.fixture
def width() -> int:
    """The turns are what matters here; every page is drawn at both widths elsewhere."""
    return int(browsing.DESK_PIXELS)


def test_order_check_contest_and_an_account_that_comes_late(stage: Stage, visit: Visit) -> None:
    the_hospital_enters_its_order(stage, visit)
    contested, _ = (a_case_is_worked_on(stage, hour) for hour in (12, 15))
    stage.at(utc(4, 3, 6))
    stage.sweep()
    the_hospital_reads_its_invoice(stage, visit)
    two_people_confirm_the_check(stage, visit)
    stage.at(utc(5, 1, 6))
    close_the_month(stage, visit, "2026-04")
    the_integrator_contests_what_it_followed_to_the_note(stage, visit, contested)
    stage.at(utc(5, 12, 8))
    two_people_approve(stage, visit)
    what_is_held_waits_for_the_account(stage, visit)
    it_goes_by_itself_once_the_balance_is_topped_up(stage, visit)
    assert not stage.failures()


def the_hospital_enters_its_order(stage: Stage, visit: Visit) -> None:
    page = visit(stage.cast.flo)
    page.goto("/purchase-orders")
    page.get_by_role("link", name="Enter an order").first.click()
    page.get_by_label("For", exact=True).select_option("Nordlicht Access")
    page.get_by_label("Number", exact=True).fill(ORDER)
    page.get_by_label("Last day").fill("2026-12-31")
    page.get_by_label("Days to pay").fill("45")
    page.get_by_label("Accounts payable, email address").fill("kreditoren@klinikum.example")
    page.get_by_role("button", name="Enter the order").click()
    page.get_by_text("Write the order's amount.").first.wait_for()
    assert page.get_by_label("Number", exact=True).input_value() == ORDER
    page.get_by_label("Amount", exact=True).fill("5000")
    page.get_by_role("button", name="Enter the order").click()
    page.get_by_text("The order is entered.").wait_for()
    assert_pleasant(page, "order entered")


def a_case_is_worked_on(stage: Stage, hour: int) -> str:
    """Escalated, worked on for an hour by the factory and half an hour on site, resolved and confirmed; its name."""
    stage.at(utc(3, 10, hour))
    name = escalate(stage, stage.cast.plain_system, upto="600")
    stage.enter(stage.cast.ana).open(f"/cases/{name}").press("Accept")
    ana = work(stage, stage.cast.ana, name, minutes=60, note=f"Set the door groups of {name} again")
    tom = stage.enter(stage.cast.tom)
    work(stage, stage.cast.tom, name, minutes=30, note=f"Tried the doors of {name}")
    tom.open(f"/cases/{name}")
    resolve(ana, name, "configuration", "remote_configuration")
    stage.enter(stage.cast.mia).open(f"/cases/{name}").press("Confirm the resolution")
    approve_all_time(stage, stage.cast.leo, stage.cast.mia)
    return name


def the_hospital_reads_its_invoice(stage: Stage, visit: Visit) -> None:
    page = visit(stage.cast.flo)
    page.goto("/invoices")
    page.get_by_role("link", name="NOR-INV-1").first.click()
    page.get_by_text(ORDER).first.wait_for()
    assert_pleasant(page, "invoice with order")


def two_people_confirm_the_check(stage: Stage, visit: Visit) -> None:
    stage.at(utc(4, 9, 10))
    fay = visit(stage.cast.fay)
    fay.goto("/invoices")
    fay.get_by_role("link", name="NOR-INV-1").first.click()
    invoice = fay.url
    fay.get_by_role("link", name="Record a payment").click()
    owed = re.search(r"[\d,]+\.\d\d", fay.locator("main").inner_text())
    assert owed is not None
    fay.get_by_label("Amount", exact=True).fill(owed.group(0).replace(",", ""))
    fay.get_by_label("How it came").select_option("check")
    fay.get_by_label("Reference").fill("Check 4711, Sparkasse")
    fay.get_by_label("Received on").fill("2026-04-08")
    fay.get_by_role("button", name="Note the payment").click()
    fay.get_by_role("heading", name="Waiting for a second person").wait_for()
    assert fay.get_by_role("button", name="Confirm Check").count() == 0
    fin = visit(stage.cast.fin)
    fin.goto(invoice)
    fin.get_by_role("button", name="Confirm Check").click()
    fin.get_by_text("Elsewhere, confirmed by two people").wait_for()
    stage.deliver()
    fin.goto(invoice)
    assert_pleasant(fin, "invoice paid by check")


def close_the_month(stage: Stage, visit: Visit, label: str) -> None:
    page = visit(stage.cast.fay)
    page.goto("/periods")
    page.locator("main").get_by_role("link", name=label).first.click()
    page.get_by_role("button", name="Close the period").click()
    page.get_by_text("The period is being closed.").wait_for()
    stage.run()


def the_integrator_contests_what_it_followed_to_the_note(stage: Stage, visit: Visit, name: str) -> None:
    page = visit(stage.cast.ivo)
    open_statement(page)
    page.get_by_role("row").filter(has_text=name).get_by_role("link", name=re.compile("Line")).click()
    page.get_by_text(f"Tried the doors of {name}").first.wait_for()
    assert_pleasant(page, "line down to the note")
    page.get_by_role("link", name="Contest the line").click()
    page.get_by_label("What is wrong").fill("Tom was there for an hour, not for half of one.")
    page.get_by_role("button", name="Contest the line").click()
    page.get_by_text("Contested").first.wait_for()


def two_people_approve(stage: Stage, visit: Visit) -> None:
    """What may go: Fay prepares, Fin approves."""
    fay = visit(stage.cast.fay)
    open_statement(fay)
    address = fay.url
    fay.get_by_role("link", name="Prepare it").click()
    fay.get_by_text("Approving includes the transfer of what waits for the account").wait_for()
    fay.get_by_role("button", name="Prepare it").click()
    fay.goto(address)
    assert fay.get_by_role("link", name="Look and approve").count() == 0
    fin = visit(stage.cast.fin)
    fin.goto(address)
    fin.get_by_role("link", name="Look and approve").click()
    for box in fin.get_by_role("checkbox").all():
        box.check()
    fin.get_by_role("button", name="Approve exactly this").click()
    fin.get_by_text("The statement is approved").wait_for()
    stage.run()


def what_is_held_waits_for_the_account(stage: Stage, visit: Visit) -> None:
    """The approved money is held, the page says why, and where the account is set up."""
    page = visit(stage.cast.ivo)
    open_statement(page)
    page.get_by_text("The account cannot receive transfers yet").wait_for()
    page.get_by_text("goes by itself as soon as the account is ready").wait_for()
    assert_pleasant(page, "statement waits for the account")
    page.get_by_role("link", name="Set the account up").click()
    page.get_by_role("button", name="Set up the account at Stripe").click()
    page.get_by_role("button", name="Submit and activate").click()
    page.wait_for_url("**/payouts")
    page.get_by_role("heading", name="Approved for you").wait_for()
    stage.deliver()
    page.reload()
    page.get_by_text("Ready", exact=True).first.wait_for()
    assert_pleasant(page, "account ready")


def it_goes_by_itself_once_the_balance_is_topped_up(stage: Stage, visit: Visit) -> None:
    """Nobody approves again; the check never came near Stripe, so the balance is topped up before it goes."""
    page = visit(stage.cast.fay)
    open_statement(page)
    page.get_by_text("The account is ready").wait_for()
    assert_pleasant(page, "what waited is under way")
    page.goto("/cash-needed")
    page.get_by_text("Not covered").wait_for()
    assert_pleasant(page, "money lacks at Stripe")
    assert stage.standin.control.counters().get("transfer", 0) == 0
    stage.standin.control.fund(50_000, "eur")
    stage.sweep()
    stage.deliver()
    assert stage.standin.control.counters()["transfer"] == 1
    page = visit(stage.cast.ivo)
    open_statement(page)
    page.get_by_text("was transferred since: succeeded").first.wait_for()
    assert_pleasant(page, "statement transferred")


def open_statement(page: Page) -> None:
    """Kessler's latest statement."""
    page.goto("/statements")
    page.get_by_role("row").filter(has_text="Kessler").get_by_role("link").first.click()
