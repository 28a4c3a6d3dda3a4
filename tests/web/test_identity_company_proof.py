"""What a provider's sign-in proves: a second factor that shows or does not, and a step-up by signing in there again."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from portal.access import Role
from portal.audit.models import AuditEntry
from portal.identity.factors import policy
from portal.identity.models import WebSession
from portal.identity.sso.models import IdentityProvider, ProviderFlow
from tests.support.cast import NOW
from tests.support.providers.travelling import way
from tests.support.sign_in import email_of, give_password
from tests.web.company_sign_in import connect
from tests.web.support.client import Browser
from tests.web.support.factors import code_at, set_up_app

ASKS = "Sign in at your company once more"
PATH = "/company-sign-in"
TYPED = {
    "issuer": "https://login.kessler.example",
    "client_id": "another <id>",
    "client_secret": "a secret that nobody reads",
    "roles_claim": "groups",
}
_KEPT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
_ACTION = re.compile(r'<form method="post" action="([^"]+)"')


def kept(page) -> dict[str, str]:
    """The fields that the page carries along."""
    found = {name: html.unescape(value) for name, value in _KEPT.findall(page.text)}
    return {name: value for name, value in found.items() if name != "csrf_token"}


def form_of(page) -> str:
    """Where the page's one form goes to."""
    return html.unescape(_ACTION.findall(page.text)[-1])


def proof_of(session, actor) -> tuple[str, object]:
    session.expire_all()
    row = session.scalars(select(WebSession).where(WebSession.person_id == actor.person_id)).one()
    return row.proven_by, row.proven_at


@pytest.fixture
def ian(provider, idp, nobody, cast, work_session) -> Browser:
    """The integrator's administrator, who has only the company account, signed in by it a quarter of an hour ago."""
    provider.subject = "ian-at-work"
    connect(work_session, idp, cast.ian, "ian-at-work")
    provider.person = {"email": email_of(work_session, cast.ian), "email_verified": True}
    nobody.get(str(way(nobody.post("/sign-in/company", {"email": email_of(work_session, cast.ian)})).visit()))
    nobody.token = ""
    nobody.get("/security")
    return nobody


