"""The shop: bought in a few clicks at Stripe's page, and every way in which that goes wrong said in words."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select

from portal.billing.packs.models import PackSale
from portal.contracts import actions as contracts
from portal.entitlement.models import CoverageDecision
from portal.notifications.mail import FileMailer
from portal.payments.gateway import connect
from portal.payments.models import CashReceipt, Intent, ProviderSubscription
from portal.payments.rules import FIGURES_MOVED
from portal.selling.models import Offer, Purchase
from portal.taxes.models import TaxExemption
from tests.support.buying import OTHER_PLANS, PACK_MINOR, lapsed
from tests.support.cases import escalated
from tests.support.cast import DOCUMENTS, NOW
from tests.support.payments import open_books
from tests.support.versions import signed_policy
from tests.web.conftest import changed
from tests.web.support.hostile import FORMULA, MARKUP, check_harmless, rename

BUY = {"quantity": "1", "accepted": "y"}


@pytest.fixture
def gateway(standin):
    standin.control.set_clock(int(NOW.timestamp()))
    return connect(standin.key, standin.base_url)


@pytest.fixture
def app(app, gateway, work_session, cast):
    open_books(work_session, cast)
    work_session.commit()
    return changed(app, gateway=gateway)


@pytest.fixture
def pack(cast):
    return f"/shop/{cast.plain_site.id}/{cast.factory.id}/pack/hours_10/once"


def hidden(page, name):
    return re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.text)[1]


def sent(browser, address, **changed):
    """What the page asks for, and nothing that it does not."""
    page = browser.get(address)
    filled = {name: hidden(page, name) for name in ("shown_sha256", "form_key")}
    asked = {name: said for name, said in BUY.items() if f'name="{name}"' in page.text}
    return browser.post(address, {**asked, **filled, **changed})


def session_of(work_session):
    intent = work_session.scalars(select(Intent).where(Intent.kind == "checkout")).one()
    work_session.refresh(intent)
    return intent.provider_object_id


def test_a_buyer_orders_pays_and_sees_it_bought(visit, cast, pack, standin, gateway, work_session, run_jobs):
    bea = visit(cast.bea)
    assert "Ten hours of support" in bea.get("/shop").text
    led = sent(bea, pack)
    assert led.location.startswith(standin.base_url)
    standin.control.pay_session(session_of(work_session))
    key = work_session.scalars(select(Purchase.form_key)).one()
    assert bea.get(f"/bought/{key}/back").status_code == 303
    run_jobs(NOW, gateway=gateway)
    page = bea.get(f"/bought/{key}")
    assert "Bought" in page.text
    assert "€1,350.00" in page.text
    assert work_session.scalars(select(PackSale)).one().amount_minor == PACK_MINOR
    assert bea.post(f"/bought/{key}/payment").location == f"/bought/{key}"
    fay = visit(cast.fay)
    assert "Ten hours" in fay.get("/bought").text
    number = work_session.scalars(select(Purchase.id)).one()
    assert fay.get(f"/bought/number/{number}").location == f"/bought/{key}"
    assert bea.post(f"/bought/payment-method/{cast.factory.id}").status_code == 503
    run_jobs(NOW, gateway=gateway)
    led = bea.post(f"/bought/payment-method/{cast.factory.id}")
    assert led.location.startswith(standin.base_url)


def test_a_double_click_and_a_second_tab_are_one_order(visit, cast, pack, work_session):
    bea = visit(cast.bea)
    page = bea.get(pack)
    filled = {**BUY, **{name: hidden(page, name) for name in ("shown_sha256", "form_key")}}
    assert len({bea.post(pack, filled).location for _ in range(2)} | {sent(bea, pack).location}) == 1
    assert work_session.scalar(select(func.count()).select_from(Purchase)) == 1


def test_the_order_waits_when_stripe_does_not_answer(visit, cast, pack, standin, work_session):
    standin.control.fault("error_before", method="POST", path="/v1/customers", times=5)
    bea = visit(cast.bea)
    answer = sent(bea, pack)
    assert answer.status_code == 503
    assert "being prepared" in answer.text
    standin.control.clear_faults()
    key = work_session.scalars(select(Purchase.form_key)).one()
    assert bea.post(f"/bought/{key}/payment").location.startswith(standin.base_url)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [({"accepted": ""}, "Accept the policy"), ({"quantity": "0"}, "From 1 to 100"), ({"quantity": "x"}, "Not a valid")],
)
def test_what_is_wrong_is_said_at_the_field(visit, cast, pack, work_session, changed, sentence):
    refused = sent(visit(cast.bea), pack, **changed)
    assert refused.status_code == 422
    assert sentence in refused.text
    assert work_session.scalar(select(func.count()).select_from(Purchase)) == 0


def test_a_policy_that_changed_meanwhile_is_read_again(visit, cast, pack, work_session):
    refused = sent(visit(cast.bea), pack, shown_sha256="0" * 64)
    assert refused.status_code == 422
    assert "has changed" in refused.text
    assert work_session.scalar(select(func.count()).select_from(Purchase)) == 0


def test_a_withdrawn_pack_says_what_to_do(visit, cast, pack, work_session):
    document = contracts.queries.document(work_session, cast.policy_version.document_id)
    text = (DOCUMENTS / "nordlicht_policy.toml").read_text()
    block = text[text.index('[[packs]]\ncode = "hours_10"') : text.index('[[packs]]\ncode = "incidents_5"')]
    version = contracts.propose_version(
        work_session, cast.adam, document, body_toml=text.replace(block, ""), effective_from=NOW, now=NOW
    )
    contracts.sign_version(work_session, cast.adam, version, shown_sha256=version.sha256, now=NOW)
    work_session.commit()
    gone = visit(cast.bea).get(pack)
    assert gone.status_code == 404
    assert "no longer sold" in gone.text


def test_an_expired_order_offers_no_payment(visit, cast, pack, standin, gateway, work_session, run_jobs, clock):
    bea = visit(cast.bea)
    sent(bea, pack)
    standin.client().v1.checkout.sessions.expire(session_of(work_session))
    key = work_session.scalars(select(Purchase.form_key)).one()
    bea.get(f"/bought/{key}/back")
    run_jobs(NOW, gateway=gateway)
    page = bea.get(f"/bought/{key}").text
    assert "Expired" in page
    assert "Pay at Stripe" not in page


@pytest.mark.parametrize("who", ["cal", "flo", "tom", "fay"])
def test_only_the_buyer_finds_the_order_page(visit, cast, pack, who):
    assert visit(getattr(cast, who)).get(pack).status_code == 404


def test_empty_pages_say_what_to_do(visit, cast):
    bea = visit(cast.bea)
    assert "Nothing was bought yet" in bea.get("/bought").text
    assert "No offers" in bea.get("/offers").text
    assert "No certificate" in bea.get("/tax-exemptions").text


def test_a_case_without_cover_is_covered_by_what_its_buyer_buys(
    visit, cast, pack, standin, gateway, work_session, run_jobs, clock, settings
):
    clock.advance(hours=11)  # 20:00 in Berlin: the office is closed
    case = escalated(work_session, cast, system_id=cast.plain_system.id)
    work_session.commit()
    bea = visit(cast.bea)
    page = bea.get(f"/cases/{case.name}").text
    assert "Cover it now" in page
    address = f"{pack}?case={case.name}"
    assert address.replace("&", "&amp;") in page
    assert "Cover it now" in visit(cast.tom).get(f"/cases/{case.name}").text
    assert "Cover it now" not in visit(cast.ana).get(f"/cases/{case.name}").text
    sent(bea, address)
    standin.control.set_clock(int(clock().timestamp()))
    standin.control.pay_session(session_of(work_session))
    bea.get(f"/bought/{work_session.scalars(select(Purchase.form_key)).one()}/back")
    run_jobs(clock(), gateway=gateway, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    work_session.expire_all()
    decided = work_session.scalars(
        select(CoverageDecision).where(CoverageDecision.case_id == case.id).order_by(CoverageDecision.id)
    ).all()
    assert [row.decision["covered"] for row in decided] == [False, True]
    page = bea.get(f"/cases/{case.name}").text
    assert "Cover it now" not in page
    assert "says that cover was bought" in page
    assert "The case is covered from now on." in page


def test_a_code_is_made_by_the_factory_and_lowers_what_a_buyer_sees_and_pays(
    visit, cast, pack, standin, gateway, work_session, run_jobs
):
    fay, bea = visit(cast.fay), visit(cast.bea)
    filled = {"code": "spring-26", "percent": "10", "starts_on": "2026-03-01", "once_per_customer": "y"}
    refused = fay.post("/promotion-codes", {**filled, "percent": "", "amount": "ten"})
    assert (refused.status_code, "digits with a point" in refused.text, "spring-26" in refused.text) == (
        422,
        True,
        True,
    )
    made = fay.post("/promotion-codes", {**filled, "goods": "pack:hours_10"})
    assert visit(cast.ana).get(made.location).status_code == 404
    wrong = sent(bea, pack, promotion="WINTER", quantity="2", step="price")
    assert (wrong.status_code, "There is no such code" in wrong.text, 'value="2"' in wrong.text) == (422, True, True)
    unseen = sent(bea, pack, promotion="Spring-26")
    assert (unseen.status_code, "Look at it before you buy" in unseen.text) == (422, True)
    priced = sent(bea, pack, promotion="Spring-26", accepted="", step="price")
    assert (priced.status_code, "€135.00" in priced.text, "€1,215.00" in priced.text) == (200, True, True)
    assert work_session.scalar(select(func.count()).select_from(Purchase)) == 0
    led = sent(bea, pack, promotion="Spring-26", shown_discount_minor=hidden(priced, "shown_discount_minor"))
    assert led.location.startswith(standin.base_url)
    key = work_session.scalars(select(Purchase.form_key)).one()
    assert "SPRING-26: 10 % of 1350.00 EUR" in bea.get(f"/bought/{key}").text
    assert "each party bears its part" in visit(cast.ivo).get(f"/bought/{key}").text
    assert str(key) in fay.get(made.location).text
    assert bea.post(f"/bought/{key}/abandonment").status_code == 303
    run_jobs(NOW, gateway=gateway)
    assert standin.client().v1.checkout.sessions.retrieve(session_of(work_session)).status == "expired"
    assert fay.post(f"{made.location}/withdrawal").status_code == 303
    assert "Withdrawn" in fay.get("/promotion-codes").text
    rename(work_session, cast)
    check_harmless(fay.get(made.location))
    check_harmless(fay.get("/promotion-codes"), names=False)
    check_harmless(bea.get(f"/bought/{key}"))
    for code in (FORMULA, MARKUP, "\u202eABC", "漢字", "X" * 300):
        refused = fay.post("/promotion-codes", {**filled, "code": code})
        assert (refused.status_code, MARKUP in refused.text) == (422, False)


def test_guessing_codes_is_stopped_at_the_field_and_an_order_without_one_goes_on(visit, cast, pack, clock, standin):
    made = {"code": "REAL-ONE", "percent": "10", "starts_on": "2026-03-01"}
    assert visit(cast.fay).post("/promotion-codes", made).status_code == 303
    bea = visit(cast.bea)

    def tries(code, **changed):
        return sent(bea, pack, promotion=code, quantity="3", **changed)

    # Looking at the price with a right code is no guess, and does not begin to count anew.
    for typed in ("NO-1", "NO-2", "REAL-ONE", "NO-3", "REAL-ONE", *(f"NO-{n}" for n in range(4, 11))):
        assert "Too many codes" not in tries(typed, step="price").text
    for typed in ("NO-11", "REAL-ONE"):
        page = tries(typed, accepted="y")
        assert (page.status_code, typed in page.text, 'value="3"' in page.text) == (422, True, True)
        assert "Try again in 15 minutes, or order without a code now." in page.text
    assert tries("").location.startswith(standin.base_url)
    clock.advance(minutes=15)
    assert "Too many" not in tries("REAL-ONE", step="price").text


def test_a_technician_offers_what_covers_the_case_and_the_buyers_yes_covers_it(
    visit, cast, standin, gateway, work_session, run_jobs, clock, settings
):
    clock.advance(hours=11)  # 20:00 in Berlin: the office is closed
    case = escalated(work_session, cast, system_id=cast.plain_system.id)
    work_session.commit()
    tom, address = visit(cast.tom), f"/cases/{case.name}/cover-offers"
    assert "Send it to the buyer" in tom.get(f"/cases/{case.name}").text
    wanted = {"kind": "pack", "code": "hours_10"}
    assert tom.post(address, {**wanted, "code": "incidents_5000"}).status_code == 422
    assert [visit(each).post(address, wanted).status_code for each in (cast.ana, cast.bea, cast.sam)] == [404] * 3
    for _ in range(2):
        assert tom.post(address, wanted).status_code == 303
    page = tom.get(f"/cases/{case.name}").text
    assert "Offered to the customer" in page
    offer_id = work_session.scalars(select(Offer.id)).one()
    mailer = FileMailer(settings.mail_dir, settings.mail_from)
    run_jobs(clock(), gateway=gateway, mailer=mailer)
    mailed = "".join(path.read_text() for path in settings.mail_dir.iterdir())
    assert f"offers/{offer_id}" in mailed
    bea = visit(cast.bea)
    assert case.name in bea.get(f"/offers/{offer_id}").text
    visit(cast.fay).post("/promotion-codes", {"code": "TENTH", "percent": "10", "starts_on": "2026-03-01"})
    here, typed = f"/offers/{offer_id}/acceptance", {"accepted": "y", "promotion": "TENTH"}
    unseen = bea.post(here, typed)
    assert (unseen.status_code, "Look at it before you accept" in unseen.text) == (422, True)
    assert "no such code" in bea.post(here, {**typed, "promotion": "TENS", "step": "price"}).text
    priced = bea.post(here, {**typed, "accepted": "", "step": "price"})
    assert (priced.status_code, "€135.00" in priced.text, "€1,215.00" in priced.text) == (200, True, True)
    led = bea.post(here, {**typed, "shown_discount_minor": hidden(priced, "shown_discount_minor")})
    assert "TENTH: 10 %" in bea.get(f"/offers/{offer_id}").text
    assert led.location.startswith(standin.base_url)
    standin.control.set_clock(int(clock().timestamp()))
    standin.control.pay_session(session_of(work_session))
    bea.get(f"/bought/{work_session.scalars(select(Purchase.form_key)).one()}/back")
    run_jobs(clock(), gateway=gateway, mailer=mailer)
    page = tom.get(f"/cases/{case.name}").text
    assert "The case is covered from now on." in page
    assert "Cover it now" not in page


def test_a_plan_is_ended_and_kept_from_its_page(visit, cast, standin, gateway, work_session, run_jobs):
    bea = visit(cast.bea)
    sent(bea, f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month")
    standin.control.pay_session(session_of(work_session))
    key = work_session.scalars(select(Purchase.form_key)).one()
    bea.get(f"/bought/{key}/back")
    run_jobs(NOW, gateway=gateway)
    assert "End the plan" in bea.get(f"/bought/{key}").text
    assert bea.post(f"/bought/{key}/cancellation").status_code == 303
    run_jobs(NOW, gateway=gateway)
    assert bea.post(f"/bought/{key}/resumption").status_code == 303
    assert bea.get(f"/bought/{key}/cancellation").status_code == 405


def test_leaving_a_plan_within_its_term_says_what_is_owed_before_the_buyers_yes(
    visit, cast, standin, gateway, work_session, run_jobs
):
    signed_policy(work_session, cast, ("rank = 20\n", "rank = 20\nminimum_months = 12\n"))
    work_session.commit()
    bea = visit(cast.bea)
    sent(bea, f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month")
    standin.control.pay_session(session_of(work_session))
    here = f"/bought/{work_session.scalars(select(Purchase.form_key)).one()}"
    bea.get(f"{here}/back")
    run_jobs(NOW, gateway=gateway)
    page = bea.get(here)
    assert "€3,190.00" in page.text
    assert "End the plan with" not in page.text
    assert hidden(page, "owed_minor") == "319000"
    statuses = [bea.post(f"{here}/early-end", {"owed_minor": owed}).status_code for owed in ("318999", "319000")]
    rename(work_session, cast)
    check_harmless(bea.get(here))
    check_harmless(bea.get("/bought"))
    assert statuses == [409, 303]


def test_a_plan_paid_by_subscription_is_changed_on_its_page_and_not_beside_it(
    visit, cast, standin, gateway, work_session, run_jobs
):
    signed_policy(work_session, cast, OTHER_PLANS)
    work_session.commit()
    bea, address = visit(cast.bea), f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan"
    sent(bea, f"{address}/assured/month")
    standin.control.pay_session(session_of(work_session))
    key = work_session.scalars(select(Purchase.form_key)).one()
    bea.get(f"/bought/{key}/back")
    run_jobs(NOW, gateway=gateway)
    assert "paid by subscription" in sent(bea, f"{address}/premium/month").text
    beside = f"/plan/{cast.plain_site.id}/{cast.factory.id}"
    chosen = {"plan_code": "light", "starts": "now", "accepted": "y"}
    shown = {"shown_sha256": hidden(bea.get(beside), "shown_sha256")}
    assert "paid by subscription" in bea.post(beside, {**chosen, **shown}).text
    page = bea.get(f"/bought/{key}/change")
    assert "€490.00" in page.text
    assert "what is paid stays" in page.text
    said = {"plan": "premium:month", "accepted": "y", "shown_sha256": hidden(page, "shown_sha256")}
    assert bea.post(f"/bought/{key}/change", {**said, "accepted": ""}).status_code == 422
    assert "has changed" in bea.post(f"/bought/{key}/change", {**said, "shown_sha256": "0" * 64}).text
    rename(work_session, cast)
    check_harmless(bea.get(f"/bought/{key}/change"))
    assert bea.post(f"/bought/{key}/change", said).status_code == 303
    assert "on its way" in bea.get(f"/bought/{key}/change").text


def test_a_plan_is_changed_at_once_for_what_its_page_shows(
    visit, cast, standin, gateway, work_session, run_jobs, clock, settings
):
    signed_policy(work_session, cast, OTHER_PLANS)
    work_session.commit()
    bea = visit(cast.bea)
    sent(bea, f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month")
    standin.control.pay_session(session_of(work_session))
    key = work_session.scalars(select(Purchase.form_key)).one()
    bea.get(f"/bought/{key}/back")
    run_jobs(NOW, gateway=gateway)
    clock.advance(hours=2)
    standin.control.advance_clock(7_200)
    assert f"/bought/{key}/change/now/premium/month" in bea.get(f"/bought/{key}/change").text
    address = f"/bought/{key}/change/now/premium/month"
    page = bea.get(address)
    for words in ("Charged today", "€490.00", "a month without tax"):
        assert words in page.text
    rename(work_session, cast)
    check_harmless(bea.get(address))
    names = ("shown_sha256", "shown_at", "shown_minor", "shown_total_minor", "shown_tax_minor")
    said = {"accepted": "y", **{name: hidden(page, name) for name in names}}
    assert bea.post(address, {**said, "accepted": ""}).status_code == 422
    for stale in ({"shown_sha256": "0" * 64}, {"shown_total_minor": "1"}, {"shown_at": "nonsense"}):
        again = bea.post(address, {**said, **stale})
        assert (again.status_code, "Charged today" in again.text) == (422, True)
    assert bea.get(f"/bought/{key}/change/now/light/month").status_code == 422
    about = work_session.scalars(select(ProviderSubscription)).one().provider_subscription_id
    standin.control.pay_renewals_by(about, "card_declined")
    refused = bea.post(address, said)
    assert (refused.status_code, "declined" in refused.text, "Nothing was charged" in refused.text) == (409, True, True)
    assert "was not made" in bea.get(f"/bought/{key}").text
    # Had its job been late instead, the page would lead to the new figures.
    assert f'href="{address}"' not in bea.get(f"/bought/{key}").text
    failed = work_session.scalars(select(Intent).where(Intent.kind == "plan_change")).one()
    failed.progress = {**failed.progress, FIGURES_MOVED: True}
    work_session.commit()
    assert f'href="{address}"' in bea.get(f"/bought/{key}").text
    again = bea.post(address, said)
    assert (again.status_code, "See the new figures" in again.text) == (409, True)
    standin.control.pay_renewals_by(about, "card")
    clock.advance(minutes=1)
    said = {"accepted": "y", **{name: hidden(bea.get(address), name) for name in names}}
    for _ in range(2):
        assert bea.post(address, said).status_code == 303
    run_jobs(clock(), gateway=gateway, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    assert "Premium, a month holds now" in bea.get(f"/bought/{key}").text
    assert len(work_session.scalars(select(CashReceipt)).all()) == 2


def test_certificates_are_kept_and_taken_back(visit, cast, work_session):
    bea = visit(cast.bea)
    kept = {"jurisdiction": "Texas", "number": "T-1", "valid_from": "2026-01-01", "expires_on": "2027-01-01"}
    assert bea.post("/tax-exemptions", kept).status_code == 303
    again = bea.post("/tax-exemptions", kept)
    assert (again.status_code, "already" in again.text) == (422, True)
    late = bea.post("/tax-exemptions", {**kept, "number": "T-2", "expires_on": "2025-01-01"})
    assert (late.status_code, "A day to come" in late.text) == (422, True)
    number = work_session.scalars(select(TaxExemption.id)).one()
    assert visit(cast.bob).post(f"/tax-exemptions/{number}/end").status_code == 404
    # An integrator keeps its own, for what it sells on; the page is found under Bills.
    ivo = visit(cast.ivo)
    assert 'href="/tax-exemptions"' in ivo.get("/invoices-without-address").text
    assert "T-1" not in ivo.get("/tax-exemptions").text
    assert (ivo.post("/tax-exemptions", kept).status_code, visit(cast.mia).get("/tax-exemptions").status_code) == (
        303,
        404,
    )
    for _ in range(2):
        assert bea.post(f"/tax-exemptions/{number}/end").status_code == 303
    assert "Taken back" in bea.get("/tax-exemptions").text


def test_a_plan_that_lapsed_says_what_taking_it_up_again_costs_before_it_is_ordered(visit, cast, work_session):
    lapsed(work_session, cast, 'amount = "90.00"')
    bea, address = visit(cast.bea), f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month"
    text = bea.get(address).text
    for words in (
        "You were without cover from 20 Jan 2026 to 10 Mar 2026",
        "€90.00",
        "€380.00",
        "the policy asks 90.00",
    ):
        assert words in text
    shown = hidden(bea.get(address), "shown_minor")
    assert "price is another one" in sent(bea, address, shown_minor="29000").text
    sent(bea, address, shown_minor=shown)
    row = work_session.scalars(select(Purchase)).one()
    assert (row.price_minor, row.reinstatement_minor) == (38_000, 9_000)
    text = bea.get(f"/bought/{row.form_key}").text
    assert "without cover from 20 Jan 2026" in text
    assert "€90.00" in text
    plain = f"/plan/{cast.plain_site.id}/{cast.factory.id}"
    page = bea.get(plain)
    assert "Taken up on the first of next month" in page.text
    chosen = {name: hidden(page, name) for name in ("shown_sha256", "shown_now_minor", "shown_month_minor")}
    assert bea.post(plain, {"plan_code": "assured", "starts": "month", "accepted": "y", **chosen}).status_code == 303


def test_a_plan_that_cannot_be_taken_up_again_has_no_button_but_the_reason(visit, cast, work_session):
    lapsed(work_session, cast, "ends_after_days = 30")
    page = visit(cast.bea).get(f"/shop/{cast.plain_site.id}/{cast.factory.id}/plan/assured/month")
    assert "within 30 days only" in page.text
    assert "Go to payment" not in page.text
    assert "within 30 days only" in visit(cast.bea).get(f"/plan/{cast.plain_site.id}/{cast.factory.id}").text
