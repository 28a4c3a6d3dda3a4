"""Unbilled work is accrued as its period ends and taken back in the next; what is late names where it comes from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.billing.actions.cuts import CLOSING, cut
from portal.db import transaction
from portal.ledger.bulk import Entry, post_new
from portal.ledger.models import JournalTransaction, Period
from portal.ledger.queries import ledger_problems
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.settlement import accruing, closing, queries
from portal.settlement.rules import SETTLEMENT_PAIRS
from tests.support.billed import billed, open_books, paid_case, settled, worked
from tests.support.cast import hours_later
from tests.support.payments import balance_of, earn
from tests.support.settling import CLOSED_AT, NEXT_CLOSED_AT, close, statement_of

# 65 minutes of the factory and 20 of the integrator, as the cast's policy prices them.
WORTH = 22_500


@pytest.fixture
def case(work_session, cast):
    """Approved work of a case that is still open."""
    open_books(work_session, cast)
    found = paid_case(work_session, cast)
    worked(work_session, cast, found, minutes=65)
    worked(work_session, cast, found, minutes=20, worker=cast.tom, start=hours_later(3))
    work_session.commit()
    return found


def accruals(session):
    kinds = (accruing.ACCRUED, accruing.TAKEN_BACK)
    wanted = select(JournalTransaction).where(JournalTransaction.kind.in_(kinds)).order_by(JournalTransaction.id)
    return session.scalars(wanted).all()


def test_unbilled_work_is_accrued_at_close_and_taken_back_in_the_next_period(work_engine, work_session, cast, case):
    period_id = close(work_engine, cast)
    there, back = accruals(work_session)
    assert (there.period_id, there.origin_period_id) == (period_id, None)
    assert (back.reverses_id, back.origin_period_id) == (there.id, period_id)
    assert back.period_id != period_id
    amount = text("SELECT amount_minor FROM posting WHERE transaction_id = :id AND amount_minor > 0")
    assert work_session.scalar(amount, {"id": there.id}) == WORTH
    assert balance_of(work_session, Purpose.WORK_IN_PROGRESS) == balance_of(work_session, Purpose.ESTIMATED) == 0
    manifest = queries.manifests_of(work_session, period_id)[0].content
    assert manifest["balances"]["EUR"]["Liabilities:Payable:Estimated"] == -WORTH
    assert ledger_problems(work_session) == []
    # By the end of the next month it is old enough to be billed.
    close(work_engine, cast, NEXT_CLOSED_AT)
    assert len(accruals(work_session)) == 2


def test_the_same_accrual_again_adds_nothing(work_engine, work_session, cast, case):
    period = work_session.scalars(select(Period).where(Period.manufacturer_id == cast.factory.id)).one()
    work_session.commit()
    for _ in range(2):
        assert accruing.accrue_unbilled(work_engine, period, livemode=False, now=CLOSED_AT) == 1
    assert len(accruals(work_session)) == 1


def test_what_is_billed_before_the_freeze_counts_once(work_engine, work_session, cast, case):
    period = work_session.scalars(select(Period).where(Period.manufacturer_id == cast.factory.id)).one()
    work_session.commit()
    accruing.accrue_unbilled(work_engine, period, livemode=False, now=CLOSED_AT)
    settled(work_session, cast, case)
    cut(work_session, case, CLOSING, now=CLOSED_AT)
    item = billed(work_session, case, now=CLOSED_AT + timedelta(minutes=1))
    work_session.commit()
    assert (item.amount_minor, item.period_id) == (WORTH, period.id)
    close(work_engine, cast, CLOSED_AT + timedelta(minutes=2))
    assert {one.period_id for one in accruals(work_session)} == {period.id}
    assert len(accruals(work_session)) == 2


def test_a_late_entry_names_the_period_it_is_of(work_engine, work_session, cast):
    with transaction(work_engine) as session:
        open_books(session, cast)
    first = close(work_engine, cast)
    earn(work_session, cast, 500, 1)
    entry = Entry(
        "test_late",
        Document("test", "late"),
        [debit(Purpose.WORK_IN_PROGRESS, 5, cast.customer.id), credit(Purpose.ESTIMATED, 5)],
        CLOSED_AT - timedelta(days=2),
    )
    ledger = {"manufacturer_id": cast.factory.id, "currency": "EUR", "allowed_pairs": SETTLEMENT_PAIRS}
    post_new(work_session, [entry], now=CLOSED_AT, **ledger)
    work_session.commit()
    late = work_session.scalars(select(JournalTransaction)).all()
    assert {one.origin_period_id for one in late} == {first}
    second = close(work_engine, cast, NEXT_CLOSED_AT)
    (line,) = queries.lines(work_session, cast.ivo, statement_of(work_session, second, cast.integrator.id).id)
    assert line.description.endswith(", from 2026-03")
    assert closing.OPEN not in {one.state for one in work_session.scalars(select(Period).where(Period.id == second))}
