"""Attacks on second factors, sessions and looking on: what is tried, and that nothing comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.access import Actor, Role, Side
from portal.audit.models import AuditEntry
from portal.identity import people
from portal.identity.factors.models import Passkey
from portal.identity.models import Membership, Person
from portal.identity.rules import link_token
from tests.support.authenticator import Authenticator
from tests.support.cast import NOW
from tests.support.queued import queued
from tests.support.sign_in import PASSWORD, give_password, membership_of
from tests.web.support.client import Browser, Clock
from tests.web.support.factors import ORIGIN, add_passkey, code_at, options_of, set_up_app, wait_for_second

ANA = "ana@nor.example"
TOM = "tom@kes.example"
SECOND = "/sign-in/second-factor"


@dataclass
class Stage:
    """Ana with a passkey, Tom with his own; a browser of nobody; what tests change."""

    app: Any
    cast: Any
    session: Any
    clock: Clock
    nobody: Browser
    ana: Browser
    device: Authenticator
    toms: Authenticator

    def another(self) -> Browser:
        return Browser(self.app, self.app.test_client())

    @property
    def options(self) -> str:
        """What the sign-in page of nobody's browser asks."""
        return options_of(self.nobody.get("/sign-in"))

    def enters(self, answer: str, browser: Browser | None = None) -> bool:
        """Whether this answer of an authenticator signs a browser in."""
        browser = browser or self.nobody
        sent = browser.post("/sign-in/passkey", {"passkey": answer})
        assert sent.status_code == 303
        assert sent.location == ("/" if browser.get("/").status_code == 200 else "/sign-in")
        return sent.location == "/"


@pytest.fixture
def stage(app, cast, visit, nobody, work_session, clock, let_in) -> Stage:
    ana = visit(cast.ana)
    device, toms = add_passkey(ana), add_passkey(visit(cast.tom))
    return Stage(app, cast, work_session, clock, nobody, ana, device, toms)


def a_replayed_answer(stage: Stage) -> bool:
    answer = stage.device.get(stage.options)
    thief = stage.another()
    with stage.nobody.client.session_transaction() as mine, thief.client.session_transaction() as stolen:
        stolen.update(mine)
    thief.token = stage.nobody.token
    assert stage.enters(answer)
    return stage.enters(answer, thief)


def a_challenge_of_another_browser(stage: Stage) -> bool:
    other = stage.another()
    answer = stage.device.get(options_of(other.get("/sign-in")))
    stage.nobody.get("/sign-in")
    return stage.enters(answer)


def a_challenge_of_another_purpose(stage: Stage) -> bool:
    asked = json.loads(options_of(stage.ana.get("/security/factors/passkeys/new")))
    return stage.enters(stage.device.get(stage.options, challenge=asked["challenge"]))


def a_challenge_of_the_attackers_own(stage: Stage) -> bool:
    return stage.enters(stage.device.get(stage.options, challenge="A" * 75))


def a_challenge_too_old(stage: Stage) -> bool:
    answer = stage.device.get(stage.options)
    stage.clock.advance(minutes=10)
    return stage.enters(answer)


def a_copied_passkey(stage: Stage) -> bool:
    assert stage.enters(stage.device.get(stage.options))
    stage.nobody.client.delete_cookie("portal")
    stage.nobody.token = ""
    stage.device.counter = 1
    return stage.enters(stage.device.get(stage.options))


def an_answer_for_another_site(stage: Stage) -> bool:
    return stage.enters(stage.device.get(stage.options, origin="https://factoryline.example"))


def an_answer_for_another_host(stage: Stage) -> bool:
    options = json.dumps({**json.loads(stage.options), "rpId": "evil.example"})
    return stage.enters(stage.device.get(options))


def an_answer_without_the_devices_unlocking(stage: Stage) -> bool:
    stage.device.verifies = False
    return stage.enters(stage.device.get(stage.options))


def an_answer_signed_by_another_key(stage: Stage) -> bool:
    forged = Authenticator(ORIGIN, credential_id=stage.device.credential_id, user_handle=stage.device.user_handle)
    return stage.enters(forged.get(stage.options))


def a_passkey_nobody_has(stage: Stage) -> bool:
    return stage.enters(Authenticator(ORIGIN).get(stage.options))


def another_persons_handle(stage: Stage) -> bool:
    return stage.enters(stage.device.get(stage.options, user_handle=stage.toms.user_handle))


