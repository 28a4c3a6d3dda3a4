"""What is corrected after a month was closed for good: an adjustment of the open month that names where it is from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.billing.actions import rebill_case
from portal.ledger.models import JournalTransaction, Period
from portal.metering.actions import Work, approve_time, correct_entry, reverse_entry
from portal.metering.models import TimeEntry
from portal.settlement import actions, queries
from portal.settlement.origins import line_origin
from tests.support.cast import NOW
from tests.support.going_back import Desk, paid_invoice, paid_out
from tests.support.settling import NEXT_CLOSED_AT, approved_and_disposed, close, statement_of


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


@pytest.fixture
def invoice(desk):
    """March's invoice is paid, its shares paid out, and March closed for good."""
    made = paid_invoice(desk)
    paid_out(desk)
    march = desk.session.scalars(select(Period).where(Period.label == "2026-03")).one()
    approved_and_disposed(desk.session, desk.cast, statement_of(desk.session, march.id, desk.cast.factory.id))
    actions.request_hard_close(desk.session, desk.cast.fay, march.id)
    desk.jobs()
    assert march.state == "hard_closed"
    desk.allow()
    return made


def correct(desk: Desk) -> None:
    """Ana's two hours were one: the entry is corrected and its case billed again."""
    entry = desk.session.scalars(
        select(TimeEntry).where(TimeEntry.person_id == desk.cast.ana.person_id).order_by(TimeEntry.id)
    ).first()
    right = correct_entry(
        desk.session, desk.cast.leo, entry.id, Work("remote", "support", "Looked into the door controller"),
        started_at=entry.started_at, ended_at=NOW + timedelta(hours=2), reason="An hour too long", now=desk.now,
    )  # fmt: skip
    approve_time(desk.session, desk.cast.leo, [right.id], desk.now)


def bill_again(desk: Desk) -> None:
    """Tom's work was on another case."""
    entry = desk.session.scalars(select(TimeEntry).where(TimeEntry.person_id == desk.cast.tom.person_id)).one()
    reverse_entry(desk.session, desk.cast.mia, entry.id, reason="Another case", now=desk.now)
    rebill_case(desk.session, entry.case_id, reason="the work was on another case", now=desk.now)


CORRECTIONS = {
    "a corrected time entry": (lambda desk, invoice: correct(desk), {"correction", "share"}),
    "a bill made again": (lambda desk, invoice: bill_again(desk), {"correction", "share"}),
    "a refund": (lambda desk, invoice: desk.refund(invoice, 2_000), {"refund"}),
}


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_a_correction_is_an_adjustment_of_the_open_month_and_names_its_own(desk, invoice, correction) -> None:
    march = desk.session.scalars(select(Period).where(Period.label == "2026-03")).one()
    before = desk.session.scalar(text("SELECT count(*) FROM posting WHERE period_id = :id"), {"id": march.id})
    last = desk.session.scalar(text("SELECT max(id) FROM journal_transaction"))
    happens, kinds = CORRECTIONS[correction]
    happens(desk, invoice)
    desk.jobs()
    late = desk.session.scalars(select(JournalTransaction).where(JournalTransaction.id > last)).all()
    assert {each.period_id for each in late} == {march.id + 1}
    april_id = close(desk.engine, desk.cast, NEXT_CLOSED_AT)
    statement = statement_of(desk.session, april_id, desk.cast.integrator.id)
    lines = queries.lines(desk.session, desk.cast.ivo, statement.id)
    of_march = [line for line in lines if line.kind in kinds]
    assert {line.kind for line in of_march} == kinds
    for line in of_march:
        origin = line_origin(desk.session, desk.cast.ivo, line.id)
        assert (origin.of_period.label, line.description.endswith(", from 2026-03")) == ("2026-03", True)
        if line.amount_minor < 0:
            (adjusted,) = origin.adjusted
            assert adjusted.line.amount_minor > 0
            assert adjusted.statement.period_id == march.id
    assert desk.session.scalar(text("SELECT count(*) FROM posting WHERE period_id = :id"), {"id": march.id}) == before
    desk.check()
