"""Documents in the browser: what a version says and changes, drafts with problems by line, proposals, signatures."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.contracts import actions
from portal.contracts.models import Document, DocumentDraft, DocumentSignature, DocumentVersion
from tests.support.cast import DOCUMENTS, NOW, everything, hours_later

POLICY = (DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8")
AGREEMENT = (DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text("utf-8")


@pytest.fixture
def second(work_session, cast):
    """A second agreement, proposed and not yet signed."""
    document = work_session.get_one(Document, cast.agreement_version.document_id)
    text = AGREEMENT.replace('title = "', 'title = "New ', 1)
    proposed = actions.propose_version(
        work_session, cast.adam, document, body_toml=text, effective_from=hours_later(48), now=NOW
    )
    work_session.commit()
    return proposed


def test_a_version_is_readable_with_its_hash_and_signatures(visit, cast):
    page = visit(cast.ian).get(f"/contracts/versions/{cast.agreement_version.id}")
    assert page.status_code == 200
    assert cast.agreement_version.sha256 in page.text
    for company in ("Nordlicht Access", "Kessler Sicherheit"):
        assert company in page.text
    listed = visit(cast.ian).get("/contracts").text
    assert "In force" in listed
    assert "Service policy" in listed


def test_a_customer_reads_the_policy_and_no_agreement(visit, cast):
    cal = visit(cast.cal)
    policy = cal.get(f"/contracts/versions/{cast.policy_version.id}")
    assert "Mode remote" in policy.text or "150.00" in policy.text
    assert "Assured" in policy.text
    assert cal.get(f"/contracts/versions/{cast.agreement_version.id}").status_code == 404
    assert "Agreement" not in cal.get("/contracts").text.split("<main")[1]


def test_the_difference_to_the_version_before_is_said_in_sentences(visit, cast, second):
    page = visit(cast.ian).get(f"/contracts/versions/{second.id}")
    assert "What changes from version 1" in page.text
    assert "is now New " in page.text


def test_signing_brings_a_version_into_force_once(visit, cast, second, work_session):
    ian, adam = visit(cast.ian), visit(cast.adam)
    path = f"/contracts/versions/{second.id}/signature"
    for browser in (ian, adam, ian):
        assert browser.post(path, {"read": "y", "shown_sha256": second.sha256}).status_code == 303
    mine = DocumentSignature.version_id == second.id
    assert len(list(work_session.scalars(select(DocumentSignature).where(mine)))) == 2
    assert "To come" in ian.get(f"/contracts/{second.document_id}").text
    assert ian.get(path).status_code == 405


def test_another_text_than_the_shown_one_is_not_signed(visit, cast, second, work_session):
    ian = visit(cast.ian)
    path = f"/contracts/versions/{second.id}/signature"
    assert ian.post(path, {"read": "y", "shown_sha256": "0" * 64}).status_code == 409
    assert ian.post(path, {"shown_sha256": second.sha256}).status_code == 422
    mine = DocumentSignature.version_id == second.id
    assert list(work_session.scalars(select(DocumentSignature).where(mine))) == []


def test_a_wrong_draft_is_kept_and_its_problems_are_named_by_line(visit, cast, work_session):
    adam = visit(cast.adam)
    document_id = cast.policy_version.document_id
    wrong = POLICY.replace('per_hour = "90.00"', 'per_hour = "cheap"').replace("wait_minutes = 15", "wait_minutes = -1")
    refused = adam.post(f"/contracts/{document_id}/draft", {"text": wrong, "step": "propose"})
    assert refused.status_code == 422
    assert "It has 2 problems." in refused.text
    line = next(number for number, text in enumerate(wrong.splitlines(), 1) if '"cheap"' in text)
    assert f'data-line="{line}"' in refused.text
    assert "cheap" in refused.text
    assert work_session.scalars(select(DocumentDraft)).one().body_toml.strip() == wrong.replace("\r\n", "\n").strip()
    assert "cheap" in adam.get(f"/contracts/{document_id}/draft").text


def test_a_text_is_checked_while_it_is_written_and_not_kept(visit, cast, work_session):
    adam = visit(cast.adam)
    path = f"/contracts/{cast.policy_version.document_id}/draft/check"
    wrong = adam.post(path, {"text": POLICY.replace('direction = "up"', 'direction = "sideways"', 1)})
    line = next(number for number, text in enumerate(POLICY.splitlines(), 1) if 'direction = "up"' in text)
    assert f'data-line="{line}"' in wrong.text
    assert "rounding.direction" in wrong.text
    assert "<html" not in wrong.text
    dearer = adam.post(path, {"text": POLICY.replace('per_hour = "150.00"', 'per_hour = "180.00"')}).text
    assert "was 150.00, is now 180.00" in dearer
    # 50 minutes are billed as 60, at 150.00 now.
    for amount in ("150.00 EUR", "180.00 EUR"):
        assert amount in dearer
    assert work_session.scalars(select(DocumentDraft)).all() == []
    assert "Write the document." in adam.post(path, {"text": ""}).text


def test_an_agreement_is_checked_with_the_policy_in_force(visit, cast):
    path = f"/contracts/{cast.agreement_version.document_id}/draft/check"
    unknown = AGREEMENT.replace('causes = ["firmware_defect"]', 'causes = ["sunspots"]', 1)
    assert "sunspots" in visit(cast.ian).post(path, {"text": unknown}).text
    said = visit(cast.ian).post(path, {"text": AGREEMENT.replace("bp = 7000 }", "bp = 7100 }")}).text
    assert "shares[1]" in said


def test_what_could_mislead_is_said_at_its_line_beside_what_the_text_costs(visit, cast):
    fee = '[[fees]]\ncode = "f"\nlabel = "F"\namount = "1.001"\n\n[[packs]]\ncode = "hours_10'
    dinars = POLICY.replace('currency = "EUR"', 'currency = "KWD"').replace('[[packs]]\ncode = "hours_10', fee)
    free = AGREEMENT.replace('per_hour = "95.00"', 'per_hour = "0.00"', 1)
    for version, text, written, remark in (
        (cast.policy_version, dinars, '"1.001"', "the next: nearest 1.000 or 1.010"),
        (cast.agreement_version, free, "[[intercompany]]", "a net price of 0 makes this help free"),
    ):
        said = visit(cast.adam).post(f"/contracts/{version.document_id}/draft/check", {"text": text}).text
        line = next(number for number, row in enumerate(text.splitlines(), 1) if written in row)
        assert f'data-line="{line}"' in said
        assert remark in said
        assert "Nothing is wrong with this text" in said


def test_a_right_draft_is_proposed_and_not_backwards(visit, cast, work_session):
    adam = visit(cast.adam)
    path = f"/contracts/{cast.policy_version.document_id}/draft"
    text = POLICY.replace('per_hour = "90.00"', 'per_hour = "95.00"')
    backwards = adam.post(path, {"text": text, "effective_on": "2026-01-05", "step": "propose"})
    assert backwards.status_code == 422
    assert "today or a later day" in backwards.text
    sent = adam.post(path, {"text": text, "effective_on": "2026-04-01", "step": "propose"})
    assert sent.status_code == 303
    proposed = work_session.scalars(select(DocumentVersion).order_by(DocumentVersion.id.desc()).limit(1)).one()
    assert (proposed.number, proposed.effective_from.isoformat()) == (2, "2026-03-31T22:00:00+00:00")
    assert "95.00" in adam.get(sent.location).text


@pytest.mark.parametrize("text", ["x" * 10_000_000, "= nothing", "<script>alert(1)</script>", "a = " + "[" * 5000])
def test_hostile_texts_are_answered_clearly(visit, cast, text):
    path = f"/contracts/{cast.policy_version.document_id}/draft"
    answer = visit(cast.adam).post(path, {"text": text, "step": "save"})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text


def test_an_administrator_begins_an_agreement(visit, cast, work_session):
    adam = visit(cast.adam)
    taken = {"kind": "agreement", "title": "Again", "integrator_id": str(cast.integrator.id)}
    assert "There is such a document already" in adam.post("/contracts/new", taken).text
    assert "Choose the integrator." in adam.post("/contracts/new", {**taken, "integrator_id": "0"}).text
    fresh = adam.post("/contracts/new", {**taken, "integrator_id": str(cast.other_integrator.id)})
    assert fresh.status_code == 303
    assert adam.get(fresh.location).status_code == 200


@pytest.mark.parametrize("who", ["sam", "eve", "bob"])
def test_strangers_find_nothing(visit, cast, who):
    browser = visit(getattr(cast, who))
    unknown = browser.get("/contracts/versions/999999").text
    for version in (cast.policy_version, cast.agreement_version):
        assert browser.get(f"/contracts/versions/{version.id}").text == unknown
        assert browser.get(f"/contracts/{version.document_id}").status_code == 404
        assert browser.post(f"/contracts/versions/{version.id}/signature").status_code == 404
    assert "Nordlicht" not in browser.get("/contracts").text


@pytest.mark.parametrize("who", ["tom", "bea", "ana"])
def test_only_administrators_write(visit, cast, work_session, who):
    browser = visit(getattr(cast, who))
    assert browser.get(f"/contracts/{cast.policy_version.document_id}/draft").status_code == 404
    assert browser.post(f"/contracts/versions/{cast.policy_version.id}/signature").status_code == 404
    assert everything(work_session, "document_draft") == []
