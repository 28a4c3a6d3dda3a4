"""Chargebacks through the stand-in: shares held, released or taken, the fee, evidence, and warnings before."""

from __future__ import annotations

import hashlib
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from sqlalchemy import select, text

from portal.adjustments import queries
from portal.adjustments.actions import asking, chargebacks, evidence
from portal.adjustments.actions.evidence import Reader
from portal.adjustments.actions.recovering import owed_by_party
from portal.adjustments.models import ClawBackStep
from portal.adjustments.rules.saga import Step
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.payments import going_back
from portal.payments.models import Chargeback, ChargebackStep, FraudWarning, Intent
from tests.support.going_back import Desk, paid_invoice, paid_out
from tests.support.versions import signed_agreement

READER = Reader(Locale("en", "US"), ZoneInfo("Europe/Berlin"))
FEE = 1_500


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


@pytest.fixture
def invoice(desk):
    return paid_invoice(desk)


def both(desk: Desk) -> dict[int, int]:
    return {party: desk.payable(party) for party in (desk.cast.integrator.id, desk.cast.factory.id)}


def disputed(desk: Desk, invoice, **details) -> tuple[str, Chargeback]:
    """The payer's bank disputes the payment; its id at Stripe, and our row."""
    dispute = desk.standin.control.dispute(desk.receipt(invoice).provider_object_id, **details)
    desk.news()
    return dispute, desk.session.scalars(select(Chargeback).where(Chargeback.provider_object_id == dispute)).one()


def steps(desk: Desk, chargeback: Chargeback) -> list[str]:
    return [step.kind for step in evidence.steps_of(desk.session, chargeback.id)]


def test_a_chargeback_holds_the_shares_and_releases_them_when_it_is_won(desk, invoice) -> None:
    before = both(desk)
    dispute, chargeback = disputed(desk, invoice, amount=10_000)
    assert steps(desk, chargeback) == ["opened"]
    assert sum(both(desk).values()) == sum(before.values()) - 10_000
    assert (desk.held("held"), desk.held("disputed")) == (10_000, -10_000)
    desk.check()
    desk.standin.control.decide(dispute, "won")
    desk.news()
    assert (both(desk), desk.held("held"), desk.held("disputed")) == (before, 0, 0)
    desk.check()
    assert any("has taken back the payment" in message.subject for message in desk.mailer.sent)


def test_a_lost_chargeback_takes_what_was_held(desk, invoice) -> None:
    dispute, chargeback = disputed(desk, invoice)
    desk.standin.control.decide(dispute, "lost")
    desk.news()
    assert steps(desk, chargeback) == ["opened", "lost"]
    assert (set(both(desk).values()), desk.held("held"), desk.held("disputed")) == ({0}, 0, 0)
    assert desk.session.scalars(select(ClawBackStep)).all() == []
    desk.check()


def test_events_that_come_late_twice_or_all_at_once_end_in_the_same_books(desk, invoice) -> None:
    before = both(desk)
    dispute = desk.standin.control.dispute(desk.receipt(invoice).provider_object_id)
    desk.standin.control.decide(dispute, "won")
    for _ in range(2):
        going_back.refresh_dispute(desk.engine, desk.gateway, dispute, desk.now)
    desk.news()
    desk.session.execute(text("DELETE FROM procrastinate_jobs"))
    assert chargebacks.sweep(desk.session) == 0
    assert (both(desk), desk.held("held"), desk.held("disputed")) == (before, 0, 0)
    desk.check()


def test_a_lost_job_of_a_chargeback_is_found_by_the_sweep(desk, invoice) -> None:
    dispute = desk.standin.control.dispute(desk.receipt(invoice).provider_object_id)
    desk.session.commit()
    going_back.refresh_dispute(desk.engine, desk.gateway, dispute, desk.now)
    desk.session.execute(text("DELETE FROM procrastinate_jobs"))
    assert chargebacks.sweep(desk.session) == 1
    desk.jobs()
    assert desk.held("held") == invoice.total_minor
    desk.check()


def test_a_chargeback_after_the_payout_is_taken_back_from_the_transfer(desk, invoice) -> None:
    paid_out(desk)
    dispute, _ = disputed(desk, invoice)
    assert desk.payable(desk.cast.integrator.id) == -desk.paid_out
    desk.standin.control.decide(dispute, "lost")
    desk.news()
    assert [step.kind for step in desk.session.scalars(select(ClawBackStep))] == ["taken"]
    assert desk.payable(desk.cast.integrator.id) == 0
    desk.check()


def test_a_party_that_has_left_owes_its_share_of_a_lost_chargeback(desk, invoice) -> None:
    paid_out(desk, then_empty=True)
    dispute, _ = disputed(desk, invoice)
    desk.standin.control.decide(dispute, "lost")
    desk.news()
    (owed,) = owed_by_party(desk.session, desk.cast.factory.id)[desk.cast.integrator.id, "EUR"]
    assert owed.rest_minor == desk.paid_out
    desk.check()