class TestStepUp:
    @pytest.fixture
    def asked(self, ian, clock):
        """The page that asks, instead of the settings that were typed."""
        clock.advance(minutes=15)
        return ian.post(PATH, TYPED)

    def test_the_act_goes_on_with_what_was_typed_after_signing_in_there_again(
        self, ian, asked, cast, clock, work_session, idp
    ):
        assert asked.status_code == 403
        assert ASKS in asked.text
        assert kept(asked) == TYPED
        there = way(ian.post(form_of(asked), kept(asked)))
        assert (there.query["prompt"], there.query["max_age"]) == ("login", "0")
        waiting = work_session.scalars(select(ProviderFlow).where(ProviderFlow.purpose == "step_up")).one()
        assert b"secret" not in waiting.kept_sealed
        back = ian.get(str(there.visit()))
        assert "It is you" in back.text
        assert (form_of(back), kept(back)) == (PATH, TYPED)
        assert proof_of(work_session, cast.ian) == ("provider", clock())
        assert ian.post(form_of(back), kept(back)).status_code == 303
        work_session.expire_all()
        assert work_session.get_one(IdentityProvider, idp.id).issuer == TYPED["issuer"]
        assert work_session.scalars(select(ProviderFlow.kept_sealed).where(ProviderFlow.id == waiting.id)).one() is None

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"auth_time": None}, "does not say when you signed in"),
            ({"auth_time": int(NOW.timestamp())}, "did not sign in there again"),
            ({"auth_time": "now"}, "does not say when you signed in"),
            ({"auth_time": 4102444800}, "did not sign in there again"),
            ({"sub": "somebody-else"}, "another account"),
            ({"nonce": "another"}, "another sign-in"),
        ],
        ids=["no time", "the time of before", "no number", "the future", "another account", "another nonce"],
    )
    def test_a_sign_in_that_proves_nothing_is_asked_again_with_what_was_typed(
        self, ian, asked, provider, cast, work_session, changes, sentence
    ):
        before = proof_of(work_session, cast.ian)
        there = way(ian.post(form_of(asked), kept(asked)))
        provider.changes = changes
        again = ian.get(str(there.visit()))
        assert again.status_code == 403
        assert sentence in again.text
        assert (kept(again), form_of(again)) == (TYPED, form_of(asked))
        assert proof_of(work_session, cast.ian) == before
        assert ian.post(PATH, TYPED).status_code == 403

    def test_a_no_at_the_provider_keeps_what_was_typed(self, ian, asked, cast, work_session):
        there = way(ian.post(form_of(asked), kept(asked)))
        again = ian.get(str(there.visit().changed(code=None, error="access_denied")))
        assert again.status_code == 403
        assert "said no" in again.text
        assert kept(again) == TYPED

    def test_a_provider_that_is_down_keeps_what_was_typed(self, ian, asked, provider):
        back = way(ian.post(form_of(asked), kept(asked))).visit()
        provider.faults = {"token": "down"}
        again = ian.get(str(back))
        assert "no token" in again.text
        assert kept(again) == TYPED

    def test_the_answer_is_good_once_and_in_its_own_browser(self, app, ian, asked):
        back = way(ian.post(form_of(asked), kept(asked))).visit()
        other = Browser(app, app.test_client())
        assert other.get(str(back)).status_code == 409
        assert ian.get(str(back)).status_code == 200
        assert ian.get(str(back)).status_code == 409

    def test_whoever_was_signed_out_meanwhile_confirms_nothing(self, ian, asked, cast, work_session, clock):
        back = way(ian.post(form_of(asked), kept(asked))).visit()
        work_session.query(WebSession).update({"revoked_at": clock()})
        work_session.commit()
        answer = ian.get(str(back))
        assert answer.status_code == 403
        assert "signed out meanwhile" in answer.text
        assert TYPED["client_secret"] not in answer.text

    def test_where_every_act_asks_it_goes_on_all_the_same(self, app, ian, asked):
        edges = app.extensions["portal"]
        app.extensions["portal"] = replace(edges, settings=replace(edges.settings, step_up_minutes=0))
        back = ian.get(str(way(ian.post(form_of(asked), kept(asked))).visit()))
        assert ian.post(form_of(back), kept(back)).status_code == 303

    def test_the_token_changes_with_the_proof(self, app, ian, asked):
        back = way(ian.post(form_of(asked), kept(asked))).visit()
        thief = Browser(app, app.test_client())
        thief.client.set_cookie("portal", ian.client.get_cookie("portal").value)
        assert ian.get(str(back)).status_code == 200
        assert thief.get("/security").status_code == 303

    def test_it_leads_to_no_other_site(self, ian, asked):
        assert ian.post("/security/proof/company?path=//evil.example/x", kept(asked)).status_code == 404
        assert ian.post("/security/proof/company?path=https://evil.example", kept(asked)).status_code == 404

    def test_whoever_has_a_password_confirms_by_it(self, ian, cast, clock, work_session):
        give_password(work_session, cast.ian)
        clock.advance(minutes=15)
        asked = ian.post(PATH, TYPED)
        assert ASKS not in asked.text
        assert "proof_password" in asked.text
        assert ian.post(f"/security/proof/company?path={PATH}", TYPED).status_code == 403


