"""The same proof sent twice at once is taken once: two real connections, the second waits for the first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyotp
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.db import open_session
from portal.directory.models import Organisation
from portal.identity.factors import generators, passkeys, recovery, rules
from portal.identity.models import Person
from tests.support.authenticator import Authenticator
from tests.support.cast import NOW
from tests.support.racing import second_of

SECRET = "s" * 32
ORIGIN = "http://localhost"


def asking(purpose: str) -> passkeys.Asking:
    return passkeys.Asking("localhost", ORIGIN, SECRET, purpose, "one browser", NOW)


@dataclass
class Somebody:
    """A person with every factor, and an answer of each that is right."""

    engine: Engine
    actor: Actor
    code: str
    recovery_code: str
    answer: str


@pytest.fixture
def somebody(committed_database) -> Somebody:
    engine = committed_database.work_engine
    with open_session(engine) as session, session.begin():
        actor = _person(session)
        generators.begin_generator(session, actor, secret=SECRET, now=NOW)
        shown = generators.shown_secret(session, actor, secret=SECRET, now=NOW)
        totp = pyotp.TOTP(shown or "")
        step = rules.step_at(NOW)
        assert generators.confirm_generator(session, actor, totp.generate_otp(step), secret=SECRET, now=NOW)
        codes = recovery.make_codes(session, actor, NOW)
        device = Authenticator(ORIGIN)
        options = passkeys.registration_options(session, actor, asking(passkeys.REGISTER), "somebody@nor.example")
        passkeys.register(session, actor, asking(passkeys.REGISTER), device.create(options), name="Phone")
        answer = device.get(passkeys.proof_options(asking(passkeys.SIGN_IN)))
    return Somebody(engine, actor, totp.generate_otp(step + 1), codes[0], answer)


def _person(session: Session) -> Actor:
    factory = Organisation(
        side="manufacturer", code="NOR", name="Nordlicht", zone="UTC", country="DE", currency="EUR", created_at=NOW
    )
    session.add(factory)
    person = Person(email="somebody@nor.example", display_name="Somebody", created_at=NOW)
    session.add(person)
    session.flush()
    return Actor(person.id, factory.id, Side.MANUFACTURER, frozenset({Role.ENGINEER}), display_name="Somebody")


def taken_twice(somebody: Somebody, prove: Any) -> list[bool]:
    """Whether each of two tries at once was taken."""
    outcome: list[bool] = []
    ended = second_of(
        somebody.engine, lambda session: outcome.append(prove(session)), lambda session: outcome.append(prove(session))
    )
    assert ended is None
    return outcome


def test_a_code_sent_twice_at_once_is_taken_once(somebody):
    def prove(session: Session) -> bool:
        person_id = somebody.actor.person_id
        return generators.prove_code(session, person_id, somebody.code, secret=SECRET, now=NOW)

    assert taken_twice(somebody, prove) == [True, False]


def test_a_recovery_code_sent_twice_at_once_is_taken_once(somebody):
    def prove(session: Session) -> bool:
        return recovery.prove_recovery(session, somebody.actor.person_id, somebody.recovery_code, NOW)

    assert taken_twice(somebody, prove) == [True, False]


def test_an_answer_sent_twice_at_once_is_taken_once(somebody):
    assert json.loads(somebody.answer)["type"] == "public-key"

    def prove(session: Session) -> bool:
        return passkeys.prove_passkey(session, somebody.actor, asking(passkeys.SIGN_IN), somebody.answer)

    assert taken_twice(somebody, prove) == [True, False]