def test_a_refund_is_refused_during_a_chargeback_and_ends_when_one_comes_before_it(desk, invoice) -> None:
    asked = desk.refund(invoice, 2_000)
    before = sum(both(desk).values())
    dispute, _ = disputed(desk, invoice, amount=10_000)
    with pytest.raises(RuleBroken, match="taken this payment back"):
        desk.refund(invoice, 1_000)
    with pytest.raises(RuleBroken, match="taken this payment back"):
        asking.decide(desk.session, desk.cast.fin, asked.id, outcome="yes", explanation="", now=desk.now)
    assert desk.step(asked) is Step.WAIT_FOR_DECISION
    desk.standin.control.decide(dispute, "won")
    desk.news()
    asking.decide(desk.session, desk.cast.fin, asked.id, outcome="yes", explanation="", now=desk.now)
    desk.session.commit()
    # Another one comes between the yes and the refund.
    second = desk.standin.control.dispute(desk.receipt(invoice).provider_object_id, amount=5_000)
    desk.jobs()
    desk.news()
    assert (desk.outcome(asked), sum(both(desk).values())) == ("failed", before - 5_000)
    assert "charged back" in queries.end_of(desk.session, asked.id).explanation
    desk.standin.control.decide(second, "won")
    desk.news()
    desk.check()


def test_an_inquiry_moves_nothing_until_it_becomes_a_chargeback(desk, invoice) -> None:
    before = both(desk)
    dispute, chargeback = disputed(desk, invoice, inquiry=True)
    assert (steps(desk, chargeback), both(desk)) == (["inquiry"], before)
    desk.check()
    desk.standin.control.escalate(dispute)
    desk.news()
    assert (steps(desk, chargeback), set(both(desk).values())) == (["inquiry", "opened"], {0})
    desk.check()


def test_the_fee_is_borne_by_whom_the_agreement_names(desk, work_session, cast) -> None:
    signed_agreement(work_session, cast, ("[settlement]\n", '[settlement]\nchargeback_fees_borne_by = "integrator"\n'))
    invoice = paid_invoice(desk)
    before = both(desk)
    dispute, _ = disputed(desk, invoice)
    desk.standin.control.decide(dispute, "won")
    desk.news()
    assert both(desk) == {**before, cast.integrator.id: before[cast.integrator.id] - FEE}
    desk.check()


def test_the_evidence_is_what_the_record_says_and_is_handed_over_once(desk, invoice, standin) -> None:
    dispute, chargeback = disputed(desk, invoice)
    with pytest.raises(NotAllowed):
        evidence.evidence_pdf(desk.session, desk.cast.ivo, chargeback.id, READER)
    said = evidence.evidence_said(evidence.proof_for(desk.session, chargeback), READER)
    (case,) = said["cases"]
    assert [yes[1] for yes in case["yeses"]] == [desk.session.scalar(text('SELECT person_name FROM "authorization"'))]
    assert len(case["work"]) == 2
    assert any("authorized billable time" in says for _, says in case["happenings"])
    assert said["policies"][0]["facts"][2][1] == desk.cast.policy_version.sha256
    assert evidence.evidence_pdf(desk.session, desk.cast.fay, chargeback.id, READER).startswith(b"%PDF-")
    standin.control.fault("lose_answer", method="POST", path="/v1/files")
    made = evidence.submit(desk.session, desk.cast.fay, chargeback.id, READER, now=desk.now)
    with pytest.raises(Exception, match="did not answer"):
        desk.jobs()
    desk.jobs()
    desk.session.commit()
    desk.session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'"))
    desk.jobs()
    desk.news()
    at_stripe = standin.client().v1.disputes.retrieve(dispute)
    assert (at_stripe.status, at_stripe.evidence_details.submission_count) == ("under_review", 1)
    assert steps(desk, chargeback) == ["opened", "submitted"]
    assert made.sha256 == hashlib.sha256(made.content).hexdigest()
    assert evidence.evidence_pdf(desk.session, desk.cast.fin, chargeback.id, READER) == made.content
    with pytest.raises(Conflict):
        evidence.submit(desk.session, desk.cast.fay, chargeback.id, READER, now=desk.now)
    assert desk.session.scalars(select(Intent.state).where(Intent.kind == "evidence")).all() == ["succeeded"]


def test_a_fraud_warning_is_work_until_it_is_answered(desk, invoice, standin) -> None:
    charge = desk.receipt(invoice).provider_object_id
    for _ in range(2):
        standin.control.warn_of_fraud(charge)
    desk.news()
    first, second = chargebacks.open_warnings(desk.session, desk.cast.fay)
    with pytest.raises(Invalid):
        chargebacks.keep_payment(desk.session, desk.cast.fay, first.id, explanation="", now=desk.now)
    chargebacks.keep_payment(desk.session, desk.cast.fay, first.id, explanation="We know them.", now=desk.now)
    with pytest.raises(Conflict):
        chargebacks.keep_payment(desk.session, desk.cast.fay, first.id, explanation="Again", now=desk.now)
    with pytest.raises(NotFound):
        chargebacks.keep_payment(desk.session, desk.cast.fay, 0, explanation="Again", now=desk.now)
    assert chargebacks.open_warnings(desk.session, desk.cast.fin) == [second]
    desk.allow()
    desk.refund(invoice, invoice.total_minor)
    desk.jobs()
    desk.news()
    assert chargebacks.open_warnings(desk.session, desk.cast.fin) == []
    assert desk.session.query(FraudWarning).count() == 2
    assert desk.session.query(ChargebackStep).count() == 0
    desk.check()
