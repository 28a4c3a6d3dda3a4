"""The books hold after a whole month, and each check finds what it is for."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from portal.billing.actions import apply_cash
from portal.billing.books import stripe_tie_out
from portal.payments import calls, handling
from portal.payments.models import CashReceipt, Intent
from portal.settlement import cockpit, queries
from portal.settlement.books import all_problems, settlement_problems
from tests.support.billed import billed, paid_case, settled, worked
from tests.support.payments import connected, earn, open_books
from tests.support.settling import (
    CLOSED_AT,
    NEXT_CLOSED_AT,
    REVIEWED_AT,
    approve,
    approved_and_disposed,
    close,
    statement_of,
)


def test_the_books_hold_from_the_work_to_the_transfer(work_engine, work_session, cast, gateway, standin):
    open_books(work_session, cast)
    connected(work_session, gateway, standin, cast.integrator)
    case = paid_case(work_session, cast, nte_minor=400_000)
    worked(work_session, cast, case, minutes=600)
    settled(work_session, cast, case)
    billed(work_session, case)
    work_session.commit()
    close(work_engine, cast)
    invoice = work_session.scalars(select(Intent).where(Intent.kind == "invoice")).one()
    calls.perform(work_engine, gateway, invoice.id, CLOSED_AT)
    work_session.refresh(invoice)
    standin.control.pay_invoice(invoice.provider_object_id)
    handling.refresh_invoice(work_engine, gateway, invoice.provider_object_id, CLOSED_AT)
    apply_cash(work_session, work_session.scalars(select(CashReceipt.id)).one(), now=CLOSED_AT)
    work_session.commit()
    period_id = close(work_engine, cast, NEXT_CLOSED_AT)
    later = NEXT_CLOSED_AT + (REVIEWED_AT - CLOSED_AT)
    for party in (cast.integrator, cast.factory):
        approved_and_disposed(work_session, cast, statement_of(work_session, period_id, party.id), later)
    work_session.commit()
    assert calls.perform_waiting(work_engine, gateway, later) == 1
    (sent,) = queries.transfers(work_session, cast.ivo)
    assert sent.state == "succeeded"
    assert [one.amount_minor for one in gateway.find_transfers(f"statement-{sent.statement_id}")] == [sent.amount_minor]
    (settled_amounts,) = cockpit.settled_amounts(work_session, cast.fay, period_id)
    assert settled_amounts.approved_minor == sum(settled_amounts.by_kind.values()) > 0
    assert set(settled_amounts.by_kind) == {"transferred", "retained"}
    handling.import_movements(work_engine, gateway, later)
    assert all_problems(work_session) == []
    assert stripe_tie_out(work_session) == []


BREAKING = [
    ("a statement's lines sum to it", "UPDATE statement_line SET amount_minor = amount_minor + 1 WHERE position = 1"),
    ("a line has the amount of its posting", "UPDATE statement_line SET amount_minor = amount_minor + 1"),
    ("a closed period's payables are on statements", "DELETE FROM statement_line"),
    ("what became of an approval sums to it", "UPDATE disposition SET amount_minor = amount_minor + 1"),
    ("every disposition is posted", "UPDATE journal_transaction SET kind = 'x' WHERE document_type = 'disposition'"),
    ("a transfer is what was approved", "UPDATE intent SET amount_minor = amount_minor + 1"),
    ("money in transfer is in unfinished transfers", "UPDATE intent SET state = 'succeeded'"),
]


@pytest.mark.parametrize(("check", "change"), BREAKING)
def test_a_check_finds_what_it_is_for(owner_session, work_engine, work_session, cast, gateway, standin, check, change):
    open_books(work_session, cast)
    connected(work_session, gateway, standin, cast.integrator)
    earn(work_session, cast, 10_000, 1)
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    approved_and_disposed(work_session, cast, statement)
    work_session.commit()
    assert settlement_problems(work_session) == []
    for table in ("statement_line", "disposition", "journal_transaction"):
        owner_session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER refuse_change"))
    owner_session.execute(text(change))
    assert check in {problem.check for problem in settlement_problems(owner_session)}


OWING = [
    ("what parties owe is of nets and claw-backs", "UPDATE disposition SET amount_minor = -1 WHERE kind = 'invoiced'"),
    ("what was held is of a plan or a chargeback", "UPDATE disposition SET kind = 'held'"),
]


@pytest.mark.parametrize(("check", "change"), OWING)
def test_what_is_owed_and_held_is_of_something(owner_session, work_engine, work_session, cast, check, change):
    open_books(work_session, cast)
    earn(work_session, cast, -9_000, 1)
    work_session.commit()
    approved_and_disposed(work_session, cast, statement_of(work_session, close(work_engine, cast), cast.integrator.id))
    work_session.commit()
    assert settlement_problems(work_session) == []
    owner_session.execute(text("ALTER TABLE disposition DISABLE TRIGGER refuse_change"))
    owner_session.execute(text(change))
    assert check in {problem.check for problem in settlement_problems(owner_session)}


def test_an_approval_not_yet_carried_out_is_no_problem(work_engine, work_session, cast, gateway, standin):
    open_books(work_session, cast)
    connected(work_session, gateway, standin, cast.integrator)
    earn(work_session, cast, 10_000, 1)
    work_session.commit()
    approve(work_session, cast, statement_of(work_session, close(work_engine, cast), cast.integrator.id))
    assert settlement_problems(work_session) == []
