"""Closing: a period ends, its statements are made once, over every payable posting, and the books go on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.billing.actions import PackOrder, PackPrice, gather_invoices, sell_pack
from portal.billing.models import Invoice
from portal.db import transaction
from portal.errors import Conflict, NotAllowed, NotFound, RuleBroken
from portal.ledger.chain import broken_blocks
from portal.ledger.models import Period
from portal.ledger.queries import ledger_problems
from portal.settlement import actions, closing, queries
from portal.settlement.lines import CONTENT
from portal.settlement.models import CloseManifest, Statement, StatementLine
from portal.worker.registry import Edges
from portal.worker.running import perform
from tests.support.cast import NOW
from tests.support.payments import earn, open_books
from tests.support.queued import queued
from tests.support.settling import CLOSED_AT, NEXT_CLOSED_AT, REVIEWED_AT, approved_and_disposed, close, statement_of


@pytest.fixture
def period_id(work_session, cast):
    found = open_books(work_session, cast)
    for number, amount in enumerate((10_000, 2_500, -300), start=1):
        earn(work_session, cast, amount, number)
    earn(work_session, cast, 4_000, 1, party_id=cast.factory.id)
    work_session.commit()
    return found


def states(session) -> list[str]:
    return session.scalars(select(Period.state).order_by(Period.starts_at)).all()


def test_a_close_makes_a_statement_per_party_and_opens_the_next_period(work_engine, work_session, cast, period_id):
    assert close(work_engine, cast) == period_id
    assert states(work_session) == ["soft_closed", "open"]
    statement = statement_of(work_session, period_id, cast.integrator.id)
    assert (statement.net_minor, statement.line_count, statement.name) == (12_200, 3, f"NOR-S{statement.number}")
    assert statement.review_until == CLOSED_AT + timedelta(days=10)
    assert statement_of(work_session, period_id, cast.factory.id).net_minor == 4_000
    lines = queries.lines(work_session, cast.ivo, statement.id)
    assert [(line.position, line.amount_minor) for line in lines] == [(1, 10_000), (2, 2_500), (3, -300)]
    content = work_session.execute(CONTENT, {"statement_id": statement.id}).one()
    assert tuple(content) == (statement.content_sha256, 12_200, 3)
    assert len(queued(work_session, "notify_statement")) == 2
    assert list(broken_blocks(work_session)) == []
    assert ledger_problems(work_session) == []


def test_a_close_invoices_who_owes_nothing_but_a_pack(work_engine, work_session, cast):
    period_id = open_books(work_session, cast)
    order = PackOrder(cast.plain_site.id, cast.integrator.id, cast.policy_version.id, "hours_10", 1, NOW, "closing")
    sell_pack(work_session, order, PackPrice(90_000, "EUR", cast.integrator.id, "invoice"), now=NOW)
    work_session.commit()
    assert gather_invoices(work_session, period_id, now=CLOSED_AT, debtor_ids=[cast.integrator.id]) == []
    close(work_engine, cast)
    assert [(one.payer_id, one.total_minor) for one in work_session.scalars(select(Invoice))] == [
        (cast.customer.id, 90_000)
    ]


def test_a_close_again_changes_nothing(work_engine, work_session, cast, period_id):
    close(work_engine, cast)
    for _ in range(2):
        assert (
            closing.close_period(work_engine, cast.factory.id, period_id, livemode=False, now=CLOSED_AT)
            == "soft_closed"
        )
    assert len(work_session.scalars(select(Statement.id)).all()) == 2
    assert len(work_session.scalars(select(CloseManifest.id)).all()) == 1
    assert states(work_session) == ["soft_closed", "open"]


STEPS = ["freeze_period", "chain_some", "make_statements"]


@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_a_close_goes_on_where_it_stopped(work_engine, work_session, cast, period_id, done):
    for step in STEPS[:done]:
        with transaction(work_engine) as session:
            modes = {"livemode": False} if step == "freeze_period" else {}
            getattr(closing, step)(session, cast.factory.id, period_id, now=CLOSED_AT, **modes)
    assert closing.close_period(work_engine, cast.factory.id, period_id, livemode=False, now=CLOSED_AT) == "soft_closed"
    assert len(work_session.scalars(select(Statement.id)).all()) == 2
    assert len(work_session.scalars(select(StatementLine.id)).all()) == 4


def test_a_period_is_not_closed_before_it_ends(work_engine, work_session, cast, period_id):
    with pytest.raises(RuleBroken):
        closing.close_period(work_engine, cast.factory.id, period_id, livemode=False, now=NOW)
    with pytest.raises(RuleBroken):
        actions.request_close(work_session, cast.fay, period_id, now=NOW)
    with pytest.raises(NotFound):
        closing.close_period(work_engine, cast.other_factory.id, period_id, livemode=False, now=CLOSED_AT)


def test_a_late_posting_is_on_the_next_statement_once(work_engine, work_session, cast, period_id):
    close(work_engine, cast)
    earn(work_session, cast, 777, 9, now=CLOSED_AT)
    work_session.commit()
    next_id = close(work_engine, cast, NEXT_CLOSED_AT)
    statement = statement_of(work_session, next_id, cast.integrator.id)
    assert (statement.net_minor, statement.line_count) == (777, 1)
    doubled = "SELECT count(*) - count(DISTINCT posting_id) FROM statement_line"
    assert work_session.scalar(text(doubled)) == 0


def test_a_tampered_line_is_noticed_before_anybody_approves(owner_session, work_engine, work_session, cast, period_id):
    close(work_engine, cast)
    statement = statement_of(work_session, period_id, cast.integrator.id)
    owner_session.execute(text("ALTER TABLE statement_line DISABLE TRIGGER refuse_change"))
    owner_session.execute(
        text("UPDATE statement_line SET description = 'x' WHERE statement_id = :id AND position = 1"),
        {"id": statement.id},
    )
    owner_session.commit()
    with pytest.raises(RuleBroken, match="not what they were"):
        actions.prepare_statement(
            work_session, cast.fay, statement.id, shown_sha256=statement.content_sha256, now=REVIEWED_AT
        )


def test_a_period_is_closed_for_good_when_everything_is_settled(work_engine, work_session, settings, cast, period_id):
    close(work_engine, cast)
    with pytest.raises(Conflict, match="Not settled yet: NOR-S"):
        actions.request_hard_close(work_session, cast.fay, period_id)
    with pytest.raises(Conflict):
        closing.hard_close(work_session, period_id, person_id=cast.fay.person_id, now=REVIEWED_AT)
    for party in (cast.integrator, cast.factory):
        approved_and_disposed(work_session, cast, statement_of(work_session, period_id, party.id))
    actions.request_hard_close(work_session, cast.fay, period_id)
    work_session.commit()
    name, ids = queued(work_session, "hard_close_period")[0]
    edges = Edges(settings, work_engine, lambda: REVIEWED_AT)
    for _ in range(2):
        perform(edges, name, ids)
    assert states(work_session) == ["hard_closed", "open"]
    signed = queries.manifests_of(work_session, period_id)[-1]
    assert (signed.kind, signed.signed_by) == ("hard", cast.fay.person_id)
    assert signed.content["balances"]["EUR"]


@pytest.mark.parametrize("name", ["ivo", "ana", "flo"])
def test_only_the_manufacturers_finance_closes(work_session, cast, period_id, name):
    with pytest.raises((NotFound, NotAllowed)):
        actions.request_close(work_session, getattr(cast, name), period_id, now=CLOSED_AT)


def test_the_sweep_closes_what_ended_and_finds_what_stopped(work_engine, work_session, settings, cast, period_id):
    edges = Edges(settings, work_engine, lambda: CLOSED_AT)
    perform(edges, "sweep_settlement", {})
    assert queued(work_session, "close_period") == []
    later = Edges(settings, work_engine, lambda: CLOSED_AT + timedelta(days=2))
    perform(later, "sweep_settlement", {})
    name, ids = queued(work_session, "close_period")[0]
    perform(later, name, ids)
    assert states(work_session) == ["soft_closed", "open"]
