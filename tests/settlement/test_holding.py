"""Holds by case, party and chargeback: what they hold, that nothing is lost, and how it comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.ledger.rules import Purpose
from portal.settlement import actions, holding, queries
from portal.settlement.books import settlement_problems
from portal.settlement.disposing import sweep_approvals
from tests.support.cast import NOW
from tests.support.payments import balance_of, earn, open_books
from tests.support.settling import (
    CLOSED_AT,
    NEXT_CLOSED_AT,
    REVIEWED_AT,
    approved_and_disposed,
    close,
    statement_of,
)
from tests.web.support import money


@pytest.fixture
def statement(work_engine, work_session, cast):
    """A statement of the integrator with one paid case on it."""
    made = money.closed_statement(work_session, cast)
    work_session.commit()
    return made


@pytest.fixture
def case_name(work_session, cast, statement):
    (name,) = {line.case_name for line in queries.lines(work_session, cast.ivo, statement.id) if line.case_name}
    return name


def test_a_case_is_held_line_by_line_and_comes_back_when_the_hold_ends(
    work_engine, work_session, cast, statement, case_name
):
    hold = holding.hold_case(work_session, cast.fay, f" {case_name} ", reason="Being looked at", now=CLOSED_AT)
    assert [one.subject for one in holding.standing_holds(work_session, cast.fay)] == [case_name]
    assert approved_and_disposed(work_session, cast, statement) == {"held": statement.net_minor}
    work_session.commit()
    first = close(work_engine, cast, NEXT_CLOSED_AT)
    assert [one for one in queries.period_statements(work_session, cast.fay, first)
            if one.party_id == cast.integrator.id] == []  # fmt: skip
    holding.end_hold(work_session, cast.fay, hold.id, reason="Fine", now=NEXT_CLOSED_AT)
    with pytest.raises(Conflict):
        holding.end_hold(work_session, cast.fay, hold.id, reason="Again", now=NEXT_CLOSED_AT)
    work_session.commit()
    second = close(work_engine, cast, NEXT_CLOSED_AT + timedelta(days=31))
    back = statement_of(work_session, second, cast.integrator.id)
    assert back.net_minor == statement.net_minor
    assert {line.kind for line in queries.lines(work_session, cast.ivo, back.id)} == {"released"}


def test_a_line_whose_contest_has_ended_stays_held_while_its_case_is(
    work_engine, work_session, cast, statement, case_name
):
    line = queries.lines(work_session, cast.ivo, statement.id)[0]
    contest = actions.contest_line(work_session, cast.ivo, line.id, reason="Not ours", now=CLOSED_AT)
    said = {"outcome": "stands", "explanation": "Looked at it", "now": CLOSED_AT}
    actions.decide_contest(work_session, cast.fin, contest.id, **said)
    holding.hold_case(work_session, cast.fay, case_name, reason="Being looked at", now=CLOSED_AT)
    assert approved_and_disposed(work_session, cast, statement) == {"held": statement.net_minor}
    work_session.commit()
    close(work_engine, cast, NEXT_CLOSED_AT)
    assert balance_of(work_session, Purpose.HELD) == -statement.net_minor


def test_held_lines_that_come_to_zero_come_back_one_by_one(work_engine, work_session, cast):
    open_books(work_session, cast)
    for number, amount in enumerate((4_125, -4_125), start=1):
        earn(work_session, cast, amount, number)
    work_session.commit()
    made = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    contests = [
        actions.contest_line(work_session, cast.ivo, line.id, reason="Not ours", now=CLOSED_AT)
        for line in queries.lines(work_session, cast.ivo, made.id)
    ]
    assert approved_and_disposed(work_session, cast, made) == {"held": 0}
    assert sweep_approvals(work_session) == 0
    said = {"outcome": "stands", "explanation": "Looked at it", "now": REVIEWED_AT}
    actions.decide_contest(work_session, cast.fin, contests[0].id, **said)
    work_session.commit()
    later = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    assert [(one.kind, one.amount_minor) for one in queries.lines(work_session, cast.ivo, later.id)] == [
        ("released", 4_125)
    ]
    assert balance_of(work_session, Purpose.HELD) == 4_125
    assert settlement_problems(work_session) == []


def test_a_chargeback_holds_what_its_invoice_earned_once(work_session, cast, statement):
    invoice = money.issued_invoice(work_session, cast)
    said = {"reason": "Chargeback dp_1", "now": CLOSED_AT}
    first = holding.hold_chargeback(work_session, cast.factory.id, invoice.id, **said)
    assert holding.hold_chargeback(work_session, cast.factory.id, invoice.id, **said).id == first.id
    held = [part for part in queries.planned_parts(work_session, statement) if part.kind == "held"]
    assert {part.because for part in held} == {"charged_back"}
    assert sum(part.amount_minor for part in held) == statement.net_minor
    assert holding.end_chargeback_hold(work_session, invoice.id, reason="Won", now=REVIEWED_AT) == 1
    assert holding.end_chargeback_hold(work_session, invoice.id, reason="Won", now=REVIEWED_AT) == 0
    assert holding.lines_on_hold(work_session, statement.id) == {}


def test_a_party_is_paid_nothing_while_it_is_held_and_owes_all_the_same(work_engine, work_session, cast):
    open_books(work_session, cast)
    earn(work_session, cast, 90_000, 1)
    holding.hold_party(work_session, cast.fay, "kes", reason="Bank details", now=NOW)
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, statement) == {"held": 90_000}


@pytest.mark.parametrize("name", ["ana", "ivo", "flo"])
def test_others_hold_nothing(work_session, cast, statement, name):
    actor = getattr(cast, name)
    with pytest.raises(NotAllowed):
        holding.hold_party(work_session, actor, "KES", reason="x", now=NOW)
    with pytest.raises(NotAllowed):
        holding.standing_holds(work_session, actor)


def test_bad_input_says_what_is_wrong(work_session, cast, statement):
    for place, subject in ((holding.hold_case, "NOR-0"), (holding.hold_party, "XXX")):
        with pytest.raises(Invalid) as refused:
            place(work_session, cast.fay, subject, reason="x", now=NOW)
        assert "subject" in refused.value.fields
    with pytest.raises(Invalid):
        holding.hold_party(work_session, cast.fay, "KES", reason=" ", now=NOW)
    with pytest.raises(NotFound):
        holding.hold_seen(work_session, cast.fay, 0)
