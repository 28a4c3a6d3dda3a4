"""The gate: deny by default, the same answer for unknown and foreign, tokens on every post, hardened answers."""

import pytest
from flask import Flask
from sqlalchemy import text

from portal.access import Actor
from portal.app import create_app
from portal.db import engine_for, open_session
from portal.errors import Conflict, Happening, NotAllowed, ProviderTrouble, Stale
from portal.web import gate
from portal.web.gate import current_session, open_to
from tests.conftest import settings_for
from tests.web.conftest import wired

_RENAME = text("UPDATE person SET display_name = 'Renamed' WHERE id = :id")
_COUNT = text("SELECT count(*) FROM membership")


def test_every_view_that_is_not_open_to_strangers_sends_them_to_sign_in(app, nobody):
    closed = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in gate.ANONYMOUS_VIEWS | gate.SIGNED_POSTS:
            continue
        path = _path(app, rule)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            answer = nobody.client.open(path, method=method)
            closed += 1
            if method == "GET":
                assert answer.status_code == 303, path
                assert answer.location.startswith("/sign-in"), path
            else:
                assert answer.status_code == 401, path
    assert closed > 10


def _path(app, rule):
    samples = {"UUIDConverter": "00000000-0000-0000-0000-000000000001", "IntegerConverter": 1}
    given = {name: samples.get(type(converter).__name__, "NOR-1") for name, converter in rule._converters.items()}
    return app.url_map.bind("localhost").build(rule.endpoint, given)


def test_an_app_with_a_view_that_names_no_rule_does_not_start():
    app = Flask("bare")
    app.add_url_rule("/bare", "bare", lambda: "")
    with pytest.raises(RuntimeError, match=r"without open_to\(\.\.\.\): bare"):
        gate.check_every_view(app)


def test_unknown_foreign_and_forbidden_give_the_same_body_to_the_byte(visit, cast, member_id):
    browser = visit(cast.adam)
    unknown = browser.get("/people/999999999")
    foreign = browser.get(f"/people/{member_id(cast.eve)}")
    nowhere = browser.get("/no-such-page")
    forbidden = visit(cast.ana).get("/people")
    assert {answer.status_code for answer in (unknown, foreign, nowhere, forbidden)} == {404}
    assert unknown.data == foreign.data == nowhere.data == forbidden.data


def test_a_post_without_its_token_changes_nothing(visit, cast):
    browser = visit(cast.ana)
    answer = browser.client.post("/sign-out")
    assert answer.status_code == 400
    assert "too old to send" in answer.text
    assert browser.get("/").status_code == 200


def test_every_answer_is_hardened(nobody, cast):
    answer = nobody.get("/sign-in")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_no_page_carries_inline_script_or_style(visit, cast):
    text = visit(cast.adam).get("/people").text
    assert "style=" not in text
    assert "<style" not in text
    assert "onclick" not in text
    assert text.count("<script") == text.count("<script src=") + text.count('<script type="module" src=')


@pytest.mark.parametrize(("given", "kept"), [("abc-12345678", True), ("x y", False), ("<b>" * 9, False), (None, False)])
def test_a_request_id_is_kept_when_it_is_one_and_made_otherwise(nobody, given, kept):
    headers = {"X-Request-ID": given} if given else {}
    answer = nobody.client.get("/healthz", headers=headers)
    assert (answer.headers["X-Request-ID"] == given) is kept
    assert len(answer.headers["X-Request-ID"]) >= 8


def test_a_test_deployment_says_so_on_every_page(nobody, visit, cast):
    for page in (nobody.get("/sign-in"), visit(cast.ana).get("/"), nobody.get("/nowhere")):
        assert "no real money moves" in page.text


def test_health_and_readiness_answer_without_sign_in(nobody):
    assert nobody.client.get("/healthz").json == {"status": "alive"}
    ready = nobody.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json["status"] == "ready"


def test_a_wrong_method_is_refused_in_words(nobody):
    answer = nobody.client.post("/healthz")
    assert answer.status_code in (400, 405)
    answer = nobody.client.put("/sign-in")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


SINCE = (Happening("Ana <b>Ruiz</b>", "accepted", "2026-03-04T14:02:00+00:00"),)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Stale("The case moved on.", SINCE), 409, "Ana &lt;b&gt;Ruiz&lt;/b&gt;</strong> accepted"),
        (Conflict("Sent twice."), 409, "Sent twice."),
        (NotAllowed("Only the lead."), 403, "Only the lead."),
        (ProviderTrouble("Stripe has not answered; the invoice waits."), 503, "the invoice waits"),
        (ZeroDivisionError("secret detail"), 500, "Something broke on our side"),
    ],
)
def test_each_family_of_errors_has_its_answer_and_leaves_nothing_behind(cast, visit, make_app, error, status, words):
    def write_and_fail() -> str:
        session = current_session()
        session.execute(_RENAME, {"id": cast.ana.person_id})
        raise error

    make_app(write_and_fail)
    browser = visit(cast.ana)
    answer = browser.get("/probe")
    assert answer.status_code == status
    assert words in answer.text
    assert "secret detail" not in answer.text
    assert "Renamed" not in browser.get("/security").text


def test_what_a_view_writes_is_committed_once_it_returns(cast, visit, make_app):
    def write() -> str:
        current_session().execute(_RENAME, {"id": cast.ana.person_id})
        return "done"

    make_app(write)
    browser = visit(cast.ana)
    assert browser.get("/probe").status_code == 200
    assert "Renamed" in browser.get("/security").text


def test_a_view_reads_for_the_actors_scope_only(cast, visit, make_app):
    def count() -> str:
        return str(current_session().scalar(_COUNT))

    make_app(count)
    browser = visit(cast.bob)
    assert browser.get("/probe").text == "1"


def test_a_rule_decides_who_reaches_a_view(cast, visit, make_app):
    make_app(lambda: "seen", rule=lambda actor: actor.person_id == cast.ana.person_id)
    insider, outsider = visit(cast.ana), visit(cast.leo)
    assert insider.get("/probe").text == "seen"
    assert outsider.get("/probe").status_code == 404


@pytest.fixture(scope="module")
def _probed(tmp_path_factory) -> Flask:
    """An application of its own, with a view at /probe that each test has as it likes."""
    made = create_app(settings_for("postgresql:///of-each-test", tmp_path_factory.mktemp("instance")))
    made.add_url_rule("/probe", "probe", open_to(lambda actor: False)(lambda: ""))
    return made


@pytest.fixture
def app(_probed, settings, web_engine, clock):
    return wired(_probed, settings, web_engine, clock)


@pytest.fixture
def make_app(app):
    """The app with this view at /probe."""

    def build(view, rule=None) -> Flask:
        def reachable(actor: Actor) -> bool:
            return rule(actor) if rule else True

        app.view_functions["probe"] = open_to(reachable)(view)
        return app

    return build


def test_a_database_that_is_away_is_said_so_and_nothing_is_lost(settings, clock):
    away = engine_for("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    app = create_app(settings, clock=clock, open_session=lambda: open_session(away))
    client = app.test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    answer = client.get("/link/" + "a" * 43)
    assert answer.status_code == 503
    assert "Nothing was lost" in answer.text
