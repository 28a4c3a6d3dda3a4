"""What goes wrong, or is done on purpose, on the way to a provider and back: each line of the table with its answer.

``ATTACKS`` changes what comes back; the tests below it need more than one step. Nobody is ever signed in by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.access import Role
from portal.identity.models import Membership, Person, Throttle, WebSession
from portal.identity.sso import settings
from portal.identity.sso.models import IdentityProvider, ProviderIdentity
from portal.outbound import Outbound
from portal.web.gate import Edges
from tests.support.cast import add_person
from tests.support.providers.lying import LyingProvider
from tests.support.providers.travelling import Return, way
from tests.support.sign_in import email_of, give_password, join
from tests.web.company_sign_in import assert_refused, connect, is_signed_in, set_up
from tests.web.support.client import Browser

Prepare = Callable[[LyingProvider], None]
BEGIN_AGAIN = "Begin again"
NOT_ACCEPTED = "sent a token that is not accepted"


@dataclass(frozen=True)
class Attack:
    """What is changed at the provider, or in the address that comes back, and what the portal answers."""

    name: str
    status: int
    sentence: str
    prepare: Prepare = lambda provider: None
    address: Callable[[Return], Return] = lambda back: back


def told(**values: Any) -> Prepare:
    """A provider with these settings."""
    return lambda provider: provider.__dict__.update(values)


def claims(**changes: Any) -> Prepare:
    """A provider whose next token says this."""
    return told(changes=changes)


def clock_off(minutes: int) -> Prepare:
    """A provider whose clock is wrong."""

    def prepare(provider: LyingProvider) -> None:
        right = provider.clock
        provider.clock = lambda: right() + timedelta(minutes=minutes)

    return prepare


def signing(how: str) -> Prepare:
    """A provider that signs in a way of its own."""
    return lambda provider: provider.__dict__.update(sign=getattr(provider, how))


def cut(token: str) -> Prepare:
    return told(sign=lambda _: token)


ATTACKS = [
    # The address that comes back.
    Attack("state left out", 409, BEGIN_AGAIN, address=lambda back: back.changed(state=None)),
    Attack("state made up", 409, BEGIN_AGAIN, address=lambda back: back.changed(state="x" * 43)),
    Attack("state with a NUL", 404, "", address=lambda back: back.changed(state="\x00")),
    Attack("code left out", 503, "refused the code", address=lambda back: back.changed(code=None)),
    Attack("code made up", 503, "refused the code", address=lambda back: back.changed(code="made-up")),
    Attack("answer of another issuer", 403, "another provider", address=lambda back: back.changed(iss="https://evil")),
    Attack("issuer left out though promised", 403, "another provider", address=lambda back: back.changed(iss=None)),
    Attack("the person says no", 403, "said no", address=lambda back: back.changed(error="access_denied")),
    Attack("the provider reports an error", 403, "login_required", address=lambda b: b.changed(error="login_required")),
    Attack("markup in the error", 403, "&lt;script&gt;", address=lambda back: back.changed(error="<script>alert(1)")),
    # What the token says.
    Attack("nonce of another sign-in", 403, "made for another sign-in", claims(nonce="another")),
    Attack("no nonce", 403, "made for another sign-in", claims(nonce=None)),
    Attack("token for another client", 403, "another application", claims(aud="another")),
    Attack("no audience", 403, "another application", claims(aud=None)),
    Attack("given to another party", 403, "given to another application", claims(azp="another")),
    Attack(
        "two audiences and no party", 403, "given to another application", claims(aud=["portal-at-work", "another"])
    ),
    Attack("issued by somebody else", 403, "It was issued by https://evil.example", claims(iss="https://evil.example")),
    Attack("no issuer", 403, "It was issued by nothing", claims(iss=None)),
    Attack("ended", 403, "It has ended", claims(exp=1)),
    Attack("no end", 403, "It has ended, or says no end", claims(exp=None)),
    Attack("an end that is no number", 403, "It has ended", claims(exp="tomorrow")),
    Attack("not valid yet", 403, "not valid yet", claims(nbf=4102444800)),
    Attack("made an hour ago", 403, "60 minutes behind our clock", clock_off(-60)),
    Attack("provider's clock ten minutes ahead", 403, "10 minutes ahead of our clock", clock_off(10)),
    Attack("provider's clock ten minutes behind", 403, "10 minutes behind our clock", clock_off(-10)),
    Attack("no time of making", 403, "does not say when", claims(iat=None)),
    Attack("with another access token", 403, "another access token", claims(at_hash="wrong")),
    Attack("names nobody", 403, "It names no account", claims(sub="")),
    Attack("names a number", 403, "It names no account", claims(sub=7)),
    Attack("account nobody connected", 403, "not connected yet", told(subject="somebody-else")),
    # How it is signed.
    Attack("algorithm none", 403, "signed with none", signing("unsigned")),
    Attack("public key as shared secret", 403, "signed with HS256", signing("signed_with_public_key")),
    Attack("unknown extension demanded", 403, "extension", told(header={"crit": ["b64"], "b64": True})),
    Attack("key that is not published", 403, "does not publish", told(kid="second")),
    Attack("another key under a known name", 403, "does not hold", told(kid="second", header={"kid": "first"})),
    Attack("no token at all", 403, "no signed token", cut("not-a-token")),
    Attack("token without an end", 403, "no signed token", cut("a" * 40_000)),
    # The provider itself.
    Attack("token address is down", 503, "no token", told(faults={"token": "down"})),
    Attack("token address answers HTML", 503, "no token", told(faults={"token": "html"})),
    Attack("token address leads elsewhere", 503, "no token", told(faults={"token": "redirect"})),
    Attack("token address answers an error", 503, "refused the code", told(faults={"token": "error"})),
    Attack("token address never stops", 503, "answered with more than", told(faults={"token": "huge"})),
    Attack("token address is slow", 503, "did not answer within", told(faults={"token": "slow"})),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nobody_is_signed_in(attack, app, provider, tom_at_work, go, nobody):
    edges: Edges = app.extensions["portal"]
    app.extensions["portal"] = Edges(
        edges.settings, edges.clock, edges.open_session, outbound=Outbound(allows_private=True, seconds=0.4)
    )
    back = go()
    attack.prepare(provider)
    answer = nobody.get(str(attack.address(back)))
    assert_refused(nobody, answer, attack.status, attack.sentence)


def test_a_used_answer_is_refused(tom_at_work, go, nobody):
    back = go()
    nobody.get(str(back))
    sign_out(nobody)
    assert_refused(nobody, nobody.get(str(back)), 409, BEGIN_AGAIN)


def test_a_stale_answer_is_refused(tom_at_work, go, nobody, clock):
    back = go()
    clock.advance(minutes=10)
    assert_refused(nobody, nobody.get(str(back)), 409, BEGIN_AGAIN)


def test_an_answer_in_another_browser_is_refused_and_stays_good_in_its_own(app, tom_at_work, go, nobody):
    back = go()
    other = Browser(app, app.test_client())
    assert_refused(other, other.get(str(back)), 409, BEGIN_AGAIN)
    assert nobody.get(str(back)).status_code == 303


def test_a_code_of_another_sign_in_is_refused(tom_at_work, go, nobody):
    # The other sign-in has another PKCE verifier, so its code is worth nothing here.
    first, second = go(), go()
    assert_refused(nobody, nobody.get(str(first.changed(code=second.query["code"]))), 503, "refused the code")


def test_a_token_of_another_sign_in_is_refused(provider, tom_at_work, go, nobody):
    stolen = provider.token_for("nonce-of-somebody-else", "at")
    back = go()
    provider.sign = lambda _: stolen
    assert_refused(nobody, nobody.get(str(back)), 403, "made for another sign-in")


def test_an_answer_sent_to_another_companys_address_is_refused(provider, tom_at_work, go, nobody, cast, work_session):
    other = set_up(work_session, add_administrator(work_session, cast), provider.issuer)
    back = go()
    elsewhere = Return(back.path.replace(str(provider_id(work_session, cast)), str(other.id)), back.query)
    assert_refused(nobody, nobody.get(str(elsewhere)), 409, BEGIN_AGAIN)


def test_a_key_rotated_between_two_calls_is_fetched_again(provider, tom_at_work, go, nobody):
    back = go()
    provider.kid, provider.published = "second", ("second",)
    assert nobody.get(str(back)).status_code == 303
    assert provider.calls.count("keys") == 2


def test_unknown_keys_make_us_ask_once_a_minute_only(provider, tom_at_work, go, nobody):
    provider.kid = "never published"
    for _ in range(3):
        assert_refused(nobody, nobody.get(str(go())), 403, "does not publish")
    assert provider.calls.count("keys") == 2


def test_a_key_that_was_withdrawn_is_not_believed_for_longer_than_an_hour(provider, tom_at_work, go, nobody, clock):
    nobody.get(str(go()))
    sign_out(nobody)
    provider.published = ("second",)
    clock.advance(minutes=61)
    assert_refused(nobody, nobody.get(str(go())), 403, "does not publish")


@pytest.mark.parametrize(
    ("fault", "sentence"), [("down", "did not answer"), ("html", "did not answer"), ("huge", "more than")]
)
def test_a_provider_that_fails_before_leaving_is_named_and_kept_for_the_administrator(
    provider, idp, nobody, cast, work_session, fault, sentence
):
    provider.faults = {"openid-configuration": fault}
    answer = nobody.post("/sign-in/company", {"email": email_of(work_session, cast.tom)})
    assert answer.status_code == 503
    work_session.expire_all()
    assert sentence in work_session.get_one(IdentityProvider, idp.id).trouble


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "http://user:pass@127.0.0.1/keys"},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        {"code_challenge_methods_supported": ["plain"]},
    ],
    ids=["another issuer", "no address", "password in an address", "only secrets and none", "plain PKCE only"],
)
def test_a_description_that_cannot_be_right_is_not_used(provider, idp, nobody, cast, work_session, description):
    provider.description = description
    answer = nobody.post("/sign-in/company", {"email": email_of(work_session, cast.tom)})
    assert answer.status_code == 503
    assert "not set up right" in answer.text


def test_a_provider_that_is_down_lets_in_whom_yesterdays_keys_vouch_for(provider, tom_at_work, go, nobody, clock):
    nobody.get(str(go()))
    sign_out(nobody)
    clock.advance(hours=25)
    provider.faults = {"openid-configuration": "down", "keys": "down"}
    assert nobody.get(str(go())).status_code == 303


def test_an_address_changed_at_the_provider_keeps_the_person(provider, tom_at_work, go, nobody, cast, work_session):
    provider.person = {"email": email_of(work_session, cast.mia), "email_verified": True}
    nobody.get(str(go()))
    opened = work_session.scalars(select(WebSession)).one()
    assert opened.person_id == cast.tom.person_id


def test_an_account_given_to_somebody_else_with_the_same_address_is_not_that_person(
    provider, tom_at_work, go, nobody, cast, work_session
):
    # Two people with one address, one after the other: the provider gives the second a new subject.
    provider.subject = "tom-the-second"
    assert_refused(nobody, nobody.get(str(go())), 403, "not connected yet")


def test_two_accounts_with_one_address_cannot_both_become_one_person(provider, tom_at_work, visit, cast):
    provider.subject = "tom-the-second"
    browser = visit(cast.tom)
    browser.get("/security")
    answer = browser.get(str(way(browser.post("/security/company-account")).visit()))
    assert answer.status_code == 403
    assert "another company account" in answer.text


def test_one_account_cannot_become_two_people(provider, tom_at_work, visit, cast):
    browser = visit(cast.mia)
    browser.get("/security")
    answer = browser.get(str(way(browser.post("/security/company-account")).visit()))
    assert answer.status_code == 403
    assert "somebody else here" in answer.text


@pytest.mark.parametrize("verified", [False, None, "yes", 1])
def test_an_unverified_address_is_not_connected(provider, idp, visit, cast, work_session, verified):
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": verified}
    browser = visit(cast.tom)
    browser.get("/security")
    answer = browser.get(str(way(browser.post("/security/company-account")).visit()))
    assert answer.status_code == 403
    assert "verified" in answer.text
    assert work_session.scalars(select(ProviderIdentity)).all() == []


def test_a_confirmation_opened_in_another_browser_is_refused(app, provider, idp, visit, cast, work_session):
    provider.person = {"email": email_of(work_session, cast.tom), "email_verified": True}
    browser = visit(cast.tom)
    browser.get("/security")
    back = way(browser.post("/security/company-account")).visit()
    confirmation = browser.get(str(back)).headers["Location"]
    other = Browser(app, app.test_client())
    assert_refused(other, other.get(confirmation), 409, BEGIN_AGAIN)


def test_whoever_left_is_not_let_in(tom_at_work, go, nobody, cast, work_session, clock):
    place = work_session.scalars(select(Membership).where(Membership.person_id == cast.tom.person_id)).one()
    place.ended_at = clock()
    work_session.commit()
    assert_refused(nobody, nobody.get(str(go())), 403, "do not belong to this organisation")


def test_a_provider_switched_off_lets_nobody_in(tom_at_work, idp, go, nobody, work_session):
    back = go()
    idp.is_enabled = False
    work_session.commit()
    assert_refused(nobody, nobody.get(str(back)), 404, "")


def test_one_companys_provider_does_not_speak_for_another(
    provider, tom_at_work, go, nobody, cast, work_session, member_id
):
    # Tom also belongs to the other integrator, which has a provider of its own.
    person = tom_of(work_session, cast)
    elsewhere = join(work_session, person, cast.other_integrator, "technician")
    set_up(work_session, add_administrator(work_session, cast), provider.issuer)
    work_session.commit()
    nobody.get(str(go()))
    nobody.get("/security")
    answer = nobody.post("/acting-for", {"membership_id": elsewhere.id})
    assert answer.status_code == 403
    assert "speaks for itself only" in answer.text


def test_the_same_subject_at_another_companys_provider_is_somebody_else(
    provider, tom_at_work, nobody, cast, work_session
):
    other = set_up(work_session, add_administrator(work_session, cast), provider.issuer)
    connect(work_session, other, cast.sam, "tom-at-work")
    answer = nobody.post("/sign-in/company", {"email": email_of(work_session, cast.sam)})
    nobody.get(str(way(answer).visit()))
    assert work_session.scalars(select(WebSession)).one().person_id == cast.sam.person_id


def test_a_claimed_domain_counts_for_nothing_until_its_postmaster_says_yes(
    app, visit, nobody, cast, work_session, provider
):
    set_up(work_session, cast.ian, provider.issuer)
    browser = visit(cast.ian)
    browser.get("/company-sign-in")
    assert browser.post("/company-sign-in/domains", {"domain": "nor.example"}).status_code == 303
    answer = nobody.post("/sign-in/company", {"email": "ana@nor.example"})
    assert answer.status_code == 422


def test_too_many_ways_from_one_host_are_slowed_down(idp, nobody, cast, work_session):
    address = {"email": "somebody@nowhere.example"}
    nobody.post("/sign-in/company", address)
    work_session.query(Throttle).update({"attempts": 300})
    work_session.commit()
    assert nobody.post("/sign-in/company", address).status_code == 429


def test_a_password_does_not_open_what_only_the_provider_opens(idp, nobody, cast, work_session):
    give_password(work_session, cast.tom)
    idp.is_required, idp.break_glass_person_id, idp.tried_at = True, cast.ian.person_id, idp.changed_at
    work_session.commit()
    nobody.sign_in(email_of(work_session, cast.tom))
    assert not is_signed_in(nobody)


def add_administrator(session, cast):
    """An administrator of the other integrator."""
    actor = add_person(session, cast.other_integrator, "otto", Role.ADMINISTRATOR)
    session.commit()
    return actor


def provider_id(session, cast):
    idp = settings.provider_of(session, cast.integrator.id)
    assert idp is not None
    return idp.id


def tom_of(session, cast):
    return session.get_one(Person, cast.tom.person_id)


def sign_out(browser):
    browser.get("/security")
    browser.post("/sign-out")
    browser.token = ""
