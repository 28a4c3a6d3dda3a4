"""Strangers reach nothing: every page and action of the URL map, asked by every kind of stranger.

Generated from the app's own addresses, so that a new view cannot be forgotten. An address of something that is not the
asker's answers byte for byte as that of an id which nobody has; only the form token is left out of the comparison.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from portal.access import ROLES_OF_SIDE, OneAct, Role, Side
from portal.cases.actions.custody import LINK_ACT, LINK_OBJECT
from portal.cases.models import CustodyOffer
from portal.identity import links, people
from portal.identity.rules import link_token
from portal.web import gate
from tests.support.beginnings import begins_with
from tests.support.cases import escalated
from tests.support.cast import NOW, Cast, add_person
from tests.support.sign_in import email_of, membership_of
from tests.web.support.samples import SAMPLES, Sample

# Everything else changes only what belongs to the person asking.
OWN_ACTIONS = frozenset({"identity.sign_out", "identity.switch_organisation"})
SECRETS = ("Nordlicht", "Kessler", "Klinikum", "ana@nor.example")
_TOKEN = re.compile(rb'name="csrf_token"( type="hidden")? value="[^"]*"')
_NOBODYS = {"UUIDConverter": uuid.UUID(int=7), "IntegerConverter": 2**62 + 1}


def closed_rules(app) -> list[Rule]:
    open_views = gate.ANONYMOUS_VIEWS | gate.SIGNED_POSTS | OWN_ACTIONS
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint not in open_views]


def sample_of(rule: Rule, name: str) -> Callable[..., Any] | None:
    """What stands for an argument: a sample of this blueprint where it has its own, or the one for all."""
    blueprint = rule.endpoint.split(".")[0]
    return SAMPLES.get(f"{blueprint}.{name}", SAMPLES.get(name))


def address(app, rule: Rule, values: dict[str, Any]) -> str:
    return str(app.url_map.bind("localhost").build(rule.endpoint, values))


def nobodys(rule: Rule) -> dict[str, Any]:
    """Arguments that lead to nothing of anybody's."""
    kinds = {name: type(converter).__name__ for name, converter in rule._converters.items()}
    return {name: _NOBODYS.get(kinds.get(name, ""), "NOR-999999") for name in rule.arguments}


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def ask(browser, method: str, path: str):
    return browser.get(path) if method == "GET" else browser.post(path)


def body(answer) -> bytes:
    return _TOKEN.sub(b"", answer.data)


def every_sample(session: Session, cast: Cast) -> dict[Sample, Any]:
    """What each sample makes, by the sample."""
    return {make: make(session, cast) for make in SAMPLES.values()}


pytestmark = begins_with(every_sample)


@pytest.fixture
def asked(app, begun) -> list[tuple[Rule, str, str]]:
    """Every rule with the address of something of the cast's, and the same for nobody's."""
    found = []
    for rule in closed_rules(app):
        values = {}
        for name in rule.arguments:
            make = sample_of(rule, name)
            assert make is not None, f"tests/web/support/samples.py says nothing of {name!r} in {rule.rule}"
            values[name] = begun[make]
        found.append((rule, address(app, rule, values), address(app, rule, nobodys(rule))))
    assert len(found) > 10
    return found


def test_every_argument_of_an_address_has_a_sample(app):
    missing = {f"{name} in {rule.rule}" for rule in closed_rules(app) for name in rule.arguments
               if sample_of(rule, name) is None}  # fmt: skip
    assert missing == set(), f"tests/web/support/samples.py says nothing of {sorted(missing)}"


@pytest.mark.parametrize("company", ["other_factory", "other_integrator", "other_customer"])
def test_a_stranger_with_every_role_finds_nothing_of_the_cast(visit, cast, work_session, asked, company):
    theirs = getattr(cast, company)
    stranger = add_person(work_session, theirs, "stranger", *sorted(ROLES_OF_SIDE[Side(theirs.side)]))
    browser = visit(stranger)
    browser.get("/security")
    # What the stranger does in its own name comes last: it is told about on the page after.
    for rule, path, unknown in sorted(asked, key=lambda each: not each[0].arguments):
        for method in methods(rule):
            answer = ask(browser, method, path)
            for secret in SECRETS:
                assert secret not in answer.text, f"{method} {path} says {secret}"
            if rule.arguments:
                assert answer.status_code == 404, f"{method} {path} answers {answer.status_code}"
                nothing = ask(browser, method, unknown)
                assert nothing.status_code == 404, f"{method} {unknown} answers {nothing.status_code}"
                assert body(answer) == body(nothing), f"{method} {path} differs from {unknown}"


def assert_sent_to_sign_in(browser, asked) -> None:
    for rule, path, unknown in asked:
        for method in methods(rule):
            answer, nothing = ask(browser, method, path), ask(browser, method, unknown)
            assert answer.status_code == nothing.status_code == (303 if method == "GET" else 401), f"{method} {path}"
            if method == "GET":
                assert answer.headers["Location"].startswith("/sign-in"), path
            else:
                assert body(answer) == body(nothing), path


def test_nobody_signed_in_gets_the_sign_in_page(nobody, asked):
    assert_sent_to_sign_in(nobody, asked)


def test_somebody_whose_membership_ended_gets_the_sign_in_page(visit, cast, work_session, asked):
    browser = visit(cast.ana)
    assert browser.get("/security").status_code == 200
    people.end_membership(work_session, cast.adam, membership_of(work_session, cast.ana).id, NOW)
    work_session.commit()
    assert_sent_to_sign_in(browser, asked)


def test_a_mailed_links_holder_gets_the_sign_in_page(nobody, app, cast, work_session, asked):
    secret = app.config["SECRET_KEY"]
    case = escalated(work_session, cast)
    offer = work_session.query(CustodyOffer).filter_by(case_id=case.id).one()
    made = links.create_link(
        work_session, OneAct(LINK_ACT, LINK_OBJECT, str(offer.id), offer.seq), secret=secret,
        organisation_id=cast.factory.id, email=email_of(work_session, cast.ana), person_id=cast.ana.person_id,
        now=NOW - timedelta(hours=1),
    )  # fmt: skip
    work_session.commit()
    assert nobody.get(f"/link/{link_token(secret, made.id)}").status_code == 200
    nobody.token = ""
    assert_sent_to_sign_in(nobody, asked)


@pytest.mark.parametrize(
    ("company", "role"),
    [
        (company, role)
        for company, side in (
            ("factory", Side.MANUFACTURER), ("integrator", Side.INTEGRATOR), ("customer", Side.CUSTOMER)
        )
        for role in sorted(ROLES_OF_SIDE[side])
    ],
)  # fmt: skip
def test_the_wrong_role_of_the_same_company_finds_a_page_that_does_not_exist(
    app, visit, cast, work_session, asked, company, role: Role
):
    colleague = add_person(work_session, getattr(cast, company), "colleague", role)
    browser = visit(colleague)
    browser.get("/security")
    nothing = {method: body(ask(browser, method, "/no-such-page")) for method in ("GET", "POST")}
    for rule, path, _ in asked:
        if vars(app.view_functions[rule.endpoint])["open_to"](colleague):
            continue
        for method in methods(rule):
            answer = ask(browser, method, path)
            assert answer.status_code == 404, f"{method} {path} answers {answer.status_code}"
            assert body(answer) == nothing[method], f"{method} {path} differs from a page that does not exist"