def a_passkey_of_somebody_disabled(stage: Stage) -> bool:
    stage.session.execute(update(Person).where(Person.id == stage.cast.ana.person_id).values(disabled_at=NOW))
    stage.session.commit()
    return stage.enters(stage.device.get(stage.options))


def a_passkey_of_somebody_who_left(stage: Stage) -> bool:
    place = membership_of(stage.session, stage.cast.ana)
    people.end_membership(stage.session, stage.cast.adam, place.id, NOW)
    stage.session.commit()
    return stage.enters(stage.device.get(stage.options))


def a_removed_passkey(stage: Stage) -> bool:
    found = stage.session.scalars(select(Passkey.id).where(Passkey.person_id == stage.cast.ana.person_id)).one()
    stage.ana.get("/security/factors")
    assert stage.ana.post(f"/security/factors/passkeys/{found}/removal").status_code == 303
    return stage.enters(stage.device.get(stage.options))


def another_persons_passkey_as_second_factor(stage: Stage) -> bool:
    wait_for_second(stage.nobody, ANA, PASSWORD)
    answer = stage.toms.get(options_of(stage.nobody.get(SECOND)))
    return stage.nobody.post(SECOND, {"proof_passkey": answer}).status_code == 303


def a_sign_in_answer_as_second_factor(stage: Stage) -> bool:
    answer = stage.device.get(stage.options)
    wait_for_second(stage.nobody, ANA, PASSWORD)
    return stage.nobody.post(SECOND, {"proof_passkey": answer}).status_code == 303


def the_waiting_token_as_a_session(stage: Stage) -> bool:
    wait_for_second(stage.nobody, ANA, PASSWORD)
    with stage.nobody.client.session_transaction() as cookie:
        cookie["_user_id"] = cookie["pending"]
    return stage.nobody.get("/").status_code == 200


def a_session_token_from_before_the_sign_in(stage: Stage) -> bool:
    planted = "x" * 43
    with stage.nobody.client.session_transaction() as cookie:
        cookie.update(_user_id=planted, pending=planted, own_token=planted, marked="by the attacker")
    stage.nobody.token = ""
    assert stage.enters(stage.device.get(stage.options))
    with stage.nobody.client.session_transaction() as cookie:
        return cookie["_user_id"] == planted or "marked" in cookie


def the_waiting_token_after_the_sign_in(stage: Stage) -> bool:
    wait_for_second(stage.nobody, ANA, PASSWORD)
    with stage.nobody.client.session_transaction() as cookie:
        token = cookie["pending"]
    assert stage.nobody.post(SECOND, {"proof_passkey": stage.device.get(options_of(stage.nobody.get(SECOND)))}).location
    thief = stage.another()
    with thief.client.session_transaction() as cookie:
        cookie["pending"] = token
    return thief.get(SECOND).status_code == 200


ATTACKS: tuple[Callable[[Stage], bool], ...] = (
    a_replayed_answer,
    a_challenge_of_another_browser,
    a_challenge_of_another_purpose,
    a_challenge_of_the_attackers_own,
    a_challenge_too_old,
    a_copied_passkey,
    an_answer_for_another_site,
    an_answer_for_another_host,
    an_answer_without_the_devices_unlocking,
    an_answer_signed_by_another_key,
    a_passkey_nobody_has,
    another_persons_handle,
    a_passkey_of_somebody_disabled,
    a_passkey_of_somebody_who_left,
    a_removed_passkey,
    another_persons_passkey_as_second_factor,
    a_sign_in_answer_as_second_factor,
    the_waiting_token_as_a_session,
    a_session_token_from_before_the_sign_in,
    the_waiting_token_after_the_sign_in,
)


def test_the_right_answer_enters(stage):
    assert stage.enters(stage.device.get(stage.options))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_comes_of(stage, attack):
    assert not attack(stage)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[]",
        '"text"',
        "{",
        "{}",
        '{"rawId": 7}',
        '{"rawId": "!!!!"}',
        '{"rawId": "AAAA", "response": []}',
        '{"rawId": "AAAA", "id": "AAAA", "type": "public-key", "response": {"clientDataJSON": "AAAA"}}',
        "x" * 30_000,
        '{"rawId": "' + "A" * 15_000 + '"}',
        "[" * 10_000,
    ],
)
def test_what_is_no_answer_is_refused_in_words(nobody, cast, answer):
    nobody.get("/sign-in")
    sent = nobody.post("/sign-in/passkey", {"passkey": answer})
    assert (sent.status_code, sent.location) == (303, "/sign-in")
    assert "was not accepted" in nobody.get("/sign-in").text


