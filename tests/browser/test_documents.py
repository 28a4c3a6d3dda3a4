"""A policy is mended by its messages alone, proposed and signed; a case is priced by the version of its day."""

from __future__ import annotations

import difflib
import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from portal.contracts.queries import policy_in_force
from portal.db import open_session
from tests.support import browsing
from tests.support.browsing import assert_pleasant
from tests.support.cases import escalated
from tests.support.cast import recast
from tests.support.documents import KESSLER, POLICY, changed

# The prices of the new version, and three mistakes that somebody makes.
DEARER = (('per_hour = "150.00"', 'per_hour = "165.00"'), ('per_hour = "225.00"', 'per_hour = "247.50"'))
MISTAKES = (
    ('per_hour = "90.00"', 'per_hour = "ninety"'),
    ('direction = "up"', 'direction = "upwards"'),
    ("increment_minutes = 15", "increments_minutes = 15"),
)
SELECTED = """() => {
    const field = document.activeElement;
    return field.value.slice(field.selectionStart, field.selectionEnd);
}"""


def mended(line: str, message: str) -> str:
    """The line put right by what its message says is allowed, and nothing else."""
    key, _, value = line.partition(" = ")
    if example := re.search(r'an amount such as ("[\d.]+")', message):
        return f"{key} = {example.group(1)}"
    allowed = re.findall(r"'(\w+)'", message) or re.findall(
        r"\w+", message.partition("Allowed here:")[2].partition(".")[0]
    )
    if value.startswith('"') and "not known" not in message:
        return f'{key} = "{difflib.get_close_matches(value.strip(chr(34)), allowed, 1, 0)[0]}"'
    return f"{difflib.get_close_matches(key, allowed, 1, 0)[0]} = {value}"


def problem_rows(page: Page):
    return page.get_by_role("table", name="Problems").locator("tbody tr")


def mend_all(page: Page) -> int:
    """Go from each problem to its line by its link and put the line right; how many there were."""
    done = 0
    while problem_rows(page).count():
        left = problem_rows(page).count()
        row = problem_rows(page).first
        message = row.locator("td").nth(2).inner_text()
        row.locator("a[data-line]").click()
        line = page.evaluate(SELECTED)
        page.keyboard.insert_text(mended(line, message))
        done += 1
        if left > 1:
            expect(problem_rows(page)).to_have_count(left - 1)
        else:
            page.get_by_role("heading", name="Nothing is wrong with this text").wait_for()
    return done


def sign(page: Page) -> None:
    page.get_by_label("I have read this version").check()
    page.get_by_role("button", name="Sign this version").click()
    page.get_by_text("Signed.").wait_for()


def proposed(page: Page, document_id: int, written: str, day: str) -> None:
    page.goto(f"/contracts/{document_id}/draft")
    page.get_by_label("The document, in TOML").fill(written)
    page.get_by_label("Holds from").fill(day)


@pytest.fixture
def days_ahead(width: int) -> int:
    """Another day for each width: both write versions of the same documents."""
    return {browsing.PHONE_PIXELS: 30, browsing.DESK_PIXELS: 60}[width]


def test_a_policy_is_mended_by_its_messages_signed_and_prices_the_cases_of_its_day(site, enter, days_ahead):
    cast = site.cast
    now = site.app.extensions["portal"].clock()
    day = (now + timedelta(days=days_ahead)).date().isoformat()
    adam = enter(cast.adam)
    proposed(adam, cast.policy_version.document_id, changed(POLICY, *DEARER, *MISTAKES), day)
    expect(problem_rows(adam)).to_have_count(3)
    assert_pleasant(adam, "draft with problems")
    assert mend_all(adam) == 3
    adam.get_by_text("was 150.00, is now 165.00").first.wait_for()
    assert_pleasant(adam, "draft without problems")
    adam.get_by_role("button", name="Propose this version").click()
    sign(adam)

    ian = enter(cast.ian)
    agreed = changed(KESSLER, ("review_days = 10", f"review_days = {days_ahead}"))
    proposed(ian, cast.agreement_version.document_id, agreed, day)
    ian.get_by_role("button", name="Propose this version").click()
    sign(ian)
    adam.goto(ian.url)
    sign(adam)
    assert_pleasant(adam, "agreement signed by both")

    with open_session(site.work_engine) as session:
        cast = recast(session, site.cast)
        later = policy_in_force(session, cast.factory.id, now + timedelta(days=days_ahead + 1))
        older = escalated(session, cast, system_id=cast.plain_system.id, at=now).name
        newer = escalated(
            session, cast, system_id=cast.plain_system.id, at=later.version.effective_from + timedelta(hours=10)
        ).name
        session.commit()
    dear, cheap = re.compile(r"165\.00|247\.50"), re.compile(r"150\.00|225\.00")
    adam.goto(f"/cases/{older}")
    assert cheap.search(adam.locator("main").inner_text())
    adam.goto(f"/cases/{newer}")
    assert dear.search(adam.locator("main").inner_text())


def test_pages_to_begin_and_to_look_back_from_are_pleasant(site, enter):
    adam = enter(site.cast.adam)
    for path in ("/contracts/library", "/contracts/library/document?name=av_day_blocks", "/contracts/what-if"):
        adam.goto(path)
        assert_pleasant(adam, path)
    with open_session(site.work_engine) as session:
        cast = recast(session, site.cast)
        escalated(session, cast, at=site.app.extensions["portal"].clock())
        session.commit()
    bea = enter(site.cast.bea)
    bea.goto(f"/plan/{site.cast.site.id}/{site.cast.factory.id}/hours")
    assert_pleasant(bea, "hours")
