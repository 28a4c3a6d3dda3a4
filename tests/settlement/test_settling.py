"""From a statement to money: contests, two people, the plan carried out, and what comes back the next month."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from portal.billing.models import Invoice
from portal.db import Scope
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, Stale
from portal.ledger.rules import Purpose
from portal.payments import calls, cash, handling
from portal.payments.actions import retry_intent
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement import actions, cockpit, disposing, queries
from portal.settlement.books import all_problems, settlement_problems
from portal.settlement.models import Disposition, StatementApproval, StatementLine
from tests.support.payments import balance_of, connected, earn, open_books
from tests.support.queued import queued
from tests.support.settling import (
    CLOSED_AT,
    NEXT_CLOSED_AT,
    REVIEWED_AT,
    approve,
    approved_and_disposed,
    close,
    statement_of,
)


@pytest.fixture
def account(work_session, cast, gateway, standin):
    standin.control.fund(100_000, "eur")
    found = connected(work_session, gateway, standin, cast.integrator)
    work_session.commit()
    return found


@pytest.fixture
def period_id(work_engine, work_session, cast):
    open_books(work_session, cast)
    for number, amount in enumerate((10_000, 2_500), start=1):
        earn(work_session, cast, amount, number)
    earn(work_session, cast, 4_000, 1, party_id=cast.factory.id)
    work_session.commit()
    return close(work_engine, cast)


@pytest.fixture
def statement(work_session, cast, period_id):
    return statement_of(work_session, period_id, cast.integrator.id)


def lines_of(session, statement) -> list[StatementLine]:
    wanted = select(StatementLine).where(StatementLine.statement_id == statement.id).order_by(StatementLine.position)
    return list(session.scalars(wanted))


def contest(session, cast, statement, position=1, now=CLOSED_AT):
    line = lines_of(session, statement)[position - 1]
    return actions.contest_line(session, cast.ivo, line.id, reason="Not our case", now=now)


def prepare(session, actor, statement, now=REVIEWED_AT):
    return actions.prepare_statement(session, actor, statement.id, shown_sha256=statement.content_sha256, now=now)


def test_a_net_is_transferred_when_two_people_say_so(
    work_engine, work_session, cast, gateway, standin, account, period_id, statement
):
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 12_500}
    work_session.commit()
    assert balance_of(work_session, Purpose.IN_TRANSFER) == -12_500
    sent = queries.transfers(work_session, cast.ivo)[0]
    assert calls.perform(work_engine, gateway, sent.intent_id, REVIEWED_AT) == "succeeded"
    assert balance_of(work_session, Purpose.IN_TRANSFER) == 0
    assert balance_of(work_session, Purpose.STRIPE) == -12_500
    done = queries.transfers(work_session, cast.fay, period_id=period_id)[0]
    assert (done.state, done.amount_minor) == ("succeeded", 12_500)
    assert gateway.find_transfers(f"statement-{statement.id}")[0].amount_minor == 12_500
    assert settlement_problems(work_session) == []


def test_what_has_not_gone_is_listed_before_whatever_came_later(
    work_engine, work_session, cast, gateway, standin, account, period_id, statement
):
    approved_and_disposed(work_session, cast, statement)
    earn(work_session, cast, 8_000, 9, now=REVIEWED_AT)
    work_session.commit()
    standin.control.set_available(5_000, "eur")
    (waits,) = queries.transfers(work_session, cast.fay)
    work_session.commit()
    assert calls.perform(work_engine, gateway, waits.intent_id, REVIEWED_AT) == "planned"
    later = NEXT_CLOSED_AT + timedelta(days=11)
    next_one = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    approved_and_disposed(work_session, cast, next_one, later)
    work_session.commit()
    gone = work_session.scalars(select(Intent).where(Intent.kind == "transfer", Intent.amount_minor == 8_000)).one()
    gone.state = "succeeded"
    work_session.commit()
    assert [one.intent_id for one in queries.transfers(work_session, cast.fay, most=1)] == [waits.intent_id]
    (of_next,) = queries.transfers(work_session, cast.fay, statement_id=next_one.id, most=1)
    assert of_next.intent_id == gone.id
    counts = [cockpit.close_progress(work_session, cast.fay, one.period_id).unsent for one in (statement, next_one)]
    assert counts == [1, 0]


def test_the_operators_own_net_is_retained(work_session, cast, period_id):
    own = statement_of(work_session, period_id, cast.factory.id)
    # Its own statement needs no review.
    assert approved_and_disposed(work_session, cast, own, CLOSED_AT) == {"retained": 4_000}
    assert balance_of(work_session, Purpose.RETAINED) == -4_000
    assert queries.transfers(work_session, cast.fay) == []


def test_approved_equals_what_became_of_it(work_session, cast, account, period_id, statement):
    contest(work_session, cast, statement, 2)
    approved_and_disposed(work_session, cast, statement)
    approved_and_disposed(work_session, cast, statement_of(work_session, period_id, cast.factory.id))
    (settled,) = cockpit.settled_amounts(work_session, cast.fay, period_id)
    assert settled.approved_minor == 16_500 == sum(settled.by_kind.values())
    assert settled.by_kind == {"transferred": 10_000, "held": 2_500, "retained": 4_000}


def test_dispositions_that_do_not_sum_are_refused_by_the_database(work_session, cast, account, statement):
    approval = approve(work_session, cast, statement)
    wrong = Disposition(
        approval_id=approval.id, statement_id=statement.id, manufacturer_id=cast.factory.id,
        party_id=cast.integrator.id, kind="held", currency="EUR", amount_minor=1, disposed_at=REVIEWED_AT,
    )  # fmt: skip
    work_session.add(wrong)
    with pytest.raises(IntegrityError, match="do not sum"):
        work_session.flush()


def test_disposing_again_changes_nothing(work_session, cast, account, statement):
    approval = approve(work_session, cast, statement)
    assert queued(work_session, "dispose_approval") == [("dispose_approval", {"approval_id": approval.id})]
    first = disposing.dispose(work_session, approval.id, livemode=False, now=REVIEWED_AT)
    assert disposing.dispose(work_session, approval.id, livemode=False, now=REVIEWED_AT) == first
    assert len(work_session.scalars(select(Intent.id)).all()) == 1
    assert balance_of(work_session, Purpose.IN_TRANSFER) == -12_500


def test_the_sweep_finds_an_approval_whose_job_was_lost(work_session, cast, account, statement):
    approval = approve(work_session, cast, statement)
    work_session.execute(text("DELETE FROM procrastinate_jobs"))
    assert disposing.sweep_approvals(work_session) == 1
    disposing.dispose(work_session, approval.id, livemode=False, now=REVIEWED_AT)
    assert disposing.sweep_approvals(work_session) == 0


def test_the_preparer_does_not_approve(work_session, cast, account, statement):
    prepared = prepare(work_session, cast.fay, statement)
    with pytest.raises(NotAllowed):
        actions.approve_statement(
            work_session, cast.fay, prepared.id, shown_sha256=statement.content_sha256, now=REVIEWED_AT
        )


def test_the_database_too_refuses_one_person_for_both(work_session, cast, account, statement):
    prepared = prepare(work_session, cast.fay, statement)
    work_session.add(
        StatementApproval(
            statement_id=statement.id, preparation_id=prepared.id, manufacturer_id=cast.factory.id,
            party_id=cast.integrator.id, preparer_id=cast.fay.person_id, approver_id=cast.fay.person_id,
            content_sha256=statement.content_sha256, currency="EUR", amount_minor=12_500, approved_at=REVIEWED_AT,
        )
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="four_eyes"):
        work_session.flush()


def test_another_content_than_was_shown_is_refused(work_session, cast, account, statement):
    other = "0" * 64
    for act in (actions.prepare_statement, actions.accept_statement):
        actor = cast.ivo if act is actions.accept_statement else cast.fay
        with pytest.raises(Stale):
            act(work_session, actor, statement.id, shown_sha256=other, now=REVIEWED_AT)
    prepared = prepare(work_session, cast.fay, statement)
    with pytest.raises(Stale):
        actions.approve_statement(work_session, cast.fin, prepared.id, shown_sha256=other, now=REVIEWED_AT)


def test_an_approval_is_refused_when_a_contest_ended_after_the_preparation(work_session, cast, account, statement):
    raised = contest(work_session, cast, statement)
    prepared = prepare(work_session, cast.fay, statement)
    actions.decide_contest(work_session, cast.fin, raised.id, outcome="stands", explanation="Ours", now=REVIEWED_AT)
    with pytest.raises(Stale, match="prepared again"):
        actions.approve_statement(
            work_session, cast.fin, prepared.id, shown_sha256=statement.content_sha256, now=REVIEWED_AT
        )
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 12_500}


def test_an_approval_is_refused_when_the_capability_was_lost_after_the_preparation(
    work_session, cast, account, statement
):
    prepared = prepare(work_session, cast.fay, statement)
    work_session.get_one(ConnectedAccount, cast.integrator.id).transfers_state = "restricted"
    work_session.flush()
    with pytest.raises(Stale, match="account"):
        actions.approve_statement(
            work_session, cast.fin, prepared.id, shown_sha256=statement.content_sha256, now=REVIEWED_AT
        )


def test_a_transfer_waits_when_the_capability_was_lost_after_the_approval(
    work_engine, work_session, cast, gateway, standin, account, statement
):
    approved_and_disposed(work_session, cast, statement)
    work_session.commit()
    standin.control.set_capability(account, "restricted")
    (sent,) = queries.transfers(work_session, cast.fay)
    assert calls.perform(work_engine, gateway, sent.intent_id, REVIEWED_AT) == "planned"
    assert queries.transfers(work_session, cast.fay)[0].failure.startswith("Waits until the receiving account")
    standin.control.set_capability(account, "active")
    assert calls.perform_waiting(work_engine, gateway, REVIEWED_AT) == 1
    assert standin.control.counters()["transfer"] == 1


def test_a_failed_transfer_keeps_its_disposition_and_is_retried_safely(
    work_engine, work_session, cast, gateway, standin, account, statement
):
    approved_and_disposed(work_session, cast, statement)
    intent = work_session.scalars(select(Intent).where(Intent.kind == "transfer")).one()
    right = dict(intent.request)
    intent.request = {**right, "source_transaction": "ch_none"}
    work_session.commit()
    assert calls.perform(work_engine, gateway, intent.id, REVIEWED_AT) == "failed"
    (shown,) = queries.transfers(work_session, cast.fay)
    assert shown.state == "failed"
    assert "ch_none" in shown.failure
    work_session.refresh(intent)
    intent.request = right
    work_session.flush()
    retry_intent(work_session, cast.fay, intent.id)
    work_session.commit()
    assert calls.perform(work_engine, gateway, intent.id, REVIEWED_AT) == "succeeded"
    assert len(queries.dispositions_of(work_session, statement.id)) == 1
    assert standin.control.counters()["transfer"] == 1


def test_a_statement_is_prepared_only_after_its_review(work_session, cast, account, statement):
    with pytest.raises(Conflict):
        prepare(work_session, cast.fay, statement, CLOSED_AT)
    actions.accept_statement(work_session, cast.ivo, statement.id, shown_sha256=statement.content_sha256, now=CLOSED_AT)
    assert approved_and_disposed(work_session, cast, statement, CLOSED_AT) == {"transferred": 12_500}
    with pytest.raises(Conflict):
        prepare(work_session, cast.fay, statement)


def test_a_statement_is_approved_once_and_from_the_latest_preparation(work_session, cast, account, statement):
    first, second = prepare(work_session, cast.fay, statement), prepare(work_session, cast.fin, statement)
    shown = statement.content_sha256
    with pytest.raises(Stale):
        actions.approve_statement(work_session, cast.fin, first.id, shown_sha256=shown, now=REVIEWED_AT)
    actions.approve_statement(work_session, cast.fay, second.id, shown_sha256=shown, now=REVIEWED_AT)
    with pytest.raises(Conflict):
        actions.approve_statement(work_session, cast.fay, second.id, shown_sha256=shown, now=REVIEWED_AT)


def test_a_contested_line_is_held_and_comes_back_when_decided(
    work_engine, work_session, cast, account, period_id, statement
):
    raised = contest(work_session, cast, statement, 2)
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 10_000, "held": 2_500}
    assert balance_of(work_session, Purpose.HELD) == -2_500
    work_session.commit()
    may_id = close(work_engine, cast, NEXT_CLOSED_AT)
    assert queries.statements(work_session, cast.ivo)[0].period_id == period_id
    actions.decide_contest(
        work_session, cast.fay, raised.id, outcome="stands", explanation="It is your case", now=NEXT_CLOSED_AT
    )
    work_session.commit()
    june = NEXT_CLOSED_AT + timedelta(days=31)
    next_id = close(work_engine, cast, june)
    assert next_id != may_id
    back = statement_of(work_session, next_id, cast.integrator.id)
    (line,) = queries.lines(work_session, cast.ivo, back.id)
    assert (line.kind, line.amount_minor) == ("released", 2_500)
    assert queries.statement_behind(work_session, line).id == statement.id
    assert queries.line_behind(work_session, line).id == raised.statement_line_id
    assert balance_of(work_session, Purpose.HELD) == 0
    # It comes below the minimum payout, so it is carried; and is a line again the month after.
    assert approved_and_disposed(work_session, cast, back, june + timedelta(days=11)) == {"carried": 2_500}
    work_session.commit()
    last = statement_of(work_session, close(work_engine, cast, june + timedelta(days=31)), cast.integrator.id)
    (line,) = queries.lines(work_session, cast.ivo, last.id)
    assert (line.kind, line.amount_minor) == ("carried", 2_500)
    assert queries.statement_behind(work_session, line).id == back.id
    assert balance_of(work_session, Purpose.PAYABLE) == -2_500 - 4_000
    assert settlement_problems(work_session) == []


def test_a_party_that_owes_its_net_is_invoiced(work_engine, work_session, cast, gateway, standin):
    open_books(work_session, cast)
    earn(work_session, cast, -9_000, 1)
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, statement) == {"invoiced": -9_000}
    work_session.commit()
    intent = work_session.scalars(select(Intent).where(Intent.kind == "invoice")).one()
    assert calls.perform(work_engine, gateway, intent.id, REVIEWED_AT) == "succeeded"
    work_session.refresh(intent)
    standin.control.pay_invoice(intent.provider_object_id)
    handling.refresh_invoice(work_engine, gateway, intent.provider_object_id, REVIEWED_AT)
    assert balance_of(work_session, Purpose.PARTY_RECEIVABLE) == 0
    assert balance_of(work_session, Purpose.PAYABLE) == 0
    assert queued(work_session, "apply_cash") == []
    invoice = work_session.get_one(Invoice, queries.invoice_of(work_session, statement.id))
    assert cash.received_minor(work_session, invoice.id) == 9_000
    # No work is on it, and it was posted when the net was disposed of.
    wrong = {problem.subject for problem in all_problems(work_session)}
    assert not wrong & {f"invoice {invoice.name}", f"debtor {cast.integrator.id} EUR"}


def test_a_line_is_contested_once_in_time_by_its_party(work_session, cast, statement):
    contest(work_session, cast, statement)
    with pytest.raises(Conflict):
        contest(work_session, cast, statement)
    with pytest.raises(Conflict):
        contest(work_session, cast, statement, 2, now=REVIEWED_AT)
    line = lines_of(work_session, statement)[1]
    with pytest.raises(NotAllowed):
        actions.contest_line(work_session, cast.fay, line.id, reason="No", now=CLOSED_AT)
    with pytest.raises(NotAllowed):
        actions.contest_line(work_session, cast.mia, line.id, reason="No", now=CLOSED_AT)
    for reason in ("", " ", "x" * 2001):
        with pytest.raises(Invalid):
            actions.contest_line(work_session, cast.ivo, line.id, reason=reason, now=CLOSED_AT)


def test_a_contest_is_withdrawn_by_its_party_and_decided_by_the_manufacturer_once(work_session, cast, statement):
    raised = contest(work_session, cast, statement)
    for actor, outcome in ((cast.ivo, "stands"), (cast.fay, "withdrawn")):
        with pytest.raises(NotAllowed):
            actions.decide_contest(work_session, actor, raised.id, outcome=outcome, explanation="x", now=CLOSED_AT)
    for outcome, explanation in (("perhaps", "x"), ("stands", "")):
        with pytest.raises(Invalid):
            actions.decide_contest(
                work_session, cast.fay, raised.id, outcome=outcome, explanation=explanation, now=CLOSED_AT
            )
    actions.decide_contest(work_session, cast.ivo, raised.id, outcome="withdrawn", explanation="Ours", now=CLOSED_AT)
    with pytest.raises(Conflict):
        actions.decide_contest(work_session, cast.fay, raised.id, outcome="stands", explanation="x", now=CLOSED_AT)
    assert queries.held_lines(work_session, statement.id) == {}


@pytest.mark.parametrize("name", ["sam", "eve", "bob", "tom", "flo"])
def test_strangers_and_people_without_office_see_no_statement(work_session, cast, statement, name):
    with pytest.raises((NotFound, NotAllowed)):
        queries.statement_seen(work_session, getattr(cast, name), statement.id)
    with pytest.raises((NotFound, NotAllowed)):
        actions.prepare_statement(
            work_session, getattr(cast, name), statement.id, shown_sha256=statement.content_sha256, now=REVIEWED_AT
        )


def test_the_verbs_of_finance_work_under_the_grants_of_the_web(web_session, work_session, cast, account, statement):
    work_session.commit()
    shown = statement.content_sha256
    party = web_session(Scope(cast.integrator.id, cast.ivo.person_id))
    line = queries.lines(party, cast.ivo, statement.id)[0]
    actions.contest_line(party, cast.ivo, line.id, reason="Not ours", now=CLOSED_AT)
    actions.accept_statement(party, cast.ivo, statement.id, shown_sha256=shown, now=CLOSED_AT)
    party.commit()
    first = web_session(Scope(cast.factory.id, cast.fay.person_id))
    prepared = actions.prepare_statement(first, cast.fay, statement.id, shown_sha256=shown, now=CLOSED_AT)
    first.commit()
    second = web_session(Scope(cast.factory.id, cast.fin.person_id))
    approval = actions.approve_statement(second, cast.fin, prepared.id, shown_sha256=shown, now=CLOSED_AT)
    second.commit()
    made = disposing.dispose(work_session, approval.id, livemode=False, now=CLOSED_AT)
    assert {one.kind: one.amount_minor for one in made} == {"carried": 2_500, "held": 10_000}


def test_the_cockpit_says_how_far_each_statement_has_come(work_session, cast, account, period_id, statement):
    def stage(now):
        found = queries.stages(work_session, cast.fay, period_id, now=now)
        (mine,) = [one for one in found if one.statement.id == statement.id]
        return mine.party_name, mine.stage, mine.contested, mine.undecided

    raised = contest(work_session, cast, statement)
    assert stage(CLOSED_AT) == ("Kessler Sicherheit", "in_review", 1, 1)
    actions.decide_contest(work_session, cast.fin, raised.id, outcome="stands", explanation="x", now=CLOSED_AT)
    assert stage(REVIEWED_AT)[1:] == ("to_prepare", 1, 0)
    prepare(work_session, cast.fay, statement)
    assert stage(REVIEWED_AT)[1] == "to_approve"
    approval = approve(work_session, cast, statement)
    assert stage(REVIEWED_AT)[1] == "approved"
    disposing.dispose(work_session, approval.id, livemode=False, now=REVIEWED_AT)
    assert stage(REVIEWED_AT)[1] == "done"
    with pytest.raises((NotFound, NotAllowed)):
        queries.stages(work_session, cast.ivo, period_id, now=REVIEWED_AT)