class TestSecondFactor:
    @pytest.fixture(autouse=True)
    def wanted(self, idp, cast, work_session):
        """The integrator asks technicians for a second factor, and wants its provider to show one."""
        policy.require_second_factor(work_session, cast.ian, [Role.TECHNICIAN], NOW)
        idp.must_show_factor, idp.acr_values = True, "phr urn:strong"
        work_session.commit()

    @pytest.mark.parametrize(
        "said", [{"amr": ["pwd", "mfa"]}, {"amr": ["pwd", "otp"]}, {"acr": "urn:strong"}], ids=["mfa", "kinds", "level"]
    )
    def test_a_factor_that_shows_is_enough(self, provider, tom_at_work, go, nobody, cast, work_session, said):
        provider.changes = said
        nobody.get(str(go()))
        assert nobody.get("/").status_code == 200
        assert proof_of(work_session, cast.tom)[0] == "provider"

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"amr": ["pwd"]},
            {"amr": ["pwd", "sms"]},
            {"amr": "pwd pin"},
            {"acr": "urn:weak"},
            {"acr": ["urn:strong"]},
        ],
        ids=["nothing", "password", "text message", "no list", "another level", "no text"],
    )
    def test_one_that_does_not_show_is_asked_here(self, provider, tom_at_work, go, nobody, cast, work_session, said):
        provider.changes = said
        nobody.get(str(go()))
        assert proof_of(work_session, cast.tom)[0] == "provider_alone"
        assert nobody.get("/cases").location == "/security/factors"

    def test_an_own_factor_opens_the_rest_and_is_asked_the_next_time(
        self, provider, tom_at_work, go, nobody, cast, clock, work_session
    ):
        nobody.get(str(go()))
        nobody.get("/security/factors")
        secret, _ = set_up_app(nobody, clock)
        assert nobody.get("/cases").status_code == 200
        nobody.post("/sign-out")
        nobody.token = ""
        clock.advance(minutes=1)
        nobody.get(str(go()))
        nobody.token = ""
        assert nobody.get("/cases").location == "/security/proof?next=/cases"
        nobody.get("/security/proof?next=/cases")
        sent = {"proof_sent": "yes", "proof_code": code_at(secret, clock)}
        assert nobody.post("/security/proof?next=/cases", sent).location == "/cases"
        assert nobody.get("/cases").status_code == 200

    def test_nobody_else_is_asked(self, provider, idp, nobody, cast, work_session):
        provider.subject = "mia-at-work"
        connect(work_session, idp, cast.mia, "mia-at-work")
        nobody.get(str(way(nobody.post("/sign-in/company", {"email": email_of(work_session, cast.mia)})).visit()))
        assert nobody.get("/cases").status_code == 200

    def test_the_provider_is_trusted_where_nothing_has_to_show(
        self, provider, tom_at_work, idp, go, nobody, cast, work_session
    ):
        idp.must_show_factor = False
        work_session.commit()
        nobody.get(str(go()))
        assert nobody.get("/cases").status_code == 200

    def test_the_levels_are_asked_for(self, idp, nobody, cast, work_session):
        there = way(nobody.post("/sign-in/company", {"email": email_of(work_session, cast.tom)}))
        assert there.query["acr_values"] == "phr urn:strong"

    def test_the_administrator_sets_it_and_the_log_has_it(self, visit, idp, cast, work_session):
        give_password(work_session, cast.ian)
        browser = visit(cast.ian)
        browser.get(PATH)
        fields = {"issuer": idp.issuer, "client_id": idp.client_id, "acr_values": " a   b "}
        assert browser.post(PATH, fields).status_code == 303
        entry = work_session.scalars(select(AuditEntry).where(AuditEntry.act == "keep_provider")).all()[-1]
        assert (entry.details["before"]["must_show_factor"], entry.details["after"]["must_show_factor"]) == (
            True,
            False,
        )
        assert entry.details["after"]["acr_values"] == "a b"


class TestUserinfo:
    @pytest.fixture
    def ask(self, provider, idp, visit, cast, work_session):
        """Connect Tom's account, the ID token of which names no address."""
        address = email_of(work_session, cast.tom)

        def send(told: dict[str, object] | None):
            provider.userinfo = told
            browser = visit(cast.tom)
            browser.get("/security")
            return browser, browser.get(str(way(browser.post("/security/company-account")).visit()))

        return address, send

    def test_the_verified_address_is_asked_for(self, ask):
        address, send = ask
        browser, answer = send({"sub": "tom-at-work", "email": address, "email_verified": True})
        assert answer.status_code == 303
        assert address in browser.get(answer.location).text

    @pytest.mark.parametrize("subject", ["somebody-else", None, ""])
    def test_what_is_told_of_another_account_is_not_believed(self, ask, subject):
        address, send = ask
        _, answer = send({"sub": subject, "email": address, "email_verified": True})
        assert answer.status_code == 403
        assert "speaks of another account" in answer.text

    def test_an_address_that_is_not_verified_there_either_is_refused(self, ask):
        address, send = ask
        _, answer = send({"sub": "tom-at-work", "email": address})
        assert answer.status_code == 403
        assert "does not call your mail address verified" in answer.text

    @pytest.mark.parametrize("fault", ["down", "html", "huge", "redirect"])
    def test_a_userinfo_address_that_fails_is_named(self, ask, provider, fault):
        address, send = ask
        provider.faults = {"userinfo": fault}
        _, answer = send({"sub": "tom-at-work", "email": address, "email_verified": True})
        assert answer.status_code == 503

    def test_it_is_not_asked_where_nobody_needs_the_address(self, provider, tom_at_work, go, nobody):
        provider.person, provider.userinfo = {}, {"sub": "tom-at-work"}
        assert nobody.get(str(go())).status_code == 303
        assert "userinfo" not in provider.calls
