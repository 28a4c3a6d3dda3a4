"""Lists, search and one case as each side may read it, in few statements, by index."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from portal.access import Audience
from portal.cases import actions, queries
from portal.cases.actions import NewNote
from portal.cases.queries import ListFilter
from portal.db import set_scope
from portal.errors import NotFound
from tests.support.cases import accepted, escalated, new_case, resolved, scope_of
from tests.support.cast import NOW, hours_later


@contextmanager
def statements(session):
    """The statements that run within, the row-security setting included."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_):
        seen.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_strangers_case_reads_like_an_unknown_one(work_session, cast):
    case = escalated(work_session, cast)

    assert queries.case_by_name(work_session, cast.tom, "nor-1 ").id == case.id
    for who, name in ((cast.sam, "NOR-1"), (cast.eve, "NOR-1"), (cast.bob, "NOR-1"), (cast.tom, "NOR-2")):
        with pytest.raises(NotFound) as refused:
            queries.case_by_name(work_session, who, name)
        assert refused.value.sentence == NotFound().sentence


@pytest.mark.parametrize("name", ["", "NOR", "NOR-0", "NOR-99999999999999999999", "'; DROP TABLE note", "NOR-1\n2"])
def test_nonsense_names_are_unknown(work_session, cast, name):
    with pytest.raises(NotFound):
        queries.case_by_name(work_session, cast.tom, name)


def test_queue_goes_by_plan_severity_and_due_time_page_by_page(work_session, cast):
    plain = escalated(work_session, cast, system_id=cast.plain_system.id, severity=1)
    low, high = escalated(work_session, cast, severity=4), escalated(work_session, cast, severity=1)
    informed = escalated(work_session, cast, severity=4, is_fyi=True)
    wanted = [high.id, low.id, informed.id, plain.id]

    assert [row.id for row in queries.factory_queue(work_session, cast.ana)] == wanted
    walked, after = [], None
    while page := queries.factory_queue(work_session, cast.ana, after=after, limit=1):
        walked.append(page[0].id)
        after = queries.queue_key(page[0])
    assert walked == wanted
    assert [row.id for row in queries.factory_queue(work_session, cast.ana, ListFilter(severity=1))] == [
        high.id,
        plain.id,
    ]
    assert queries.factory_queue(work_session, cast.eve) == []


def test_lists_of_each_side(work_session, cast):
    case = accepted(work_session, cast)

    assert [row.id for row in queries.my_cases(work_session, cast.ana)] == [case.id]
    assert queries.my_cases(work_session, cast.eli) == []
    (row,) = queries.integrator_cases(work_session, cast.mia, ListFilter(state="with_them"))
    assert (row.customer_name, row.site_name) == (cast.customer.name, cast.site.name)
    assert queries.integrator_cases(work_session, cast.sam) == []
    assert [row.id for row in queries.customer_cases(work_session, cast.bea)] == [case.id]
    assert queries.customer_cases(work_session, cast.bob) == []


def test_counts_stop_at_the_cap(work_session, cast):
    accepted(work_session, cast, severity=1)
    escalated(work_session, cast)

    counts = queries.queue_counts(work_session, cast.ana, now=NOW)
    assert (counts["open"], counts["to_us"], counts["mine"], counts["system_down"]) == (2, 1, 1, 1)


def test_search_finds_own_cases_only(work_session, web_session, cast):
    case = escalated(work_session, cast, title="Turnstile hums")
    work_session.commit()

    for who, found in ((cast.tom, [case.id]), (cast.ana, [case.id]), (cast.sam, []), (cast.bob, [])):
        session = web_session(scope_of(who))
        assert [row.id for row in queries.search(session, who, "turnstile NA-1001")] == found


def test_search_finds_the_number_a_company_gave_the_case_last(work_session, web_session, cast):
    case = escalated(work_session, cast)
    for number in ("KES-55", "kes-56"):
        actions.set_reference(work_session, cast.tom, case, number, seq=case.seq, now=hours_later(1))
    work_session.commit()

    for who, found in ((cast.tom, [case.id]), (cast.ana, [case.id]), (cast.sam, []), (cast.bob, [])):
        session = web_session(scope_of(who))
        assert [row.id for row in queries.search(session, who, " KES-56 ")] == found
        assert queries.search(session, who, "KES-55") == []


