"""Two people and a hash: prepare and approve in the browser; transfers, their failures, and trying again."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from portal.identity.actions import revoke_every_session
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement import disposing
from portal.settlement.models import StatementLine
from tests.support.beginnings import begins_with
from tests.support.cast import NOW, everything
from tests.support.queued import queued
from tests.support.settling import REVIEWED_AT
from tests.web.support import money

pytestmark = begins_with(money.closed_statement)


@pytest.fixture
def statement(work_session, cast, clock):
    made = money.closed_statement(work_session, cast)
    work_session.add(
        ConnectedAccount(
            organisation_id=cast.integrator.id,
            provider_account_id="acct_1",
            transfers_state="active",
            requirements={"open": []},
            livemode=False,
            created_at=NOW,
            checked_at=NOW,
        )
    )
    work_session.commit()
    clock.now = REVIEWED_AT
    return made


@pytest.fixture
def preparation(work_session, cast, statement):
    made = money.preparation(work_session, cast)
    work_session.commit()
    return made


@pytest.fixture
def said(work_session, statement):
    lines = work_session.scalars(select(StatementLine.id).where(StatementLine.statement_id == statement.id)).all()
    return {"sha256": statement.content_sha256, "opened": lines}


def test_one_prepares_another_approves_and_the_transfer_is_planned(visit, cast, statement, said, work_session):
    fay, fin = visit(cast.fay), visit(cast.fin)
    shown = fay.get(f"/statements/{statement.id}/preparation").text
    assert "Transferred through Stripe" in shown
    assert statement.content_sha256 in shown
    prepared = fay.post(f"/statements/{statement.id}/preparation", {"sha256": statement.content_sha256})
    assert prepared.status_code == 303
    assert "Look and approve" not in fay.get(f"/statements/{statement.id}").text
    (row,) = everything(work_session, "statement_preparation")
    assert f"/preparations/{row['id']}/approval" in fin.get(f"/statements/{statement.id}").text
    page = fin.get(f"/preparations/{row['id']}/approval").text
    assert "The largest amount" in page
    approved = fin.post(f"/preparations/{row['id']}/approval", said)
    assert (approved.status_code, approved.location) == (303, f"/statements/{statement.id}")
    (approval,) = everything(work_session, "statement_approval")
    assert (approval["preparer_id"], approval["approver_id"]) == (cast.fay.person_id, cast.fin.person_id)
    assert queued(work_session, "dispose_approval") == [("dispose_approval", {"approval_id": approval["id"]})]


def test_preparer_does_not_approve(visit, cast, preparation, said, work_session):
    fay = visit(cast.fay)
    assert "You prepared this" in fay.get(f"/preparations/{preparation.id}/approval").text
    assert fay.post(f"/preparations/{preparation.id}/approval", said).status_code == 403
    assert everything(work_session, "statement_approval") == []


def test_a_session_ended_between_page_and_click_approves_nothing(visit, cast, preparation, said, work_session, clock):
    fin, act = visit(cast.fin), f"/preparations/{preparation.id}/approval"
    assert fin.get(act).status_code == 200
    revoke_every_session(work_session, cast.fin, clock())
    work_session.commit()
    assert fin.post(act, said).status_code == 401
    assert everything(work_session, "statement_approval") == []
    # Signed in again, the same person approves what was shown.
    assert visit(cast.fin).post(act, said).status_code == 303
    assert len(everything(work_session, "statement_approval")) == 1


def test_lines_are_opened_before_approval(visit, cast, preparation, said, work_session):
    refused = visit(cast.fin).post(f"/preparations/{preparation.id}/approval", {"sha256": said["sha256"]})
    assert refused.status_code == 422
    assert "Open each of these lines" in refused.text
    assert everything(work_session, "statement_approval") == []


def test_approval_of_another_hash_is_refused(visit, cast, preparation, said, work_session):
    answer = visit(cast.fin).post(f"/preparations/{preparation.id}/approval", {**said, "sha256": "0" * 64})
    assert answer.status_code == 409
    assert everything(work_session, "statement_approval") == []


def test_approval_is_refused_when_the_lines_changed_since(visit, cast, preparation, said, owner_session, work_session):
    owner_session.execute(text("ALTER TABLE statement_line DISABLE TRIGGER USER"))
    owner_session.execute(text("UPDATE statement_line SET description = 'Something else'"))
    owner_session.commit()
    answer = visit(cast.fin).post(f"/preparations/{preparation.id}/approval", said)
    assert answer.status_code == 422
    assert "not what they were" in answer.text
    assert everything(work_session, "statement_approval") == []


def test_approval_is_refused_when_the_account_changed_since(visit, cast, preparation, said, work_session):
    work_session.execute(text("UPDATE connected_account SET transfers_state = 'restricted'"))
    work_session.commit()
    assert visit(cast.fin).post(f"/preparations/{preparation.id}/approval", said).status_code == 409
    assert everything(work_session, "statement_approval") == []


def test_approving_twice_is_one_approval(visit, cast, preparation, said, work_session):
    fin = visit(cast.fin)
    assert fin.post(f"/preparations/{preparation.id}/approval", said).status_code == 303
    assert fin.post(f"/preparations/{preparation.id}/approval", said).status_code == 409
    assert len(everything(work_session, "statement_approval")) == 1


def test_older_preparation_is_stale(visit, cast, preparation, statement, said, work_session):
    fay, fin = visit(cast.fay), visit(cast.fin)
    assert fay.post(f"/statements/{statement.id}/preparation", {"sha256": said["sha256"]}).status_code == 303
    assert fin.post(f"/preparations/{preparation.id}/approval", said).status_code == 409


def test_statement_in_review_is_not_prepared(visit, cast, statement, clock, work_session):
    clock.now = statement.made_at
    fay = visit(cast.fay)
    assert "review ends" in fay.get(f"/statements/{statement.id}/preparation").text
    shown = {"sha256": statement.content_sha256}
    assert fay.post(f"/statements/{statement.id}/preparation", shown).status_code == 409
    assert everything(work_session, "statement_preparation") == []


@pytest.mark.parametrize("who", ["leo", "ana", "ivo", "mia", "flo", "eve"])
def test_settling_is_for_the_manufacturers_finance(visit, cast, statement, preparation, said, who):
    browser = visit(getattr(cast, who))
    for path in (f"/statements/{statement.id}/preparation", f"/preparations/{preparation.id}/approval"):
        assert browser.get(path).status_code == 404
        assert browser.post(path, said).status_code == 404


class TestTransfers:
    @pytest.fixture
    def intent(self, visit, cast, preparation, said, work_session):
        visit(cast.fin).post(f"/preparations/{preparation.id}/approval", said)
        (approval,) = everything(work_session, "statement_approval")
        disposing.dispose(work_session, approval["id"], livemode=False, now=REVIEWED_AT)
        work_session.commit()
        return work_session.scalars(select(Intent).where(Intent.kind == "transfer")).one()

    def failed(self, work_session, intent):
        intent.state, intent.failure, intent.finished_at = "failed", "The account <b>refused</b> it.", REVIEWED_AT
        work_session.commit()

    def test_failed_transfer_says_why_and_is_tried_again_once(self, visit, cast, intent, work_session):
        self.failed(work_session, intent)
        fay = visit(cast.fay)
        page = fay.get("/transfers").text
        assert "The account &lt;b&gt;refused&lt;/b&gt; it." in page
        assert fay.post(f"/transfers/{intent.id}/retry").status_code == 303
        assert fay.post(f"/transfers/{intent.id}/retry").status_code == 409
        work_session.refresh(intent)
        assert intent.state == "unknown"

    def test_party_sees_its_transfer_and_retries_nothing(self, visit, cast, intent, work_session):
        self.failed(work_session, intent)
        ivo = visit(cast.ivo)
        assert "Failed" in ivo.get("/transfers").text
        assert "/retry" not in ivo.get("/transfers").text
        assert ivo.post(f"/transfers/{intent.id}/retry").status_code == 404

    def test_others_see_no_transfer(self, visit, cast, intent):
        assert visit(cast.bea).get("/transfers").status_code == 404
        assert visit(cast.eve).post(f"/transfers/{intent.id}/retry").status_code == 404
