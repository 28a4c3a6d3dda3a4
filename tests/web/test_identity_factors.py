"""One's own second factors: set up, used to sign in, asked before acts that matter, removed, lost."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text

from portal.errors import NotFound
from portal.identity.factors import resetting
from portal.identity.factors.models import CodeGenerator, FactorPolicy, Passkey, RecoveryCode, SpentChallenge
from portal.identity.models import Person
from portal.notifications.mail import FileMailer
from portal.notifications.models import Delivery
from portal.notifications.security_letters import NEWS
from portal.worker.registry import TASKS
from tests.support.cast import NOW
from tests.support.sign_in import PASSWORD, give_password, join
from tests.web.support.client import Browser
from tests.web.support.factors import add_passkey, code_at, options_of, set_up_app, wait_for_second

ANA = "ana@nor.example"
SECOND = "/sign-in/second-factor"


@pytest.fixture
def ana(visit, cast, let_in) -> Browser:
    return visit(cast.ana)


@pytest.fixture
def another(app):
    """Another browser of whoever."""
    return lambda: Browser(app, app.test_client())


def test_an_app_is_set_up_and_asked_at_the_next_sign_in(ana, nobody, clock):
    secret, codes = set_up_app(ana, clock)
    assert len(set(codes)) == 10
    wait_for_second(nobody, ANA, PASSWORD)
    assert nobody.get("/").status_code == 303
    clock.advance(seconds=30)
    answer = nobody.post(SECOND, {"proof_code": code_at(secret, clock)})
    assert (answer.status_code, answer.location) == (303, "/")
    assert nobody.get("/").status_code == 200


def test_the_page_wanted_is_kept_through_both_steps(ana, nobody, clock):
    secret, _ = set_up_app(ana, clock)
    clock.advance(minutes=1)
    nobody.get("/sign-in?next=/security")
    answer = nobody.post("/sign-in?next=/security", {"email": ANA, "password": PASSWORD})
    assert answer.location == "/sign-in/second-factor?next=/security"
    nobody.token = ""
    nobody.get(answer.location)
    assert nobody.post(answer.location, {"proof_code": code_at(secret, clock)}).location == "/security"


def test_the_secret_is_sealed_shown_once_and_drawn_as_its_own_resource(ana, clock, work_session):
    ana.get("/security/factors")
    ana.post("/security/factors/app")
    page = ana.get("/security/factors/app/code")
    image = ana.get("/security/factors/app/image.svg")
    assert image.mimetype == "image/svg+xml"
    assert image.data.startswith(b"<svg")
    assert b"style=" not in image.data
    assert image.headers["Cache-Control"] == "no-store"
    row = work_session.scalars(select(CodeGenerator)).one()
    shown = page.text.split('data-copies="')[1].split('"')[0]
    assert shown.encode() not in row.sealed_secret
    assert ana.post("/security/factors/app/code", {"code": "000000"}).status_code == 422
    assert ana.post("/security/factors/app/code", {"code": code_at(shown, clock)}).status_code == 200
    assert ana.get("/security/factors/app/code").status_code == 303
    assert ana.get("/security/factors/app/image.svg").status_code == 404
    assert shown not in ana.get("/security/factors").text


def test_a_secret_not_confirmed_in_time_is_not_shown_any_more(ana, clock):
    ana.get("/security/factors")
    ana.post("/security/factors/app")
    clock.advance(minutes=15)
    assert ana.get("/security/factors/app/code").status_code == 303


def test_a_passkey_signs_in_without_a_password(ana, nobody, work_session):
    device = add_passkey(ana)
    options = options_of(nobody.get("/sign-in"))
    assert not json.loads(options).get("allowCredentials")
    assert json.loads(options)["userVerification"] == "required"
    answer = nobody.post("/sign-in/passkey", {"passkey": device.get(options)})
    assert (answer.status_code, answer.location) == (303, "/")
    assert ANA in nobody.get("/security").text
    row = work_session.scalars(select(Passkey)).one()
    assert (row.sign_count, row.last_used_at) == (2, NOW)


def test_a_passkey_is_the_second_factor_after_a_password(ana, nobody):
    device = add_passkey(ana)
    wait_for_second(nobody, ANA, PASSWORD)
    options = options_of(nobody.get(SECOND))
    assert nobody.post(SECOND, {"proof_passkey": device.get(options)}).location == "/"


def test_an_authenticator_without_a_counter_is_taken(ana, nobody):
    device = add_passkey(ana, counts=False)
    for _ in range(2):
        options = options_of(nobody.get("/sign-in"))
        assert nobody.post("/sign-in/passkey", {"passkey": device.get(options)}).location == "/"
        nobody.client.delete_cookie("portal")
        nobody.token = ""


def test_a_passkey_is_named_listed_and_removed(ana, work_session):
    add_passkey(ana, "Old name")
    row = work_session.scalars(select(Passkey)).one()
    ana.get(f"/security/factors/passkeys/{row.id}/name")
    assert ana.post(f"/security/factors/passkeys/{row.id}/name", {"name": ""}).status_code == 422
    assert ana.post(f"/security/factors/passkeys/{row.id}/name", {"name": "Work <b>phone</b>"}).status_code == 303
    assert "Work &lt;b&gt;phone" in ana.get("/security/factors").text
    assert ana.post(f"/security/factors/passkeys/{row.id}/removal").status_code == 303
    assert "There is none yet" in ana.get("/security/factors").text
    assert ana.post(f"/security/factors/passkeys/{row.id}/removal").status_code == 404


def test_a_recovery_code_replaces_the_factor_once(ana, another, clock, work_session):
    _, codes = set_up_app(ana, clock)
    first, second = another(), another()
    wait_for_second(first, ANA, PASSWORD)
    assert first.post(SECOND, {"proof_code": codes[0].lower()}).location == "/"
    assert "9 are left" in first.get("/").text
    wait_for_second(second, ANA, PASSWORD)
    assert second.post(SECOND, {"proof_code": codes[0]}).status_code == 422
    assert second.post(SECOND, {"proof_code": codes[1]}).location == "/"
    kept = work_session.scalars(select(RecoveryCode.code_sha256)).all()
    assert all(len(hashed) == 32 for hashed in kept)


def test_new_recovery_codes_end_the_old_ones_and_can_be_printed(ana, nobody, clock):
    _, old = set_up_app(ana, clock)
    ana.get("/security/factors")
    page = ana.post("/security/factors/codes")
    assert page.status_code == 200
    assert page.text.count("<li><code>") == 10
    assert page.headers["Cache-Control"] == "no-store"
    assert old[0] not in page.text
    wait_for_second(nobody, ANA, PASSWORD)
    assert nobody.post(SECOND, {"proof_code": old[0]}).status_code == 422


def test_a_removed_app_is_asked_no_more(ana, nobody, clock):
    set_up_app(ana, clock)
    ana.get("/security/factors")
    assert ana.post("/security/factors/app/removal").status_code == 303
    assert nobody.sign_in(ANA).location == "/"


def test_a_changed_factor_is_told_by_mail(ana, clock, run_jobs, settings, work_session):
    set_up_app(ana, clock)
    add_passkey(ana)
    run_jobs(NOW, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    told = work_session.scalars(select(Delivery).where(Delivery.template == "security_news")).all()
    assert {row.email for row in told} == {ANA}
    assert len(told) == 3


def test_every_act_that_is_told_has_its_words():
    """Read from the source, so that a new act without words fails here and not in somebody's worker."""
    import re
    from pathlib import Path

    from portal.config import ROOT

    called = re.compile(r'record_and_tell\(\s*session,\s*[\w.]+,\s*(?:(\w+)|"(\w+)"(?: if \w+ else "(\w+)")?)')
    acts = set()
    for path in Path(ROOT / "portal" / "identity").rglob("*.py"):
        for found in called.finditer(path.read_text()):
            acts |= {name for name in found.groups()[1:] if name}
    assert acts | {"let_look_on", "refuse_to_be_looked_on"} <= NEWS.keys()
    assert len(acts) > 10


