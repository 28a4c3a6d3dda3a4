"""Statements of a soft close may be discarded and made again until one is approved; a posting stands on one at most."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from portal.errors import Conflict, Invalid, NotFound, Stale
from portal.settlement import actions, books, queries, remaking
from portal.settlement.models import Statement, StatementLine
from portal.worker.registry import Edges
from portal.worker.running import perform
from tests.support.payments import earn, open_books
from tests.support.queued import queued
from tests.support.settling import CLOSED_AT, REVIEWED_AT, approve, approved_and_disposed, close, statement_of

AGAIN_AT = CLOSED_AT + timedelta(days=2)


@pytest.fixture
def period_id(work_engine, work_session, cast):
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    earn(work_session, cast, 4_000, 1, party_id=cast.factory.id)
    work_session.commit()
    return close(work_engine, cast)


def remake(session, cast, period_id):
    return remaking.remake_statements(
        session, period_id, person_id=cast.fay.person_id, reason="Signed late", now=AGAIN_AT
    )


def standing(session, period_id, party_id):
    wanted = select(Statement).where(Statement.period_id == period_id, Statement.party_id == party_id, queries.stands())
    return session.scalars(wanted).one()


def test_statements_are_made_again_with_their_review(work_engine, work_session, settings, cast, period_id):
    first = statement_of(work_session, period_id, cast.integrator.id)
    line = queries.lines(work_session, cast.ivo, first.id)[0]
    actions.contest_line(work_session, cast.ivo, line.id, reason="Too little", now=CLOSED_AT)
    actions.request_remaking(work_session, cast.fay, period_id, reason=" Signed late ")
    work_session.commit()
    (job,) = queued(work_session, "remake_statements")
    work_session.commit()
    perform(Edges(settings, work_engine, lambda: AGAIN_AT), *job)
    again = standing(work_session, period_id, cast.integrator.id)
    assert (again.revision, again.net_minor, again.review_until) == (1, 10_000, AGAIN_AT + timedelta(days=10))
    assert again.number > first.number
    assert queries.discard_of(work_session, first.id).reason == "Signed late"
    assert {one.id for one in queries.period_statements(work_session, cast.fay, period_id)} == {
        again.id, standing(work_session, period_id, cast.factory.id).id,
    }  # fmt: skip
    assert books.settlement_problems(work_session) == []
    shown = {"shown_sha256": first.content_sha256, "now": AGAIN_AT}
    with pytest.raises(Stale, match="made again"):
        actions.accept_statement(work_session, cast.ivo, first.id, **shown)
    with pytest.raises(Stale):
        actions.prepare_statement(work_session, cast.fay, first.id, **shown)
    with pytest.raises(Stale):
        actions.contest_line(work_session, cast.ivo, line.id, reason="Still", now=AGAIN_AT)
    assert approved_and_disposed(work_session, cast, again, REVIEWED_AT + timedelta(days=2)) == {"held": 10_000}


def test_the_first_approval_ends_it(work_session, cast, period_id):
    own = statement_of(work_session, period_id, cast.factory.id)
    approve(work_session, cast, own, AGAIN_AT)
    with pytest.raises(Conflict, match=own.name):
        remake(work_session, cast, period_id)
    with pytest.raises(Conflict, match=own.name):
        actions.request_remaking(work_session, cast.fay, period_id, reason="Late")


def test_what_the_rules_refuse(work_session, cast, period_id):
    with pytest.raises(Invalid):
        actions.request_remaking(work_session, cast.fay, period_id, reason=" ")
    with pytest.raises(NotFound):
        remake(work_session, cast, 0)
    opened = work_session.scalar(text("SELECT id FROM period WHERE state = 'open' AND manufacturer_id = :id"),
                                 {"id": cast.factory.id})  # fmt: skip
    with pytest.raises(Conflict):
        remake(work_session, cast, opened)
    with pytest.raises(Conflict):
        actions.request_remaking(work_session, cast.fay, opened, reason="Early")


def test_the_database_refuses_a_second_line_and_an_approval_of_what_is_gone(work_session, cast, period_id):
    first = statement_of(work_session, period_id, cast.integrator.id)
    copied = text("""
        INSERT INTO statement_line (statement_id, manufacturer_id, party_id, position, kind, posting_id, case_name,
                                    description, amount_minor, occurred_at)
        SELECT statement_id, manufacturer_id, party_id, position + 1000, kind, posting_id, case_name, description,
               amount_minor, occurred_at FROM statement_line WHERE statement_id = :id
    """)
    with pytest.raises(IntegrityError, match="is on a statement already"):
        work_session.execute(copied, {"id": first.id})
    work_session.rollback()
    prepared = actions.prepare_statement(
        work_session, cast.fay, first.id, shown_sha256=first.content_sha256, now=CLOSED_AT + timedelta(days=11)
    )
    remake(work_session, cast, period_id)
    work_session.commit()
    approval = text("""
        INSERT INTO statement_approval (statement_id, preparation_id, manufacturer_id, party_id, preparer_id,
            approver_id, content_sha256, currency, amount_minor, approved_at)
        SELECT statement_id, id, manufacturer_id, party_id, preparer_id, :fin, content_sha256, 'EUR', amount_minor,
               prepared_at FROM statement_preparation WHERE id = :id
    """)
    with pytest.raises(IntegrityError, match="is approved and discarded"):
        work_session.execute(approval, {"id": prepared.id, "fin": cast.fin.person_id})
    work_session.rollback()
    doubled = select(StatementLine.posting_id).join(Statement, Statement.id == StatementLine.statement_id)
    live = work_session.scalars(doubled.where(queries.stands())).all()
    assert len(live) == len(set(live)) == 2
