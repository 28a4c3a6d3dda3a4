"""The step-up: asked before what matters, by the best that is held, bound to the session, keeping what was typed."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from portal.contracts import actions as contracts
from portal.contracts.models import Document, DocumentSignature
from portal.identity.models import Person, WebSession
from portal.payments.gateway import connect
from portal.settlement.models import StatementLine
from tests.support.cast import DOCUMENTS, NOW, everything, hours_later
from tests.support.queued import queued
from tests.support.settling import REVIEWED_AT
from tests.support.sign_in import PASSWORD, give_password
from tests.web.conftest import changed
from tests.web.support import money
from tests.web.support.client import Browser
from tests.web.support.factors import add_passkey, code_at, options_of, set_up_app

ASKS = "Show that it is you"
_KEPT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def kept(page) -> list[tuple[str, str]]:
    """The fields that the page carries along."""
    found = [(name, html.unescape(value)) for name, value in _KEPT.findall(page.text)]
    return [(name, value) for name, value in found if name != "csrf_token"]


def answer_with(browser: Browser, page, path: str, **proof: str):
    """Send the page that asks, as the browser would: with what it carries, and the proof."""
    fields: dict[str, list[str]] = {}
    for name, value in kept(page):
        fields.setdefault(name, []).append(value)
    return browser.post(path, {**fields, "proof_sent": "yes", **proof})


@pytest.fixture
def preparation(work_session, cast, clock):
    made = money.preparation(work_session, cast)
    give_password(work_session, cast.fin)
    clock.now = REVIEWED_AT
    return made


@pytest.fixture
def said(work_session, preparation):
    lines = select(StatementLine.id).where(StatementLine.statement_id == preparation.statement_id)
    return {"sha256": preparation.content_sha256, "opened": [str(each) for each in work_session.scalars(lines)]}


def test_a_statement_is_approved_after_the_password_with_every_tick_kept(
    visit, cast, clock, preparation, said, work_session
):
    fin, path = visit(cast.fin), f"/preparations/{preparation.id}/approval"
    fin.get(path)
    clock.advance(minutes=11)
    page = fin.post(path, said)
    assert page.status_code == 403
    assert ASKS in page.text
    assert "approve this statement" in page.text
    assert kept(page) == [("sha256", said["sha256"]), *(("opened", line) for line in said["opened"])]
    assert everything(work_session, "statement_approval") == []
    wrong = answer_with(fin, page, path, proof_password="not the password")
    assert wrong.status_code == 403
    assert "not your password" in wrong.text
    assert kept(wrong) == kept(page)
    assert answer_with(fin, wrong, path, proof_password=PASSWORD).status_code == 303
    assert len(everything(work_session, "statement_approval")) == 1


def test_a_refused_act_leaves_the_proof_and_says_why(visit, cast, clock, preparation, said, work_session):
    fin, path = visit(cast.fin), f"/preparations/{preparation.id}/approval"
    fin.get(path)
    clock.advance(minutes=11)
    page = fin.post(path, {"sha256": "f" * 64, "opened": said["opened"]})
    refused = answer_with(fin, page, path, proof_password=PASSWORD)
    assert refused.status_code in (409, 422)
    # The proof of a moment ago still counts.
    assert fin.post(path, said).status_code == 303


def test_the_session_revoked_between_page_and_click_approves_nothing(
    visit, cast, clock, preparation, said, work_session
):
    fin, elsewhere = visit(cast.fin), visit(cast.fin)
    path = f"/preparations/{preparation.id}/approval"
    fin.get(path)
    elsewhere.get("/security")
    assert elsewhere.post("/security/sessions/revocation").status_code == 303
    assert fin.post(path, said).status_code == 401
    assert fin.post(path, {**said, "proof_sent": "yes", "proof_password": PASSWORD}).status_code == 401
    assert everything(work_session, "statement_approval") == []


def test_a_document_is_signed_after_a_code(visit, cast, clock, work_session):
    document = work_session.get_one(Document, cast.agreement_version.document_id)
    agreement = (
        (DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text("utf-8").replace('title = "', 'title = "New ')
    )
    proposed = contracts.propose_version(
        work_session, cast.adam, document, body_toml=agreement, effective_from=hours_later(48), now=NOW
    )
    give_password(work_session, cast.adam)
    adam, path = visit(cast.adam), f"/contracts/versions/{proposed.id}/signature"
    secret, _ = set_up_app(adam, clock)
    clock.advance(minutes=11)
    adam.get(f"/contracts/versions/{proposed.id}")
    page = adam.post(path, {"shown_sha256": proposed.sha256, "read": "y"})
    assert "Code from your app" in page.text
    assert '<label class="form-label" for="proof_password"' not in page.text
    assert answer_with(adam, page, path, proof_password=PASSWORD).status_code == 403
    assert answer_with(adam, page, path, proof_code=code_at(secret, clock)).status_code == 303
    signed = select(DocumentSignature).where(DocumentSignature.version_id == proposed.id)
    assert work_session.scalars(signed).one().organisation_id == cast.factory.id


class TestBank:
    @pytest.fixture
    def app(self, app, standin):
        return changed(app, gateway=connect(standin.key, standin.base_url))

    def test_the_bank_is_changed_after_a_passkey(self, visit, cast, clock, standin, work_session):
        ivo = visit(cast.ivo)
        device = add_passkey(ivo)
        clock.advance(minutes=11)
        ivo.get("/payouts")
        page = ivo.post("/payouts/onboarding")
        assert page.status_code == 403
        assert everything(work_session, "connected_account") == []
        led = answer_with(ivo, page, "/payouts/onboarding", proof_passkey=device.get(options_of(page)))
        assert led.location.startswith(standin.base_url)


# Every act that changes how or where somebody is signed in, with what it needs in its address.
SECURITY_ACTS = (
    "/security/password",
    "/security/address",
    "/security/factors/app",
    "/security/factors/app/removal",
    "/security/factors/codes",
    "/security/factors/passkeys/new",
    "/security/factors/passkeys/1/removal",
    "/security/sessions/revocation",
    "/security/sessions/all/revocation",
    "/security/sessions/00000000-0000-0000-0000-000000000000/revocation",
    "/people/second-factor",
    "/looking-on/1/session",
)


@pytest.mark.parametrize("path", SECURITY_ACTS)
def test_every_security_setting_asks(visit, cast, clock, work_session, path):
    adam = visit(cast.adam)
    adam.get("/security")
    clock.advance(minutes=11)
    page = adam.post(path)
    assert page.status_code == 403
    assert ASKS in page.text


def test_another_telephone_number_asks_and_is_told_while_the_rest_of_the_profile_does_not(
    visit, cast, clock, work_session, let_in
):
    ana = visit(cast.ana)
    ana.get("/security")
    clock.advance(minutes=11)
    phone = work_session.get_one(Person, cast.ana.person_id).phone
    profile = {"name": "Ana Ruiz", "phone": f" {phone} ", "zone": "Europe/Oslo"}
    assert ana.post("/security/profile", profile).status_code == 303
    changed = {**profile, "phone": "+47 555 0199"}
    page = ana.post("/security/profile", changed)
    assert page.status_code == 403
    assert "change your telephone number" in page.text
    assert dict(kept(page)) == changed
    assert queued(work_session, "notify_security") == []
    assert answer_with(ana, page, "/security/profile", proof_password=PASSWORD).status_code == 303
    work_session.expire_all()
    assert work_session.get_one(Person, cast.ana.person_id).phone == "+47 555 0199"
    assert len(queued(work_session, "notify_security")) == 1


def test_the_proof_is_of_one_session(visit, cast, clock, let_in):
    here, there = visit(cast.ana), visit(cast.ana)
    clock.advance(minutes=11)
    for browser in (here, there):
        browser.get("/security")
    page = here.post("/security/factors/codes")
    assert answer_with(here, page, "/security/factors/codes", proof_password=PASSWORD).status_code == 200
    assert there.post("/security/factors/codes").status_code == 403


def test_the_token_changes_with_the_proof(visit, app, cast, clock, let_in):
    ana = visit(cast.ana)
    ana.get("/security")
    taken = ana.client.get_cookie("portal").value
    clock.advance(minutes=11)
    page = ana.post("/security/factors/codes")
    assert answer_with(ana, page, "/security/factors/codes", proof_password=PASSWORD).status_code == 200
    thief = Browser(app, app.test_client())
    thief.client.set_cookie("portal", taken)
    assert thief.get("/security").status_code == 303
    assert ana.get("/security").status_code == 200


def test_the_proof_lasts_minutes_and_no_longer(visit, cast, clock, let_in):
    ana = visit(cast.ana)
    ana.get("/security")
    clock.advance(minutes=9)
    assert ana.post("/security/factors/codes").status_code == 200
    clock.advance(minutes=1)
    assert ana.post("/security/factors/codes").status_code == 403


def test_the_proof_comes_along_to_another_organisation_and_no_fresher(visit, cast, clock, work_session, let_in):
    from portal.identity.models import Person
    from tests.support.sign_in import join

    other = join(work_session, work_session.get_one(Person, cast.ana.person_id), cast.other_factory, "engineer")
    work_session.commit()
    ana = visit(cast.ana)
    ana.get("/security")
    clock.advance(minutes=9)
    assert ana.post("/acting-for", {"membership_id": other.id}).status_code == 303
    ana.token = ""
    ana.get("/security")
    clock.advance(minutes=2)
    assert ana.post("/security/factors/codes").status_code == 403


def test_whoever_has_neither_password_nor_factor_is_led_to_sign_in_again(visit, cast, clock, work_session):
    # Nobody of the cast has a password unless a test gives one, as people of a company's own provider.
    ana = visit(cast.ana)
    ana.get("/security")
    clock.advance(minutes=11)
    page = ana.post("/security/factors/codes")
    assert "You have no password here" in page.text
    assert 'href="/sign-in?next=' in page.text


def test_a_password_alone_is_stale_once_there_is_a_factor(visit, cast, clock, work_session, let_in):
    here, there = visit(cast.ana), visit(cast.ana)
    set_up_app(here, clock)
    there.get("/security")
    assert there.post("/security/factors/codes").status_code == 403


def test_a_minute_of_nothing_asks_every_time(app, settings, cast, let_in):
    ana = Browser(changed(app, settings=replace(settings, step_up_minutes=0)), app.test_client())
    ana.sign_in("ana@nor.example")
    ana.get("/security")
    page = ana.post("/security/factors/codes")
    assert page.status_code == 403
    assert answer_with(ana, page, "/security/factors/codes", proof_password=PASSWORD).status_code == 200
    assert ana.post("/security/factors/codes").status_code == 403


def test_the_proof_is_kept_on_the_session_row(visit, cast, clock, work_session, let_in):
    ana = visit(cast.ana)
    set_up_app(ana, clock)
    row = work_session.scalars(select(WebSession).where(WebSession.person_id == cast.ana.person_id)).one()
    work_session.refresh(row)
    assert (row.proven_by, row.proven_at) == ("generator", clock())