@pytest.mark.parametrize("kind", ["app", "passkey"])
def test_whoever_must_have_a_second_factor_sets_one_up_before_anything_else(
    visit, cast, clock, work_session, kind, let_in
):
    work_session.add(
        FactorPolicy(
            organisation_id=cast.factory.id, required_of=["engineer"], changed_by=cast.adam.person_id, changed_at=NOW
        )
    )
    work_session.commit()
    ana = visit(cast.ana)
    for path in ("/", "/queue", "/security"):
        assert ana.get(path).location == "/security/factors", path
    assert ana.post("/security/profile", {"name": "X", "zone": "UTC"}).location == "/security/factors"
    assert "asks you for a second factor" in ana.get("/security/factors").text
    if kind == "app":
        set_up_app(ana, clock)
    else:
        add_passkey(ana)
    assert ana.get("/").status_code == 200
    # A session of before, by password alone, has to show the factor that is there now.
    assert visit(cast.leo).get("/").status_code == 200
    other = visit(cast.ana)
    answer = other.get("/queue")
    assert answer.location == "/security/proof?next=/queue"
    assert other.get(answer.location).status_code == 403


def test_a_session_from_before_shows_the_factor_and_goes_on(visit, cast, clock, work_session, let_in):
    old, ana = visit(cast.ana), visit(cast.ana)
    secret, _ = set_up_app(ana, clock)
    work_session.add(
        FactorPolicy(
            organisation_id=cast.factory.id, required_of=["engineer"], changed_by=cast.adam.person_id, changed_at=NOW
        )
    )
    work_session.commit()
    clock.advance(minutes=1)
    where = old.get("/queue").location
    old.get(where)
    assert old.post(where, {"proof_code": code_at(secret, clock)}).location == "/queue"
    assert old.get("/queue").status_code == 200