def damaged(answer: str, key: str, value: Any) -> str:
    said = json.loads(answer)
    said["response"][key] = value
    return json.dumps(said)


DAMAGE = [
    (key, value)
    for key in ("clientDataJSON", "authenticatorData", "signature", "userHandle")
    for value in (None, "", 7, [], "AAAA", "%%%")
    # A handle may be left out where the passkey is named.
    if key != "userHandle" or value
]


@pytest.mark.parametrize(("key", "value"), DAMAGE)
def test_a_damaged_answer_enters_nowhere(stage, key, value):
    assert not stage.enters(damaged(stage.device.get(stage.options), key, value))


def test_a_copied_passkey_is_told_to_the_person(stage):
    a_copied_passkey(stage)
    told = queued(stage.session, "notify_security")

    acts = [stage.session.get_one(AuditEntry, ids["entry_id"]).act for _, ids in told]
    assert acts[-1] == "refuse_copied_passkey"


def test_a_registration_is_answered_once_and_only_in_its_session(stage, visit, cast):
    options = options_of(stage.ana.get("/security/factors/passkeys/new"))
    device, other = Authenticator(ORIGIN), Authenticator(ORIGIN)
    path, fields = "/security/factors/passkeys/new", {"name": "Key", "passkey": device.create(options)}
    elsewhere = visit(cast.ana)
    elsewhere.get("/sign-in")
    # The other session is asked for the passkey that is there, and gets nothing in with this answer.
    assert elsewhere.post(path, fields).status_code == 403
    assert stage.ana.post(path, fields).status_code == 303
    assert stage.ana.post(path, {"name": "Key", "passkey": other.create(options)}).status_code == 422
    assert stage.session.query(Passkey).filter_by(person_id=cast.ana.person_id).count() == 2


# Codes of an app, by steps of half a minute from now: what is taken.
CODES = [(-20, False), (-2, False), (-1, True), (0, True), (1, True), (2, False), (20, False)]


@pytest.fixture
def with_app(visit, cast, clock, let_in) -> str:
    secret, _ = set_up_app(visit(cast.ana), clock)
    clock.advance(minutes=5)
    return secret


@pytest.mark.parametrize(("steps", "taken"), CODES)
def test_a_clock_that_is_off_is_forgiven_half_a_minute(nobody, with_app, clock, steps, taken):
    wait_for_second(nobody, ANA, PASSWORD)
    answer = nobody.post(SECOND, {"proof_code": code_at(with_app, clock, steps)})
    assert answer.status_code == (303 if taken else 422)
    assert taken or "check the clock" in answer.text


@pytest.mark.parametrize("steps", [0, -1])
def test_a_code_used_or_older_than_the_used_one_is_refused(app, nobody, with_app, clock, steps):
    wait_for_second(nobody, ANA, PASSWORD)
    assert nobody.post(SECOND, {"proof_code": code_at(with_app, clock)}).status_code == 303
    thief = Browser(app, app.test_client())
    wait_for_second(thief, ANA, PASSWORD)
    assert thief.post(SECOND, {"proof_code": code_at(with_app, clock, steps)}).status_code == 422
    clock.advance(seconds=30)
    assert thief.post(SECOND, {"proof_code": code_at(with_app, clock)}).status_code == 303


@pytest.mark.parametrize("typed", ["", " ", "12345", "1234567", "abcdef", "000000\x00", "١٢٣٤٥٦", "0" * 60])
def test_what_is_no_code_is_refused(nobody, with_app, typed):
    wait_for_second(nobody, ANA, PASSWORD)
    assert nobody.post(SECOND, {"proof_code": typed}).status_code == 422


def test_guessing_codes_is_throttled_for_the_person_and_nobody_else(
    app, nobody, visit, cast, with_app, clock, work_session
):
    give_password(work_session, cast.tom)
    toms, _ = set_up_app(visit(cast.tom), clock)
    wait_for_second(nobody, ANA, PASSWORD)
    statuses = [nobody.post(SECOND, {"proof_code": f"{guess:06}"}).status_code for guess in range(11)]
    assert statuses == [422] * 10 + [429]
    # From another browser as well, and with the right code too: the count is the person's.
    other = Browser(app, app.test_client())
    wait_for_second(other, ANA, PASSWORD)
    assert other.post(SECOND, {"proof_code": code_at(with_app, clock)}).status_code == 429
    clock.advance(minutes=1)
    tom = Browser(app, app.test_client())
    wait_for_second(tom, TOM, PASSWORD)
    assert tom.post(SECOND, {"proof_code": code_at(toms, clock)}).status_code == 303
    clock.advance(minutes=15)
    later = Browser(app, app.test_client())
    wait_for_second(later, ANA, PASSWORD)
    assert later.post(SECOND, {"proof_code": code_at(with_app, clock)}).status_code == 303