def test_customer_reads_nothing_that_was_not_said_to_it(work_session, web_session, cast):
    case = accepted(work_session, cast)
    for audience, body in ((Audience.OWN, "own"), (Audience.COMPANIES, "both"), (Audience.CUSTOMER, "all")):
        actions.add_note(work_session, cast.ana, case, NewNote(body, audience), now=hours_later(1))
    work_session.commit()

    def read(who):
        session = web_session(scope_of(who))
        entries = queries.timeline(session, who, queries.case_by_name(session, who, case.name), only="notes")
        return [entry.note.body for entry in entries]

    assert read(cast.cal) == ["all"]
    assert read(cast.tom) == ["both", "all"]
    assert read(cast.eli) == ["own", "both", "all"]


def test_customer_reads_no_weights(work_session, web_session, cast):
    case = resolved(work_session, cast)
    work_session.commit()
    session = web_session(scope_of(cast.bea))
    found = queries.case_by_name(session, cast.bea, case.name)
    record = queries.dossier(session, cast.bea, found, now=hours_later(3))
    told = [entry.details for entry in queries.timeline(session, cast.bea, found)]

    assert (record.resolutions, record.answers) == ((), ())
    assert "_bp" not in repr(told)


def test_pages_cost_few_statements(work_session, web_session, cast):
    case = resolved(work_session, cast)
    work_session.commit()
    session = web_session(scope_of(cast.ana))
    with statements(session) as seen:
        queries.factory_queue(session, cast.ana)
        queries.queue_counts(session, cast.ana, now=NOW)
    assert len(seen) <= 8
    session.rollback()
    with statements(session) as seen:
        found = queries.case_by_name(session, cast.ana, case.name)
        record = queries.dossier(session, cast.ana, found, now=hours_later(3))
        queries.timeline(session, cast.ana, found, ended=record.clocks)
    assert len(seen) <= 10
    session.rollback()
    with statements(session) as seen:
        queries.search(session, cast.ana, "doors")
    assert len(seen) <= 8


def test_escalating_costs_few_statements(work_session, web_session, cast):
    escalated(work_session, cast)
    work_session.commit()
    session = web_session(scope_of(cast.tom))
    with statements(session) as seen:
        actions.escalate(session, cast.tom, new_case(cast), now=NOW)
        session.commit()
    assert len(seen) <= 12, "\n".join(re.sub(r"\s+", " ", each)[:110] for each in seen)


def fill(session, cast, count):
    """Many cases of this and of the other factory, straight into the table."""
    escalated(session, cast)
    columns = (
        "integrator_id, customer_id, system_id, site_id, product_line_id, system_serial, system_name, title, symptom,"
        " intake, severity, task_class, state, seq, holder_side, entitlement_rank, due_at, opened_at, opened_by,"
        " opened_by_name, opener_side, changed_at"
    )
    told = columns.replace("severity", "1 + n % 4", 1).replace("title", "'door ' || n", 1)
    told = told.replace("due_at", "due_at + n * interval '1 minute'", 1)
    told = told.replace("state,", "CASE WHEN n % 20 = 0 THEN 'offered' ELSE 'closed' END,", 1)
    session.execute(
        text(
            f"INSERT INTO support_case (manufacturer_id, number, name, holder_id, {columns})"
            f" SELECT maker.id, 1000 + n, 'X-' || n, maker.id, {told} FROM support_case,"
            f" unnest(CAST(:makers AS bigint[])) AS maker(id), generate_series(1, :count) AS n"
        ),
        {"makers": [cast.factory.id, cast.other_factory.id], "count": count},
    )


def plan_of(session, statement, parameters=None) -> str:
    return "\n".join(session.scalars(text(f"EXPLAIN (COSTS OFF) {statement}"), parameters or {}))


def test_queue_and_search_go_by_index_under_row_security(owner_session, work_session, web_session, cast):
    fill(work_session, cast, 2000)
    work_session.commit()
    owner_session.execute(text("ANALYZE support_case"))
    owner_session.commit()
    session = web_session(scope_of(cast.ana))
    with statements(session) as seen:
        queries.factory_queue(session, cast.ana, limit=50)
    queue = _with_values(seen[-1], cast.factory.id)
    body = owner_session.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'search_cases'"))

    set_scope(owner_session, scope_of(cast.ana))
    assert "ix_support_case_factory_queue" in plan_of(session, queue)
    search = body.replace("words", "'door 77'").replace("before_id", "NULL::bigint").replace("page_size", "50")
    assert "ix_support_case_search" in plan_of(owner_session, search)


def _with_values(statement: str, factory_id: int) -> str:
    """The statement as the planner sees it: with the values in place."""
    return statement.replace("%(maker_id)s", str(factory_id))
