"""A period's figures: each statement's net, what was approved of it, and what became of that."""

from __future__ import annotations

from portal.settlement import report
from tests.support.cast import NOW
from tests.support.payments import earn, open_books
from tests.support.settling import approved_and_disposed, close, statement_of


def test_a_periods_statements_show_what_became_of_them(work_engine, work_session, cast):
    period_id = open_books(work_session, cast)
    earn(work_session, cast, 1_234_500, 1)
    earn(work_session, cast, 4_000, 1, party_id=cast.factory.id, now=NOW)
    work_session.commit()
    close(work_engine, cast)
    approved_and_disposed(work_session, cast, statement_of(work_session, period_id, cast.factory.id))
    figures = report.period_figures(work_session, period_id)
    assert figures.currencies == [report.CurrencyFigures("EUR", 0, 0, 0, 1_238_500)]
    by_party = {row.party: row for row in figures.statements}
    assert (by_party["NOR"].approved_minor, sum(by_party["NOR"].by_kind.values())) == (4_000, 4_000)
    waiting = by_party[cast.integrator.code]
    assert (waiting.net_minor, waiting.approved_minor, waiting.by_kind) == (1_234_500, None, {})
    table = report.as_table(figures).splitlines()
    assert table[0] == "Period 2026-03: soft-closed"
    row = next(line for line in table if f"  {waiting.party} " in line)
    assert row.split()[3:] == ["12,345.00", *"------"]
    assert len({len(line) for line in table[5:]}) == 1
