"""The hosted pages in a real browser: nothing that axe objects to, nothing wider than the screen."""

import pytest

from tests.standin.builders import an_account, an_open_invoice
from tests.standin.test_checkout import a_session
from tests.standin.test_hosted import a_link
from tests.support import browsing

SMALLEST_PRIMARY_PIXELS = 44

pytestmark = pytest.mark.browser


@pytest.fixture(params=[browsing.PHONE_PIXELS, browsing.DESK_PIXELS])
def page(request, chromium):
    context = chromium.new_context(viewport={"width": request.param, "height": browsing.HEIGHT_PIXELS})
    yield context.new_page()
    context.close()


def assert_pleasant(page):
    assert browsing.axe_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    sheet = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(sheet) == "rgb(245, 247, 250)"
    for button in page.locator("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= SMALLEST_PRIMARY_PIXELS


def test_onboarding_is_filled_in_and_shows_errors(client, page):
    page.goto(a_link(client, an_account(client).id).url)
    assert_pleasant(page)
    page.get_by_label("Legal name of the business").fill("")
    page.get_by_role("button", name="Submit and activate").click()
    assert_pleasant(page)
    assert page.get_by_label("Legal name of the business").get_attribute("aria-invalid") == "true"


def test_an_invoice_is_paid_with_the_keyboard_alone(client, page):
    invoice = an_open_invoice(client, 1_234_567, description="Work in November, " * 5)
    page.goto(invoice.hosted_invoice_url)
    assert_pleasant(page)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Thank you").wait_for()
    assert_pleasant(page)
    assert (
        client.v1.charges.list({"customer": invoice.customer}).data[0].payment_method_details.type == "us_bank_account"
    )


def test_checkout_and_the_page_of_an_unknown_address_are_pleasant(standin, client, page):
    page.goto(a_session(client).url)
    assert_pleasant(page)
    page.goto(f"{standin.base_url}/hosted/invoice/unknown")
    assert_pleasant(page)