def test_an_administrator_says_of_whom_a_second_factor_is_asked(visit, cast, work_session):
    adam = visit(cast.adam)
    adam.get("/people/second-factor")
    assert adam.post("/people/second-factor", {"roles": ["engineer", "finance"]}).status_code == 303
    assert "checked" in adam.get("/people/second-factor").text
    assert adam.post("/people/second-factor", {"roles": ["technician"]}).status_code == 422
    assert adam.post("/people/second-factor", {}).status_code == 303
    row = work_session.scalars(select(FactorPolicy)).one()
    work_session.refresh(row)
    assert row.required_of == []


def test_half_signed_in_reaches_nothing_and_ends_after_minutes(ana, nobody, clock, app):
    secret, _ = set_up_app(ana, clock)
    wait_for_second(nobody, ANA, PASSWORD)
    for path in ("/", "/security", "/security/factors", "/security/factors/app/image.svg", "/queue"):
        assert nobody.get(path).location.split("?")[0] == "/sign-in", path
    assert nobody.post("/security/factors/app").status_code == 401
    clock.advance(minutes=10)
    answer = nobody.post(SECOND, {"proof_code": code_at(secret, clock)})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert "too long ago" in nobody.get("/sign-in").text


def test_a_changed_password_ends_a_sign_in_that_waits(ana, nobody, clock):
    secret, _ = set_up_app(ana, clock)
    wait_for_second(nobody, ANA, PASSWORD)
    ana.get("/security")
    assert ana.post("/security/password", {"old": PASSWORD, "password": "seven green lamps here"}).status_code == 303
    clock.advance(minutes=1)
    assert nobody.post(SECOND, {"proof_code": code_at(secret, clock)}).location == "/sign-in"


def test_only_the_person_reads_their_factors(cast, ana, clock, web_session, work_session):
    from portal.db import Scope

    set_up_app(ana, clock)
    add_passkey(ana)
    for table in ("code_generator", "passkey", "recovery_code"):
        counted = text(f"SELECT count(*) FROM {table}")
        assert web_session(Scope(cast.factory.id, cast.adam.person_id)).scalar(counted) == 0
        assert web_session(Scope(cast.factory.id, cast.ana.person_id)).scalar(counted) > 0


def test_two_people_hold_factors_of_their_own(visit, cast, ana, nobody, clock, work_session):
    give_password(work_session, cast.tom)
    _, codes = set_up_app(ana, clock)
    set_up_app(visit(cast.tom), clock)
    wait_for_second(nobody, "tom@kes.example", PASSWORD)
    assert nobody.post(SECOND, {"proof_code": codes[0]}).status_code == 422


def test_an_administrator_takes_lost_factors_off(visit, cast, ana, nobody, clock, member_id, run_jobs, settings):
    set_up_app(ana, clock)
    add_passkey(ana)
    adam, path = visit(cast.adam), f"/people/{member_id(cast.ana)}/factors/removal"
    adam.get("/security")
    assert adam.post(path).status_code == 303
    run_jobs(NOW, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    assert ana.get("/").status_code == 303
    assert nobody.sign_in(ANA).location == "/"


def test_an_administrator_signs_somebody_out(visit, cast, ana, member_id):
    adam = visit(cast.adam)
    adam.get("/security")
    assert adam.post(f"/people/{member_id(cast.ana)}/sessions/revocation").status_code == 303
    assert ana.get("/").status_code == 303
    assert adam.get("/").status_code == 200


def test_nobody_weakens_another_companys_door(visit, cast, work_session, member_id):
    person = work_session.get_one(Person, cast.ana.person_id)
    join(work_session, person, cast.other_factory, "engineer")
    work_session.commit()
    adam = visit(cast.adam)
    adam.get("/security")
    assert adam.post(f"/people/{member_id(cast.ana)}/factors/removal").status_code == 403
    assert adam.post(f"/people/{member_id(cast.adam)}/factors/removal").status_code == 403


def test_whoever_runs_the_portal_takes_factors_off(cast, ana, clock, work_session):
    set_up_app(ana, clock)
    assert resetting.reset_by_operator(work_session, ANA.upper(), NOW) == "Ana"
    assert work_session.scalars(select(CodeGenerator)).all() == []
    with pytest.raises(NotFound, match="Nobody signs in"):
        resetting.reset_by_operator(work_session, "nobody@nor.example", NOW)


def test_what_nobody_can_use_any_more_is_swept(ana, nobody, clock, work_session):
    device = add_passkey(ana)
    nobody.post("/sign-in/passkey", {"passkey": device.get(options_of(nobody.get("/sign-in")))})
    assert work_session.query(SpentChallenge).count() == 2
    TASKS["sweep_sign_ins"].run(work_session, NOW)
    assert work_session.query(SpentChallenge).count() == 2
    clock.advance(minutes=11)
    TASKS["sweep_sign_ins"].run(work_session, clock())
    assert work_session.query(SpentChallenge).count() == 0
