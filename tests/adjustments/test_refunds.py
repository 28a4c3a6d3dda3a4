"""Refunds through the stand-in: who loses what, in which order, whatever breaks on the way."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from portal.adjustments import queries
from portal.adjustments.actions import asking, carrying_out, recovering, writing_off
from portal.adjustments.actions.recovering import owed_by_party
from portal.adjustments.actions.redividing import redivide
from portal.adjustments.models import AdjustmentPart, ClawBack, ClawBackStep
from portal.adjustments.rules.saga import Step
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from portal.db import transaction
from portal.errors import Conflict, Invalid, NotAllowed
from portal.payments import going_back, handling
from portal.payments.actions import retry_intent
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement.debts import debts
from tests.support.going_back import Desk, paid_invoice, paid_out
from tests.support.settling import NEXT_CLOSED_AT, REVIEWED_AT, approved_and_disposed, close, statement_of
from tests.support.versions import signed_agreement

TIME_AND_MATERIALS = 'revenues = ["time_and_materials"]'
AS_PRINCIPAL = (TIME_AND_MATERIALS, f'{TIME_AND_MATERIALS}\nacts_as = "principal"')


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


@pytest.fixture
def invoice(desk):
    return paid_invoice(desk)


def both(desk: Desk) -> dict[int, int]:
    return {party: desk.payable(party) for party in (desk.cast.integrator.id, desk.cast.factory.id)}


def test_a_partial_refund_takes_each_partys_part_and_a_full_one_restores_zero(desk, invoice) -> None:
    desk.check()
    before = both(desk)
    assert sum(before.values()) == invoice.total_minor
    desk.allow()
    first = desk.refund(invoice, 3_333)
    desk.jobs()
    assert desk.outcome(first) == "done"
    desk.check()
    assert sum(both(desk).values()) == invoice.total_minor - 3_333
    lost = {
        row.party_id: row.amount_minor for row in queries.losses(desk.session, desk.cast.fay, "adjustment", first.id)
    }
    assert lost == {party: before[party] - minor for party, minor in both(desk).items()}
    rest = desk.refund(invoice, invoice.total_minor - 3_333)
    desk.jobs()
    assert (desk.outcome(rest), set(both(desk).values())) == ("done", {0})
    desk.check()


def test_what_is_sold_as_principal_goes_back_gross(desk) -> None:
    signed_agreement(desk.session, desk.cast, AS_PRINCIPAL)
    invoice = paid_invoice(desk)
    assert (desk.held("gross_revenue"), desk.held("cost_of_share")) == (invoice.total_minor, -invoice.total_minor)
    desk.allow()
    desk.refund(invoice, 3_333)
    desk.jobs()
    rest = invoice.total_minor - 3_333
    assert (desk.held("gross_revenue"), desk.held("cost_of_share")) == (rest, -rest)
    dispute = desk.standin.control.dispute(desk.receipt(invoice).provider_object_id)
    desk.news()
    assert (desk.held("gross_revenue"), desk.held("cost_of_share")) == (0, 0)
    desk.standin.control.decide(dispute, "won")
    desk.news()
    assert (desk.held("gross_revenue"), desk.held("cost_of_share")) == (rest, -rest)
    desk.check()


def test_above_the_limit_somebody_else_decides_and_never_the_one_who_asked(desk, invoice) -> None:
    desk.allow(999)
    asked = desk.refund(invoice, 1_000)
    desk.jobs()
    assert desk.step(asked) is Step.WAIT_FOR_DECISION
    with pytest.raises(NotAllowed):
        asking.decide(desk.session, desk.cast.fay, asked.id, outcome="yes", explanation="", now=desk.now)
    with pytest.raises(Invalid):
        asking.decide(desk.session, desk.cast.fin, asked.id, outcome="no", explanation=" ", now=desk.now)
    asking.decide(desk.session, desk.cast.fin, asked.id, outcome="yes", explanation="", now=desk.now)
    with pytest.raises(Conflict):
        asking.decide(desk.session, desk.cast.fin, asked.id, outcome="no", explanation="No.", now=desk.now)
    desk.jobs()
    assert desk.outcome(asked) == "done"
    assert {message.subject for message in desk.mailer.sent} >= {
        f"Refund on {invoice.name}: your answer is asked for", f"Refund on {invoice.name} is done"
    }  # fmt: skip


def test_a_declined_refund_moves_nothing_and_may_be_asked_for_again(desk, invoice) -> None:
    before = both(desk)
    asked = desk.refund(invoice, invoice.total_minor)
    asking.decide(desk.session, desk.cast.fin, asked.id, outcome="no", explanation="It was right.", now=desk.now)
    desk.jobs()
    assert (desk.outcome(asked), both(desk)) == ("declined", before)
    assert desk.refund(invoice, invoice.total_minor).needs_second
    desk.check()


def test_more_than_the_rest_is_refused_by_the_action_and_by_the_database(desk, invoice) -> None:
    desk.refund(invoice, invoice.total_minor - 100)
    with pytest.raises(Invalid, match="cannot be asked"):
        desk.refund(invoice, 101)
    desk.session.commit()
    with pytest.raises(DBAPIError, match="more than was paid would go back"):
        desk.session.execute(
            text(
                "INSERT INTO adjustment (manufacturer_id, payer_id, invoice_id, receipt_id, kind, bearer, payout_order,"
                " needs_second, currency, amount_minor, reason, asked_by, asked_at) SELECT manufacturer_id, payer_id,"
                " invoice_id, receipt_id, kind, bearer, payout_order, needs_second, currency, 101, reason, asked_by,"
                " asked_at FROM adjustment"
            )
        )
    desk.session.rollback()


def test_the_database_takes_no_more_off_a_line_and_recovers_no_more_than_is_owed(desk, invoice) -> None:
    desk.allow()
    desk.refund(invoice, 2_000)
    desk.jobs()
    beyond = (
        "INSERT INTO line_reduction (invoice_id, invoice_item_id, manufacturer_id, payer_id, cause_type, cause_id,"
        " is_return, lowers_net, currency, amount_minor, deferred_minor, recorded_at) SELECT invoice_id,"
        " invoice_item_id, manufacturer_id, payer_id, cause_type, 0, {is_return}, lowers_net, currency, {amount}, 0,"
        " recorded_at FROM line_reduction"
    )
    owed = ClawBack(
        cause_type="adjustment", cause_id=0, manufacturer_id=desk.cast.factory.id, party_id=desk.cast.integrator.id,
        currency="EUR", amount_minor=100, reason="Refund", opened_at=desk.now,
    )  # fmt: skip
    desk.session.add(owed)
    desk.session.commit()
    step = (
        "INSERT INTO claw_back_step (claw_back_id, seq, manufacturer_id, party_id, kind, currency, amount_minor,"
        " recorded_at) SELECT id, 9, manufacturer_id, party_id, '{kind}', currency, {amount}, opened_at FROM claw_back"
    )
    for statement, says in (
        (beyond.format(is_return=False, amount=invoice.total_minor), "more than it cost"),
        (beyond.format(is_return=True, amount=-2_001), "more than it cost"),
        (step.format(kind="owed", amount=101), "more than it owes"),
        (step.format(kind="netted", amount=1), "more than it owes"),
    ):
        with pytest.raises(DBAPIError, match=says):
            desk.session.execute(text(statement))
        desk.session.rollback()


@pytest.mark.parametrize("fault", ["lose_answer", "break_body", "error_kept", "rate_limit"])
def test_a_broken_answer_refunds_once(desk, invoice, standin, fault) -> None:
    desk.allow()
    asked = desk.refund(invoice, 2_000)
    details = {"execute": True} if fault == "error_kept" else {}
    standin.control.fault(fault, method="POST", path="/v1/refunds", **details)
    with suppress(Exception):
        desk.jobs()
    # A day later the key may be forgotten: what was done is looked up.
    desk.now += timedelta(days=2)
    standin.control.expire_keys()
    desk.jobs()
    desk.news()
    assert (desk.outcome(asked), standin.control.counters()["refund"]) == ("done", 1)
    desk.check()


def test_what_a_crash_undid_is_done_again_and_nothing_twice(desk, invoice) -> None:
    desk.allow()
    asked = desk.refund(invoice, 2_000)
    desk.session.commit()
    assert carrying_out.advance(desk.session, asked.id, now=desk.now) is Step.WAIT_FOR_STRIPE
    desk.session.rollback()
    for _ in range(2):
        assert carrying_out.advance(desk.session, asked.id, now=desk.now) is Step.WAIT_FOR_STRIPE
        desk.session.commit()
    desk.jobs()
    assert carrying_out.sweep(desk.session) == 0
    parts = desk.session.scalars(select(AdjustmentPart.amount_minor).where(AdjustmentPart.cause_id == asked.id)).all()
    assert (desk.outcome(asked), sum(parts)) == ("done", 2_000)
    desk.check()


def test_a_refund_that_waits_for_the_balance_ends_when_it_was_sent(desk, invoice, standin) -> None:
    desk.allow()
    everything = desk.gateway.available_balance()["EUR"]
    standin.client().v1.payouts.create({"amount": everything, "currency": "eur"})
    asked = desk.refund(invoice, 2_000)
    desk.jobs()
    assert (desk.outcome(asked), desk.step(asked), desk.held("refunds_promised")) == (None, Step.WAIT_FOR_STRIPE, 2_000)
    desk.check()
    intent = desk.session.scalars(select(Intent).where(Intent.kind == "refund")).one()
    standin.control.fund(2_000, "eur")
    standin.control.settle_refund(intent.provider_object_id)
    desk.news()
    assert (desk.outcome(asked), desk.held("refunds_promised")) == ("done", 0)
    desk.check()


def test_a_refund_that_the_bank_sends_back_gives_the_shares_back(desk, invoice, standin) -> None:
    desk.allow()
    before = both(desk)
    asked = desk.refund(invoice, 2_000)
    desk.jobs()
    intent = desk.session.scalars(select(Intent).where(Intent.kind == "refund")).one()
    standin.control.fail_refund(intent.provider_object_id)
    desk.news()
    # The same news again, and late, changes nothing.
    going_back.refresh_refund(desk.engine, desk.gateway, intent.provider_object_id, desk.now)
    desk.jobs()
    assert (desk.outcome(asked), both(desk), desk.held("refunds_promised")) == ("failed", before, 0)
    desk.check()
    again = desk.refund(invoice, invoice.total_minor)
    desk.jobs()
    assert desk.outcome(again) == "done"
    desk.check()


def test_shares_that_were_paid_out_are_taken_back_before_the_payer_gets_its_money(desk, invoice, standin) -> None:
    integrator = desk.cast.integrator.id
    paid = paid_out(desk)
    desk.allow()
    asked = desk.refund(invoice, invoice.total_minor)
    desk.jobs()
    assert (desk.outcome(asked), desk.payable(integrator)) == ("done", 0)
    calls = [call["path"] for call in standin.control.calls(method="POST")]
    reversal = next(path for path in calls if path.endswith("/reversals"))
    assert calls.index(reversal) < calls.index("/v1/refunds")
    assert standin.control.counters()["transfer_reversal"] == 1
    assert [step.kind for step in desk.session.scalars(select(ClawBackStep))] == ["taken"]
    assert desk.gateway.available_balance()["EUR"] == paid - invoice.total_minor + desk.paid_out
    desk.check()


def test_nothing_is_owed_while_what_failed_is_tried_again(desk, invoice) -> None:
    """Its job has looked at the reversal already when somebody asks for another try."""
    paid_out(desk)
    desk.allow()
    desk.session.commit()
    carrying_out.advance(desk.session, desk.refund(invoice, invoice.total_minor).id, now=desk.now)
    (claw_back,) = desk.session.scalars(select(ClawBack))
    seen = desk.session.get_one(Intent, claw_back.intent_id)
    seen.state = "failed"
    desk.session.commit()
    with transaction(desk.engine) as session:
        retry_intent(session, desk.cast.fay, seen.id)
    assert seen.state == "failed"
    recovering.settle_reversal(desk.session, claw_back, now=desk.now)
    assert (seen.state, recovering.steps_of(desk.session, claw_back.id)) == ("unknown", [])


def test_what_cannot_be_taken_back_is_owed_and_netted_from_the_next_statement(desk, invoice, standin) -> None:
    integrator = desk.cast.integrator.id
    paid_out(desk, then_empty=True)
    paid = desk.paid_out
    desk.allow()
    asked = desk.refund(invoice, invoice.total_minor)
    desk.jobs()
    assert desk.outcome(asked) == "done"
    (owed,) = owed_by_party(desk.session, desk.cast.factory.id)[integrator, "EUR"]
    assert (owed.rest_minor, desk.payable(integrator), desk.held("receivable_party")) == (paid, 0, -paid)
    desk.check()
    desk.earn(1_000)
    april = statement_of(desk.session, close(desk.engine, desk.cast, NEXT_CLOSED_AT), integrator)
    assert april.net_minor == 0
    (owed,) = owed_by_party(desk.session, desk.cast.factory.id)[integrator, "EUR"]
    assert owed.rest_minor == paid - 1_000
    (debt,) = debts(desk.session, desk.cast.fay)
    assert [(step.kind, step.statement_name) for step in debt.steps] == [("owed", april.name), ("netted", april.name)]
    assert debt.window_until == desk.receipt(invoice).received_at + timedelta(days=180)
    give_up(desk, owed.claw_back_id)
    assert (owed_by_party(desk.session, desk.cast.factory.id), desk.held("receivable_party")) == ({}, 0)
    assert desk.held("write_off") == 1_000 - paid
    desk.check(other_work=True)


def test_a_refund_after_its_party_has_left_is_taken_from_the_transfer_or_owed(desk, invoice, standin) -> None:
    integrator = desk.cast.integrator.id
    paid_out(desk)
    account = desk.session.get_one(ConnectedAccount, integrator)
    standin.control.set_capability(account.provider_account_id, "restricted")
    desk.session.commit()
    handling.refresh_account(desk.engine, desk.gateway, account.provider_account_id, desk.now)
    left = text("UPDATE membership SET ended_at = :now WHERE organisation_id = :id")
    desk.session.execute(left, {"now": desk.now, "id": integrator})
    desk.allow()
    asked = desk.refund(invoice, invoice.total_minor)
    desk.jobs()
    assert (desk.outcome(asked), desk.payable(integrator)) == ("done", 0)
    assert [step.kind for step in desk.session.scalars(select(ClawBackStep))] == ["taken"]
    desk.check()


def give_up(desk: Desk, claw_back_id: int) -> None:
    """Two people of finance give up what is left; never one alone, and once."""
    fay, fin, said = desk.cast.fay, desk.cast.fin, {"bearer": "operator", "reason": "The company is gone."}
    with pytest.raises(Invalid):
        writing_off.ask(desk.session, fay, claw_back_id, bearer="nobody", reason=" ", now=desk.now)
    asked = writing_off.ask(desk.session, fay, claw_back_id, **said, now=desk.now)
    with pytest.raises(Conflict):
        writing_off.ask(desk.session, fin, claw_back_id, **said, now=desk.now)
    with pytest.raises(NotAllowed):
        writing_off.decide(desk.session, fay, asked.id, outcome="yes", explanation="", now=desk.now)
    writing_off.decide(desk.session, fin, asked.id, outcome="yes", explanation="", now=desk.now)
    with pytest.raises(Conflict):
        writing_off.decide(desk.session, fin, asked.id, outcome="no", explanation="No.", now=desk.now)
    desk.jobs()
    assert writing_off.carry_out(desk.session, asked.id, now=desk.now) is False


def test_the_statement_of_the_party_that_lost_a_share_says_why(desk, invoice) -> None:
    desk.allow()
    desk.refund(invoice, 2_000)
    desk.jobs()
    statement = statement_of(desk.session, close(desk.engine, desk.cast), desk.cast.integrator.id)
    lines = desk.session.execute(
        text("SELECT kind, description FROM statement_line WHERE statement_id = :id ORDER BY position"),
        {"id": statement.id},
    ).all()
    assert ("refund", f"Refund on {invoice.name}: Billed twice") in [tuple(line) for line in lines]
    approved_and_disposed(desk.session, desk.cast, statement, REVIEWED_AT)
    desk.check()


def test_a_lost_job_is_found_by_the_sweep(desk, invoice) -> None:
    desk.allow()
    asked = desk.refund(invoice, 2_000)
    desk.session.execute(text("DELETE FROM procrastinate_jobs"))
    assert carrying_out.sweep(desk.session) == 1
    desk.jobs()
    assert desk.outcome(asked) == "done"


@pytest.mark.parametrize("changes", [(), (AS_PRINCIPAL,)], ids=["agent", "principal"])
def test_what_nobody_yet_lost_is_taken_over_by_those_who_are_known_later(desk, changes) -> None:
    signed_agreement(desk.session, desk.cast, *changes)
    invoice = paid_invoice(desk, confirmed=False)
    desk.allow()
    asked = desk.refund(invoice, 10_000)
    desk.jobs()
    assert desk.outcome(asked) == "done"
    assert None in {row.party_id for row in queries.losses(desk.session, desk.cast.fay, "adjustment", asked.id)}
    desk.check()
    case = desk.session.scalars(select(SupportCase)).one()
    cases.confirm(desk.session, desk.cast.mia, case, seq=case.seq, now=desk.now)
    desk.jobs()
    assert desk.held("undetermined") == 0
    assert redivide(desk.session, case.id, now=desk.now) == 0
    desk.check()
    rest = desk.refund(invoice, invoice.total_minor - 10_000)
    desk.jobs()
    assert (desk.outcome(rest), set(both(desk).values())) == ("done", {0})
    desk.check()