def test_somebody_with_the_password_who_guesses_codes_is_told_to_the_person_once(nobody, with_app, work_session):
    wait_for_second(nobody, ANA, PASSWORD)
    for guess in range(10):
        nobody.post(SECOND, {"proof_code": f"{guess:06}"})
    told = work_session.scalars(select(AuditEntry).where(AuditEntry.act == "fail_second_factor")).all()
    assert [entry.details for entry in told] == [{"at": "sign-in"}]


def test_guessing_at_the_step_up_is_throttled(visit, cast, clock, let_in):
    ana = visit(cast.ana)
    ana.get("/security")
    clock.advance(minutes=11)
    proof = {"proof_sent": "yes", "proof_password": "a guess at it"}
    statuses = [ana.post("/security/factors/codes", proof).status_code for _ in range(11)]
    assert statuses == [403] * 10 + [429]


def test_a_second_step_leads_to_no_other_site(nobody, with_app, clock):
    wait_for_second(nobody, ANA, PASSWORD)
    path = f"{SECOND}?next=//evil.example/"
    assert nobody.post(path, {"proof_code": code_at(with_app, clock)}).location == "/"


def test_a_proof_without_the_forms_token_changes_nothing(visit, cast, clock, let_in):
    ana = visit(cast.ana)
    clock.advance(minutes=11)
    proof = {"proof_sent": "yes", "proof_password": PASSWORD}
    assert ana.client.post("/security/factors/codes", data=proof).status_code == 400


def test_a_membership_that_ended_between_the_two_steps_ends_the_sign_in(nobody, with_app, clock, cast, work_session):
    wait_for_second(nobody, ANA, PASSWORD)
    work_session.execute(update(Membership).where(Membership.person_id == cast.ana.person_id).values(ended_at=NOW))
    work_session.commit()
    assert nobody.post(SECOND, {"proof_code": code_at(with_app, clock)}).location == "/sign-in"
    assert nobody.get("/").status_code == 303


@pytest.fixture
def invited(work_session, cast, app):
    """A link that invites Ana, who has an account, to the other factory as well."""
    invitation = people.invite(
        work_session,
        Actor(cast.eve.person_id, cast.other_factory.id, Side.MANUFACTURER, frozenset({Role.ADMINISTRATOR})),
        email=ANA,
        name="Ana",
        roles=[Role.ENGINEER],
        secret=app.config["SECRET_KEY"],
        now=NOW,
    )
    work_session.commit()
    return f"/link/{link_token(app.config['SECRET_KEY'], invitation.link_id)}"


def test_an_invitation_does_not_lead_past_the_second_factor(nobody, with_app, invited):
    nobody.get(invited)
    answer = nobody.post(invited, {"name": "Ana", "zone": "UTC", "password": PASSWORD})
    assert answer.location == "/sign-in/second-factor"
    assert nobody.get("/").status_code == 303


def test_guessing_a_password_by_an_invitation_is_throttled(nobody, let_in, cast, invited):
    nobody.get(invited)
    guess = {"name": "Ana", "zone": "UTC", "password": "a guess at the password"}
    statuses = [nobody.post(invited, guess).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


def test_guessing_elsewhere_does_not_lock_out_a_browser_the_person_knows(app, with_app, clock):
    mine = Browser(app, app.test_client())
    wait_for_second(mine, ANA, PASSWORD)
    assert mine.post(SECOND, {"proof_code": code_at(with_app, clock)}).location == "/"
    mine.client.delete_cookie("portal")
    guesser = Browser(app, app.test_client())
    wait_for_second(guesser, ANA, PASSWORD)
    statuses = [guesser.post(SECOND, {"proof_code": f"{guess:06}"}).status_code for guess in range(11)]
    assert statuses[-1] == 429
    clock.advance(minutes=1)
    mine.token = ""
    wait_for_second(mine, ANA, PASSWORD)
    assert mine.post(SECOND, {"proof_code": code_at(with_app, clock)}).location == "/"
