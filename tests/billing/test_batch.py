"""Many closed cases billed together come out as each by itself; what is not plain is billed by itself."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from portal.billing.actions import bill_case
from portal.billing.actions.batch import bill_closed
from portal.billing.books import billing_problems
from portal.billing.plain import plain_cases
from portal.db import engine_for, open_session, transaction
from portal.importing import actions as importing
from tests.importing.logs import NOW, VINST, many_cases, write_log
from tests.support.database import PREFIX, Cluster

pytestmark = pytest.mark.xdist_group("batch")

_numbers = itertools.count(1)
_BILLED = {
    "bill_item": "id,case_id,cut_id,period_id,resolution_id",
    "bill_line": "id,case_id,bill_item_id",
    "bill_segment": "id,case_id,line_id,entry_id",
    "share": "id,case_id,bill_item_id",
    "authorization_balance": "authorization_id,case_id",
}
_POSTED = """
    SELECT held.name, journal.kind, account.code, posting.amount_minor, posting.document_type, journal.occurred_at
    FROM posting JOIN journal_transaction journal ON journal.id = posting.transaction_id
    JOIN account ON account.id = posting.account_id
    JOIN bill_item item ON journal.document_type = 'bill_item' AND item.id = journal.document_id::bigint
    JOIN support_case held ON held.id = item.case_id
    ORDER BY 1, 2, 3, 4, 5
"""


@pytest.fixture(scope="module")
def imported(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    """Two databases with the same closed cases, none billed."""
    log = write_log(tmp_path_factory.mktemp("log") / "log.csv", many_cases(120, seed=11))
    names = [f"{PREFIX}_batch_{next(_numbers)}_{os.getpid()}" for _ in range(2)]
    engines = [engine_for(cluster.clone(name)) for name in names]
    for engine in engines:
        plan = importing.plan_import(log, VINST)
        importing.import_log(engine, plan, now=NOW, progress=lambda what, done, total: None)
    yield engines
    for engine, name in zip(engines, names, strict=True):
        engine.dispose()
        cluster.drop(name)


def closed(engine: Engine) -> list[int]:
    with open_session(engine) as session:
        return list(session.scalars(text("SELECT id FROM support_case WHERE state = 'closed' ORDER BY id")))


def billed(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """What was billed and posted, by case name; an explanation names entries by their ids and is left out."""
    with open_session(engine) as session:
        found = {
            table: sorted(
                (tuple(row) for row in session.execute(
                    text(
                        f"SELECT c.name, (to_jsonb(t) - '{{{ids},explanation}}'::text[])::text"
                        f" FROM {table} t JOIN support_case c ON c.id = t.case_id"
                    )
                )),
                key=str,
            )
            for table, ids in _BILLED.items()
        }  # fmt: skip
        return {**found, "posting": [tuple(row) for row in session.execute(text(_POSTED))]}


def test_a_batch_bills_what_single_jobs_bill(imported):
    together, one_by_one = imported
    cases = closed(together)
    with transaction(together) as session:
        assert len(plain_cases(session, cases, now=NOW)) == len(cases)
        assert bill_closed(session, cases, now=NOW) == len(cases)
    for case_id in closed(one_by_one):
        with transaction(one_by_one) as session:
            bill_case(session, case_id, now=NOW)
    found = billed(together)
    assert found == billed(one_by_one)
    assert len(found["bill_item"]) == len(cases)
    assert min(len(found[table]) for table in ("bill_line", "bill_segment", "share", "posting")) > 20
    with open_session(together) as session:
        assert billing_problems(session) == []


def test_a_batch_again_makes_nothing(imported):
    together = imported[0]
    with transaction(together) as session:
        bill_closed(session, closed(together), now=NOW)
    before = billed(together)
    with transaction(together) as session:
        assert bill_closed(session, closed(together), now=NOW) == 0
    assert billed(together) == before
