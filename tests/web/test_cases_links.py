"""Mailed links about cases: GET shows, POST acts once; a link ends when the case has moved past what it names."""

from __future__ import annotations

import pytest

from portal.access import Audience, OneAct
from portal.cases import actions, words
from portal.cases.actions.challenge import LINK_ACT as DECIDE
from portal.cases.actions.custody import LINK_ACT as ACCEPT
from portal.cases.models import CustodyOffer
from portal.identity import links, rules
from tests.support import cases as stories
from tests.support.cases import event_kinds
from tests.support.cast import NOW, everything, hours_later


@pytest.fixture
def link_for(work_session, settings):
    """The path of a link that lets an actor's mailbox do one act."""

    def make(actor, act, object_type, object_id, version, *, person=True):
        row = links.create_link(
            work_session,
            OneAct(act, object_type, str(object_id), version),
            secret=settings.secret_key,
            organisation_id=actor.organisation_id,
            email="somebody@example.org",
            person_id=actor.person_id if person else None,
            now=NOW,
        )
        path = f"/link/{rules.link_token(settings.secret_key, row.id)}"
        work_session.commit()
        return path

    return make


def _offer(work_session, case):
    return work_session.query(CustodyOffer).filter_by(case_id=case.id).order_by(CustodyOffer.id.desc()).first()


def test_link_accepts_the_offer_once(nobody, cast, escalated, link_for, work_session):
    offer = _offer(work_session, escalated)
    path = link_for(cast.eli, ACCEPT, "custody_offer", offer.id, offer.seq)
    shown = nobody.get(path).text
    assert "Doors stay locked" in shown
    assert "accepted" not in event_kinds(work_session, escalated)
    assert "is with you" in nobody.post(path).text
    assert nobody.post(path).status_code == 409
    assert event_kinds(work_session, escalated).count("accepted") == 1
    work_session.refresh(escalated)
    assert escalated.assignee_name == "Eli"
    assert nobody.get(f"/cases/{escalated.name}").status_code == 303, "nobody is signed in by a link"


def test_link_of_an_answered_offer_has_ended(nobody, cast, accepted, link_for, work_session):
    offer = _offer(work_session, accepted)
    path = link_for(cast.eli, ACCEPT, "custody_offer", offer.id, offer.seq)
    assert nobody.get(path).status_code == 409
    assert nobody.post(path).status_code == 409


def test_link_answers_the_question(nobody, cast, accepted, link_for, work_session):
    note = actions.ask_information(
        work_session, cast.ana, accepted, question="Which <b>firmware</b>?", seq=accepted.seq, now=hours_later(1)
    )
    path = link_for(cast.tom, *words.ANSWER_LINK, note.id, note.seq)
    assert "Which &lt;b&gt;firmware&lt;/b&gt;?" in nobody.get(path).text
    refused = nobody.post(path, {"answer": " "})
    assert refused.status_code == 422
    assert nobody.post(path, {"answer": "4.2.1"}).status_code == 200
    assert [row["body"] for row in everything(work_session, "note")] == ["Which <b>firmware</b>?", "4.2.1"]
    assert nobody.post(path, {"answer": "again"}).status_code == 409


def test_link_takes_the_case_back_from_the_stretch_it_names(nobody, cast, accepted, link_for, work_session):
    path = link_for(cast.tom, *words.TAKE_BACK_LINK, accepted.id, 2)
    assert "It is with the factory now (Ana)." in nobody.get(path).text
    assert nobody.post(path).status_code == 200
    assert event_kinds(work_session, accepted).count("taken_back") == 1
    late = link_for(cast.tom, *words.TAKE_BACK_LINK, accepted.id, 2)
    assert nobody.post(late).status_code == 409


def test_link_confirms_the_resolution(nobody, cast, resolved, link_for, work_session):
    (row,) = everything(work_session, "resolution")
    path = link_for(cast.mia, *words.CONFIRM_LINK, row["id"], row["seq"])
    shown = nobody.get(path).text
    assert "Door groups set again." in shown
    assert "%" not in shown.split("<main", 1)[1]
    assert nobody.post(path).status_code == 200
    assert event_kinds(work_session, resolved).count("confirmed") == 1


@pytest.fixture
def with_neutral(cast, resolved, work_session, link_for):
    """A challenged split that the managers did not settle, and the neutral's link."""
    own = actions.NewNote("Ours alone", Audience.OWN)
    actions.add_note(work_session, cast.ana, resolved, own, now=hours_later(2.5))
    proposal = {"integrator_bp": 10_000, "manufacturer_bp": 0}
    raised = actions.challenge(
        work_session,
        cast.mia,
        resolved,
        subject="split",
        reason="We found it on site.",
        proposal=proposal,
        seq=resolved.seq,
        now=hours_later(3),
    )
    at = hours_later(24 * 10)
    assert actions.climb_ladder(work_session, raised.id, now=at) == "neutral"
    return link_for(cast.ana, DECIDE, "challenge", raised.id, 1, person=False)


def test_neutral_reads_the_challenge_and_its_frozen_evidence_only(nobody, cast, with_neutral, resolved, work_session):
    late = actions.NewNote("Written later", Audience.COMPANIES)
    actions.add_note(work_session, cast.ana, resolved, late, now=hours_later(30))
    work_session.commit()
    shown = nobody.get(with_neutral).text
    assert "We found it on site." in shown
    assert "Written later" not in shown
    assert "Ours alone" not in shown
    assert "Kessler" not in shown
    assert "€" not in shown


def test_neutral_decides_once(nobody, with_neutral, work_session):
    fields = {"weights": "70", "explanation": "The relay was found by the integrator."}
    assert nobody.post(with_neutral, {**fields, "explanation": ""}).status_code == 422
    assert nobody.post(with_neutral, {**fields, "weights": ""}).status_code == 422
    assert "is decided" in nobody.post(with_neutral, fields).text
    assert nobody.post(with_neutral, fields).status_code == 409
    (decision,) = everything(work_session, "challenge_decision")
    assert (decision["basis"], decision["integrator_bp"]) == ("neutral", 7000)


@pytest.mark.parametrize(
    ("act", "object_type"), [(ACCEPT, "custody_offer"), words.ANSWER_LINK, words.TAKE_BACK_LINK, words.CONFIRM_LINK]
)
def test_link_of_a_stranger_finds_nothing(nobody, cast, escalated, link_for, act, object_type, work_session):
    offer = _offer(work_session, escalated)
    object_id = escalated.id if object_type == "support_case" else offer.id
    for actor in (cast.eve, cast.sam):
        assert nobody.get(link_for(actor, act, object_type, object_id, offer.seq)).status_code == 404
    wrong_type = link_for(cast.eli, act, "bill_item", object_id, offer.seq)
    assert nobody.get(wrong_type).status_code == 404


def test_link_for_another_version_does_nothing(nobody, cast, escalated, link_for, work_session):
    offer = _offer(work_session, escalated)
    path = link_for(cast.eli, ACCEPT, "custody_offer", offer.id, offer.seq + 1)
    assert nobody.post(path).status_code == 409
    assert stories.event_kinds(work_session, escalated).count("accepted") == 0
