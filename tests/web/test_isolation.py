"""Strangers reach nothing: every page and action of the URL map, asked by people of every other company."""

import pytest

from portal.access import ROLES_OF_SIDE, Side
from portal.web import gate
from tests.support.cast import add_person
from tests.web.support.samples import SAMPLES

# Everything else changes only what belongs to the person asking.
OWN_ACTIONS = frozenset({"identity.sign_out", "identity.switch_organisation"})


def _closed_rules(app):
    return [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in gate.ANONYMOUS_VIEWS | gate.SIGNED_POSTS | OWN_ACTIONS
    ]


def test_every_argument_of_an_address_has_a_sample(app):
    missing = {name for rule in _closed_rules(app) for name in rule.arguments} - SAMPLES.keys()
    assert missing == set(), f"tests/web/support/samples.py says nothing of {sorted(missing)}"


@pytest.mark.parametrize("company", ["other_factory", "other_integrator", "other_customer"])
def test_a_stranger_with_every_role_finds_nothing_of_the_cast(app, visit, cast, work_session, company):
    theirs = getattr(cast, company)
    stranger = add_person(work_session, theirs, "stranger", *sorted(ROLES_OF_SIDE[Side(theirs.side)]))
    values = {name: make(work_session, cast) for name, make in SAMPLES.items()}
    work_session.commit()
    browser = visit(stranger)
    browser.get("/security")
    asked = 0
    for rule in _closed_rules(app):
        path = app.url_map.bind("localhost").build(rule.endpoint, {name: values[name] for name in rule.arguments})
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            answer = browser.get(path) if method == "GET" else browser.post(path)
            asked += 1
            if rule.arguments:
                assert answer.status_code == 404, f"{method} {path}"
            for secret in ("Nordlicht", "Kessler", "Klinikum", "ana@nor.example"):
                assert secret not in answer.text, f"{method} {path} says {secret}"
    assert asked > 10
