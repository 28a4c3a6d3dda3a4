"""The payer's yes and no: signed in, by a mailed link, on the telephone; never by anybody else."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from portal.access import OneAct
from portal.cases import actions as cases
from portal.contracts.circumstances import Circumstances
from portal.entitlement.actions import LINK_ACT, LINK_OBJECT, LINK_VERSION
from portal.entitlement.models import Authorization, AuthorizationRefusal, AuthorizationRequest
from portal.identity import rules
from portal.identity.links import create_link
from tests.cases.test_circumstances import books, correct, opened
from tests.support.billed import open_books
from tests.support.cases import accepted, escalated
from tests.support.cast import NOW, everything, hours_later
from tests.support.packs import bought

__all__ = ["books"]


@pytest.fixture
def asked(work_session, cast):
    """The request that escalating on the plain site makes."""
    escalated(work_session, cast, system_id=cast.plain_system.id)
    work_session.commit()
    return work_session.scalars(select(AuthorizationRequest)).one()


@pytest.fixture
def link(asked, work_session, cast, settings):
    return link_to(asked, work_session, cast, settings)


def link_to(asked, work_session, cast, settings):
    made = create_link(
        work_session,
        OneAct(LINK_ACT, LINK_OBJECT, str(asked.id), LINK_VERSION),
        secret=settings.secret_key,
        organisation_id=cast.customer.id,
        email="bea@kli.example",
        person_id=cast.bea.person_id,
        now=NOW,
    )
    work_session.commit()
    return f"/link/{rules.link_token(settings.secret_key, made.id)}"


def test_a_buyer_sees_the_price_and_says_yes_up_to_an_amount(asked, visit, cast, work_session):
    bea = visit(cast.bea)
    assert "Doors stay locked" in bea.get("/authorizations").text
    assert "Doors stay locked" in bea.get("/").text
    page = bea.get(f"/authorizations/{asked.id}")
    assert "€150.00" in page.text
    assert 'value="450.00"' in page.text
    assert bea.post(f"/authorizations/{asked.id}", {"nte": "300.00"}).status_code == 303
    given = work_session.scalars(select(Authorization)).one()
    assert (given.nte_minor, given.basis, given.person_name) == (30_000, "account", "Bea")
    assert "€300.00" in bea.get(f"/authorizations/{asked.id}").text


def test_a_second_yes_is_harmless(asked, visit, cast, work_session):
    bea = visit(cast.bea)
    bea.get(f"/authorizations/{asked.id}")
    bea.post(f"/authorizations/{asked.id}", {"nte": "300.00"})
    assert bea.post(f"/authorizations/{asked.id}", {"nte": "300.00"}).status_code == 409
    assert len(everything(work_session, "authorization")) == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("", "Say up to which amount."), ("10", "at least 75.00"), ("1,000", "digits with a point"), ("-5", "at least")],
)
def test_an_amount_that_cannot_be_is_said_at_the_field(asked, visit, cast, work_session, typed, sentence):
    refused = visit(cast.bea).post(f"/authorizations/{asked.id}", {"nte": typed})
    assert refused.status_code == 422
    assert sentence in refused.text
    assert everything(work_session, "authorization") == []


def test_more_hours_are_asked_for_on_the_case_and_answered_in_minutes(visit, cast, work_session):
    open_books(work_session, cast)
    bought(work_session, cast)
    case = accepted(work_session, cast)
    work_session.commit()
    ana, bea = visit(cast.ana), visit(cast.bea)
    asking = {"seq": case.seq, "nte": "", "minutes": "9999", "reason": "A second door"}
    refused = ana.post(f"/cases/{case.name}/authorization-requests", asking)
    assert (refused.status_code, "minutes are left beyond" in refused.text) == (422, True)
    assert (
        "Type whole minutes" in ana.post(f"/cases/{case.name}/authorization-requests", asking | {"minutes": "x"}).text
    )
    assert ana.post(f"/cases/{case.name}/authorization-requests", asking | {"minutes": "60"}).status_code == 303
    request = work_session.scalars(select(AuthorizationRequest).where(AuthorizationRequest.hours_seconds > 0)).one()
    page = bea.get(f"/authorizations/{request.id}").text
    assert 'value="60"' in page
    assert "Never more than" not in page
    assert bea.post(f"/authorizations/{request.id}", {"minutes": "61"}).status_code == 422
    assert bea.post(f"/authorizations/{request.id}", {"minutes": "45"}).status_code == 303
    given = work_session.scalars(select(Authorization).where(Authorization.request_id == request.id)).one()
    assert (given.nte_minor, given.hours_seconds) == (0, 2_700)
    assert "more of its hours" in ana.get(f"/cases/{case.name}").text


def test_no_needs_its_reason(asked, visit, cast, work_session):
    bea = visit(cast.bea)
    assert bea.post(f"/authorizations/{asked.id}/refusal", {"reason": " "}).status_code == 422
    said = {"reason": "<b>Too dear</b>"}
    assert bea.post(f"/authorizations/{asked.id}/refusal", said).status_code == 303
    assert bea.post(f"/authorizations/{asked.id}/refusal", said).status_code == 409
    assert work_session.scalars(select(AuthorizationRefusal)).one().reason == "<b>Too dear</b>"
    assert bea.get(f"/authorizations/{asked.id}/refusal").status_code == 405


@pytest.mark.parametrize("who", ["cal", "tom", "mia", "ana"])
def test_a_party_that_does_not_pay_reads_but_cannot_answer(asked, visit, cast, work_session, who):
    browser = visit(getattr(cast, who))
    page = browser.get(f"/authorizations/{asked.id}")
    assert page.status_code == 200
    assert "Yes, up to this" not in page.text
    assert browser.post(f"/authorizations/{asked.id}", {"nte": "300"}).status_code == 403
    assert everything(work_session, "authorization") == []


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_find_nothing(asked, visit, cast, who):
    browser = visit(getattr(cast, who))
    unknown = browser.get("/authorizations/999999")
    for path in (f"/authorizations/{asked.id}", f"/authorizations/{asked.id}/refusal"):
        assert browser.post(path, {"nte": "300", "reason": "x"}).status_code == 404
    assert browser.get(f"/authorizations/{asked.id}").text == unknown.text


def test_two_taps_from_the_mail(link, nobody, work_session):
    page = nobody.get(link)
    assert "€150.00" in page.text
    assert everything(work_session, "authorization") == []
    done = nobody.post(link, {"nte": "450.00"})
    assert "You said yes" in done.text
    given = work_session.scalars(select(Authorization)).one()
    assert (given.nte_minor, given.basis) == (45_000, "link")
    assert nobody.post(link, {"nte": "450.00"}).status_code == 409
    assert "This link has ended" in nobody.get(link).text


def test_no_by_link_keeps_what_was_typed_until_it_has_a_reason(link, nobody, work_session):
    nobody.get(link)
    assert nobody.post(link, {"answer": "no", "reason": ""}).status_code == 422
    assert "You said no" in nobody.post(link, {"answer": "no", "reason": "Not now"}).text
    assert work_session.scalars(select(AuthorizationRefusal)).one().reason == "Not now"


def test_link_after_the_answer_says_so(link, asked, nobody, visit, cast):
    visit(cast.bea).post(f"/authorizations/{asked.id}", {"nte": "300"})
    assert "This is answered already" in nobody.get(link).text
    assert nobody.post(link, {"nte": "300"}).status_code == 409


SPOKEN = {"name": "Bea", "number": "+49 431 555 01", "said_at": "2026-03-10T09:30", "nte": "300", "read_back": "y"}


def test_an_engineer_writes_down_a_spoken_yes(asked, visit, cast, work_session):
    ana = visit(cast.ana)
    path = f"/authorizations/{asked.id}/spoken"
    missing = ana.post(path, {**SPOKEN, "name": "", "number": "12", "read_back": ""})
    assert missing.status_code == 422
    for sentence in ("Say who said yes.", "telephone number", "Read the amount"):
        assert sentence in missing.text
    refused = ana.post(path, {**SPOKEN, "said_at": "2026-03-12T09:30"})
    assert "This time has not come yet." in refused.text
    assert re.search(r'value="2026-03-12T09:30"', refused.text)
    # The cast lives in Berlin, an hour ahead: 09:30 there is 08:30 UTC.
    assert ana.post(path, SPOKEN).status_code == 303
    given = work_session.scalars(select(Authorization)).one()
    assert (given.basis, given.person_name, given.authorized_at.hour) == ("spoken", "Bea", 8)
    assert ana.post(path, SPOKEN).status_code == 409
    assert visit(cast.bea).get(path).status_code == 404


def test_a_link_to_what_was_asked_anew_says_so_and_leads_to_the_new_request(
    books, work_session, cast, nobody, visit, settings
):
    case = opened(work_session, cast, Circumstances("members"))
    cases.accept_custody(work_session, cast.ana, case, seq=case.seq, now=hours_later(0.5))
    old = work_session.scalars(select(AuthorizationRequest)).one()
    link = link_to(old, work_session, cast, settings)
    correct(work_session, cast, case, Circumstances("members", ("rush",), "30"))
    work_session.commit()
    new = work_session.scalars(select(AuthorizationRequest).where(AuthorizationRequest.id > old.id)).one()
    for answer in (nobody.get(link), nobody.post(link, {"nte": "500.00"})):
        assert "What was said of the case is corrected, and it costs more." in answer.text
        assert f"/authorizations/{new.id}" in answer.text
    bea = visit(cast.bea)
    assert f"/authorizations/{new.id}" in bea.get(f"/authorizations/{old.id}").text
    assert bea.post(f"/authorizations/{old.id}", {"nte": "500.00"}).status_code == 409
    assert bea.get("/authorizations").text.count("Waits for a yes") == 1
    assert work_session.scalars(select(Authorization)).all() == []
